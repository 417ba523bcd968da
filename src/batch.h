/* What the executor asks of a BatchResolver: see batch.c. */
#ifndef GSC_BATCH_H
#define GSC_BATCH_H

#include "module.h"

typedef enum {
    BATCH_ERROR = -1,
    BATCH_LOADED,  /* the value is in the instance dict */
    BATCH_MISSING, /* to be loaded */
    BATCH_FOREIGN, /* not an instance that has the relationship: call the resolver */
} batch_answer;

/* What a BatchResolver has for a root; `*value` is a new reference when it is loaded. */
batch_answer batch_read(module_state *state, PyObject *resolver, PyObject *root, PyObject **value);

/* Whether two BatchResolvers load one relationship by one loader. */
int batch_loads_the_same(PyObject *resolver, PyObject *other);

/* Whether loading for the parent needs load_many_async: 1, 0, or -1 with an exception. `sessions`
 * is a dict that keeps the answer for each session while a level is loaded. */
int batch_needs_await(module_state *state, PyObject *resolver, PyObject *parent,
                      PyObject *sessions);

/* Whether two ConnectionResolvers are of one class of fields (connection.c). */
int connection_cuts_the_same(PyObject *resolver, PyObject *other);

#endif
