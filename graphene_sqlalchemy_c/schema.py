"""Schemas that keep their documents: ours, and graphene's own once it is installed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from inspect import isawaitable, iscoroutine
from threading import Lock
from typing import Any

import graphene
from graphql import ASTValidationRule, ExecutionResult, GraphQLSchema, Source, validate_schema

from ._graphql import (
    execute_module,
    graphene_schema_class,
    graphql_assume_not_awaitable,
    normalize_execute_kwargs,
)
from .documents import MAX_DOCUMENTS, MAX_SOURCE_BYTES, CacheInfo, DocumentCache
from .execution import (
    DefaultExecutionContext,
    ExecutionContext,
    PlanStore,
    install_context,
    uninstall_context,
)

__all__ = ["Schema", "document_cache", "install_execution", "uninstall_execution"]

_ATTRIBUTE = "_graphene_sqlalchemy_c_documents"


class _ContextWithPlans:
    """What `graphql.execute` builds its context with: a class, and the plans of the document."""

    __slots__ = ("_class", "_plans")

    def __init__(self, context_class: Any, plans: PlanStore) -> None:
        self._class = context_class
        self._plans = plans

    def build(self, *args: Any, **kwargs: Any) -> Any:
        context = self._class.build(*args, **kwargs)
        if isinstance(context, DefaultExecutionContext):
            context.plans = self._plans
        return context


def _execute(
    documents: DocumentCache,
    default_class: Any,
    schema: GraphQLSchema,
    source: str | Source,
    root_value: Any = None,
    context_value: Any = None,
    variable_values: dict[str, Any] | None = None,
    operation_name: str | None = None,
    field_resolver: Any = None,
    type_resolver: Any = None,
    middleware: Any = None,
    execution_context_class: Any = None,
    is_awaitable: Callable[[Any], bool] | None = None,
    hide_suggestions: bool = False,
) -> Any:
    """`graphql_impl` of graphql-core, with the document from the cache."""
    errors = validate_schema(schema)
    if errors:
        return ExecutionResult(data=None, errors=errors)
    document = documents.load(schema, source, hide_suggestions)
    if isinstance(document, list):
        return ExecutionResult(data=None, errors=document)
    context_class = execution_context_class or default_class or execute_module.ExecutionContext
    return execute_module.execute(
        schema,
        document.document,
        root_value,
        context_value,
        variable_values,
        operation_name,
        field_resolver,
        type_resolver,
        None,
        50,
        middleware,
        _ContextWithPlans(context_class, document.plans),
        is_awaitable,
        hide_suggestions,
    )


def _execute_sync(
    documents: DocumentCache,
    default_class: Any,
    schema: GraphQLSchema,
    source: str | Source,
    root_value: Any = None,
    context_value: Any = None,
    variable_values: dict[str, Any] | None = None,
    operation_name: str | None = None,
    field_resolver: Any = None,
    type_resolver: Any = None,
    middleware: Any = None,
    execution_context_class: Any = None,
    check_sync: Any = False,
    hide_suggestions: bool = False,
) -> ExecutionResult:
    """`graphql_sync` of graphql-core, with the document from the cache."""
    is_awaitable: Any = graphql_assume_not_awaitable
    if check_sync:
        is_awaitable = check_sync if callable(check_sync) else None
    result = _execute(
        documents,
        default_class,
        schema,
        source,
        root_value,
        context_value,
        variable_values,
        operation_name,
        field_resolver,
        type_resolver,
        middleware,
        execution_context_class,
        is_awaitable,
        hide_suggestions,
    )
    if isawaitable(result):
        if iscoroutine(result):
            result.close()
        raise RuntimeError("GraphQL execution failed to complete synchronously.")
    executed: ExecutionResult = result
    return executed


class Schema(graphene.Schema):
    """A `graphene.Schema` that executes in C and keeps its documents.

    It takes the arguments of `graphene.Schema`, and:

    :param validation_rules: rules that documents must obey besides those of the specification, as
        `graphene.validation.depth_limit_validator(10)` or `DisableIntrospection`; their verdict is
        kept with the document
    :param max_documents: documents that are kept at most; 0 keeps none
    :param max_source_bytes: size of the sources of the documents that are kept, in bytes, at most
    """

    def __init__(
        self,
        *args: Any,
        validation_rules: Collection[type[ASTValidationRule]] = (),
        max_documents: int = MAX_DOCUMENTS,
        max_source_bytes: int = MAX_SOURCE_BYTES,
        **kwargs: Any,
    ) -> None:
        documents = DocumentCache(validation_rules, max_documents, max_source_bytes)
        self.__dict__[_ATTRIBUTE] = documents
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]

    def execute(self, *args: Any, **kwargs: Any) -> ExecutionResult:
        """Execute a request synchronously; arguments as `graphene.Schema.execute`."""
        kwargs = normalize_execute_kwargs(kwargs)
        documents = document_cache(self)
        return _execute_sync(documents, ExecutionContext, self.graphql_schema, *args, **kwargs)

    async def execute_async(self, *args: Any, **kwargs: Any) -> ExecutionResult:
        """Execute a request; arguments as `graphene.Schema.execute_async`."""
        kwargs = normalize_execute_kwargs(kwargs)
        documents = document_cache(self)
        result = _execute(documents, ExecutionContext, self.graphql_schema, *args, **kwargs)
        executed: ExecutionResult = await result if isawaitable(result) else result
        return executed

    def cache_info(self) -> CacheInfo:
        """What the cache of documents has done and holds."""
        return document_cache(self).info()


_cache_lock = Lock()


def document_cache(schema: graphene.Schema) -> DocumentCache:
    """The documents that a schema keeps.

    :param schema: any `graphene.Schema`; one of graphene's own gets a cache with the default sizes
    """
    cache = schema.__dict__.get(_ATTRIBUTE)
    if cache is None:
        with _cache_lock:
            cache = schema.__dict__.setdefault(_ATTRIBUTE, DocumentCache())
    found: DocumentCache = cache
    return found


def _installed_execute(self: Any, *args: Any, **kwargs: Any) -> ExecutionResult:
    """`graphene.Schema.execute`, with the documents that the schema keeps."""
    kwargs = normalize_execute_kwargs(kwargs)
    return _execute_sync(document_cache(self), None, self.graphql_schema, *args, **kwargs)


async def _installed_execute_async(self: Any, *args: Any, **kwargs: Any) -> ExecutionResult:
    """`graphene.Schema.execute_async`, with the documents that the schema keeps."""
    kwargs = normalize_execute_kwargs(kwargs)
    result = _execute(document_cache(self), None, self.graphql_schema, *args, **kwargs)
    executed: ExecutionResult = await result if isawaitable(result) else result
    return executed


_stock_methods: dict[str, Any] = {}


def install_execution() -> None:
    """Make our context graphql-core's default and give `graphene.Schema` the document cache.

    Calling it twice is calling it once.
    """
    install_context()
    if not _stock_methods:
        _stock_methods["execute"] = graphene_schema_class.execute
        _stock_methods["execute_async"] = graphene_schema_class.execute_async
        graphene_schema_class.execute = _installed_execute
        graphene_schema_class.execute_async = _installed_execute_async


def uninstall_execution() -> None:
    """Undo `install_execution`, except where somebody has put a method of theirs over ours."""
    uninstall_context()
    if _stock_methods:
        if graphene_schema_class.execute is _installed_execute:
            graphene_schema_class.execute = _stock_methods["execute"]
        if graphene_schema_class.execute_async is _installed_execute_async:
            graphene_schema_class.execute_async = _stock_methods["execute_async"]
        _stock_methods.clear()
