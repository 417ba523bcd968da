/* The type check of mapped types: see typecheck.c. */
#ifndef GSC_TYPECHECK_H
#define GSC_TYPECHECK_H

#include "module.h"

int typecheck_add_types(PyObject *module, module_state *state);

#endif
