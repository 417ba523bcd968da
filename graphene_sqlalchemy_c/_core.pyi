from collections.abc import Awaitable
from typing import Any, final

def set_resolver_types(
    batch: type | None, connection: type | None, attribute: type | None, /
) -> None: ...

@final
class Plan:
    def __new__(
        cls,
        schema: Any,
        fragments: dict[str, Any],
        selection_set: Any,
        root_type: Any,
        field_resolver: Any,
        variable_values: dict[str, Any],
        condition_names: frozenset[str],
        /,
    ) -> Plan: ...
    def is_usable(self) -> bool: ...

@final
class Run:
    def __new__(cls, plan: Plan, context: Any, root_value: Any, is_serial: bool, /) -> Run: ...
    def start(self) -> Awaitable[Any] | list[Awaitable[Any]] | None: ...
    def resume(self, values: Any, /) -> Awaitable[Any] | list[Awaitable[Any]] | None: ...
    def finish(self) -> Any: ...
    def close(self) -> None: ...
