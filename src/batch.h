/* BatchResolver, and what it hands out while a statement is under way: see batch.c. */
#ifndef GSC_BATCH_H
#define GSC_BATCH_H

#include "module.h"

int batch_add_types(PyObject *module, module_state *state);

#endif
