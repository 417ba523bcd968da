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
    X(__closure__)                                                                                \
    X(__code__)                                                                                   \
    X(__dict__)                                                                                   \
    X(__doc__)                                                                                    \
    X(__func__)                                                                                   \
    X(__mapper__)                                                                                 \
    X(__name__)                                                                                   \
    X(__schema)                                                                                   \
    X(__self__)                                                                                   \
    X(__type)                                                                                     \
    X(__typename)                                                                                 \
    X(__wrapped__)                                                                                \
    X(_convert_o2m_or_m2m_relationship)                                                           \
    X(_convert_o2o_or_m2o_relationship)                                                           \
    X(_meta)                                                                                      \
    X(_type)                                                                                      \
    X(add)                                                                                        \
    X(alias)                                                                                      \
    X(args)                                                                                       \
    X(arguments)                                                                                  \
    X(assoc_prop)                                                                                 \
    X(attrs)                                                                                      \
    X(batch)                                                                                      \
    X(batching)                                                                                   \
    X(by_identity)                                                                                \
    X(by_rows)                                                                                    \
    X(callables)                                                                                  \
    X(cell_contents)                                                                              \
    X(check)                                                                                      \
    X(check_async)                                                                                \
    X(class_)                                                                                     \
    X(close)                                                                                      \
    X(collected_errors)                                                                           \
    X(column)                                                                                     \
    X(column_prop)                                                                                \
    X(columns)                                                                                    \
    X(complete)                                                                                   \
    X(composite_class)                                                                            \
    X(composite_prop)                                                                             \
    X(connection)                                                                                 \
    X(connection_field_factory)                                                                   \
    X(context_value)                                                                              \
    X(convert_hybrid_property_return_type)                                                        \
    X(convert_sqlalchemy_column)                                                                  \
    X(convert_sqlalchemy_relationship)                                                            \
    X(convert_sqlalchemy_type)                                                                    \
    X(date)                                                                                       \
    X(default)                                                                                    \
    X(default_connection_field_factory)                                                           \
    X(description)                                                                                \
    X(direction)                                                                                  \
    X(directives)                                                                                 \
    X(doc)                                                                                        \
    X(done)                                                                                       \
    X(ensure_valid_runtime_type)                                                                  \
    X(entity)                                                                                     \
    X(expired)                                                                                    \
    X(field_resolver)                                                                             \
    X(fields)                                                                                     \
    X(filter)                                                                                     \
    X(fragments)                                                                                  \
    X(from_relationship)                                                                          \
    X(func)                                                                                       \
    X(get)                                                                                        \
    X(get_attr_resolver)                                                                          \
    X(get_batch_resolver)                                                                         \
    X(get_column_doc)                                                                             \
    X(get_converter_for_composite)                                                                \
    X(get_custom_resolver)                                                                        \
    X(get_field_resolver)                                                                         \
    X(get_possible_types)                                                                         \
    X(get_type)                                                                                   \
    X(get_type_for_model)                                                                         \
    X(graphene)                                                                                   \
    X(graphene_sqlalchemy_c_queue)                                                                \
    X(guard)                                                                                      \
    X(hybrid_prop)                                                                                \
    X(identity_token)                                                                             \
    X(info)                                                                                       \
    X(is_awaitable)                                                                               \
    X(is_column_nullable)                                                                         \
    X(is_selectin_available)                                                                      \
    X(is_type_of)                                                                                 \
    X(isoformat)                                                                                  \
    X(key)                                                                                        \
    X(keywords)                                                                                   \
    X(kinds)                                                                                      \
    X(lazy)                                                                                       \
    X(level)                                                                                      \
    X(load)                                                                                       \
    X(load_async)                                                                                 \
    X(load_many)                                                                                  \
    X(load_many_async)                                                                            \
    X(load_options)                                                                               \
    X(loader_of)                                                                                  \
    X(loop)                                                                                       \
    X(mapper)                                                                                     \
    X(middleware_manager)                                                                         \
    X(miss)                                                                                       \
    X(model)                                                                                      \
    X(model_attr)                                                                                 \
    X(modified)                                                                                   \
    X(name)                                                                                       \
    X(needs_await)                                                                                \
    X(nullable)                                                                                   \
    X(obj_type)                                                                                   \
    X(object)                                                                                     \
    X(object_type)                                                                                \
    X(of_type)                                                                                    \
    X(open)                                                                                       \
    X(operation)                                                                                  \
    X(orm_field_name)                                                                             \
    X(parent)                                                                                     \
    X(places)                                                                                     \
    X(planned_resolver)                                                                           \
    X(property)                                                                                   \
    X(register)                                                                                   \
    X(registry)                                                                                   \
    X(relationship_prop)                                                                          \
    X(required)                                                                                   \
    X(resolve)                                                                                    \
    X(resolve_connection)                                                                         \
    X(resolve_type)                                                                               \
    X(resolver)                                                                                   \
    X(root_value)                                                                                 \
    X(schema)                                                                                     \
    X(selection_set)                                                                              \
    X(selections)                                                                                 \
    X(serialize)                                                                                  \
    X(session)                                                                                    \
    X(shares_objects)                                                                             \
    X(sort)                                                                                       \
    X(sources)                                                                                    \
    X(target_collection)                                                                          \
    X(type)                                                                                       \
    X(type_)                                                                                      \
    X(type_condition)                                                                             \
    X(type_map)                                                                                   \
    X(type_resolver)                                                                              \
    X(use_non_null_many_relationships)                                                            \
    X(uselist)                                                                                    \
    X(value)                                                                                      \
    X(value_attr)                                                                                 \
    X(variable_values)                                                                            \
    X(wake)                                                                                       \
    X(width)

/* Keyword names of calls that are made often: X(slot, count, names...), tuples of STATE_NAMES. */
#define STATE_KEYWORDS(X)                                                                         \
    X(dispatch_keywords, 2, state->str_column, state->str_registry)                               \
    X(field_keywords, 4, state->str_resolver, state->str_type_, state->str_required,              \
      state->str_description)

/* Python objects of other packages: X(slot, module, attribute). */
#define FROM_GRAPHQL(X, name) X(name, "graphene_sqlalchemy_c._graphql", #name)
#define STATE_IMPORTS(X)                                                                          \
    X(OrderedDict, "collections", "OrderedDict")                                                  \
    X(get_running_loop, "asyncio", "get_running_loop")                                            \
    X(partial, "functools", "partial")                                                            \
    X(get_unbound_function, "graphene.utils.get_unbound_function", "get_unbound_function")        \
    X(ColumnProperty, "sqlalchemy.orm", "ColumnProperty")                                         \
    X(MANYTOONE, "sqlalchemy.orm", "MANYTOONE")                                                   \
    X(RelationshipProperty, "sqlalchemy.orm", "RelationshipProperty")                             \
    X(class_mapper, "sqlalchemy.orm", "class_mapper")                                             \
    X(instance_state, "sqlalchemy.orm.attributes", "instance_state")                              \
    X(set_committed_value, "sqlalchemy.orm.attributes", "set_committed_value")                    \
    X(TooManyObjects, "graphene_sqlalchemy_c.limits", "TooManyObjects")                           \
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
    X(upstream_is_column_nullable, "graphene_sqlalchemy_c._upstream", "is_column_nullable")\
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
    FROM_GRAPHQL(X, arguments_of_variables)                                                       \
    FROM_GRAPHQL(X, arguments_use)                                                                \
    FROM_GRAPHQL(X, attr_resolver)                                                                \
    FROM_GRAPHQL(X, await_value)                                                                  \
    FROM_GRAPHQL(X, collect_fields)                                                               \
    FROM_GRAPHQL(X, complete_later)                                                               \
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
    X(InstrumentedAttribute, "sqlalchemy.orm", "InstrumentedAttribute")                           \
    X(FromStatement, "sqlalchemy.orm", "FromStatement")                                           \
    X(Query, "sqlalchemy.orm", "Query")                                                           \
    X(Select, "sqlalchemy", "Select")                                                             \
    X(upstream_attribute_code, "graphene_sqlalchemy_c._upstream", "attr_resolver_code")           \
    X(upstream_is_type_of, "graphene_sqlalchemy_c._upstream", "plain_is_type_of")                 \
    X(upstream_resolve_id, "graphene_sqlalchemy_c._upstream", "plain_resolve_id")                 \
    X(primary_key_name, "graphene_sqlalchemy_c._classify", "primary_key_name")                    \
    X(date_type, "datetime", "date")                                                              \
    X(datetime_type, "datetime", "datetime")                                                      \
    X(time_type, "datetime", "time")                                                              \
    X(decimal_type, "decimal", "Decimal")                                                         \
    X(uuid_type, "uuid", "UUID")

/* Objects of modules that import this one, looked up by late_<name>() when they are wanted:
 * X(slot, module). */
#define STATE_LATE(X)                                                                             \
    X(RowQuery, "graphene_sqlalchemy_c.queries")                                                  \
    X(gather_items, "graphene_sqlalchemy_c.guard")                                                \
    X(is_connection, "graphene_sqlalchemy_c.levels")                                              \
    X(load_attributes, "graphene_sqlalchemy_c.attributes")                                        \
    X(load_attributes_async, "graphene_sqlalchemy_c.attributes")                                  \
    X(needs_await, "graphene_sqlalchemy_c.attributes")                                            \
    X(load_relation, "graphene_sqlalchemy_c.relations")                                           \
    X(load_relation_async, "graphene_sqlalchemy_c.relations")                                     \
    X(arranged_connection, "graphene_sqlalchemy_c.relations")                                     \
    X(kinds_of, "graphene_sqlalchemy_c.inheritance")                                              \
    X(may_arrange, "graphene_sqlalchemy_c.pagination")                                            \
    X(page_limits, "graphene_sqlalchemy_c.pagination")                                            \
    X(plan_kinds, "graphene_sqlalchemy_c.inheritance")                                            \
    X(plan_level, "graphene_sqlalchemy_c.levels")                                                 \
    X(planned_resolver, "graphene_sqlalchemy_c.acceleration")                                     \
    X(refuse_identity, "graphene_sqlalchemy_c.inheritance")                                       \
    X(runtime_type, "graphene_sqlalchemy_c.inheritance")                                          \
    X(start_names, "graphene_sqlalchemy_c.attributes")                                            \
    X(statement_query, "graphene_sqlalchemy_c.queries")

/* Heap types of this extension, in the order in which they are made. */
#define STATE_TYPES(X)                                                                            \
    X(AttrResolver)                                                                               \
    X(TypeDispatch)                                                                               \
    X(CompositeConverter)                                                                         \
    X(Batch)                                                                                      \
    X(BatchSlot)                                                                                  \
    X(BatchResolver)                                                                              \
    X(ConnectionResolver)                                                                         \
    X(TypeCheck)                                                                                  \
    X(IsTypeOf)                                                                                   \
    X(RowGroup)                                                                                   \
    X(Plan)                                                                                       \
    X(Run)

/* The rooms that add to the module: each defines int <room>_add(PyObject *, module_state *). */
#define STATE_ROOMS(X)                                                                            \
    X(resolver)                                                                                   \
    X(dispatch)                                                                                   \
    X(converter)                                                                                  \
    X(composite)                                                                                  \
    X(group)                                                                                      \
    X(batch)                                                                                      \
    X(connection)                                                                                 \
    X(typecheck)                                                                                  \
    X(rows)                                                                                       \
    X(pages)                                                                                      \
    X(plan)                                                                                       \
    X(run)

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
    PyObject *empty_tuple;        /* owned */
#define X(name, module) PyObject *name; /* owned; NULL until late_<name>() */
    STATE_LATE(X)
#undef X
    int collector_paused;         /* by us: collector_pause() */
    unsigned long long run_count; /* runs begun, so that each has a number of its own */
} module_state;

#define X(room) int room##_add(PyObject *module, module_state *state);
STATE_ROOMS(X)
#undef X

extern struct PyModuleDef core_module;

/* Make a heap type of `spec`, keep it in the state's `*slot` and add it to the module. */
int module_add_type(PyObject *module, PyTypeObject **slot, PyType_Spec *spec);

/* *slot, imported when it is NULL: borrowed, NULL with an exception. */
PyObject *module_import_late(PyObject **slot, const char *module, const char *name);

#define X(name, module)                                                                           \
    static inline PyObject *late_##name(module_state *state)                                      \
    {                                                                                             \
        return module_import_late(&state->name, module, #name);                                   \
    }
STATE_LATE(X)
#undef X

/* The state of the module that made `type`, a heap type that no class can derive from. */
static inline module_state *
state_of_type(PyTypeObject *type)
{
    return (module_state *)PyType_GetModuleState(type);
}

/* Forget the exception that is set, where something else is tried instead: not for want of memory, nor
 * what is no Exception. Whether it is forgotten. */
static inline int
exception_forgotten(void)
{
    if (!PyErr_ExceptionMatches(PyExc_Exception) || PyErr_ExceptionMatches(PyExc_MemoryError)) {
        return 0;
    }
    PyErr_Clear();
    return 1;
}

/* While a large response is built without running any Python code, the cyclic collector would look
 * at it again and again and find nothing. The switch is the whole process's, so it is turned back
 * before anything else can run. */
static inline void
collector_pause(module_state *state)
{
    if (!state->collector_paused) {
        state->collector_paused = PyGC_Disable();
    }
}

static inline void
collector_resume(module_state *state)
{
    if (state->collector_paused) {
        state->collector_paused = 0;
        PyGC_Enable();
    }
}

/* METH_KEYWORDS and METH_FASTCALL functions have other signatures than PyCFunction. */
#define METHOD_CAST(function) ((PyCFunction)(void (*)(void))(function))

#endif
