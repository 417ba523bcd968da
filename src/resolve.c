/* Values of fields: how a plan_resolver is carried out.
 *
 * Does: read attributes and keys, make global ids, and call Python resolvers with what graphql-core
 *     would give them. Info and path are made for those that are called, for no others.
 * Never: complete a value, nor read an instance dict where the class could have had another say.
 * Owns: the values it returns. What it learns about a class is kept in the plan's resolver, for
 *     the run in which it was learnt: classes may be changed between two runs.
 */
#include "execute.h"

/* ---- awaitable or not ---------------------------------------------------------------------- */

/* graphql-core's default is_awaitable(). */
static int
is_awaitable_object(const run_state *run, PyObject *value)
{
    if (PyCoro_CheckExact(value)) {
        return 1;
    }
    if (PyGen_Check(value)) {
        PyObject *answer = PyObject_CallOneArg(run->is_awaitable, value);
        int result = answer ? PyObject_IsTrue(answer) : -1;
        Py_XDECREF(answer);
        return result;
    }
    /* hasattr(), which lets every exception but AttributeError through: only a class with a
     * __getattr__ of its own is likely to raise one, and PyObject_HasAttr would swallow it. */
    if (Py_TYPE(value)->tp_getattro == PyObject_GenericGetAttr) {
        return PyObject_HasAttr(value, run->state->str___await__);
    }
    PyObject *method = PyObject_GetAttr(value, run->state->str___await__);
    if (method == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return -1;
        }
        PyErr_Clear();
        return 0;
    }
    Py_DECREF(method);
    return 1;
}

int
run_is_awaitable(run_state *run, PyObject *value)
{
    if (run->is_sync) {
        return 0;
    }
    if (run->default_awaitable) {
        if (value == Py_None || PyUnicode_CheckExact(value) || PyLong_CheckExact(value) ||
            PyList_CheckExact(value) || PyDict_CheckExact(value) || PyFloat_CheckExact(value) ||
            PyBool_Check(value) || PyTuple_CheckExact(value)) {
            return 0;
        }
        return is_awaitable_object(run, value);
    }
    PyObject *answer = PyObject_CallOneArg(run->is_awaitable, value);
    int result = answer ? PyObject_IsTrue(answer) : -1;
    Py_XDECREF(answer);
    return result;
}

/* ---- arguments ----------------------------------------------------------------------------- */

/* get_argument_values() where each variable has a value; NULL without an exception where that
 * function has to say what is to be done instead. */
static PyObject *
values_of_variables(const run_state *run, const plan_field *field)
{
    if (field->variables == NULL || !PyDict_CheckExact(run->variable_values)) {
        return NULL;
    }
    PyObject *name, *variable;
    Py_ssize_t position = 0;
    PyObject *values = PyDict_Copy(field->arguments);
    while (values != NULL && PyDict_Next(field->variables, &position, &name, &variable)) {
        PyObject *value = PyDict_GetItemWithError(run->variable_values, variable);
        if (value == NULL || value == Py_None || value == run->state->Undefined ||
            PyDict_SetItem(values, name, value) < 0) {
            Py_CLEAR(values);
        }
    }
    return values;
}

static PyObject *
coerce_arguments(run_state *run, plan_field *field)
{
    PyObject *values = values_of_variables(run, field);
    if (values == NULL && !PyErr_Occurred()) {
        values = PyObject_CallFunctionObjArgs(run->state->get_argument_values, field->definition,
                                              PyList_GET_ITEM(field->nodes, 0),
                                              run->variable_values, NULL);
    }
    if (values != NULL && field->limits != NULL) {
        Py_SETREF(values, PyObject_CallOneArg(field->limits, values));
    }
    return values;
}

static PyObject *
operation_arguments(run_state *run, plan_field *field)
{
    if (run->arguments == NULL) {
        run->arguments = PyList_New(0);
    }
    while (run->arguments && PyList_GET_SIZE(run->arguments) <= field->arguments_index) {
        if (PyList_Append(run->arguments, Py_None) < 0) {
            return NULL;
        }
    }
    if (run->arguments == NULL) {
        return NULL;
    }
    PyObject *known = PyList_GET_ITEM(run->arguments, field->arguments_index);
    if (known != Py_None) {
        return Py_NewRef(known);
    }
    PyObject *values = coerce_arguments(run, field);
    if (values != NULL &&
        PyList_SetItem(run->arguments, field->arguments_index, Py_NewRef(values)) < 0) {
        Py_CLEAR(values);
    }
    return values;
}

PyObject *
resolve_arguments(run_state *run, plan_field *field)
{
    switch (field->arguments_use) {
    case ARGUMENTS_NONE:
        return NULL;
    case ARGUMENTS_PER_OPERATION:
        return operation_arguments(run, field);
    case ARGUMENTS_PER_CALL:
        return coerce_arguments(run, field);
    case ARGUMENTS_CONSTANT:
        break;
    }
    if (field->arguments == NULL) {
        PyObject *values = coerce_arguments(run, field);
        if (values == NULL || field->arguments != NULL) {
            return values;
        }
        field->arguments = values;
    }
    return Py_NewRef(field->arguments);
}

int
resolve_check_arguments(run_state *run, plan_field *field)
{
    if (field->arguments_use == ARGUMENTS_NONE) {
        return 0;
    }
    PyObject *arguments = resolve_arguments(run, field);
    int result = arguments ? 0 : -1;
    Py_XDECREF(arguments);
    return result;
}

/* ---- attributes ---------------------------------------------------------------------------- */

/* How an instrumented attribute is read. Dynamic and write-only relationships keep a mark in the
 * instance dict, not their value; any other relationship that is read as an attribute is one that
 * is not to be batched. A read_kind, or -1. */
static int
instrumented_read(const module_state *state, PyObject *attribute)
{
    PyObject *property = PyObject_GetAttr(attribute, state->str_property);
    int is_relationship =
        property ? PyObject_IsInstance(property, state->RelationshipProperty) : -1;
    PyObject *lazy =
        is_relationship > 0 ? PyObject_GetAttr(property, state->str_lazy) : NULL;
    int result = is_relationship < 0 || (is_relationship > 0 && lazy == NULL)
                     ? -1
                     : (int)(is_relationship ? READ_INSTANCE_DICT : READ_COLUMN);
    if (lazy != NULL && PyUnicode_Check(lazy) &&
        (PyUnicode_CompareWithASCIIString(lazy, "dynamic") == 0 ||
         PyUnicode_CompareWithASCIIString(lazy, "write_only") == 0)) {
        result = READ_GETATTR;
    }
    Py_XDECREF(property);
    Py_XDECREF(lazy);
    return result;
}

/* How a class reads the attribute of that name: from the instance dict first where the attribute is
 * SQLAlchemy's own and nothing intercepts attribute access (InstrumentedAttribute.__get__ looks into
 * the instance dict first). A read_kind, or -1 with an exception. */
static int
class_read(const module_state *state, PyTypeObject *type, PyObject *key)
{
    PyObject *mro = type->tp_mro;
    if (type->tp_getattro != PyObject_GenericGetAttr || mro == NULL) {
        return READ_GETATTR;
    }
    PyObject *found = NULL;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(mro) && found == NULL; i++) {
        PyObject *dict = ((PyTypeObject *)PyTuple_GET_ITEM(mro, i))->tp_dict;
        found = dict ? PyDict_GetItemWithError(dict, key) : NULL;
        if (found == NULL && PyErr_Occurred()) {
            return -1;
        }
    }
    if (found == NULL || (PyObject *)Py_TYPE(found) != state->InstrumentedAttribute) {
        return found != NULL && PyObject_HasAttr((PyObject *)type, state->str___mapper__)
                   ? READ_DESCRIPTOR
                   : READ_GETATTR;
    }
    PyObject *own_key = PyObject_GetAttr(found, state->str_key);
    if (own_key == NULL) {
        return -1;
    }
    int result = PyUnicode_CheckExact(own_key) && PyUnicode_Compare(own_key, key) == 0;
    Py_DECREF(own_key);
    return result ? instrumented_read(state, found) : READ_GETATTR;
}

/* What the resolver has to know about the class of `object`, found out once per run and class: a
 * read_kind, or -1. It is returned, not read from the resolver afterwards: another thread may have
 * learnt about another class by then. */
static int
learn_class(run_state *run, plan_resolver *resolver, PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    if (resolver->seen_run == run->number && resolver->seen_type == type) {
        return (int)resolver->read;
    }
    int is_mapping = 0;
    if (resolver->kind == RESOLVE_DEFAULT) {
        is_mapping = PyObject_IsInstance(object, run->state->Mapping);
    }
    int known = is_mapping == 0 ? class_read(run->state, type, resolver->key) : READ_MAPPING;
    if (is_mapping < 0 || known < 0) {
        return -1;
    }
    read_kind read = (read_kind)known;
    if ((read == READ_DESCRIPTOR && run->is_sync) || (read == READ_COLUMN && run->middleware)) {
        read = read == READ_COLUMN ? READ_INSTANCE_DICT : READ_GETATTR;
    }
    PyTypeObject *old = resolver->seen_type;
    Py_INCREF(type);
    resolver->seen_type = type;
    resolver->seen_run = run->number;
    resolver->read = read;
    Py_XDECREF(old);
    return (int)read;
}

/* What the instance dict holds, where the class lets it answer; new, or NULL with or without an
 * exception. */
static PyObject *
read_instance_dict(PyObject *name, source_view *source)
{
    if (source->dict == NULL) {
        source->dict = PyObject_GenericGetDict(source->object, NULL);
    }
    if (source->dict == NULL) {
        PyErr_Clear(); /* no dict after all: the attribute decides */
        return NULL;
    }
    return Py_XNewRef(PyDict_GetItemWithError(source->dict, name));
}

/* getattr(object, key, fallback), for a class of which `read` is known. NULL without an exception
 * where the attribute is to be loaded: the caller leaves a slot for it. */
static PyObject *
read_attribute(plan_resolver *resolver, source_view *source, read_kind read)
{
    if (read == READ_DESCRIPTOR) {
        return NULL;
    }
    if (read == READ_INSTANCE_DICT || read == READ_COLUMN) {
        PyObject *found = read_instance_dict(resolver->key, source);
        if (found != NULL || PyErr_Occurred() || read == READ_COLUMN) {
            return found;
        }
    }
    PyObject *value = PyObject_GetAttr(source->object, resolver->key);
    if (value == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        value = Py_NewRef(resolver->fallback);
    }
    return value;
}

static PyObject *
read_key(const run_state *run, plan_resolver *resolver, PyObject *mapping)
{
    if (PyDict_CheckExact(mapping)) {
        PyObject *found = PyDict_GetItemWithError(mapping, resolver->key);
        if (found == NULL && PyErr_Occurred()) {
            return NULL;
        }
        return Py_NewRef(found ? found : resolver->fallback);
    }
    if (resolver->kind == RESOLVE_DEFAULT) {
        return PyObject_CallMethodOneArg(mapping, run->state->str_get, resolver->key);
    }
    return PyObject_CallMethodObjArgs(mapping, run->state->str_get, resolver->key,
                                      resolver->fallback, NULL);
}

/* ---- calls --------------------------------------------------------------------------------- */

/* callable(source, info, **arguments) */
static PyObject *
call_resolver(run_state *run, PyObject *callable, PyObject *source, PyObject *arguments,
              frame_node *position)
{
    PyObject *info = frame_info(run, position);
    if (info == NULL) {
        return NULL;
    }
    PyObject *positional[] = {NULL, source, info};
    return PyObject_VectorcallDict(callable, positional + 1,
                                   2 | PY_VECTORCALL_ARGUMENTS_OFFSET, arguments);
}

/* graphql-core's default_field_resolver() */
static PyObject *
resolve_default(run_state *run, plan_resolver *resolver, source_view *source, PyObject *arguments,
                frame_node *position)
{
    int read = READ_MAPPING;
    if (!PyDict_CheckExact(source->object)) {
        read = learn_class(run, resolver, source->object);
        if (read < 0) {
            return NULL;
        }
    }
    PyObject *value = read == READ_MAPPING ? read_key(run, resolver, source->object)
                                           : read_attribute(resolver, source, (read_kind)read);
    if (value == NULL || !PyCallable_Check(value)) {
        return value; /* NULL without an exception as for read_attribute() */
    }
    PyObject *info = frame_info(run, position);
    PyObject *positional[] = {NULL, info};
    PyObject *result = NULL;
    if (info != NULL) {
        result = PyObject_VectorcallDict(value, positional + 1,
                                         1 | PY_VECTORCALL_ARGUMENTS_OFFSET, arguments);
    }
    Py_DECREF(value);
    return result;
}

/* The name of the primary key of a class, None when it has no single one; new, NULL with an
 * exception. */
static PyObject *
learn_primary_key(run_state *run, plan_resolver *resolver, PyTypeObject *type)
{
    if (resolver->seen_run == run->number && resolver->seen_type == type) {
        return Py_NewRef(resolver->key);
    }
    PyObject *name = PyObject_CallOneArg(run->state->primary_key_name, (PyObject *)type);
    int read = -1;
    if (name != NULL) {
        read = PyUnicode_CheckExact(name) ? class_read(run->state, type, name) : READ_GETATTR;
    }
    if (read < 0) {
        Py_XDECREF(name);
        return NULL;
    }
    if (read != READ_COLUMN) {
        Py_SETREF(name, Py_NewRef(Py_None));
    }
    PyTypeObject *old_type = resolver->seen_type;
    PyObject *old_key = resolver->key;
    Py_INCREF(type);
    resolver->seen_type = type;
    resolver->seen_run = run->number;
    resolver->key = Py_NewRef(name);
    Py_XDECREF(old_type);
    Py_XDECREF(old_key);
    return name;
}

/* Upstream's resolve_id(): a primary key that is loaded is read, any other is its own affair. */
static PyObject *
resolve_primary_key(run_state *run, plan_resolver *resolver, source_view *source,
                    PyObject *arguments, frame_node *position)
{
    PyObject *found = NULL;
    PyObject *name = learn_primary_key(run, resolver, Py_TYPE(source->object));
    if (name == NULL) {
        return NULL;
    }
    int is_column = name != Py_None;
    if (is_column) {
        found = read_instance_dict(name, source);
    }
    Py_DECREF(name);
    if (found != NULL || PyErr_Occurred() || (is_column && run->middleware == NULL)) {
        return found; /* NULL without an exception: to be loaded */
    }
    return call_resolver(run, resolver->callable, source->object, arguments, position);
}

static PyObject *
resolve_known(run_state *run, plan_resolver *resolver, source_view *source, PyObject *arguments,
              frame_node *position);

PyObject *
resolve_id_as_global(run_state *run, const plan_resolver *resolver, PyObject *id)
{
    PyObject *result = leaf_global_id(resolver->key, id);
    if (result == NULL && !PyErr_Occurred()) {
        PyObject *text = PyObject_CallOneArg(run->state->serialize_id, id);
        result = text ? leaf_global_id(resolver->key, text) : NULL;
        if (text != NULL && result == NULL && !PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "an id must be serialised as a str");
        }
        Py_XDECREF(text);
    }
    return result;
}

/* relay's GlobalID: the id that the inner resolver gives, as a global one. */
static PyObject *
resolve_global_id(run_state *run, plan_resolver *resolver, source_view *source, PyObject *arguments,
                  frame_node *position)
{
    PyObject *result = NULL;
    PyObject *id = resolve_known(run, resolver->inner, source, arguments, position);
    if (id != NULL) {
        result = resolve_id_as_global(run, resolver, id);
        Py_DECREF(id);
    }
    return result;
}

static PyObject *
resolve_known(run_state *run, plan_resolver *resolver, source_view *source, PyObject *arguments,
              frame_node *position)
{
    int read;
    switch (resolver->kind) {
    case RESOLVE_TYPENAME:
        return Py_NewRef(resolver->key);
    case RESOLVE_DEFAULT:
        return resolve_default(run, resolver, source, arguments, position);
    case RESOLVE_DICT_OR_ATTR:
        if (PyDict_Check(source->object)) {
            return read_key(run, resolver, source->object);
        }
        read = learn_class(run, resolver, source->object);
        return read < 0 ? NULL : read_attribute(resolver, source, (read_kind)read);
    case RESOLVE_ATTRIBUTE:
        read = learn_class(run, resolver, source->object);
        return read < 0 ? NULL : read_attribute(resolver, source, (read_kind)read);
    case RESOLVE_PRIMARY_KEY:
        return resolve_primary_key(run, resolver, source, arguments, position);
    case RESOLVE_GLOBAL_ID:
        return resolve_global_id(run, resolver, source, arguments, position);
    case RESOLVE_PYTHON:
    case RESOLVE_BATCH:
    case RESOLVE_CONNECTION:
        break;
    }
    return call_resolver(run, resolver->callable, source->object, arguments, position);
}

PyObject *
resolve_field(run_state *run, plan_field *field, source_view *source, frame_node *position)
{
    PyObject *result = NULL, *arguments = NULL, *wrapped = NULL;
    if (field->arguments_use != ARGUMENTS_NONE) {
        arguments = resolve_arguments(run, field);
        if (arguments == NULL) {
            return NULL;
        }
    }
    if (run->middleware != NULL) {
        wrapped = PyObject_CallMethodOneArg(run->middleware, run->state->str_get_field_resolver,
                                            field->resolver->callable);
        if (wrapped == NULL) {
            goto done;
        }
    }
    if (wrapped != NULL && wrapped != field->resolver->callable) {
        result = call_resolver(run, wrapped, source->object, arguments, position);
    }
    else {
        result = resolve_known(run, field->resolver, source, arguments, position);
    }
done:
    Py_XDECREF(arguments);
    Py_XDECREF(wrapped);
    return result;
}
