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
    X(BatchSQLAlchemyConnectionField)                                                             \
    X(Dynamic)                                                                                    \
    X(Field)                                                                                      \
    X(List)                                                                                       \
    X(NonNull)                                                                                    \
    X(__await__)                                                                                  \
    X(__dict__)                                                                                   \
    X(__doc__)                                                                                    \
    X(__name__)                                                                                   \
    X(__wrapped__)                                                                                \
    X(_convert_o2m_or_m2m_relationship)                                                           \
    X(_convert_o2o_or_m2o_relationship)                                                           \
    X(_meta)                                                                                      \
    X(_type)                                                                                      \
    X(assoc_prop)                                                                                 \
    X(attrs)                                                                                      \
    X(batching)                                                                                   \
    X(callables)                                                                                  \
    X(class_)                                                                                     \
    X(column)                                                                                     \
    X(column_prop)                                                                                \
    X(columns)                                                                                    \
    X(composite_class)                                                                            \
    X(composite_prop)                                                                             \
    X(connection)                                                                                 \
    X(connection_field_factory)                                                                   \
    X(convert_hybrid_property_return_type)                                                        \
    X(convert_sqlalchemy_column)                                                                  \
    X(convert_sqlalchemy_relationship)                                                            \
    X(convert_sqlalchemy_type)                                                                    \
    X(default)                                                                                    \
    X(default_connection_field_factory)                                                           \
    X(description)                                                                                \
    X(direction)                                                                                  \
    X(doc)                                                                                        \
    X(done)                                                                                       \
    X(entity)                                                                                     \
    X(expired)                                                                                    \
    X(from_relationship)                                                                          \
    X(get_attr_resolver)                                                                          \
    X(get_batch_resolver)                                                                         \
    X(get_column_doc)                                                                             \
    X(get_converter_for_composite)                                                                \
    X(get_custom_resolver)                                                                        \
    X(get_type)                                                                                   \
    X(get_type_for_model)                                                                         \
    X(graphene)                                                                                   \
    X(graphene_sqlalchemy_c_queue)                                                                \
    X(hybrid_prop)                                                                                \
    X(identity_token)                                                                             \
    X(info)                                                                                       \
    X(is_column_nullable)                                                                         \
    X(is_selectin_available)                                                                      \
    X(key)                                                                                        \
    X(load_many)                                                                                  \
    X(load_many_async)                                                                            \
    X(load_options)                                                                               \
    X(mapper)                                                                                     \
    X(miss)                                                                                       \
    X(model)                                                                                      \
    X(model_attr)                                                                                 \
    X(modified)                                                                                   \
    X(needs_await)                                                                                \
    X(nullable)                                                                                   \
    X(obj_type)                                                                                   \
    X(object)                                                                                     \
    X(open)                                                                                       \
    X(orm_field_name)                                                                             \
    X(parent)                                                                                     \
    X(register)                                                                                   \
    X(registry)                                                                                   \
    X(relationship_prop)                                                                          \
    X(required)                                                                                   \
    X(resolver)                                                                                   \
    X(serves)                                                                                     \
    X(session)                                                                                    \
    X(target_collection)                                                                          \
    X(type)                                                                                       \
    X(type_)                                                                                      \
    X(use_non_null_many_relationships)                                                            \
    X(uselist)                                                                                    \
    X(value_attr)                                                                                 \
    X(wake)

/* Keyword names of calls that are made often: X(slot, count, names...), tuples of STATE_NAMES. */
#define STATE_KEYWORDS(X)                                                                         \
    X(dispatch_keywords, 2, state->str_column, state->str_registry)                               \
    X(field_keywords, 4, state->str_resolver, state->str_type_, state->str_required,              \
      state->str_description)

/* Python objects of other packages: X(slot, module, attribute). */
#define STATE_IMPORTS(X)                                                                          \
    X(OrderedDict, "collections", "OrderedDict")                                                  \
    X(partial, "functools", "partial")                                                            \
    X(get_unbound_function, "graphene.utils.get_unbound_function", "get_unbound_function")        \
    X(ColumnProperty, "sqlalchemy.orm", "ColumnProperty")                                         \
    X(MANYTOONE, "sqlalchemy.orm", "MANYTOONE")                                                   \
    X(RelationshipProperty, "sqlalchemy.orm", "RelationshipProperty")                             \
    X(class_mapper, "sqlalchemy.orm", "class_mapper")                                             \
    X(instance_state, "sqlalchemy.orm.attributes", "instance_state")                              \
    X(set_committed_value, "sqlalchemy.orm.attributes", "set_committed_value")                    \
    X(plan_dispatch, "graphene_sqlalchemy_c._classify", "plan_dispatch")                          \
    X(stored_attribute, "graphene_sqlalchemy_c._classify", "stored_attribute")                    \
    X(converter_globals, "graphene_sqlalchemy_c._upstream", "converter_globals")                  \
    X(fields_globals, "graphene_sqlalchemy_c._upstream", "fields_globals")                        \
    X(upstream_convert_o2m, "graphene_sqlalchemy_c._upstream",                                    \
      "_convert_o2m_or_m2m_relationship")                                                         \
    X(upstream_convert_o2o, "graphene_sqlalchemy_c._upstream",                                    \
      "_convert_o2o_or_m2o_relationship")                                                         \
    X(upstream_convert_association_proxy, "graphene_sqlalchemy_c._upstream",                      \
      "convert_sqlalchemy_association_proxy")                                                     \
    X(upstream_convert_column, "graphene_sqlalchemy_c._upstream", "convert_sqlalchemy_column")    \
    X(upstream_convert_composite, "graphene_sqlalchemy_c._upstream",                              \
      "convert_sqlalchemy_composite")                                                             \
    X(upstream_convert_hybrid_method, "graphene_sqlalchemy_c._upstream",                          \
      "convert_sqlalchemy_hybrid_method")                                                         \
    X(upstream_convert_relationship, "graphene_sqlalchemy_c._upstream",                           \
      "convert_sqlalchemy_relationship")                                                          \
    X(upstream_get_attr_resolver, "graphene_sqlalchemy_c._upstream", "get_attr_resolver")         \
    X(upstream_get_batch_resolver, "graphene_sqlalchemy_c._upstream", "get_batch_resolver")       \
    X(upstream_get_column_doc, "graphene_sqlalchemy_c._upstream", "get_column_doc")               \
    X(upstream_get_custom_resolver, "graphene_sqlalchemy_c._upstream", "get_custom_resolver")     \
    X(upstream_is_column_nullable, "graphene_sqlalchemy_c._upstream", "is_column_nullable")

/* Heap types of this extension, in the order in which they are made. */
#define STATE_TYPES(X)                                                                            \
    X(AttrResolver)                                                                               \
    X(TypeDispatch)                                                                               \
    X(CompositeConverter)                                                                         \
    X(Batch)                                                                                      \
    X(BatchSlot)                                                                                  \
    X(BatchResolver)                                                                              \
    X(TypeCheck)                                                                                  \
    X(IsTypeOf)

/* The rooms that add to the module: each defines int <room>_add(PyObject *, module_state *). */
#define STATE_ROOMS(X)                                                                            \
    X(resolver)                                                                                   \
    X(dispatch)                                                                                   \
    X(converter)                                                                                  \
    X(composite)                                                                                  \
    X(group)                                                                                      \
    X(batch)                                                                                      \
    X(typecheck)

typedef struct {
#define X(name) PyObject *str_##name; /* owned, interned */
    STATE_NAMES(X)
#undef X
#define X(name, count, ...) PyObject *name; /* owned, tuple of interned str */
    STATE_KEYWORDS(X)
#undef X
#define X(name, module, attribute) PyObject *name; /* owned */
    STATE_IMPORTS(X)
#undef X
#define X(name) PyTypeObject *name; /* owned */
    STATE_TYPES(X)
#undef X
} module_state;

#define X(room) int room##_add(PyObject *module, module_state *state);
STATE_ROOMS(X)
#undef X

extern struct PyModuleDef core_module;

/* Make a heap type of `spec`, keep it in the state's `*slot` and add it to the module. */
int module_add_type(PyObject *module, PyTypeObject **slot, PyType_Spec *spec);

/* The state of the module that made `type`, a heap type that no class can derive from. */
static inline module_state *
state_of_type(PyTypeObject *type)
{
    return (module_state *)PyType_GetModuleState(type);
}

/* METH_KEYWORDS and METH_FASTCALL functions have other signatures than PyCFunction. */
#define METHOD_CAST(function) ((PyCFunction)(void (*)(void))(function))

#endif
