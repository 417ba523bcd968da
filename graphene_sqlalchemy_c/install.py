"""One call that plugs this package into graphene-sqlalchemy, and one that unplugs it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from . import _upstream
from ._core import IsTypeOf
from .acceleration import accelerate, decelerate, explicit_batching
from .batching import get_batch_resolver
from .connections import BatchSQLAlchemyConnectionField
from .converter import replacements
from .schema import install_execution, uninstall_execution
from .types import _AcceleratedType


@dataclass
class _Installation:
    """What install() changed: (owner, name, what stood there)."""

    batching: bool
    replaced: list[tuple[Any, str, Any]] = field(default_factory=list)

    def replace(self, owner: Any, name: str, value: Any) -> None:
        self.replaced.append((owner, name, vars(owner)[name]))
        setattr(owner, name, value)

    def undo(self) -> None:
        while self.replaced:
            setattr(*self.replaced.pop())


_lock = threading.RLock()
_installation: _Installation | None = None


def install(*, batching: bool = True) -> None:
    """Accelerate graphene-sqlalchemy: its converter, its relationships and their execution.

    :param batching: whether relationships of types whose ``Meta`` does not say are batched. Only
        resolvers are exchanged for it; the schema is what it is without this package. A type that
        says ``batching=True`` or ``False``, and an ``ORMField`` that does, is respected. Types made
        before ``install()`` have lost what they said: False counts as unset there.

    Call it before or after types are defined and schemas are built. It also makes our execution
    context the default of graphql-core and gives ``graphene.Schema`` the cache of documents.
    Calling it again changes nothing, unless ``batching`` differs.
    """
    global _installation
    with _lock:
        if _installation is not None:
            if _installation.batching == batching:
                return
            uninstall()
        _installation = _Installation(batching)
        _replace_upstream(_installation)
        install_execution()
        for cls in _stock_types():
            accelerate(cls, batching, {})


def uninstall() -> None:
    """Undo :func:`install`, for types and schemas that are built from now on."""
    global _installation
    with _lock:
        if _installation is None:
            return
        _installation.undo()
        _installation = None
        uninstall_execution()
        for cls in _stock_types():
            decelerate(cls)


def is_installed() -> bool:
    """Whether :func:`install` is in effect."""
    return _installation is not None


def _replace_upstream(installation: _Installation) -> None:
    # First of all, because a place that no longer holds upstream's own is left alone.
    for module_name, name, value in replacements():
        installation.replace(sys.modules[module_name], name, value)
    for module in (
        _upstream.batching_module,
        _upstream.converter_module,
        _upstream.fields_module,
    ):
        installation.replace(module, "get_batch_resolver", get_batch_resolver)
    installation.replace(
        _upstream.BatchSQLAlchemyConnectionField,
        "connection_resolver",
        vars(BatchSQLAlchemyConnectionField)["connection_resolver"],
    )
    installation.replace(
        _upstream.SQLAlchemyBase, "is_type_of", IsTypeOf(_upstream.plain_is_type_of)
    )
    installation.replace(
        _upstream.SQLAlchemyBase,
        "__init_subclass_with_meta__",
        classmethod(_init_subclass_with_meta),  # type: ignore[arg-type]
    )


_stock_init = vars(_upstream.SQLAlchemyBase)["__init_subclass_with_meta__"].__func__


def _init_subclass_with_meta(
    cls: Any, batching: bool | None = None, _meta: Any = None, **options: Any
) -> None:
    """SQLAlchemyBase's own, then the exchange of resolvers."""
    explicit = explicit_batching(cls)
    _stock_init(cls, batching=bool(batching), _meta=_meta, **options)
    installation = _installation
    if _meta and installation is not None and not issubclass(cls, _AcceleratedType):
        accelerate(cls, installation.batching if batching is None else bool(batching), explicit)


def _stock_types() -> Iterator[Any]:
    """Every type of graphene-sqlalchemy's that has a model and is not accelerated by itself."""
    pending = [_upstream.SQLAlchemyBase]
    seen = set()
    while pending:
        cls = pending.pop()
        pending.extend(each for each in cls.__subclasses__() if each not in seen)
        seen.update(cls.__subclasses__())
        if getattr(getattr(cls, "_meta", None), "model", None) is not None and not issubclass(
            cls, _AcceleratedType
        ):
            yield cls
