"""The execution context: graphql-core's, with the walk in C.

What is here runs once per operation. The walk itself is `_core.Run` over a `_core.Plan`.
"""

from __future__ import annotations

import os
from asyncio import Task, create_task, gather
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import Any

import graphql
from graphql import (
    GraphQLError,
    MiddlewareManager,
    OperationDefinitionNode,
    OperationType,
    default_field_resolver,
)

from ._core import Plan, Run
from ._graphql import SELECTIONS_NESTED_TOO_DEEPLY, execute_module, subscribe_module
from .guard import Guard, guard_of, operation_info
from .levels import PlanOptions
from .limits import TooManyObjects

__all__ = [
    "DefaultExecutionContext",
    "ExecutionContext",
    "PlanStore",
    "install_context",
    "uninstall_context",
]

ROWS_VARIABLE = "GRAPHENE_SQLALCHEMY_C_ROWS"
"""The environment variable that switches row levels off, with the value 0."""

DEFAULT_OPTIONS = PlanOptions()

Step = Awaitable[Any] | list[Awaitable[Any]] | None

# graphql-core's methods that the walk in C stands for. A class that overrides one of them wants it
# called, so it gets graphql-core's walk.
WALK_METHODS = (
    "execute_fields",
    "execute_fields_serially",
    "build_resolve_info",
    "execute_field",
    "handle_field_error",
    "complete_value",
    "complete_list_value",
    "complete_leaf_value",
    "complete_abstract_value",
    "ensure_valid_runtime_type",
    "complete_object_value",
    "collect_subfields",
)


class PlanStore:
    """The plans of one document, kept with the document.

    A plan is compiled for one operation and one set of values of its Boolean variables, because
    those decide `@skip` and `@include`.
    """

    MAX_PLANS = 16
    """Plans of one document that are kept at most."""

    __slots__ = ("_conditions", "_lock", "_plans", "hits", "options")

    def __init__(self, options: PlanOptions) -> None:
        self.options = options
        self._lock = Lock()
        self._plans: dict[tuple[Any, ...], Plan] = {}
        self._conditions: dict[int, tuple[str, ...]] = {}
        self.hits = 0

    def find(
        self, operation: OperationDefinitionNode, values: dict[str, Any]
    ) -> tuple[Plan | None, tuple[Any, ...]]:
        """The plan of an operation, if nothing it was compiled from has been exchanged since.

        :param values: of the operation's variables
        :returns: the plan, and the key to put another one under
        :raises TypeError: where a value cannot be part of a key
        """
        names = self._conditions.get(id(operation))
        if names is None:
            names = self._conditions[id(operation)] = condition_names(operation)
        key: tuple[Any, ...] = (id(operation),)
        if names:
            key += tuple(values.get(name, name) for name in names)
        plan = self._plans.get(key)
        if plan is not None:
            if plan.is_usable():
                self.hits += 1
                return plan, key
            with self._lock:
                self._plans.pop(key, None)
        return None, key

    def put(self, key: tuple[Any, ...], plan: Plan) -> None:
        """Keep a plan, in the place of the oldest one when there are too many."""
        with self._lock:
            while len(self._plans) >= self.MAX_PLANS:
                del self._plans[next(iter(self._plans))]
            self._plans[key] = plan


def condition_names(operation: OperationDefinitionNode) -> tuple[str, ...]:
    """The variables that conditions of a valid operation can use."""
    return tuple(
        definition.variable.name.value
        for definition in operation.variable_definitions or ()
        if str(getattr(_bare(definition.type), "value", "")) == "Boolean"
    )


def _bare(type_node: Any) -> Any:
    """The name node of a named type, non-null or not; None for a list."""
    type_node = getattr(type_node, "type", type_node)
    return getattr(type_node, "name", None)


def effective_options(options: PlanOptions) -> PlanOptions:
    """What a schema says of its levels, unless the environment switches rows off."""
    if os.environ.get(ROWS_VARIABLE) == "0":
        return replace(options, rows=False)
    return options


class DefaultExecutionContext(graphql.ExecutionContext):
    """What `install_context` makes graphql-core's default; see `ExecutionContext`.

    It is a class of its own so that a program, or a test harness, that subclasses whatever
    graphql-core's default is can tell the default from the class it asks for.
    """

    plans: PlanStore | None = None
    """Where the plans of the document are kept; None compiles a plan for this execution only."""

    shares_objects = False
    """Whether places that show the same row may show one object, because nobody can change it."""

    guard: Guard | None = None
    """What is visible to the operation, where the schema enforces `get_query`."""

    _overrides_walk = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._overrides_walk = any(
            getattr(cls, name) is not getattr(DefaultExecutionContext, name)
            for name in WALK_METHODS
        )

    def execute_operation(self, operation: OperationDefinitionNode, root_value: Any) -> Any:
        """Execute the operation.

        :param operation: the operation, of this context's document
        :param root_value: the object whose fields the operation selects
        :returns: the data, or a coroutine that gives it
        :raises GraphQLError: when the schema has no such operation or the root selection set is
            nested too deeply, as graphql-core; when the response has more objects than it may
        """
        if self._overrides_walk:
            return super().execute_operation(operation, root_value)
        manager = self.middleware_manager
        if type(manager) is MiddlewareManager and not manager.middlewares:
            self.middleware_manager = None  # graphene-django gives an empty list
        is_serial = operation.operation is OperationType.MUTATION
        schema_guard = guard_of(self.schema)
        if schema_guard is not None:
            self.guard = Guard(schema_guard, partial(operation_info, self), not is_serial)
        plan = self._plan_for(operation)
        run = Run(plan, self, root_value, is_serial, self._max_objects)
        try:
            step = self._walk(run.start)
        except TooManyObjects:
            run.close()
            raise self._too_many_objects(operation) from None
        return run.finish() if step is None else self._await(run, step, operation)

    def _walk(self, go_on: Callable[[], Step]) -> Step:
        """Have the walk go on, without a break."""
        if self.guard is None:
            return go_on()
        with self.guard.walking(self.variable_values):
            return go_on()

    @property
    def _max_objects(self) -> int:
        """So many, or 0 for any number."""
        return 0 if self.plans is None else self.plans.options.max_objects or 0

    def _too_many_objects(self, operation: OperationDefinitionNode) -> GraphQLError:
        return GraphQLError(f"The response has more than {self._max_objects} objects.", operation)

    async def _await(self, run: Run, step: Step, operation: OperationDefinitionNode) -> Any:
        try:
            is_serial = operation.operation is OperationType.MUTATION
            return await _drive(run, step, is_serial, self._walk)
        except TooManyObjects:
            raise self._too_many_objects(operation) from None

    def _plan_for(self, operation: OperationDefinitionNode) -> Plan:
        store = self.plans
        if store is None or self.field_resolver is not default_field_resolver:
            return self._compile(operation, frozenset())
        try:
            plan, key = store.find(operation, self.variable_values)
        except TypeError:  # a Boolean of the schema's own, whose values are not hashable
            return self._compile(operation, frozenset())
        if plan is None:
            plan = self._compile(operation, frozenset(condition_names(operation)))
            store.put(key, plan)
        return plan

    def _compile(self, operation: OperationDefinitionNode, names: frozenset[str]) -> Plan:
        root_type = self.schema.get_root_type(operation.operation)
        if root_type is None:
            raise GraphQLError(
                f"Schema is not configured to execute {operation.operation.value} operation.",
                operation,
            )
        try:
            return Plan(
                self.schema,
                self.fragments,
                operation.selection_set,
                root_type,
                self.field_resolver,
                self.variable_values,
                names,
                self._plan_options(),
            )
        except RecursionError:
            pass
        # Outside of the block, so that the error does not keep the frames of the recursion.
        raise GraphQLError(SELECTIONS_NESTED_TOO_DEEPLY, operation)

    def _plan_options(self) -> PlanOptions:
        return effective_options(DEFAULT_OPTIONS if self.plans is None else self.plans.options)


class ExecutionContext(DefaultExecutionContext):
    """graphql-core's execution context with the walk over the response in C.

    Use it as `execution_context_class` wherever graphql-core, graphene or a view takes one. Data
    and errors are those of `graphql.ExecutionContext`. A subclass that overrides a method of
    graphql-core's walk (`execute_field`, `complete_value`, ...) is executed by graphql-core.
    """


async def _drive(
    run: Run, step: Step, is_serial: bool, walk: Callable[[Callable[[], Step]], Step]
) -> Any:
    """Await what the run asks for until it has its data.

    A list is a level of the user's awaitables: each becomes a task, all at once. Anything else is a
    load of our own, which runs alone. graphql-core completes what is below an awaitable in the task
    that awaited it, and awaits the root fields of a mutation in the request's own: where a level is
    one awaitable, the context variables that it set are seen below it here as well.
    """
    context: Context | None = None
    values: Any

    def resume() -> Step:
        return walk(lambda: run.resume(values))

    try:
        while step is not None:
            if not isinstance(step, list):
                values = await _outcome(step)
            elif len(step) > 1:
                values = await _within(context, partial(gather, *step, return_exceptions=True))
            elif is_serial:
                values = [await _outcome(step[0])]
            else:
                value, context = await _within(context, partial(_task_of, step[0]))
                values = [value]
            step = _within(context, resume)
        return run.finish()
    except BaseException:
        run.close()
        raise


def _within(context: Context | None, call: Callable[[], Any]) -> Any:
    """Call in a context, so that tasks that are made copy it."""
    return call() if context is None else context.run(call)


async def _outcome(awaitable: Awaitable[Any]) -> Any:
    """What it gives, or the exception that is the error of each of its fields."""
    try:
        return await awaitable
    except Exception as error:
        return error


def _task_of(awaitable: Awaitable[Any]) -> Task[tuple[Any, Context]]:
    """A task that gives the outcome, and the context in which it came about."""

    async def outcome() -> tuple[Any, Context]:
        return await _outcome(awaitable), copy_context()

    return create_task(outcome())


_stock_defaults: dict[str, Any] = {}


def install_context() -> None:
    """Make our context the default of `graphql.execute` and `graphql.subscribe`."""
    if not _stock_defaults:
        _stock_defaults["execute"] = execute_module.ExecutionContext
        _stock_defaults["subscribe"] = subscribe_module.ExecutionContext
        execute_module.ExecutionContext = DefaultExecutionContext
        subscribe_module.ExecutionContext = DefaultExecutionContext


def uninstall_context() -> None:
    """Give graphql-core its default contexts back, where they are still ours."""
    if _stock_defaults:
        for name, module in (("execute", execute_module), ("subscribe", subscribe_module)):
            if module.ExecutionContext is DefaultExecutionContext:
                module.ExecutionContext = _stock_defaults[name]
        _stock_defaults.clear()
