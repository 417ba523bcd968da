/* Columns, hybrids, relationships and association proxies -> graphene fields.
 *
 * Each function here stands in for the one of the same name in graphene_sqlalchemy.converter and
 * takes the same steps in the same order. Other converters, factories and flags are looked up in
 * that module's globals at the time of the call, as upstream's functions do, so that whatever a
 * user or install() put there is used.
 *
 * A relationship or an association proxy becomes a graphene Dynamic around a functools.partial (a
 * Dynamic takes nothing else but a Python function), whose C function makes the field when the
 * schema is built.
 *
 * Never: converts a type; dispatch.c and upstream's registered functions do.
 * Owns: nothing.
 */
#include "call.h"

/* The most that the function in a Dynamic takes. */
#define MAX_DYNAMIC_ARGS 8

/* graphene.<name>, by way of the name `graphene` in upstream's module. */
static PyObject *
graphene_attribute(module_state *state, PyObject *name)
{
    PyObject *graphene = call_global(state, state->str_graphene);
    if (graphene == NULL) {
        return NULL;
    }
    PyObject *value = PyObject_GetAttr(graphene, name);
    Py_DECREF(graphene);
    return value;
}

/* graphene.<name>(argument) */
static PyObject *
make_graphene(module_state *state, PyObject *name, PyObject *argument)
{
    PyObject *factory = graphene_attribute(state, name);
    if (factory == NULL) {
        return NULL;
    }
    PyObject *made = PyObject_CallOneArg(factory, argument);
    Py_DECREF(factory);
    return made;
}

/* The truth of an attribute; -1 with an exception. */
static int
attribute_is_true(PyObject *object, PyObject *name)
{
    PyObject *value = PyObject_GetAttr(object, name);
    if (value == NULL) {
        return -1;
    }
    int is_true = PyObject_IsTrue(value);
    Py_DECREF(value);
    return is_true;
}

/* object.<first>.<second> */
static PyObject *
attribute_of_attribute(PyObject *object, PyObject *first, PyObject *second)
{
    PyObject *inner = PyObject_GetAttr(object, first);
    if (inner == NULL) {
        return NULL;
    }
    PyObject *value = PyObject_GetAttr(inner, second);
    Py_DECREF(inner);
    return value;
}

/* graphene.Field(*positional, resolver=resolver, **extra); `resolver` is not in `extra`. */
static PyObject *
make_field(module_state *state, PyObject *positional, PyObject *resolver, PyObject *extra)
{
    PyObject *result = NULL;
    PyObject *keywords = PyDict_New();
    PyObject *field_type = graphene_attribute(state, state->str_Field);
    if (keywords == NULL || field_type == NULL) {
        goto done;
    }
    if (resolver != NULL && PyDict_SetItem(keywords, state->str_resolver, resolver) < 0) {
        goto done;
    }
    if (extra != NULL && PyDict_Update(keywords, extra) < 0) {
        goto done;
    }
    result = PyObject_VectorcallDict(field_type, &positional, positional != NULL, keywords);
done:
    Py_XDECREF(keywords);
    Py_XDECREF(field_type);
    return result;
}

/* ---- columns ---- */

static PyObject *
column_doc(PyObject *module, PyObject *const *bound, PyObject *Py_UNUSED(extra))
{
    module_state *state = PyModule_GetState(module);
    return call_getattr(bound[0], state->str_doc, Py_None);
}

static PyObject *
get_column_doc(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    module_state *state = PyModule_GetState(module);
    PyObject *const names[] = {state->str_column};
    const call_stand_in stand_in = {names, 1, false, column_doc, state->upstream_get_column_doc};
    return call_bound(module, &stand_in, args, nargs, kwnames);
}

static PyObject *
column_nullable(PyObject *module, PyObject *const *bound, PyObject *Py_UNUSED(extra))
{
    module_state *state = PyModule_GetState(module);
    PyObject *nullable = call_getattr(bound[0], state->str_nullable, Py_True);
    int is_true = nullable == NULL ? -1 : PyObject_IsTrue(nullable);
    Py_XDECREF(nullable);
    return is_true < 0 ? NULL : PyBool_FromLong(is_true);
}

static PyObject *
is_column_nullable(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    module_state *state = PyModule_GetState(module);
    PyObject *const names[] = {state->str_column};
    const call_stand_in stand_in = {names, 1, false, column_nullable,
                                    state->upstream_is_column_nullable};
    return call_bound(module, &stand_in, args, nargs, kwnames);
}

/* convert_sqlalchemy_type(<class of column.type>, column=column, registry=registry) */
static PyObject *
column_graphene_type(module_state *state, PyObject *column, PyObject *registry)
{
    PyObject *result = NULL;
    PyObject *convert = NULL;
    PyObject *column_type = call_getattr(column, state->str_type, Py_None);
    int is_class =
        column_type == NULL ? -1 : PyObject_IsInstance(column_type, (PyObject *)&PyType_Type);
    if (is_class < 0) {
        goto done;
    }
    if (!is_class) {
        Py_SETREF(column_type, Py_NewRef(Py_TYPE(column_type)));
    }
    convert = call_global(state, state->str_convert_sqlalchemy_type);
    if (convert != NULL) {
        PyObject *const args[] = {column_type, column, registry};
        result = PyObject_Vectorcall(convert, args, 1, state->dispatch_keywords);
    }
done:
    Py_XDECREF(convert);
    Py_XDECREF(column_type);
    return result;
}

/* not is_column_nullable(column) */
static PyObject *
column_required(module_state *state, PyObject *column)
{
    PyObject *nullable = call_upstream(state, state->str_is_column_nullable, &column, 1, NULL);
    int is_true = nullable == NULL ? -1 : PyObject_IsTrue(nullable);
    Py_XDECREF(nullable);
    return is_true < 0 ? NULL : PyBool_FromLong(!is_true);
}

/* The field of a column whose keywords an ORMField overrides: the defaults go behind them. */
static PyObject *
overridden_column_field(module_state *state, PyObject *resolver, PyObject *extra, PyObject *type,
                        PyObject *required, PyObject *description)
{
    if ((type != NULL && PyDict_SetDefault(extra, state->str_type_, type) == NULL) ||
        PyDict_SetDefault(extra, state->str_required, required) == NULL ||
        PyDict_SetDefault(extra, state->str_description, description) == NULL) {
        return NULL;
    }
    return make_field(state, NULL, resolver, extra);
}

static PyObject *
column_field(PyObject *module, PyObject *const *bound, PyObject *extra)
{
    module_state *state = PyModule_GetState(module);
    PyObject *registry = bound[1], *resolver = bound[2];
    PyObject *result = NULL;
    PyObject *column = NULL, *type = NULL, *required = NULL, *description = NULL;
    PyObject *field_type = NULL;
    PyObject *columns = PyObject_GetAttr(bound[0], state->str_columns);
    column = columns == NULL ? NULL : PySequence_GetItem(columns, 0);
    if (column == NULL) {
        goto done;
    }
    int has_type = extra == NULL ? 0 : PyDict_Contains(extra, state->str_type_);
    if (has_type < 0) {
        goto done;
    }
    if (!has_type) {
        type = column_graphene_type(state, column, registry);
        if (type == NULL) {
            goto done;
        }
    }
    required = column_required(state, column);
    if (required == NULL) {
        goto done;
    }
    description = call_upstream(state, state->str_get_column_doc, &column, 1, NULL);
    if (description == NULL) {
        goto done;
    }
    if (extra != NULL) {
        result = overridden_column_field(state, resolver, extra, type, required, description);
        goto done;
    }
    field_type = graphene_attribute(state, state->str_Field);
    if (field_type != NULL) {
        PyObject *const values[] = {resolver, type, required, description};
        result = PyObject_Vectorcall(field_type, values, 0, state->field_keywords);
    }
done:
    Py_XDECREF(columns);
    Py_XDECREF(column);
    Py_XDECREF(type);
    Py_XDECREF(required);
    Py_XDECREF(description);
    Py_XDECREF(field_type);
    return result;
}

static PyObject *
convert_sqlalchemy_column(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                          PyObject *kwnames)
{
    module_state *state = PyModule_GetState(module);
    PyObject *const names[] = {state->str_column_prop, state->str_registry, state->str_resolver};
    const call_stand_in stand_in = {names, 3, true, column_field, state->upstream_convert_column};
    return call_bound(module, &stand_in, args, nargs, kwnames);
}

/* ---- hybrids ---- */

/* extra["type_"], by the hybrid's return annotation where it is not given. */
static int
add_hybrid_type(module_state *state, PyObject *hybrid_prop, PyObject *extra)
{
    int given = PyDict_Contains(extra, state->str_type_);
    if (given != 0) {
        return given < 0 ? -1 : 0;
    }
    PyObject *type = call_upstream(state, state->str_convert_hybrid_property_return_type,
                                   &hybrid_prop, 1, NULL);
    if (type == NULL) {
        return -1;
    }
    int added = PyDict_SetItem(extra, state->str_type_, type);
    Py_DECREF(type);
    return added;
}

/* extra["description"], by the hybrid's docstring where it is not given. */
static int
add_hybrid_description(module_state *state, PyObject *hybrid_prop, PyObject *extra)
{
    int given = PyDict_Contains(extra, state->str_description);
    if (given != 0) {
        return given < 0 ? -1 : 0;
    }
    PyObject *description = call_getattr(hybrid_prop, state->str___doc__, Py_None);
    if (description == NULL) {
        return -1;
    }
    int added = PyDict_SetItem(extra, state->str_description, description);
    Py_DECREF(description);
    return added;
}

static PyObject *
hybrid_field(PyObject *module, PyObject *const *bound, PyObject *extra)
{
    module_state *state = PyModule_GetState(module);
    PyObject *keywords = extra == NULL ? PyDict_New() : Py_NewRef(extra);
    PyObject *result = NULL;
    if (keywords != NULL && add_hybrid_type(state, bound[0], keywords) == 0 &&
        add_hybrid_description(state, bound[0], keywords) == 0) {
        result = make_field(state, NULL, bound[1], keywords);
    }
    Py_XDECREF(keywords);
    return result;
}

static PyObject *
convert_sqlalchemy_hybrid_method(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                                 PyObject *kwnames)
{
    module_state *state = PyModule_GetState(module);
    PyObject *const names[] = {state->str_hybrid_prop, state->str_resolver};
    const call_stand_in stand_in = {names, 2, true, hybrid_field,
                                    state->upstream_convert_hybrid_method};
    return call_bound(module, &stand_in, args, nargs, kwnames);
}

/* ---- relationships ---- */

/* obj_type._meta.registry */
static PyObject *
registry_of(module_state *state, PyObject *obj_type)
{
    return attribute_of_attribute(obj_type, state->str__meta, state->str_registry);
}

/* obj_type._meta.registry.get_type_for_model(relationship_prop.mapper.entity) */
static PyObject *
child_type_of(module_state *state, PyObject *relationship_prop, PyObject *obj_type)
{
    PyObject *result = NULL;
    PyObject *entity = NULL;
    PyObject *registry = registry_of(state, obj_type);
    if (registry == NULL) {
        goto done;
    }
    entity = attribute_of_attribute(relationship_prop, state->str_mapper, state->str_entity);
    if (entity != NULL) {
        result =
            PyObject_CallMethodObjArgs(registry, state->str_get_type_for_model, entity, NULL);
    }
done:
    Py_XDECREF(registry);
    Py_XDECREF(entity);
    return result;
}

/* The batching to use. Upstream turns it off where SQLAlchemy's SelectInLoader, which its own
 * batch resolver needs, has another name (SQLAlchemy 2.1). Any other batch resolver that stands
 * in its place, such as the one of install(), does not need it. */
static PyObject *
effective_batching(module_state *state, PyObject *batching)
{
    PyObject *batch_resolver = call_global(state, state->str_get_batch_resolver);
    if (batch_resolver == NULL) {
        return NULL;
    }
    int is_upstreams = batch_resolver == state->upstream_get_batch_resolver;
    Py_DECREF(batch_resolver);
    if (!is_upstreams) {
        return Py_NewRef(batching);
    }
    PyObject *available = call_global(state, state->str_is_selectin_available);
    int is_available = available == NULL ? -1 : PyObject_IsTrue(available);
    Py_XDECREF(available);
    if (is_available < 0) {
        return NULL;
    }
    return Py_NewRef(is_available ? batching : Py_False);
}

/* Upstream's choice by direction: 1 a single object, 0 many, -1 an error. */
static int
is_to_one(module_state *state, PyObject *relationship_prop, PyObject *direction)
{
    int many_to_one = PyObject_RichCompareBool(direction, state->MANYTOONE, Py_EQ);
    if (many_to_one != 0) {
        return many_to_one;
    }
    int uselist = attribute_is_true(relationship_prop, state->str_uselist);
    return uselist < 0 ? -1 : !uselist;
}

/* The partials of this room call with all arguments; somebody else may call their function. */
static int
has_arguments(Py_ssize_t nargs, Py_ssize_t wanted)
{
    if (nargs != wanted) {
        PyErr_Format(PyExc_TypeError, "expected %zd arguments, got %zd", wanted, nargs);
    }
    return nargs == wanted;
}

/* The function in the Dynamic of a relationship: (relationship_prop, obj_type,
 * connection_field_factory, batching, orm_field_name, field_kwargs or None) -> field or None. */
static PyObject *
relationship_field(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    if (!has_arguments(nargs, 6)) {
        return NULL;
    }
    module_state *state = PyModule_GetState(module);
    PyObject *relationship_prop = args[0], *obj_type = args[1], *factory = args[2];
    PyObject *extra = args[5] == Py_None ? NULL : args[5];
    PyObject *result = NULL;
    PyObject *child_type = NULL;
    PyObject *batching = NULL;
    PyObject *direction = PyObject_GetAttr(relationship_prop, state->str_direction);
    if (direction == NULL) {
        goto done;
    }
    child_type = child_type_of(state, relationship_prop, obj_type);
    int has_type = child_type == NULL ? -1 : PyObject_IsTrue(child_type);
    if (has_type <= 0) {
        result = has_type < 0 ? NULL : Py_NewRef(Py_None);
        goto done;
    }
    batching = effective_batching(state, args[3]);
    int to_one = batching == NULL ? -1 : is_to_one(state, relationship_prop, direction);
    if (to_one < 0) {
        goto done;
    }
    if (to_one) {
        PyObject *const call[] = {relationship_prop, obj_type, batching, args[4]};
        result =
            call_upstream(state, state->str__convert_o2o_or_m2o_relationship, call, 4, extra);
    }
    else {
        PyObject *const call[] = {relationship_prop, obj_type, batching, factory};
        result =
            call_upstream(state, state->str__convert_o2m_or_m2m_relationship, call, 4, extra);
    }
done:
    Py_XDECREF(direction);
    Py_XDECREF(child_type);
    Py_XDECREF(batching);
    return result;
}

/* graphene.Dynamic(functools.partial(<C function>, *args)) */
static PyObject *
make_dynamic(PyObject *module, PyMethodDef *definition, PyObject *const *args, Py_ssize_t count)
{
    module_state *state = PyModule_GetState(module);
    PyObject *result = NULL;
    PyObject *partial = NULL;
    PyObject *call[1 + MAX_DYNAMIC_ARGS];
    assert(count <= MAX_DYNAMIC_ARGS);
    PyObject *function = PyCFunction_New(definition, module);
    if (function == NULL) {
        goto done;
    }
    call[0] = function;
    for (Py_ssize_t i = 0; i < count; i++) {
        call[1 + i] = args[i];
    }
    partial = PyObject_Vectorcall(state->partial, call, (size_t)(1 + count), NULL);
    if (partial != NULL) {
        result = make_graphene(state, state->str_Dynamic, partial);
    }
done:
    Py_XDECREF(function);
    Py_XDECREF(partial);
    return result;
}

static PyMethodDef relationship_field_def = {
    "relationship_field", METHOD_CAST(relationship_field), METH_FASTCALL, NULL};

static PyObject *
relationship_dynamic(PyObject *module, PyObject *const *bound, PyObject *extra)
{
    PyObject *const args[] = {bound[0], bound[1], bound[2],
                              bound[3], bound[4], extra == NULL ? Py_None : extra};
    return make_dynamic(module, &relationship_field_def, args, 6);
}

static PyObject *
convert_sqlalchemy_relationship(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                                PyObject *kwnames)
{
    module_state *state = PyModule_GetState(module);
    PyObject *const names[] = {state->str_relationship_prop, state->str_obj_type,
                               state->str_connection_field_factory, state->str_batching,
                               state->str_orm_field_name};
    const call_stand_in stand_in = {names, 5, true, relationship_dynamic,
                                    state->upstream_convert_relationship};
    return call_bound(module, &stand_in, args, nargs, kwnames);
}

/* The resolver of a to-one relationship that the type does not resolve itself. */
static PyObject *
to_one_resolver(module_state *state, PyObject *relationship_prop, PyObject *obj_type, int batching)
{
    if (batching) {
        return call_upstream(state, state->str_get_batch_resolver, &relationship_prop, 1, NULL);
    }
    PyObject *key = PyObject_GetAttr(relationship_prop, state->str_key);
    if (key == NULL) {
        return NULL;
    }
    PyObject *const call[] = {obj_type, key};
    PyObject *resolver = call_upstream(state, state->str_get_attr_resolver, call, 2, NULL);
    Py_DECREF(key);
    return resolver;
}

static PyObject *
to_one_field(PyObject *module, PyObject *const *bound, PyObject *extra)
{
    module_state *state = PyModule_GetState(module);
    PyObject *relationship_prop = bound[0], *obj_type = bound[1];
    int given = extra == NULL ? 0 : PyDict_Contains(extra, state->str_resolver);
    if (given != 0) {
        /* Two resolvers for one field: upstream's call says so. */
        return given < 0 ? NULL
                         : PyObject_VectorcallDict(state->upstream_convert_o2o, bound, 4, extra);
    }
    PyObject *result = NULL;
    PyObject *resolver = NULL;
    PyObject *child_type = child_type_of(state, relationship_prop, obj_type);
    if (child_type == NULL) {
        goto done;
    }
    PyObject *const call[] = {obj_type, bound[3]};
    resolver = call_upstream(state, state->str_get_custom_resolver, call, 2, NULL);
    if (resolver == Py_None) {
        int batching = PyObject_IsTrue(bound[2]);
        if (batching < 0) {
            goto done;
        }
        Py_SETREF(resolver, to_one_resolver(state, relationship_prop, obj_type, batching));
    }
    if (resolver != NULL) {
        result = make_field(state, child_type, resolver, extra);
    }
done:
    Py_XDECREF(child_type);
    Py_XDECREF(resolver);
    return result;
}

static PyObject *
convert_o2o_or_m2o_relationship(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                                PyObject *kwnames)
{
    module_state *state = PyModule_GetState(module);
    PyObject *const names[] = {state->str_relationship_prop, state->str_obj_type,
                               state->str_batching, state->str_orm_field_name};
    const call_stand_in stand_in = {names, 4, true, to_one_field, state->upstream_convert_o2o};
    return call_bound(module, &stand_in, args, nargs, kwnames);
}

/* graphene's [Child!]! or, with use_non_null_many_relationships off, [Child]. */
static PyObject *
child_list_type(module_state *state, PyObject *child_type)
{
    PyObject *flag = call_global(state, state->str_use_non_null_many_relationships);
    int non_null = flag == NULL ? -1 : PyObject_IsTrue(flag);
    Py_XDECREF(flag);
    if (non_null < 0) {
        return NULL;
    }
    if (!non_null) {
        return make_graphene(state, state->str_List, child_type);
    }
    PyObject *result = NULL;
    PyObject *list = NULL;
    PyObject *item = make_graphene(state, state->str_NonNull, child_type);
    if (item == NULL) {
        goto done;
    }
    list = make_graphene(state, state->str_List, item);
    if (list != NULL) {
        result = make_graphene(state, state->str_NonNull, list);
    }
done:
    Py_XDECREF(item);
    Py_XDECREF(list);
    return result;
}

/* The factory for a connection field where neither the type nor a user names one. */
static PyObject *
default_factory(module_state *state, PyObject *batching)
{
    int is_batching = PyObject_IsTrue(batching);
    if (is_batching < 0) {
        return NULL;
    }
    PyObject *name = is_batching ? state->str_BatchSQLAlchemyConnectionField
                                 : state->str_default_connection_field_factory;
    PyObject *value = PyDict_GetItemWithError(state->fields_globals, name);
    if (value == NULL) {
        if (!PyErr_Occurred()) {
            PyErr_Format(PyExc_ImportError, "cannot import name '%U'", name);
        }
        return NULL;
    }
    if (!is_batching) {
        return Py_NewRef(value);
    }
    return PyObject_GetAttr(value, state->str_from_relationship);
}

/* factory(relationship_prop, obj_type._meta.registry, **extra) */
static PyObject *
connection_field(module_state *state, PyObject *const *bound, PyObject *extra)
{
    PyObject *result = NULL;
    PyObject *registry = NULL;
    PyObject *factory =
        bound[3] == Py_None ? default_factory(state, bound[2]) : Py_NewRef(bound[3]);
    if (factory == NULL) {
        goto done;
    }
    registry = registry_of(state, bound[1]);
    if (registry != NULL) {
        PyObject *const call[] = {bound[0], registry};
        result = PyObject_VectorcallDict(factory, call, 2, extra);
    }
done:
    Py_XDECREF(factory);
    Py_XDECREF(registry);
    return result;
}

static PyObject *
to_many_field(PyObject *module, PyObject *const *bound, PyObject *extra)
{
    module_state *state = PyModule_GetState(module);
    PyObject *result = NULL;
    PyObject *meta = NULL;
    PyObject *list_type = NULL;
    PyObject *child_type = child_type_of(state, bound[0], bound[1]);
    if (child_type == NULL) {
        goto done;
    }
    meta = PyObject_GetAttr(child_type, state->str__meta);
    int has_connection = meta == NULL ? -1 : attribute_is_true(meta, state->str_connection);
    if (has_connection < 0) {
        goto done;
    }
    if (has_connection) {
        result = connection_field(state, bound, extra);
        goto done;
    }
    list_type = child_list_type(state, child_type);
    if (list_type != NULL) {
        result = make_field(state, list_type, NULL, extra);
    }
done:
    Py_XDECREF(child_type);
    Py_XDECREF(meta);
    Py_XDECREF(list_type);
    return result;
}

static PyObject *
convert_o2m_or_m2m_relationship(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                                PyObject *kwnames)
{
    module_state *state = PyModule_GetState(module);
    PyObject *const names[] = {state->str_relationship_prop, state->str_obj_type,
                               state->str_batching, state->str_connection_field_factory};
    const call_stand_in stand_in = {names, 4, true, to_many_field, state->upstream_convert_o2m};
    return call_bound(module, &stand_in, args, nargs, kwnames);
}

/* ---- association proxies ---- */

/* class_mapper(model).attrs[assoc_prop.<name>] */
static PyObject *
proxied_property(module_state *state, PyObject *model, PyObject *assoc_prop, PyObject *name)
{
    PyObject *result = NULL;
    PyObject *attrs = NULL;
    PyObject *key = NULL;
    PyObject *mapper = PyObject_CallOneArg(state->class_mapper, model);
    if (mapper == NULL) {
        goto done;
    }
    attrs = PyObject_GetAttr(mapper, state->str_attrs);
    key = attrs == NULL ? NULL : PyObject_GetAttr(assoc_prop, name);
    if (key != NULL) {
        result = PyObject_GetItem(attrs, key);
    }
done:
    Py_XDECREF(mapper);
    Py_XDECREF(attrs);
    Py_XDECREF(key);
    return result;
}

/* field.__dict__["_type"] = graphene.List(field.type) */
static int
repack_as_list(module_state *state, PyObject *field)
{
    int outcome = -1;
    PyObject *list = NULL;
    PyObject *dict = NULL;
    PyObject *type = PyObject_GetAttr(field, state->str_type);
    if (type == NULL) {
        goto done;
    }
    list = make_graphene(state, state->str_List, type);
    dict = list == NULL ? NULL : PyObject_GetAttr(field, state->str___dict__);
    if (dict != NULL) {
        outcome = PyObject_SetItem(dict, state->str__type, list);
    }
done:
    Py_XDECREF(type);
    Py_XDECREF(list);
    Py_XDECREF(dict);
    return outcome;
}

/* args as for association_field; the proxied attribute is a column. */
static PyObject *
proxied_column_field(module_state *state, PyObject *const *args, PyObject *attr, int scalar)
{
    PyObject *const call[] = {attr, args[3], args[6]};
    PyObject *extra = args[7] == Py_None ? NULL : args[7];
    PyObject *field =
        call_upstream(state, state->str_convert_sqlalchemy_column, call, 3, extra);
    if (field != NULL && !scalar && repack_as_list(state, field) < 0) {
        Py_CLEAR(field);
    }
    return field;
}

/* args as for association_field; the proxied attribute is a relationship. */
static PyObject *
proxied_relationship_field(module_state *state, PyObject *const *args, PyObject *attr)
{
    PyObject *extra = args[7] == Py_None ? NULL : args[7];
    PyObject *name = PyObject_GetAttr(args[1], state->str_value_attr);
    if (name == NULL) {
        return NULL;
    }
    PyObject *result = NULL;
    PyObject *const call[] = {attr, args[2], args[4], args[5], name};
    PyObject *dynamic =
        call_upstream(state, state->str_convert_sqlalchemy_relationship, call, 5, extra);
    if (dynamic != NULL) {
        result = PyObject_CallMethodNoArgs(dynamic, state->str_get_type);
        Py_DECREF(dynamic);
    }
    Py_DECREF(name);
    return result;
}

/* The field for the proxied attribute `attr`, by its kind. */
static PyObject *
proxied_field(module_state *state, PyObject *const *args, PyObject *attr, int scalar)
{
    int is_column = PyObject_IsInstance(attr, state->ColumnProperty);
    if (is_column != 0) {
        return is_column < 0 ? NULL : proxied_column_field(state, args, attr, scalar);
    }
    int is_relationship = PyObject_IsInstance(attr, state->RelationshipProperty);
    if (is_relationship != 0) {
        return is_relationship < 0 ? NULL : proxied_relationship_field(state, args, attr);
    }
    PyErr_Format(PyExc_TypeError,
                 "Unsupported association proxy target type: %S for prop %S on type %S. "
                 "Please disable the conversion of this field using an ORMField.",
                 Py_TYPE(attr), args[1], args[2]);
    return NULL;
}

/* The function in the Dynamic of an association proxy: (parent, assoc_prop, obj_type, registry,
 * connection_field_factory, batching, resolver, field_kwargs or None) -> field. */
static PyObject *
association_field(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    if (!has_arguments(nargs, 8)) {
        return NULL;
    }
    module_state *state = PyModule_GetState(module);
    PyObject *result = NULL;
    PyObject *model = NULL;
    PyObject *attr = NULL;
    PyObject *prop = proxied_property(state, args[0], args[1], state->str_target_collection);
    int uselist = prop == NULL ? -1 : attribute_is_true(prop, state->str_uselist);
    if (uselist < 0) {
        goto done;
    }
    model = attribute_of_attribute(prop, state->str_mapper, state->str_class_);
    if (model == NULL) {
        goto done;
    }
    attr = proxied_property(state, model, args[1], state->str_value_attr);
    if (attr != NULL) {
        result = proxied_field(state, args, attr, !uselist);
    }
done:
    Py_XDECREF(prop);
    Py_XDECREF(model);
    Py_XDECREF(attr);
    return result;
}

static PyMethodDef association_field_def = {"association_field", METHOD_CAST(association_field),
                                            METH_FASTCALL, NULL};

static PyObject *
association_dynamic(PyObject *module, PyObject *const *bound, PyObject *extra)
{
    PyObject *const args[] = {bound[0], bound[1], bound[2], bound[3],
                              bound[4], bound[5], bound[6], extra == NULL ? Py_None : extra};
    return make_dynamic(module, &association_field_def, args, 8);
}

static PyObject *
convert_sqlalchemy_association_proxy(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                                     PyObject *kwnames)
{
    module_state *state = PyModule_GetState(module);
    PyObject *const names[] = {state->str_parent,   state->str_assoc_prop,
                               state->str_obj_type, state->str_registry,
                               state->str_connection_field_factory, state->str_batching,
                               state->str_resolver};
    const call_stand_in stand_in = {names, 7, true, association_dynamic,
                                    state->upstream_convert_association_proxy};
    return call_bound(module, &stand_in, args, nargs, kwnames);
}

PyDoc_STRVAR(get_column_doc_doc, "get_column_doc($module, /, column)\n--\n\n"
                                 "The doc of a column, or None.");

PyDoc_STRVAR(is_column_nullable_doc, "is_column_nullable($module, /, column)\n--\n\n"
                                     "Whether a column is nullable; true when it does not say.");

PyDoc_STRVAR(convert_column_doc,
             "convert_sqlalchemy_column($module, /, column_prop, registry, resolver,\n"
             "                          **field_kwargs)\n--\n\n"
             "The graphene Field of a column property.");

PyDoc_STRVAR(convert_hybrid_doc,
             "convert_sqlalchemy_hybrid_method($module, /, hybrid_prop, resolver,\n"
             "                                 **field_kwargs)\n--\n\n"
             "The graphene Field of a hybrid property, typed by its return annotation.");

PyDoc_STRVAR(convert_relationship_doc,
             "convert_sqlalchemy_relationship($module, /, relationship_prop, obj_type,\n"
             "                                connection_field_factory, batching,\n"
             "                                orm_field_name, **field_kwargs)\n--\n\n"
             "The graphene Dynamic that makes the field of a relationship.");

PyDoc_STRVAR(convert_o2o_doc,
             "_convert_o2o_or_m2o_relationship($module, /, relationship_prop, obj_type,\n"
             "                                 batching, orm_field_name,\n"
             "                                 **field_kwargs)\n--\n\n"
             "The graphene Field of a to-one relationship.");

PyDoc_STRVAR(convert_o2m_doc,
             "_convert_o2m_or_m2m_relationship($module, /, relationship_prop, obj_type,\n"
             "                                 batching, connection_field_factory,\n"
             "                                 **field_kwargs)\n--\n\n"
             "The list Field or the connection field of a to-many relationship.");

PyDoc_STRVAR(convert_association_doc,
             "convert_sqlalchemy_association_proxy($module, /, parent, assoc_prop, obj_type,\n"
             "                                     registry, connection_field_factory,\n"
             "                                     batching, resolver,\n"
             "                                     **field_kwargs)\n--\n\n"
             "The graphene Dynamic that makes the field of an association proxy.");

#define FUNCTION(name, function, doc)                                                             \
    {name, METHOD_CAST(function), METH_FASTCALL | METH_KEYWORDS, doc}

static PyMethodDef converter_functions[] = {
    FUNCTION("get_column_doc", get_column_doc, get_column_doc_doc),
    FUNCTION("is_column_nullable", is_column_nullable, is_column_nullable_doc),
    FUNCTION("convert_sqlalchemy_column", convert_sqlalchemy_column, convert_column_doc),
    FUNCTION("convert_sqlalchemy_hybrid_method", convert_sqlalchemy_hybrid_method,
             convert_hybrid_doc),
    FUNCTION("convert_sqlalchemy_relationship", convert_sqlalchemy_relationship,
             convert_relationship_doc),
    FUNCTION("_convert_o2o_or_m2o_relationship", convert_o2o_or_m2o_relationship,
             convert_o2o_doc),
    FUNCTION("_convert_o2m_or_m2m_relationship", convert_o2m_or_m2m_relationship,
             convert_o2m_doc),
    FUNCTION("convert_sqlalchemy_association_proxy", convert_sqlalchemy_association_proxy,
             convert_association_doc),
    {NULL, NULL, 0, NULL},
};

int
converter_add(PyObject *module, module_state *Py_UNUSED(state))
{
    return PyModule_AddFunctions(module, converter_functions);
}
