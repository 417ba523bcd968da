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
from .meta import remember, take_options
from .schema import install_execution, uninstall_execution
from .types import _AcceleratedType, field_factory


@dataclass
class _Installation:
    """What install() changed: (owner, name, what stood there)."""

    batching: bool
    nested_arguments: bool
    replaced: list[tuple[Any, str, Any]] = field(default_factory=list)

    def replace(self, owner: Any, name: str, value: Any) -> None:
        self.replaced.append((owner, name, vars(owner)[name]))
        setattr(owner, name, value)

    def undo(self) -> None:
        while self.replaced:
            setattr(*self.replaced.pop())


_lock = threading.RLock()
_installation: _Installation | None = None


def install(*, batching: bool = True, nested_arguments: bool = False) -> None:
    """Accelerate graphene-sqlalchemy: its converter, its relationships and their execution.

    :param batching: whether relationships of types whose ``Meta`` does not say are batched. Only
        resolvers are exchanged for it; the schema is what it is without this package. A type that
        says ``batching=True`` or ``False``, and an ``ORMField`` that does, is respected. Types made
        before ``install()`` have lost what they said: False counts as unset there.
    :param nested_arguments: whether connection fields over relationships take `sort` and `filter`,
        in types that are made from now on and whose ``Meta`` says neither ``nested_arguments`` nor
        ``connection_field_factory``.

    Call it before or after types are defined and schemas are built. It also makes our execution
    context the default of graphql-core and gives ``graphene.Schema`` the cache of documents.
    Calling it again changes nothing, unless an argument differs.
    """
    global _installation
    with _lock:
        if _installation is not None:
            known = _installation.batching, _installation.nested_arguments
            if known == (batching, nested_arguments):
                return
            uninstall()
        _installation = _Installation(batching, nested_arguments)
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
    cls: Any,
    batching: bool | None = None,
    connection_field_factory: Any = None,
    _meta: Any = None,
    **options: Any,
) -> None:
    """SQLAlchemyBase's own with this package's options, then the exchange of resolvers."""
    explicit = explicit_batching(cls)
    own = take_options(options)
    if _meta:
        remember(_meta, own)
    installation = None if not _meta or issubclass(cls, _AcceleratedType) else _installation
    nested_arguments = installation is not None and own.get(
        "nested_arguments", installation.nested_arguments
    )
    if nested_arguments and connection_field_factory is None:
        connection_field_factory = field_factory(bool(batching), explicit, True)
    _stock_init(
        cls,
        batching=bool(batching),
        connection_field_factory=connection_field_factory,
        _meta=_meta,
        **options,
    )
    if installation is not None:
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
