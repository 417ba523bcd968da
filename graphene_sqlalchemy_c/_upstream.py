"""The internals of graphene-sqlalchemy that this package uses: a flat list, and nothing else.

No other module names them. The objects are captured when this module is imported, so they stay
upstream's own whatever is put in their place later. Names that are only read by way of the
globals below are imported too, so that one that is missing is found here and not in a request.
"""

UPSTREAM_VERSION = "3.0.0rc2"

try:
    import graphene_sqlalchemy.converter as converter_module
    import graphene_sqlalchemy.fields as fields_module
    import graphene_sqlalchemy.resolvers as resolvers_module
    import graphene_sqlalchemy.types as types_module
    from graphene_sqlalchemy.batching import get_batch_resolver
    from graphene_sqlalchemy.converter import (
        _convert_o2m_or_m2m_relationship,
        _convert_o2o_or_m2o_relationship,
        convert_hybrid_property_return_type,
        convert_sqlalchemy_association_proxy,
        convert_sqlalchemy_column,
        convert_sqlalchemy_composite,
        convert_sqlalchemy_hybrid_method,
        convert_sqlalchemy_relationship,
        convert_sqlalchemy_type,
        get_column_doc,
        is_column_nullable,
        is_selectin_available,
        use_non_null_many_relationships,
    )
    from graphene_sqlalchemy.fields import (
        BatchSQLAlchemyConnectionField,
        default_connection_field_factory,
    )
    from graphene_sqlalchemy.resolvers import get_attr_resolver, get_custom_resolver
    from graphene_sqlalchemy.utils import (
        column_type_eq,
        safe_isinstance,
        safe_issubclass,
        singledispatchbymatchfunction,
    )
except ImportError as error:
    raise ImportError(
        f"graphene_sqlalchemy_c is made for graphene-sqlalchemy {UPSTREAM_VERSION}; the installed "
        f"one lacks what is used of it: {error}"
    ) from error

# The globals that upstream's functions read at each call; ours read the same ones.
converter_globals = vars(converter_module)
fields_globals = vars(fields_module)

__all__ = [
    "UPSTREAM_VERSION",
    "BatchSQLAlchemyConnectionField",
    "_convert_o2m_or_m2m_relationship",
    "_convert_o2o_or_m2o_relationship",
    "column_type_eq",
    "convert_hybrid_property_return_type",
    "convert_sqlalchemy_association_proxy",
    "convert_sqlalchemy_column",
    "convert_sqlalchemy_composite",
    "convert_sqlalchemy_hybrid_method",
    "convert_sqlalchemy_relationship",
    "convert_sqlalchemy_type",
    "converter_globals",
    "converter_module",
    "default_connection_field_factory",
    "fields_globals",
    "fields_module",
    "get_attr_resolver",
    "get_batch_resolver",
    "get_column_doc",
    "get_custom_resolver",
    "is_column_nullable",
    "is_selectin_available",
    "resolvers_module",
    "safe_isinstance",
    "safe_issubclass",
    "singledispatchbymatchfunction",
    "types_module",
    "use_non_null_many_relationships",
]
