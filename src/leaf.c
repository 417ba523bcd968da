/* Leaves: scalars, enums and global ids.
 *
 * Does: serialise the values that databases and resolvers usually give (exact built-in types and
 *     the exact types of datetime, decimal and uuid) without leaving C, with the results of
 *     graphql-core's and graphene's serializers.
 * Never: decide about a value it does not know. Every other value goes to the Python serializer,
 *     and so every message is the serializer's own.
 * Owns: nothing; the memo of an enum belongs to its plan_type.
 */
#include "leaf.h"

#include <math.h>

leaf_kind
leaf_classify(const module_state *state, PyObject *serialize)
{
    const struct {
        PyObject *serialize; /* borrowed: module state */
        leaf_kind kind;
    } known[] = {
        {state->serialize_int, LEAF_INT},           {state->serialize_float, LEAF_FLOAT},
        {state->serialize_string, LEAF_STRING},     {state->serialize_boolean, LEAF_BOOLEAN},
        {state->serialize_id, LEAF_ID},             {state->serialize_big_int, LEAF_BIG_INT},
        {state->serialize_date, LEAF_DATE},         {state->serialize_datetime, LEAF_DATETIME},
        {state->serialize_time, LEAF_TIME},         {state->serialize_decimal, LEAF_DECIMAL},
        {state->serialize_uuid, LEAF_UUID},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (serialize == known[i].serialize) {
            return known[i].kind;
        }
    }
    return LEAF_OTHER;
}

/* Set the error of `complete_leaf_value` for a serializer that returned None or Undefined. */
static void
set_null_leaf_error(const module_state *state, PyObject *type, PyObject *value, PyObject *result)
{
    PyObject *type_text = PyObject_CallOneArg(state->inspect, type);
    PyObject *value_text = type_text ? PyObject_CallOneArg(state->inspect, value) : NULL;
    PyObject *result_text = value_text ? PyObject_CallOneArg(state->inspect, result) : NULL;
    if (result_text != NULL) {
        PyErr_Format(PyExc_TypeError,
                     "Expected `%U.serialize(%U)` to return non-nullable value, returned: %U",
                     type_text, value_text, result_text);
    }
    Py_XDECREF(type_text);
    Py_XDECREF(value_text);
    Py_XDECREF(result_text);
}

static PyObject *
serialize_in_python(module_state *state, PyObject *type, PyObject *serialize,
                    PyObject *value)
{
    collector_resume(state);
    PyObject *result = PyObject_CallOneArg(serialize, value);
    if (result == Py_None || result == state->Undefined) {
        set_null_leaf_error(state, type, value, result);
        Py_CLEAR(result);
    }
    return result;
}

/* Values of an enum are remembered once its own serializer has named them, if they are exact
 * strings or ints, whose equality is their identity, or members of a Python enum. The members have
 * a table of their own: graphene gives them an __eq__ that is true for foreign values. */
static PyObject *
serialize_enum(module_state *state, PyObject *type, PyObject *serialize, PyObject *memo,
               PyObject *value)
{
    PyObject *table = NULL; /* borrowed: memo */
    if (PyUnicode_CheckExact(value) || PyLong_CheckExact(value)) {
        table = PyTuple_GET_ITEM(memo, 0);
    }
    else {
        int is_member = PyObject_IsInstance(value, state->Enum);
        if (is_member < 0) {
            return NULL;
        }
        table = is_member ? PyTuple_GET_ITEM(memo, 1) : NULL;
    }
    if (table != NULL) {
        PyObject *name = PyDict_GetItemWithError(table, value);
        if (name != NULL) {
            return Py_NewRef(name);
        }
        PyErr_Clear(); /* an unhashable member: its serializer knows what to do */
    }
    PyObject *result = serialize_in_python(state, type, serialize, value);
    if (result != NULL && table != NULL && PyDict_GET_SIZE(table) < 4096 &&
        PyDict_SetItem(table, value, result) < 0) {
        PyErr_Clear();
    }
    return result;
}

/* The result for an exact built-in value, or NULL, with or without an exception. */
static PyObject *
serialize_number(leaf_kind kind, PyObject *value)
{
    switch (kind) {
    case LEAF_INT: {
        int overflow;
        if (!PyLong_CheckExact(value)) {
            return PyBool_Check(value) ? PyLong_FromLong(value == Py_True) : NULL;
        }
        long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
        return overflow || number < INT32_MIN || number > INT32_MAX ? NULL : Py_NewRef(value);
    }
    case LEAF_FLOAT:
        if (PyFloat_CheckExact(value)) {
            return isfinite(PyFloat_AS_DOUBLE(value)) ? Py_NewRef(value) : NULL;
        }
        return PyLong_CheckExact(value) ? PyNumber_Float(value) : NULL;
    case LEAF_BIG_INT:
        return PyLong_CheckExact(value) ? Py_NewRef(value) : NULL;
    case LEAF_BOOLEAN:
        if (PyBool_Check(value)) {
            return Py_NewRef(value);
        }
        return PyLong_CheckExact(value) ? PyBool_FromLong(PyObject_IsTrue(value)) : NULL;
    default:
        return NULL;
    }
}

static PyObject *
serialize_text(const module_state *state, leaf_kind kind, PyObject *value)
{
    if (PyUnicode_Check(value)) {
        return kind == LEAF_STRING || kind == LEAF_ID ? Py_NewRef(value) : NULL;
    }
    if (PyLong_CheckExact(value)) {
        return kind == LEAF_STRING || kind == LEAF_ID ? PyObject_Str(value) : NULL;
    }
    PyObject *type = (PyObject *)Py_TYPE(value);
    switch (kind) {
    case LEAF_DECIMAL:
        return type == state->decimal_type ? PyObject_Str(value) : NULL;
    case LEAF_UUID:
        return type == state->uuid_type ? PyObject_Str(value) : NULL;
    case LEAF_TIME:
        return type == state->time_type ? PyObject_CallMethodNoArgs(value, state->str_isoformat)
                                        : NULL;
    case LEAF_DATETIME:
        return type == state->datetime_type || type == state->date_type
                   ? PyObject_CallMethodNoArgs(value, state->str_isoformat)
                   : NULL;
    case LEAF_DATE:
        return type == state->date_type ? PyObject_CallMethodNoArgs(value, state->str_isoformat)
                                        : NULL;
    default:
        return NULL;
    }
}

PyObject *
leaf_serialize(module_state *state, leaf_kind kind, PyObject *type, PyObject *serialize,
               PyObject *memo, PyObject *value)
{
    PyObject *result = NULL;
    switch (kind) {
    case LEAF_OTHER:
        break;
    case LEAF_ENUM:
        return serialize_enum(state, type, serialize, memo, value);
    case LEAF_INT:
    case LEAF_FLOAT:
    case LEAF_BIG_INT:
    case LEAF_BOOLEAN:
        result = serialize_number(kind, value);
        break;
    default:
        result = serialize_text(state, kind, value);
        break;
    }
    if (result != NULL || PyErr_Occurred()) {
        return result;
    }
    return serialize_in_python(state, type, serialize, value);
}

static PyObject *
encode_base64(const unsigned char *bytes, Py_ssize_t size)
{
    const char *digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    PyObject *text = PyUnicode_New((size + 2) / 3 * 4, 127);
    if (text == NULL) {
        return NULL;
    }
    Py_UCS1 *out = PyUnicode_1BYTE_DATA(text);
    for (Py_ssize_t i = 0; i < size; i += 3) {
        Py_ssize_t left = size - i;
        unsigned int group = (unsigned int)bytes[i] << 16;
        group |= left > 1 ? (unsigned int)bytes[i + 1] << 8 : 0;
        group |= left > 2 ? (unsigned int)bytes[i + 2] : 0;
        *out++ = (Py_UCS1)digits[group >> 18 & 63];
        *out++ = (Py_UCS1)digits[group >> 12 & 63];
        *out++ = (Py_UCS1)(left > 1 ? digits[group >> 6 & 63] : '=');
        *out++ = (Py_UCS1)(left > 2 ? digits[group & 63] : '=');
    }
    return text;
}

PyObject *
leaf_global_id(PyObject *type_name, PyObject *id)
{
    if (!PyUnicode_CheckExact(id) && !PyLong_CheckExact(id)) {
        return NULL;
    }
    PyObject *result = NULL;
    Py_ssize_t size;
    PyObject *plain = PyUnicode_FromFormat("%U:%S", type_name, id);
    const char *bytes = plain ? PyUnicode_AsUTF8AndSize(plain, &size) : NULL;
    if (bytes != NULL) {
        result = encode_base64((const unsigned char *)bytes, size);
    }
    Py_XDECREF(plain);
    return result;
}

PyObject *
leaf_cursor(Py_ssize_t offset)
{
    char plain[64];
    int size = PyOS_snprintf(plain, sizeof(plain), "arrayconnection:%zd", offset);
    return encode_base64((const unsigned char *)plain, size);
}
