/* Taking a Python call in C, and calling graphene-sqlalchemy by the names it uses itself.
 *
 * Does: bind positional and keyword arguments to parameters; read upstream's globals at the time
 * of the call, so that whatever a user or install() put there is what runs.
 * Never: word an error about arguments. A call that does not fit is made again to the upstream
 * function of the same signature, which fails in the words of the running interpreter.
 * Owns: nothing; bound arguments are borrowed from the caller.
 */
#include "call.h"

/* The longest parameter list in upstream's converter. */
#define MAX_PARAMETERS 7

typedef enum { BIND_ERROR = -1, BIND_MISMATCH = 0, BIND_OK = 1 } bind_outcome;

/* The index of `keyword` among the parameter names, count when it is none of them, -1 on error. */
static Py_ssize_t
find_parameter(const call_stand_in *stand_in, PyObject *keyword)
{
    for (Py_ssize_t i = 0; i < stand_in->count; i++) {
        if (stand_in->names[i] == keyword) {
            return i;
        }
    }
    for (Py_ssize_t i = 0; i < stand_in->count; i++) {
        int equal = PyObject_RichCompareBool(stand_in->names[i], keyword, Py_EQ);
        if (equal != 0) {
            return equal < 0 ? -1 : i;
        }
    }
    return stand_in->count;
}

/* Puts one keyword argument into its slot of `bound` or into *extra. */
static bind_outcome
bind_keyword(const call_stand_in *stand_in, PyObject *keyword, PyObject *value, PyObject **bound,
             PyObject **extra)
{
    Py_ssize_t index = find_parameter(stand_in, keyword);
    if (index < 0) {
        return BIND_ERROR;
    }
    if (index < stand_in->count) {
        if (bound[index] != NULL) {
            return BIND_MISMATCH;
        }
        bound[index] = value;
        return BIND_OK;
    }
    if (!stand_in->takes_extra) {
        return BIND_MISMATCH;
    }
    if (*extra == NULL) {
        *extra = PyDict_New();
        if (*extra == NULL) {
            return BIND_ERROR;
        }
    }
    return PyDict_SetItem(*extra, keyword, value) < 0 ? BIND_ERROR : BIND_OK;
}

/* Fills `bound` with borrowed arguments and *extra with a new dict where keywords are left. */
static bind_outcome
bind_arguments(const call_stand_in *stand_in, PyObject *const *args, Py_ssize_t nargs,
               PyObject *kwnames, PyObject **bound, PyObject **extra)
{
    if (nargs > stand_in->count) {
        return BIND_MISMATCH;
    }
    for (Py_ssize_t i = 0; i < stand_in->count; i++) {
        bound[i] = i < nargs ? args[i] : NULL;
    }
    Py_ssize_t keywords = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    for (Py_ssize_t i = 0; i < keywords; i++) {
        PyObject *keyword = PyTuple_GET_ITEM(kwnames, i);
        bind_outcome outcome = bind_keyword(stand_in, keyword, args[nargs + i], bound, extra);
        if (outcome != BIND_OK) {
            return outcome;
        }
    }
    for (Py_ssize_t i = 0; i < stand_in->count; i++) {
        if (bound[i] == NULL) {
            return BIND_MISMATCH;
        }
    }
    return BIND_OK;
}

PyObject *
call_bound(PyObject *module, const call_stand_in *stand_in, PyObject *const *args,
           Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *bound[MAX_PARAMETERS];
    PyObject *extra = NULL;
    PyObject *result = NULL;
    assert(stand_in->count <= MAX_PARAMETERS);

    switch (bind_arguments(stand_in, args, nargs, kwnames, bound, &extra)) {
    case BIND_OK:
        result = stand_in->body(module, bound, extra);
        break;
    case BIND_MISMATCH:
        result = PyObject_Vectorcall(stand_in->upstream, args, (size_t)nargs, kwnames);
        break;
    case BIND_ERROR:
        break;
    }
    Py_XDECREF(extra);
    return result;
}

PyObject *
call_getattr(PyObject *object, PyObject *name, PyObject *fallback)
{
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *value;
    if (PyObject_GetOptionalAttr(object, name, &value) < 0) {
        return NULL;
    }
    return value == NULL ? Py_NewRef(fallback) : value;
#else
    PyObject *value = PyObject_GetAttr(object, name);
    if (value == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        return Py_NewRef(fallback);
    }
    return value;
#endif
}

PyObject *
call_global(module_state *state, PyObject *name)
{
    PyObject *value = PyDict_GetItemWithError(state->converter_globals, name);
    if (value == NULL && !PyErr_Occurred()) {
        PyErr_Format(PyExc_NameError, "name '%U' is not defined", name);
    }
    return Py_XNewRef(value);
}

PyObject *
call_upstream(module_state *state, PyObject *name, PyObject *const *args, Py_ssize_t count,
              PyObject *extra)
{
    PyObject *function = call_global(state, name);
    if (function == NULL) {
        return NULL;
    }
    PyObject *result = PyObject_VectorcallDict(function, args, (size_t)count, extra);
    Py_DECREF(function);
    return result;
}
