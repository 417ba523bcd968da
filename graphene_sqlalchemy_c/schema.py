"""Schemas that keep their documents: ours, and graphene's own once it is installed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from inspect import isawaitable, iscoroutine
from threading import Lock
from typing import Any, NamedTuple, TypeVar

import graphene
import graphql
from graphql import (
    ASTValidationRule,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    Source,
    default_field_resolver,
    default_type_resolver,
)

from ._graphql import (
    CollectedErrors,
    execute_module,
    graphene_schema_class,
    graphql_assume_not_awaitable,
    is_plain_build,
    normalize_execute_kwargs,
)
from .documents import (
    MAX_DOCUMENTS,
    MAX_SOURCE_BYTES,
    CachedDocument,
    CacheInfo,
    DocumentCache,
)
from .encoding import json_encoder
from .execution import (
    DefaultExecutionContext,
    ExecutionContext,
    install_context,
    uninstall_context,
)
from .explain import explain
from .explanation import Explanation
from .guard import enforce, warn_of_unenforced
from .levels import PlanOptions
from .limits import MAX_TOKENS, DocumentLimits
from .pagination import Limits

__all__ = ["Schema", "document_cache", "install_execution", "uninstall_execution"]

_ATTRIBUTE = "_graphene_sqlalchemy_c_documents"


class _KeptDocumentContext(NamedTuple):
    """What `graphql.execute` builds its context with: a class, and what is kept of the document."""

    context_class: Any
    document: CachedDocument
    shares_objects: bool

    def build(self, *args: Any, **options: Any) -> Any:
        """The context that the class builds, or its errors."""
        context = self.context_class.build(*args, **options)
        return _informed(context, self.document, self.shares_objects)


def _informed(context: Any, document: CachedDocument, shares_objects: bool) -> Any:
    """The context, which knows the document's plans."""
    if isinstance(context, DefaultExecutionContext):
        context.plans = document.plans
        context.shares_objects = shares_objects
    return context


def _respond(context: graphql.ExecutionContext, root_value: Any) -> Any:
    """What `graphql.execute` does with a context that has been built."""
    collected = context.collected_errors
    data: Any = None
    try:
        data = context.execute_operation(context.operation, root_value)
        if type(data) is not dict and context.is_awaitable(data):
            return _respond_later(context, data)
    except GraphQLError as error:
        collected.add(error, None)
    return context.build_response(data, collected.errors)


async def _respond_later(context: graphql.ExecutionContext, awaitable: Any) -> ExecutionResult:
    collected = context.collected_errors
    data: Any = None
    try:
        data = await awaitable
    except GraphQLError as error:
        collected.add(error, None)
    return context.build_response(data, collected.errors)


def _execute(
    documents: DocumentCache,
    schema: GraphQLSchema,
    default_class: Any,
    shares_objects: bool,
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
    if not documents.limits.introspection:
        hide_suggestions = True  # a suggestion would tell what introspection may not
    document = documents.load(schema, source, hide_suggestions)
    if isinstance(document, list):
        return ExecutionResult(data=None, errors=document)
    context_class = execution_context_class or default_class or execute_module.ExecutionContext
    operation = document.operations.get(operation_name) if middleware is None else None
    values = None if operation is None else operation.plain_values(variable_values)
    if operation is not None and values is not None and is_plain_build(context_class):
        context = context_class(
            schema,
            operation.fragments,
            root_value,
            context_value,
            operation.definition,
            values,
            field_resolver or default_field_resolver,
            type_resolver or default_type_resolver,
            default_field_resolver,
            CollectedErrors(),
            None,
            is_awaitable,
        )
        return _respond(_informed(context, document, shares_objects), root_value)
    # Anything else graphql-core has to make, or to say what is wrong.
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
        _KeptDocumentContext(context_class, document, shares_objects),
        is_awaitable,
        hide_suggestions,
    )


def _execute_sync(
    documents: DocumentCache,
    schema: GraphQLSchema,
    default_class: Any,
    shares_objects: bool,
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
        schema,
        default_class,
        shares_objects,
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
    if not isinstance(result, ExecutionResult) and isawaitable(result):
        if iscoroutine(result):
            result.close()
        raise RuntimeError("GraphQL execution failed to complete synchronously.")
    executed: ExecutionResult = result
    return executed


async def _execute_async(*args: Any, **kwargs: Any) -> ExecutionResult:
    """`graphql` of graphql-core, with the document from the cache; arguments of `_execute`."""
    result = _execute(*args, **kwargs)
    executed: ExecutionResult = await result if isawaitable(result) else result
    return executed


Result = TypeVar("Result")
OnResult = Callable[[ExecutionResult], ExecutionResult]


class Schema(graphene.Schema):
    """A `graphene.Schema` that executes in C and keeps its documents.

    It takes the arguments of `graphene.Schema`, and:

    :param validation_rules: rules that documents must obey besides those of the specification, as
        `graphene.validation.depth_limit_validator(10)` or `DisableIntrospection`; their verdict is
        kept with the document
    :param max_tokens: words and signs of a document, comments included, at most; None for any
        number
    :param max_depth: fields that a field of an operation may stand in, as graphene's
        `depth_limit_validator` counts them
    :param max_aliases: fields of an operation that have an alias, each as often as fragments bring
        it, at most
    :param max_objects: objects of one response, at most, connections, edges and page infos among
        them; counted as they are made, and one too many ends the request. A context class that
        overrides graphql-core's walk does not count
    :param introspection: whether clients may ask for the schema; without it no error suggests a
        name either
    :param max_documents: documents that are kept at most; 0 keeps none
    :param max_source_bytes: size of the sources of the documents that are kept, in bytes, at most
    :param rows: whether levels may be loaded as rows; False loads ORM instances everywhere
    :param max_page_size: nodes of a connection that a query may ask for at once, at most; more is
        an error of the field
    :param default_page_size: nodes of a connection for a query that gives neither `first` nor
        `last`
    :param enforce_get_query: whether rows are shown only if the `get_query` of their type, called
        once for each operation, selects them: True, everywhere; False, as graphene-sqlalchemy, for
        nodes by their global id alone. None is False, with a warning for each type that overrides
        `get_query`
    """

    def __init__(
        self,
        *args: Any,
        validation_rules: Collection[type[ASTValidationRule]] = (),
        max_tokens: int | None = MAX_TOKENS,
        max_depth: int | None = None,
        max_aliases: int | None = None,
        max_objects: int | None = None,
        introspection: bool = True,
        max_documents: int = MAX_DOCUMENTS,
        max_source_bytes: int = MAX_SOURCE_BYTES,
        rows: bool = True,
        max_page_size: int | None = None,
        default_page_size: int | None = None,
        enforce_get_query: bool | None = None,
        **kwargs: Any,
    ) -> None:
        options = PlanOptions(rows, Limits(max_page_size, default_page_size), max_objects)
        limits = DocumentLimits(max_tokens, max_depth, max_aliases, introspection)
        documents = DocumentCache(
            validation_rules, max_documents, max_source_bytes, options, limits
        )
        self.__dict__[_ATTRIBUTE] = documents
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]
        if enforce_get_query:
            enforce(self.graphql_schema)
        elif enforce_get_query is None:
            warn_of_unenforced(self.graphql_schema, stacklevel=2)

    def execute(self, *args: Any, **kwargs: Any) -> ExecutionResult:
        """Execute a request synchronously; arguments as `graphene.Schema.execute`."""
        return self._execute(_execute_sync, False, args, kwargs)

    async def execute_async(self, *args: Any, **kwargs: Any) -> ExecutionResult:
        """Execute a request; arguments as `graphene.Schema.execute_async`."""
        return await self._execute(_execute_async, False, args, kwargs)

    def execute_json(self, *args: Any, on_result: OnResult | None = None, **kwargs: Any) -> bytes:
        """Execute a request synchronously; arguments as :meth:`execute`.

        :param on_result: is given the result and gives the one to encode, with other errors or
            with extensions. Objects in its data may be shared; they are not to be changed. None
            encodes the result as it is.
        :return: the response, `{"data": ..., "errors": ...}`, as JSON in UTF-8.
        :raises ImportError: without orjson, which the extra `json` installs.
        """
        dumps = json_encoder()
        result = self._execute(_execute_sync, True, args, kwargs)
        return dumps((result if on_result is None else on_result(result)).formatted)

    async def execute_json_async(
        self, *args: Any, on_result: OnResult | None = None, **kwargs: Any
    ) -> bytes:
        """Execute a request; arguments as :meth:`execute_async`, the rest as `execute_json`."""
        dumps = json_encoder()
        result = await self._execute(_execute_async, True, args, kwargs)
        return dumps((result if on_result is None else on_result(result)).formatted)

    def _execute(
        self,
        execute: Callable[..., Result],
        shares_objects: bool,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Result:
        return execute(
            document_cache(self),
            self.graphql_schema,
            ExecutionContext,
            shares_objects,
            *args,
            **normalize_execute_kwargs(kwargs),
        )

    def explain(
        self,
        source: str | Source,
        variable_values: dict[str, Any] | None = None,
        operation_name: str | None = None,
        *,
        dialect: str = "postgresql",
        context_value: Any = None,
    ) -> Explanation:
        """Tell how a query is executed: its levels, whether they are rows, their SQL.

        Nothing is executed, and no database is needed. What a resolver of the application would
        return is not known; nor is middleware, nor what a session holds.

        :param source: the document.
        :param variable_values: values of its variables. Those that `@skip` and `@include` use are
            needed; a page that depends on another one is shown with its name.
        :param operation_name: which operation, where there are several.
        :param dialect: the database to write SQL for: "postgresql", "sqlite" or "mysql".
        :param context_value: what `get_query` of guarded types finds as `info.context`, where the
            schema enforces it.
        :raises ExplainError: when the document is not valid for the schema, has no such operation,
            or the variables do not fit; a `ValueError`.
        """
        documents = document_cache(self)
        return explain(
            self.graphql_schema,
            documents,
            source,
            variable_values,
            operation_name,
            dialect,
            context_value,
        )

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
        warn_of_unenforced(schema.graphql_schema, stacklevel=3)
    found: DocumentCache = cache
    return found


def _installed_execute(self: Any, *args: Any, **kwargs: Any) -> ExecutionResult:
    """`graphene.Schema.execute`, with the documents that the schema keeps."""
    kwargs = normalize_execute_kwargs(kwargs)
    return _execute_sync(document_cache(self), self.graphql_schema, None, False, *args, **kwargs)


async def _installed_execute_async(self: Any, *args: Any, **kwargs: Any) -> ExecutionResult:
    """`graphene.Schema.execute_async`, with the documents that the schema keeps."""
    kwargs = normalize_execute_kwargs(kwargs)
    documents = document_cache(self)
    return await _execute_async(documents, self.graphql_schema, None, False, *args, **kwargs)


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
