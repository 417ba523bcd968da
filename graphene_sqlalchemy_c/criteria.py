"""The criterion that a statement of `get_query` stands for.

Comparisons of the model's own columns are taken as they are. Anything else (joins, subqueries, a
limit) is asked as a subquery of primary keys, so that it means wherever it is put what it meant in
its own statement.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, inspect, or_, select
from sqlalchemy.orm import Mapper, Query
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import ColumnClause
from sqlalchemy.sql.selectable import SelectBase

from ._sqlalchemy import as_criterion, has_criteria_options, is_limited, plain_clauses
from .columns import key_expression, primary_key

__all__ = ["Criterion", "GuardError", "base_of", "check_keys", "criterion_of"]


class GuardError(Exception):
    """`get_query` cannot be enforced here; the message says why."""


def base_of(mapper: Mapper[Any]) -> Mapper[Any]:
    """The mapper whose table the rows of a hierarchy share, but for concrete classes."""
    return mapper if mapper.concrete else mapper.base_mapper


def check_keys(name: str, mapper: Mapper[Any]) -> None:
    """Raise where several rows of a mapper may have one key: those of concrete classes."""
    if any(each.concrete for each in mapper.self_and_descendants if each is not mapper):
        raise GuardError(
            f"get_query of {name} cannot be enforced by the keys of {mapper.class_.__name__}, "
            "which its concrete classes share."
        )


@dataclass(frozen=True, eq=False)
class Criterion:
    """Which rows of a model are visible."""

    name: str
    """Of the type whose `get_query` says it."""
    mapper: Mapper[Any]
    plain: ColumnElement[bool] | None
    """The comparisons, where there is nothing else."""
    statement: Select[Any] | Query[Any] | None
    """What selects the visible rows; None for all rows."""

    @cached_property
    def _keys(self) -> Select[Any]:
        """The primary keys of the visible rows; made for criteria that need them."""
        return _keys_of(self.statement, self.mapper, self.name)

    def on(self, mapper: Mapper[Any]) -> ColumnElement[bool] | None:
        """The criterion of a statement that selects a mapper; None where all rows are visible.

        :raises GuardError: where the mapper's rows are not those of the model.
        """
        if self.statement is None:
            return None
        self._check(mapper)
        if self.plain is not None and mapper.isa(self.mapper):
            return self.plain
        return self._among_keys(mapper)

    def on_some(self, base: Mapper[Any], mappers: Iterable[Mapper[Any]]) -> Any:
        """The same where it is about some of the classes below a base."""
        if self.statement is None:
            return None
        self._check(base)
        discriminator = base.polymorphic_on
        if discriminator is None:
            raise GuardError(
                f"get_query of {self.name} cannot be enforced below {base.class_.__name__}, which "
                "has no discriminator."
            )
        identities = [each.polymorphic_identity for each in mappers]
        others = or_(discriminator.not_in(identities), discriminator.is_(None))
        return or_(others, self._among_keys(base))

    def _among_keys(self, mapper: Mapper[Any]) -> ColumnElement[bool]:
        check_keys(self.name, mapper)
        found: ColumnElement[bool] = key_expression(primary_key(mapper)).in_(self._keys)
        return found

    def _check(self, mapper: Mapper[Any]) -> None:
        own = self.mapper
        if mapper is own:
            return
        lineage = {*mapper.iterate_to_root(), *own.iterate_to_root()}
        if not (mapper.isa(own) or own.isa(mapper)) or any(each.concrete for each in lineage):
            raise GuardError(
                f"get_query of {self.name} cannot be enforced for {mapper.class_.__name__}, which "
                f"does not share the rows of {own.class_.__name__}."
            )


def criterion_of(cls: Any, info: Any) -> Criterion:
    """Call `get_query` of a type and read what it gives.

    :param cls: a graphene-sqlalchemy type.
    :param info: for `get_query`.
    :raises GuardError: for anything but a statement of the type's model.
    """
    name = cls._meta.name
    mapper: Mapper[Any] = inspect(cls._meta.model)
    given = cls.get_query(info)
    clauses = plain_clauses(given, mapper) if isinstance(given, (Query, Select)) else None
    if clauses is not None and not clauses[0]:
        return Criterion(name, mapper, None, None)
    if clauses is not None and all(_is_own(each, mapper) for each in clauses[0]):
        return Criterion(name, mapper, and_(*clauses[0]), given)
    criterion = Criterion(name, mapper, None, given)
    _ = criterion._keys  # so that what cannot be enforced is found here
    return criterion


def _keys_of(given: Any, mapper: Mapper[Any], name: str) -> Select[Any]:
    """The primary keys of what a statement selects."""
    if isinstance(given, Query):
        names = ("__iter__", "all", "statement")
        if any(getattr(type(given), each) is not getattr(Query, each) for each in names):
            raise GuardError(f"get_query of {name} gives a {type(given).__name__} of its own kind.")
        given = given.statement
    if type(given) is not Select:
        raise GuardError(
            f"get_query of {name} must give a Select or a Query, not a {type(given).__name__}."
        )
    entities = given.column_descriptions
    if len(entities) != 1 or entities[0]["expr"] is not mapper.class_:
        raise GuardError(f"get_query of {name} must select {mapper.class_.__name__}.")
    if has_criteria_options(given):
        raise GuardError(
            f"get_query of {name} has with_loader_criteria or an option of the application's, "
            "which a subquery ignores: give the criteria to where()."
        )
    keys = given.with_only_columns(*primary_key(mapper)).correlate(None)
    if not is_limited(given):
        return as_criterion(keys.order_by(None))
    # MySQL takes no LIMIT in the subquery of an IN itself.
    return as_criterion(select(*keys.subquery().c).correlate(None))


def _is_own(clause: Any, mapper: Mapper[Any]) -> bool:
    """Whether a clause is about the columns of the mapper's tables and nothing else."""
    for element in visitors.iterate(clause):
        if isinstance(element, SelectBase):
            return False
        if isinstance(element, ColumnClause) and element.table not in mapper.tables:
            return False
    return True
