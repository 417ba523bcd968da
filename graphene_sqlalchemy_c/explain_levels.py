"""The levels of a plan that is explained: where they are, and how each is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLObjectType,
    get_named_type,
)
from graphql_relay import from_global_id
from sqlalchemy import inspect, select
from sqlalchemy.orm import Mapper, Session

from ._core import BatchResolver, ConnectionResolver
from .acceleration import is_stock_resolver
from .explain_arguments import (
    Arguments,
    names_in,
    read_arguments,
    type_conditions,
)
from .explain_guard import GuardText
from .explain_sql import SqlText, key_is_given
from .explanation import LevelExplanation
from .guard import has_plain_query
from .joined_pages import first_pages, may_follow
from .levels import Level, PlanOptions, is_connection, is_mapped, is_mapped_class
from .narrowing import NotNarrow
from .nodes import NodeQuery, node_statement
from .pagination import NO_NODES, START, STOP, Page, page_limits
from .relation_plans import RelationPlan
from .relations import RelationLoad
from .root_connections import RootConnection, RootPage, limit_parameters
from .statements import KEYS

__all__ = ["FieldPlan", "LevelWalker"]


class FieldPlan(NamedTuple):
    """A field of a plan as src/describe.c gives it."""

    response_name: str
    field_name: str
    definition: Any
    node: FieldNode
    resolver: tuple[str, str | None]
    """(kind, key)"""
    batch: Any
    callable: Any
    branches: list[tuple[GraphQLObjectType, Level, list[tuple[Any, ...]]]]
    """What is selected of each object type that its objects may have; empty for leaves."""
    kinds: dict[GraphQLObjectType | None, Level]
    """How objects of several types are loaded, by the type that is asked for; None for any."""
    follows: bool
    """Whether it is loaded with the same relationship of another type at the same place."""

    @property
    def level(self) -> Level:
        """How its objects are loaded."""
        return self.kinds[None] if self.kinds else self.branches[0][1]


class LevelWalker:
    """Goes through a plan and explains the levels that it meets."""

    def __init__(
        self,
        fragments: dict[str, FragmentDefinitionNode],
        sql: SqlText,
        variables: dict[str, Any],
        missing: frozenset[str],
        options: PlanOptions,
        guard: GuardText,
    ) -> None:
        self._guard = guard
        self._fragments = fragments
        self._sql = sql
        self._variables = variables
        self._missing = missing
        self._options = options

    # -- where levels are --

    def fields(
        self, fields: list[tuple[Any, ...]], path: str, parent: GraphQLObjectType
    ) -> Iterator[LevelExplanation]:
        """The levels below the fields of one selection."""
        for each in fields:
            field = FieldPlan(*each)
            if field.branches and not field.field_name.startswith("__"):
                where = f"{path}.{field.response_name}" if path else field.response_name
                yield from self._field(field, where, parent)

    def _field(
        self, field: FieldPlan, path: str, parent: GraphQLObjectType
    ) -> Iterator[LevelExplanation]:
        if field.resolver[0] in ("relationship", "connection"):
            yield self._relation(field, path)
        elif isinstance(field.callable, RootConnection):
            yield self._root_connection(field, path, parent)
        elif isinstance(field.callable, NodeQuery):
            yield from self._nodes(field, path, parent)
        elif any(_shows_mapped(object_type) for object_type, _, _ in field.branches):
            yield self._value(field, path, parent)
        else:
            for object_type, _, fields in field.branches:
                yield from self.fields(fields, path, object_type)

    def _below(self, field: FieldPlan, path: str) -> tuple[str, tuple[LevelExplanation, ...]]:
        """The path of a field's objects, those below a connection, and the levels below them."""
        found: list[LevelExplanation] = []
        places: list[str] = []

        def descend(field: FieldPlan, path: str, is_part: bool) -> None:
            for object_type, _, fields in field.branches:
                if not (is_connection(object_type) or (is_part and not is_mapped(object_type))):
                    places.append(path)
                    own = [each for each in fields if not FieldPlan._make(each).follows]
                    found.extend(self.fields(own, path, object_type))
                    continue
                for each in map(FieldPlan._make, fields):
                    where = f"{path}.{each.response_name}"
                    if each.branches and each.resolver[0] == "attribute":
                        descend(each, where, True)
                    elif each.branches:
                        found.extend(self._field(each, where, object_type))

        descend(field, path, False)
        return places[0] if places else path, tuple(found)

    # -- relationships --

    def _relation(self, field: FieldPlan, path: str) -> LevelExplanation:
        resolver: BatchResolver | ConnectionResolver = field.callable
        named = get_named_type(field.definition.type)
        level = field.level
        path, below = self._below(field, path)
        made = partial(
            LevelExplanation,
            path=path,
            type=_type_name(named),
            source=f"relationship {field.batch.loader.relationship}",
            levels=below,
        )
        try:
            arguments = self._arguments(field)
            plan = RelationPlan.of(resolver, level)
            guarded = self._guard.of(named, plan.target)
            load = RelationLoad(
                plan, arguments.values, arguments.node, self._variables, guarded.guard
            )
        except ValueError as error:  # a page that is not allowed: the error of each field
            return made(
                by_rows=level.by_rows,
                reason=level.reason,
                page=f"error: {error}",
                statements=0,
                keys_per_statement=None,
            )
        statements = plan.loader.statements
        route = statements.route(self._sql.dialect) if statements is not None else None
        by_rows, reason = plan.nodes is not None, _reason(level, plan)
        page = self._page_text(load.page, arguments, "row_number() for each parent")
        if page is None and is_connection(named):
            page = f"{arguments.asked}: cut in Python, after all of it is loaded"
        if route is None:
            why = plan.loader.reason or f"not on {self._sql.dialect.name}"
            return made(
                by_rows=False,
                reason=f"the relationship cannot be batched: {why}",
                page=page,
                statements=None,
                keys_per_statement=None,
                notes=("one statement for each parent", *arguments.notes, *guarded.notes),
            )
        selects = plan.selects(plan.nodes)
        counted = load.page is not None and load.page.needs_total
        made_sql = []
        if load.page is not NO_NODES:
            made_sql.append(selects.children(route, load.page, load.arrangement, counted, True))
        parameters: dict[str, Any] = {}
        if load.page is not None:
            if plan.level is not None and plan.level.counts and not (counted or load.page.is_whole):
                made_sql.append(selects.totals(route, load.arrangement))
            if not arguments.has_open_page:
                parameters = {} if counted else load.page.parameters
        return made(
            by_rows=by_rows,
            reason=None if by_rows else reason,
            page=page,
            statements=len(made_sql),
            keys_per_statement=route.chunk,
            notes=(
                *arguments.notes,
                *_notes(field, plan.nodes),
                *self._joined(load),
                *guarded.notes,
            ),
            **self._sql.of(made_sql, {**parameters, KEYS: None}, load.guards),
        )

    def _joined(self, load: RelationLoad) -> tuple[str, ...]:
        """Whether a page may come along with the one above it."""
        page = load.page
        if page is None or page.start or page.needs_total or load.arrangement or load.guards:
            return ()
        pages = first_pages(load.plan, self._sql.dialect, page.stop)
        if pages is None or not may_follow(pages, load.plan.relationship.parent):
            return ()
        return ("a first page above it brings it along in its own statement, for few rows",)

    # -- roots that are statements --

    def _root_connection(
        self, field: FieldPlan, path: str, parent: GraphQLObjectType
    ) -> LevelExplanation:
        connection: RootConnection = field.callable
        object_type, level, _ = field.branches[0]
        mapper: Mapper[Any] = inspect(_node_class(object_type)._meta.model)
        path, below = self._below(field, path)
        where = f"{parent.name}.{field.field_name}"
        made = partial(
            LevelExplanation,
            path=path,
            type=_type_name(object_type),
            source=f"connection {where}",
            keys_per_statement=None,
            levels=below,
        )
        nodes = level.node if level.shows_nodes else level
        rows = level.by_rows and nodes is not None and nodes.by_rows
        reason = None if rows else level.reason or (nodes.reason if nodes is not None else None)
        try:
            arguments = self._arguments(field)
            page = Page.of(arguments.values)
        except ValueError as error:
            return made(by_rows=rows, reason=reason, page=f"error: {error}", statements=0)
        text = self._page_text(page, arguments, "LIMIT")
        session = Session()
        statement = _plain_statement(connection, session, arguments.values)
        guarded = self._guard.of(object_type, mapper)
        if statement is None:
            return made(
                by_rows=rows,
                reason=reason,
                page=text,
                statements=None,
                notes=(*arguments.notes, *guarded.notes),
                sql=self._sql.columns(
                    mapper, nodes if rows else None, "the statement that is given"
                ),
            )
        try:
            if not level.by_rows:
                raise NotNarrow(level.reason or "")
            root = RootPage(session, statement, mapper, page, level, guarded.options)
            limits = limit_parameters(page.start, page.stop)
            if page.needs_total:
                limits = {STOP: 1, START: 1}
            executed = [root.rows(limits)[0]] if level.shows_page else []
            if page.needs_total or (level.counts and not (level.shows_page and page.is_whole)):
                executed.append(root.total)
        except NotNarrow as not_narrow:
            return made(
                by_rows=False,
                reason=str(not_narrow),
                page=f"{arguments.asked}: cut by graphene-sqlalchemy, after a COUNT",
                statements=2,
                notes=(*arguments.notes, *guarded.notes),
                **self._sql.of([statement], {}, guarded.options),
            )
        is_known = not (arguments.has_open_page or page.needs_total)
        return made(
            by_rows=rows,
            reason=reason,
            page=text,
            statements=len(executed),
            notes=(*arguments.notes, *_notes(field, nodes if rows else None), *guarded.notes),
            **self._sql.of(executed, limits if is_known else dict.fromkeys(limits)),
        )

    def _nodes(
        self, field: FieldPlan, path: str, parent: GraphQLObjectType
    ) -> Iterator[LevelExplanation]:
        """A field of one object by its global id: a level for each type that it may be."""
        chosen, notes = self._chosen(field)
        for object_type, own_level, fields in chosen:
            level = field.kinds.get(object_type, own_level)
            mapper = field.callable.mapper_of(object_type)
            if mapper is None and not is_mapped(object_type):
                yield from self.fields(fields, path, object_type)
                continue
            rows = mapper is not None and level.by_rows and level.mapper is mapper
            reason = level.reason or "get_node or its key is not graphene-sqlalchemy's own"
            sql: dict[str, Any] = {}
            guarded = self._guard.of(object_type, mapper)
            applies = guarded.notes or has_plain_query(_class_of(object_type))
            if mapper is not None and not applies:
                sql["sql"] = self._sql.columns(
                    mapper, level if rows else None, "what get_query gives"
                )
            elif mapper is not None and rows:
                sql = self._sql.of([node_statement(mapper, level)], {}, guarded.options)
            elif mapper is not None:
                found = select(mapper.class_).where(key_is_given(mapper))
                sql = self._sql.of([found], {}, guarded.options)
            yield LevelExplanation(
                path=path,
                type=object_type.name,
                by_rows=rows,
                reason=None if rows else reason,
                source=f"node {parent.name}.{field.field_name}",
                page=None,
                statements=None if mapper is None else 1,
                keys_per_statement=None,
                notes=(*notes, *(_notes(field, level) if rows else ()), *guarded.notes),
                is_alternative=len(chosen) > 1,
                levels=tuple(self.fields(fields, path, object_type)),
                **sql,
            )

    def _chosen(self, field: FieldPlan) -> tuple[list[Any], tuple[str, ...]]:
        """The types that the id is of, or those that the query names, or one for all."""
        for argument in field.node.arguments:
            if argument.name.value != "id" or names_in(argument.value) & self._missing:
                continue
            values = self._arguments(field).values
            try:
                wanted = from_global_id(values["id"]).type
            except Exception:
                break  # graphene says so when it is executed
            return [each for each in field.branches if each[0].name == wanted], ()
        named = type_conditions(field.node, self._fragments)
        chosen = [each for each in field.branches if each[0].name in named] or field.branches[:1]
        rest = len(field.branches) - len(chosen)
        return chosen, ((f"{rest} other types are possible",) if rest else ())

    # -- what resolvers return --

    def _value(self, field: FieldPlan, path: str, parent: GraphQLObjectType) -> LevelExplanation:
        named = get_named_type(field.definition.type)
        where = f"{parent.name}.{field.field_name}"
        path, below = self._below(field, path)
        level = field.level
        kind, is_read = f"resolver of {where}", is_stock_resolver(field.callable)
        reason = _reason(level, None)
        notes: tuple[str, ...] = ()
        if is_mapped(parent):
            notes = (f"{'read from' if is_read else 'called for'} each parent",)
            if is_read:
                kind, reason = f"attribute {where}", reason or "it is not batched"
        elif is_connection(named):
            reason = reason or "a resolver makes the connection"
        rows = reason is None
        sql: tuple[str, ...] = ()
        guarded = self._guard.of(named, None)
        notes = (*notes, *_notes(field, level if rows else None), *guarded.notes)
        if rows and level.mapper is not None:
            sql = self._sql.columns(level.mapper, level, "the statement that the resolver returns")
        return LevelExplanation(
            path=path,
            type=_type_name(named),
            by_rows=rows,
            reason=reason,
            source=kind,
            page=None,
            statements=None,
            keys_per_statement=None,
            sql=sql,
            notes=notes,
            levels=below,
        )

    # -- pages and SQL --

    def _arguments(self, field: FieldPlan) -> Arguments:
        """The arguments of a field; a page that it is given by default is among them.

        :raises ValueError: when they ask for more than is allowed.
        """
        arguments = read_arguments(field.definition, field.node, self._variables, self._missing)
        limits = page_limits(self._options, field.definition.type)
        values = arguments.values if limits is None else limits(arguments.values)
        if values is arguments.values:
            return arguments
        page = {**arguments.page, "first": f"{values['first']} by default"}
        return arguments._replace(values=values, page=page)

    def _page_text(self, page: Page | None, arguments: Arguments, how: str) -> str | None:
        if page is None:
            return None
        if page.is_whole:
            return "all of it"
        return f"{arguments.asked}: cut by {how}" + (", which counts" if page.needs_total else "")


def _notes(field: FieldPlan, nodes: Level | None) -> tuple[str, ...]:
    """How the columns of subclasses come along.

    :param nodes: the level of the objects; None for instances.
    """
    if nodes is not None:
        return () if nodes.kinds is None else (nodes.kinds.route,)
    return ("one statement for each class that lacks attributes",) if field.kinds else ()


def _reason(level: Level, plan: RelationPlan | None) -> str | None:
    """Why objects are loaded as instances; None where they need not be."""
    if not level.by_rows:
        return level.reason
    if plan is not None and plan.level is None:
        return plan.reason
    if level.is_connection and level.shows_nodes:
        return level.node.reason if level.node is not None else "its nodes are of several types"
    return None


def _shows_mapped(object_type: GraphQLObjectType) -> bool:
    if is_connection(object_type):
        return is_mapped_class(_node_class(object_type))
    return is_mapped(object_type)


def _class_of(object_type: Any) -> Any:
    return object_type.graphene_type


def _node_class(connection_type: Any) -> Any:
    """The graphene type of a connection's nodes."""
    node = connection_type.graphene_type._meta.node
    return getattr(node, "of_type", node)


def _type_name(named: Any) -> str:
    """The name of the objects' type: of a connection, that of its nodes."""
    if isinstance(named, GraphQLObjectType) and is_connection(named):
        return str(_node_class(named)._meta.name)
    return str(named.name)


def _plain_statement(connection: RootConnection, session: Session, values: dict[str, Any]) -> Any:
    """The statement of a root connection; None where the application has a say in it."""
    if not is_stock_resolver(connection.parent_resolver):
        return None
    try:
        return connection.plain_statement(session, values)
    except Exception:  # a `query` of the model that needs more than a session
        return None
