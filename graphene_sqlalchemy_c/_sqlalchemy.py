"""What is read of SQLAlchemy beyond its documented API: options, states, events, statements.

A child load must carry what a lazy load would carry. Which relationship a loader option speaks of
is known only to the option itself: ``Load.context`` holds its elements, each with a path. Whether a
statement may be narrowed to columns is known only to its clauses, and whether somebody listens only
to the dispatchers of events. This file is the only one that reads such names; it fails at import
when one is missing, and is tested on every SQLAlchemy line that is supported.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import FromClause, Result, Select
from sqlalchemy.engine import ExecutionContext
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import (
    AppenderQuery,
    ColumnProperty,
    FromStatement,
    InstanceState,
    Load,
    Mapper,
    Query,
    RelationshipProperty,
    Session,
    UserDefinedOption,
    strategies,
)
from sqlalchemy.orm.path_registry import PathRegistry
from sqlalchemy.orm.strategy_options import _LoadElement
from sqlalchemy.orm.util import LoaderCriteriaOption
from sqlalchemy.sql import visitors

_READ = {
    Load: ("context", "propagate_to_loaders"),
    _LoadElement: ("_extra_criteria", "local_opts", "path", "strategy"),
    PathRegistry: ("path",),
    # Read by src/group.c; `callables` also by attributes.py, `modified` also by loading.py.
    InstanceState: (
        "callables",
        "expired",
        "identity_token",
        "key",
        "load_options",
        "modified",
        "object",
        "session",
    ),
    FromClause: ("_annotations",),
    Select: (
        "_annotate",
        "_distinct",
        "_for_update_arg",
        "_from_obj",
        "_group_by_clauses",
        "_having_criteria",
        "_limit_clause",
        "_offset_clause",
        "_order_by_clauses",
        "_raw_columns",
        "_setup_joins",
        "_where_criteria",
        "_with_options",
    ),
    ExecutionContext: ("invoked_statement",),
    Query: ("load_options", "_order_by_clauses", "_raw_columns", "_where_criteria", "dispatch"),
    ColumnProperty: ("raiseload", "strategy_key"),
    Mapper: ("class_manager",),
    Session: ("dispatch",),
    LoaderCriteriaOption: ("_resolve_where_criteria", "_should_include", "_traverse_internals"),
}

for _class, _names in _READ.items():
    for _name in _names:
        if not any(
            _name in vars(base) or _name in vars(base).get("__annotations__", ())
            for base in _class.__mro__
        ):
            raise ImportError(
                f"graphene_sqlalchemy_c reads {_class.__module__}.{_class.__qualname__}.{_name}, "
                "which this version of SQLAlchemy does not have"
            )
if not hasattr(Session(), "_query_cls"):  # an attribute that no class declares
    raise ImportError("graphene_sqlalchemy_c reads sqlalchemy.orm.session.Session._query_cls")

# Mixed into the query of every dynamic relationship, whatever its query_class; the lines of
# SQLAlchemy name it differently.
(_Appender,) = (base for base in AppenderQuery.__bases__ if not issubclass(base, Query))


# What an option that defers a column leaves in InstanceState.callables; renamed in 2.1.
_DeferredColumn: Any = getattr(
    strategies, "LoadDeferredColumns", getattr(strategies, "_LoadDeferredColumns", None)
)
if _DeferredColumn is None:
    raise ImportError("graphene_sqlalchemy_c reads sqlalchemy.orm.strategies.LoadDeferredColumns")


def is_deferral(loader: Any) -> bool:
    """Whether what an option put in the place of a column loads that column, and nothing else."""
    return type(loader) is _DeferredColumn and not loader.raiseload


def carried_options(
    options: Sequence[Any], relationship: RelationshipProperty[Any]
) -> tuple[Any, ...] | None:
    """The loader options of a parent that a load of ``relationship`` must carry.

    :param options: ``InstanceState.load_options`` of the parent: what the statement that loaded it
        propagates to the loads below it.
    :param relationship: the relationship that is about to be loaded.
    :return: options for the child statement, or None where only the attribute's own lazy load is
        certain to be right: an option that names this relationship, or of an unknown kind.
    """
    carried = []
    for option in options:
        if isinstance(option, (LoaderCriteriaOption, UserDefinedOption)):
            carried.append(option)
        elif not isinstance(option, Load) or any(
            step is relationship for element in option.context for step in element.path.path
        ):
            return None
    return tuple(carried)


# Ways to load a relationship that give what a lazy load gives, unless criteria come with them.
_PLAIN_LOADS = frozenset(
    (("lazy", name),) for name in ("select", "selectin", "joined", "subquery", "immediate")
)
_PLAIN_COLUMNS = frozenset((("deferred", flag), ("instrument", True)) for flag in (True, False))


def _is_plain_element(element: Any) -> bool:
    """Whether an element of a loader option changes when something is loaded, but not what."""
    strategy = element.strategy
    if strategy is not None and strategy not in _PLAIN_LOADS | _PLAIN_COLUMNS:
        return False
    options = element.local_opts or {}
    if options.get("innerjoin") or "eager_from_alias" in options or element._extra_criteria:
        return False
    return not any(getattr(step, "is_aliased_class", False) for step in element.path.path)


def narrowing_options(statement: Select[Any]) -> tuple[Any, ...] | str:
    """The options of a statement that the loads below its rows must carry.

    :return: those options, or why the statement must not be narrowed to columns.
    """
    carried = []
    for option in statement._with_options:
        if isinstance(option, (LoaderCriteriaOption, UserDefinedOption)):
            if option.propagate_to_loaders:
                carried.append(option)
        elif type(option) is not Load or not all(map(_is_plain_element, option.context)):
            return f"the statement has the loader option {type(option).__name__} that changes rows"
    return tuple(carried)


def has_criteria_options(statement: Select[Any]) -> bool:
    """Whether an option of a statement says more than how relationships and columns are loaded."""
    return any(type(option) is not Load for option in statement._with_options)


_CRITERION = "graphene_sqlalchemy_c_criterion"


def as_criterion(statement: Select[Any]) -> Select[Any]:
    """A SELECT that is part of a criterion: it and those in it mean what they mean alone."""

    def replaced(element: Any, **_: Any) -> Any:
        if isinstance(element, Select) and _CRITERION not in element._annotations:
            return as_criterion(element)
        return None

    marked = statement._annotate({_CRITERION: True})
    found: Any = visitors.replacement_traverse(marked, {}, replaced)
    return found  # type: ignore[no-any-return]


class _GuardOption(LoaderCriteriaOption):
    """A criterion that is not put on the SELECTs of such criteria.

    SQLAlchemy marks the elements of a criterion by annotations, which stay in them on 2.0: an
    option that is used a second time would contain itself.
    """

    __slots__ = ()

    _traverse_internals = LoaderCriteriaOption._traverse_internals  # told anew for each class

    def _resolve_where_criteria(self, ext_info: Any) -> Any:
        return self.where_criteria

    def _should_include(self, compile_state: Any) -> bool:
        return _CRITERION not in compile_state.select_statement._annotations


def guard_option(mapper: Mapper[Any], criterion: Any) -> LoaderCriteriaOption:
    """`with_loader_criteria` for one statement: also of aliases, and not for what it loads."""
    return _GuardOption(mapper.class_, criterion, include_aliases=True, propagate_to_loaders=False)


def user_options(statement: Select[Any]) -> tuple[UserDefinedOption, ...]:
    """The options of a statement that are an application's own."""
    return tuple(each for each in statement._with_options if isinstance(each, UserDefinedOption))


def arranged_options(
    options: Sequence[Any], relationship: RelationshipProperty[Any]
) -> tuple[Any, ...] | None:
    """The loader options of a parent that a sorted or filtered load of a relationship must carry.

    One that names the relationship and says no more than how to load it is done without.

    :return: as :func:`carried_options`.
    """
    others = [
        option
        for option in options
        if type(option) is not Load or not all(map(_is_plain_element, option.context))
    ]
    return carried_options(others, relationship)


def statement_clause(statement: Select[Any]) -> str | None:
    """The first clause of a statement that a row of columns would not survive, or None."""
    if statement._for_update_arg is not None:
        return "FOR UPDATE"
    if statement._distinct:
        return "DISTINCT"
    if statement._group_by_clauses or statement._having_criteria:
        return "GROUP BY"
    return None


# What a statement or a Query holds that nothing but entities, criteria and an order was put on.
_PLAIN_STATE = frozenset(
    {
        "_label_style",
        "_order_by_clauses",
        "_propagate_attrs",
        "_raw_columns",
        "_where_criteria",
        "dispatch",
        "session",
    }
)


def plain_clauses(
    statement: Select[Any] | Query[Any] | FromStatement[Any], mapper: Mapper[Any]
) -> tuple[Any, Any] | None:
    """(criteria, order) of a statement of a mapper's objects that has nothing else.

    :return: None when it has, or may have, or selects anything else.
    """
    if type(statement) is Query:
        if statement.dispatch.before_compile:
            return None
    elif type(statement) is not Select:
        return None
    if not statement.__dict__.keys() <= _PLAIN_STATE:
        return None
    if len(statement._raw_columns) != 1:
        return None
    entity = statement._raw_columns[0]
    # A mapped class, and no alias of it.
    if not isinstance(entity, FromClause) or entity._annotations.get("parententity") is not mapper:
        return None
    return statement._where_criteria, statement._order_by_clauses


_some_query: Query[Any] = Query([])  # the listeners of the class are seen at its instances


def makes_plain_queries(session: Any) -> bool:
    """Whether ``session.query()`` gives Query objects of SQLAlchemy's own, which nobody changes."""
    if isinstance(session, AsyncSession):
        return True  # it has no query(): upstream selects
    return (
        isinstance(session, Session)
        and type(session).query is Session.query
        and session._query_cls is Query
        and not _some_query.dispatch.before_compile
    )


def is_limited(statement: Select[Any]) -> bool:
    """Whether a statement has a LIMIT or an OFFSET of its own."""
    return statement._limit_clause is not None or statement._offset_clause is not None


def has_own_froms(statement: Select[Any]) -> bool:
    """Whether a statement says itself what it selects from: select_from(), join()."""
    return bool(statement._from_obj or statement._setup_joins)


def order_of(statement: Select[Any]) -> tuple[Any, ...]:
    """The ORDER BY of a statement."""
    return tuple(statement._order_by_clauses)


def load_events(mapper: Mapper[Any]) -> Any:
    """Who is told of a class's loaded instances: `load`, with the reconstructor, and `refresh`."""
    return mapper.class_manager.dispatch


def is_watched(mapper: Mapper[Any]) -> bool:
    """Whether somebody is told of loaded instances."""
    events = load_events(mapper)
    return bool(events.load or events.refresh)


def is_execution_watched(session: Session) -> bool:
    """Whether the session has ``do_orm_execute`` listeners."""
    return bool(session.dispatch.do_orm_execute)


def executed_statement(result: Result[Any]) -> Select[Any] | None:
    """The statement that a session executed in the end, with what listeners did to it."""
    cursor_result = getattr(result, "raw", result)
    context = getattr(cursor_result, "context", None)
    statement = getattr(context, "invoked_statement", None)
    return statement if type(statement) is Select else None


def is_dynamic(query: Query[Any]) -> bool:
    """Whether a Query is what a dynamic relationship holds, or was made from it."""
    return isinstance(query, _Appender)


def has_load_options(query: Query[Any]) -> bool:
    """Whether a Query says how it is loaded: without autoflush, over what is there already, ..."""
    return query.load_options is not type(query).load_options


def column_refusal(prop: ColumnProperty[Any]) -> str | None:
    """Why a mapped column must be read through the attribute, or None."""
    if prop.raiseload:
        return "it is deferred with raiseload"
    if ("query_expression", True) in prop.strategy_key:
        return "it is a query_expression"
    return None
