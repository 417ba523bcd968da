"""The cache of documents: parsed, validated, and with the plans of their operations."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from threading import Lock
from typing import Any, NamedTuple

from graphql import (
    ASTValidationRule,
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    Source,
    specified_rules,
    validate,
    validate_schema,
)

from .execution import PlanStore
from .levels import PlanOptions
from .limits import DocumentLimits
from .operations import operations_of

__all__ = ["CacheInfo", "CachedDocument", "DocumentCache"]

MAX_DOCUMENTS = 1000
MAX_SOURCE_BYTES = 4 * 1024 * 1024


class CacheInfo(NamedTuple):
    """What a document cache has done and holds."""

    hits: int
    """Requests that found their document."""
    misses: int
    """Requests that had to parse and validate."""
    plan_hits: int
    """Executions that found their plan, of the documents that are in the cache."""
    documents: int
    """Documents in the cache."""
    source_bytes: int
    """The size of their sources."""
    max_documents: int
    max_source_bytes: int


class CachedDocument:
    """A valid document of one schema."""

    __slots__ = ("document", "operations", "plans", "schema", "size")

    def __init__(
        self, schema: GraphQLSchema, document: DocumentNode, size: int, options: PlanOptions
    ) -> None:
        self.schema = schema
        self.document = document
        self.operations = operations_of(schema, document)
        self.size = size
        self.plans = PlanStore(options)


class _Segment:
    """Documents by source, the least recently used first."""

    __slots__ = ("entries", "size")

    def __init__(self) -> None:
        self.entries: OrderedDict[Any, CachedDocument] = OrderedDict()
        self.size = 0

    def add(self, key: Any, entry: CachedDocument) -> None:
        self.remove(key)
        self.entries[key] = entry
        self.size += entry.size

    def remove(self, key: Any) -> CachedDocument | None:
        entry = self.entries.pop(key, None)
        if entry is not None:
            self.size -= entry.size
        return entry

    def pop_oldest(self) -> tuple[Any, CachedDocument]:
        key, entry = self.entries.popitem(last=False)
        self.size -= entry.size
        return key, entry


class DocumentCache:
    """Documents that are valid for a schema, least recently used ones dropped first.

    A document comes in on probation, and is kept when it is asked for again. What is kept may take
    three quarters of the room, what is on probation takes the rest. So a client that sends ever-new
    documents displaces only other documents that were sent once. Documents with errors are not kept
    at all: each time they cost what they cost without a cache. Safe to use from several threads;
    parsing and validating happen outside of the lock.

    :param rules: validation rules besides graphql-core's `specified_rules`
    :param max_documents: documents that are kept at most; 0 keeps none
    :param max_source_bytes: size of their sources, in bytes of UTF-8, at most; a document of more
        than a sixteenth of it is not kept
    :param options: what the schema says of the levels of its plans
    :param limits: what documents may be
    """

    def __init__(
        self,
        rules: Collection[type[ASTValidationRule]] = (),
        max_documents: int = MAX_DOCUMENTS,
        max_source_bytes: int = MAX_SOURCE_BYTES,
        options: PlanOptions | None = None,
        limits: DocumentLimits | None = None,
    ) -> None:
        self.options = options or PlanOptions()
        self.limits = limits or DocumentLimits()
        self.rules = tuple(rules)
        self.max_documents = max_documents
        self.max_source_bytes = max_source_bytes
        self._probation = _Segment()
        self._kept = _Segment()
        self._lock = Lock()
        self._hits = 0
        self._misses = 0

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy of a schema gets a cache of its own, an empty one.
        sizes = (self.max_documents, self.max_source_bytes)
        return DocumentCache, (self.rules, *sizes, self.options, self.limits)

    def info(self) -> CacheInfo:
        """Counts and sizes, as of now."""
        with self._lock:
            entries = [*self._probation.entries.values(), *self._kept.entries.values()]
            return CacheInfo(
                self._hits,
                self._misses,
                sum(entry.plans.hits for entry in entries),
                len(entries),
                self._probation.size + self._kept.size,
                self.max_documents,
                self.max_source_bytes,
            )

    def clear(self) -> None:
        """Forget all documents; the counts stay."""
        with self._lock:
            self._probation = _Segment()
            self._kept = _Segment()

    def load(
        self, schema: GraphQLSchema, source: str | Source, hide_suggestions: bool = False
    ) -> CachedDocument | list[GraphQLError]:
        """The document of that source, parsed and validated now or before, as the schema was.

        :param schema: the schema to validate for
        :param source: the source, as `graphql.parse` takes it
        :param hide_suggestions: leave suggestions out of validation errors
        :returns: the document, or the errors that it or the schema has
        :raises TypeError: when the source is not one, as `graphql.parse`
        """
        key: Any = None
        if type(source) is str:
            key = source
        elif isinstance(source, Source):
            key = (source.body, source.name, source.location_offset)
        entry = self._get(schema, key) if key is not None else None
        if entry is not None:
            return entry
        document = validate_schema(schema) or self.read(schema, source, hide_suggestions)
        if isinstance(document, list):
            return document
        body = source.body if isinstance(source, Source) else str(source)
        size = len(body.encode("utf-8", "surrogatepass"))
        entry = CachedDocument(schema, document, size, self.options)
        if key is not None:
            self._put(key, entry)
        return entry

    def read(
        self, schema: GraphQLSchema, source: str | Source, hide_suggestions: bool = False
    ) -> DocumentNode | list[GraphQLError]:
        """Parse and validate a source; arguments as :meth:`load`, nothing is looked up or kept."""
        try:
            document = self.limits.parse(source)
        except GraphQLError as error:
            return [error]
        errors = self.limits.check(document)
        if errors:
            return errors
        added = (*self.limits.rules, *self.rules)
        rules = [*specified_rules, *added] if added else None
        return validate(schema, document, rules, hide_suggestions=hide_suggestions) or document

    def _get(self, schema: GraphQLSchema, key: Any) -> CachedDocument | None:
        with self._lock:
            entry = self._kept.entries.get(key)
            if entry is not None and entry.schema is schema:
                self._kept.entries.move_to_end(key)
                self._hits += 1
                return entry
            entry = self._probation.remove(key)
            if entry is None or entry.schema is not schema:
                self._misses += 1
                return None
            self._hits += 1
            self._keep(key, entry)
            return entry

    def _keep(self, key: Any, entry: CachedDocument) -> None:
        """Keep a document that was asked for again; what has to go for it is on probation again."""
        kept = self._kept
        kept.add(key, entry)
        while (
            len(kept.entries) > max(1, self.max_documents * 3 // 4)
            or kept.size > self.max_source_bytes * 3 // 4
        ):
            self._probation.add(*kept.pop_oldest())

    def _put(self, key: Any, entry: CachedDocument) -> None:
        if entry.size > self.max_source_bytes // 16 or not self.max_documents:
            return
        with self._lock:
            self._kept.remove(key)
            self._probation.add(key, entry)
            while self._probation.entries and (
                len(self._probation.entries) + len(self._kept.entries) > self.max_documents
                or self._probation.size + self._kept.size > self.max_source_bytes
            ):
                self._probation.pop_oldest()
