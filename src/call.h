/* How C functions take a Python call, and how they call graphene-sqlalchemy in turn. */
#ifndef GSC_CALL_H
#define GSC_CALL_H

#include <stdbool.h>

#include "module.h"

/* The body of a function that stands in for one of upstream's: `bound` holds one argument for
 * each of its parameters, `extra` its **kwargs (a dict made for this call, or NULL for none). */
typedef PyObject *(*call_body)(PyObject *module, PyObject *const *bound, PyObject *extra);

/* A stand-in, made on the stack of the C function that the interpreter calls. */
typedef struct {
    PyObject *const *names; /* borrowed: interned parameter names, kept alive by the state */
    Py_ssize_t count;       /* of names; none has a default */
    bool takes_extra;       /* whether it has **kwargs */
    call_body body;
    PyObject *upstream; /* borrowed: the function it stands in for, kept alive by the state */
} call_stand_in;

/* Calls the body with the arguments bound as Python binds them. A call that does not fit goes to
 * the upstream function, which raises the error that the running interpreter has for it. */
PyObject *call_bound(PyObject *module, const call_stand_in *stand_in, PyObject *const *args,
                     Py_ssize_t nargs, PyObject *kwnames);

/* getattr(object, name, fallback) */
PyObject *call_getattr(PyObject *object, PyObject *name, PyObject *fallback);

/* What upstream's converter module finds now under this global name. */
PyObject *call_global(module_state *state, PyObject *name);

/* Calls that global with `count` positional arguments and the keywords of `extra` (or NULL). */
PyObject *call_upstream(module_state *state, PyObject *name, PyObject *const *args,
                        Py_ssize_t count, PyObject *extra);

#endif
