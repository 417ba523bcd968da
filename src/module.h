/* The ground of the extension: its per-interpreter state and what every room shares.
 *
 * The state is one struct, filled once when the module is executed. The lists below name each
 * slot once; creation, traversal and clearing expand the same lists, so none can be forgotten.
 * There is no static mutable data anywhere in this extension.
 */
#ifndef GSC_MODULE_H
#define GSC_MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* Attribute and keyword names that are looked up at run time, interned. */
#define STATE_NAMES(X)                                                                            \
    X(__await__)                                                                                  \
    X(__closure__)                                                                                \
    X(__code__)                                                                                   \
    X(__dict__)                                                                                   \
    X(__func__)                                                                                   \
    X(__schema)                                                                                   \
    X(__self__)                                                                                   \
    X(__type)                                                                                     \
    X(__typename)                                                                                 \
    X(_meta)                                                                                      \
    X(add)                                                                                        \
    X(alias)                                                                                      \
    X(args)                                                                                       \
    X(arguments)                                                                                  \
    X(batch)                                                                                      \
    X(cell_contents)                                                                              \
    X(close)                                                                                      \
    X(collected_errors)                                                                           \
    X(complete)                                                                                   \
    X(context_value)                                                                              \
    X(date)                                                                                       \
    X(directives)                                                                                 \
    X(ensure_valid_runtime_type)                                                                  \
    X(field_resolver)                                                                             \
    X(fields)                                                                                     \
    X(fragments)                                                                                  \
    X(func)                                                                                       \
    X(get)                                                                                        \
    X(get_field_resolver)                                                                         \
    X(is_awaitable)                                                                               \
    X(is_type_of)                                                                                 \
    X(isoformat)                                                                                  \
    X(key)                                                                                        \
    X(keywords)                                                                                   \
    X(load_many)                                                                                  \
    X(load_many_async)                                                                            \
    X(middleware_manager)                                                                         \
    X(model)                                                                                      \
    X(model_attr)                                                                                 \
    X(name)                                                                                       \
    X(needs_await)                                                                                \
    X(of_type)                                                                                    \
    X(operation)                                                                                  \
    X(resolve)                                                                                    \
    X(resolve_type)                                                                               \
    X(root_value)                                                                                 \
    X(schema)                                                                                     \
    X(selection_set)                                                                              \
    X(selections)                                                                                 \
    X(serialize)                                                                                  \
    X(type)                                                                                       \
    X(type_condition)                                                                             \
    X(type_map)                                                                                   \
    X(type_resolver)                                                                              \
    X(value)                                                                                      \
    X(variable_values)

/* Python objects of other packages: X(slot, module, attribute). */
#define FROM_GRAPHQL(X, name) X(name, "graphene_sqlalchemy_c._graphql", #name)
#define STATE_IMPORTS(X)                                                                          \
    FROM_GRAPHQL(X, AsyncIterable)                                                                \
    FROM_GRAPHQL(X, Enum)                                                                         \
    FROM_GRAPHQL(X, FieldNode)                                                                    \
    FROM_GRAPHQL(X, FragmentSpreadNode)                                                           \
    FROM_GRAPHQL(X, GraphQLEnumType)                                                              \
    FROM_GRAPHQL(X, GraphQLError)                                                                 \
    FROM_GRAPHQL(X, GraphQLList)                                                                  \
    FROM_GRAPHQL(X, GraphQLNonNull)                                                               \
    FROM_GRAPHQL(X, GraphQLObjectType)                                                            \
    FROM_GRAPHQL(X, GraphQLResolveInfo)                                                           \
    FROM_GRAPHQL(X, GraphQLScalarType)                                                            \
    FROM_GRAPHQL(X, InlineFragmentNode)                                                           \
    FROM_GRAPHQL(X, Mapping)                                                                      \
    FROM_GRAPHQL(X, Path)                                                                         \
    FROM_GRAPHQL(X, TypeNameMetaFieldDef)                                                         \
    FROM_GRAPHQL(X, Undefined)                                                                    \
    FROM_GRAPHQL(X, VariableNode)                                                                 \
    FROM_GRAPHQL(X, arguments_use)                                                                \
    FROM_GRAPHQL(X, attr_resolver)                                                                \
    FROM_GRAPHQL(X, await_value)                                                                  \
    FROM_GRAPHQL(X, collect_fields)                                                               \
    FROM_GRAPHQL(X, collect_sub_fields)                                                           \
    FROM_GRAPHQL(X, default_field_resolver)                                                       \
    FROM_GRAPHQL(X, dict_or_attr_resolver)                                                        \
    FROM_GRAPHQL(X, dict_resolver)                                                                \
    FROM_GRAPHQL(X, does_fragment_condition_match)                                                \
    FROM_GRAPHQL(X, execute_assume_not_awaitable)                                                 \
    FROM_GRAPHQL(X, get_argument_values)                                                          \
    FROM_GRAPHQL(X, get_field_def)                                                                \
    FROM_GRAPHQL(X, global_id_parts)                                                              \
    FROM_GRAPHQL(X, global_id_resolver)                                                           \
    FROM_GRAPHQL(X, graphql_assume_not_awaitable)                                                 \
    FROM_GRAPHQL(X, inspect)                                                                      \
    FROM_GRAPHQL(X, invalid_return_type_error)                                                    \
    X(is_awaitable_default, "graphene_sqlalchemy_c._graphql", "is_awaitable")                     \
    FROM_GRAPHQL(X, is_iterable)                                                                  \
    FROM_GRAPHQL(X, is_type_of_from_possible_types)                                               \
    FROM_GRAPHQL(X, list_of_async_iterable)                                                       \
    FROM_GRAPHQL(X, located_error)                                                                \
    FROM_GRAPHQL(X, partial)                                                                      \
    FROM_GRAPHQL(X, serialize_big_int)                                                            \
    FROM_GRAPHQL(X, serialize_boolean)                                                            \
    FROM_GRAPHQL(X, serialize_date)                                                               \
    FROM_GRAPHQL(X, serialize_datetime)                                                           \
    FROM_GRAPHQL(X, serialize_decimal)                                                            \
    FROM_GRAPHQL(X, serialize_float)                                                              \
    FROM_GRAPHQL(X, serialize_id)                                                                 \
    FROM_GRAPHQL(X, serialize_int)                                                                \
    FROM_GRAPHQL(X, serialize_string)                                                             \
    FROM_GRAPHQL(X, serialize_time)                                                               \
    FROM_GRAPHQL(X, serialize_uuid)                                                               \
    FROM_GRAPHQL(X, should_include_node)                                                          \
    X(InstrumentedAttribute, "graphene_sqlalchemy_c._upstream_resolvers", "InstrumentedAttribute") \
    X(upstream_attribute_code, "graphene_sqlalchemy_c._upstream_resolvers",                       \
      "attribute_lambda_code")                                                                    \
    X(upstream_is_type_of, "graphene_sqlalchemy_c._upstream_resolvers", "is_type_of")             \
    X(upstream_resolve_id, "graphene_sqlalchemy_c._upstream_resolvers", "resolve_id")             \
    X(primary_key_name, "graphene_sqlalchemy_c._upstream_resolvers", "primary_key_name")          \
    X(date_type, "datetime", "date")                                                              \
    X(datetime_type, "datetime", "datetime")                                                      \
    X(time_type, "datetime", "time")                                                              \
    X(decimal_type, "decimal", "Decimal")                                                         \
    X(uuid_type, "uuid", "UUID")

/* Heap types of this extension, in the order in which they are made. */
#define STATE_TYPES(X)                                                                            \
    X(Plan)                                                                                       \
    X(Run)

/* Types of resolvers that the plan recognises; NULL until `set_resolver_types` names them. */
#define STATE_RESOLVERS(X)                                                                        \
    X(batch_resolver)                                                                             \
    X(connection_resolver)                                                                        \
    X(attribute_resolver)

typedef struct {
#define X(name) PyObject *str_##name; /* owned, interned */
    STATE_NAMES(X)
#undef X
#define X(name, module, attribute) PyObject *name; /* owned */
    STATE_IMPORTS(X)
#undef X
#define X(name) PyTypeObject *name; /* owned */
    STATE_TYPES(X)
    STATE_RESOLVERS(X)
#undef X
    PyObject *empty_tuple;        /* owned */
    unsigned long long run_count; /* runs begun, so that each has a number of its own */
} module_state;

extern struct PyModuleDef core_module;

/* The state of the module that made `type`, a heap type that no class can derive from. */
static inline module_state *
state_of_type(PyTypeObject *type)
{
    return (module_state *)PyType_GetModuleState(type);
}

/* METH_KEYWORDS and METH_FASTCALL functions have other signatures than PyCFunction. */
#define METHOD_CAST(function) ((PyCFunction)(void (*)(void))(function))

#endif
