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
    parse,
    specified_rules,
    validate,
)

from .execution import PlanStore

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

    __slots__ = ("document", "plans", "schema", "size")

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, size: int) -> None:
        self.schema = schema
        self.document = document
        self.size = size
        self.plans = PlanStore()


class _Segment:
    """Documents by source, the least recently used first, within two bounds."""

    __slots__ = ("entries", "max_bytes", "max_entries", "size")

    def __init__(self, max_entries: int, max_bytes: int) -> None:
        self.entries: OrderedDict[Any, CachedDocument] = OrderedDict()
        self.max_entries = max_entries
        self.max_bytes = max_bytes
        self.size = 0

    def add(self, key: Any, entry: CachedDocument) -> list[tuple[Any, CachedDocument]]:
        """Add as the most recently used one; what has to go for it is returned."""
        self.remove(key)
        self.entries[key] = entry
        self.size += entry.size
        evicted = []
        while len(self.entries) > self.max_entries or self.size > self.max_bytes:
            old_key, old = self.entries.popitem(last=False)
            self.size -= old.size
            evicted.append((old_key, old))
        return evicted

    def remove(self, key: Any) -> CachedDocument | None:
        entry = self.entries.pop(key, None)
        if entry is not None:
            self.size -= entry.size
        return entry


class DocumentCache:
    """Documents that are valid for a schema, least recently used ones dropped first.

    A document comes in on probation, into a quarter of the room, and gets into the rest when it is
    asked for again. So a client that sends ever-new documents displaces only other documents that
    were sent once. Documents with errors are not kept at all: each time they cost what they cost
    without a cache. Safe to use from several threads; parsing and validating happen outside of the
    lock.

    :param rules: validation rules besides graphql-core's `specified_rules`
    :param max_documents: documents that are kept at most; 0 keeps none
    :param max_source_bytes: size of their sources, in bytes of UTF-8, at most; a document of more
        than a sixteenth of it is not kept
    """

    def __init__(
        self,
        rules: Collection[type[ASTValidationRule]] = (),
        max_documents: int = MAX_DOCUMENTS,
        max_source_bytes: int = MAX_SOURCE_BYTES,
    ) -> None:
        self.rules = tuple(rules)
        self.max_documents = max_documents
        self.max_source_bytes = max_source_bytes
        quarter = (max_documents + 3) // 4
        self._probation = _Segment(quarter, max_source_bytes // 4)
        self._kept = _Segment(max_documents - quarter, max_source_bytes - max_source_bytes // 4)
        self._lock = Lock()
        self._hits = 0
        self._misses = 0

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy of a schema gets a cache of its own, an empty one.
        return DocumentCache, (self.rules, self.max_documents, self.max_source_bytes)

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
            for segment in (self._probation, self._kept):
                segment.entries.clear()
                segment.size = 0

    def load(
        self, schema: GraphQLSchema, source: str | Source, hide_suggestions: bool = False
    ) -> CachedDocument | list[GraphQLError]:
        """The document of that source, parsed and validated now or before.

        :param schema: the schema to validate for
        :param source: the source, as `graphql.parse` takes it
        :param hide_suggestions: leave suggestions out of validation errors
        :returns: the document, or the errors it has
        :raises TypeError: when the source is not one, as `graphql.parse`
        """
        key: Any
        if isinstance(source, Source):
            key = (source.body, source.name, source.location_offset)
        else:
            key = source if type(source) is str else None
        entry = self._get(schema, key) if key is not None else None
        if entry is not None:
            return entry
        try:
            document = parse(source)
        except GraphQLError as error:
            return [error]
        rules = [*specified_rules, *self.rules] if self.rules else None
        errors = validate(schema, document, rules, hide_suggestions=hide_suggestions)
        if errors:
            return errors
        body = source.body if isinstance(source, Source) else str(source)
        entry = CachedDocument(schema, document, len(body.encode("utf-8", "surrogatepass")))
        if key is not None:
            self._put(key, entry)
        return entry

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
            # The second request lets it in; what it displaces has another chance on probation.
            for old_key, old in self._kept.add(key, entry):
                self._probation.add(old_key, old)
            return entry

    def _put(self, key: Any, entry: CachedDocument) -> None:
        if entry.size > self.max_source_bytes // 16 or not self.max_documents:
            return
        with self._lock:
            self._kept.remove(key)
            self._probation.add(key, entry)
