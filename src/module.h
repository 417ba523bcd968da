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
    X(__await__) X(_meta) X(callables) X(done) X(expired) X(graphene_sqlalchemy_c_queue) X(identity_token)  \
    X(info) X(key) X(load_many) X(load_many_async) X(load_options) X(miss) X(model) X(modified)    \
    X(needs_await) X(object) X(open) X(serves) X(session) X(wake)

/* Python objects of other packages: X(slot, module, attribute). */
#define STATE_IMPORTS(X)                                                                          \
    X(instance_state, "sqlalchemy.orm.attributes", "instance_state")                               \
    X(set_committed_value, "sqlalchemy.orm.attributes", "set_committed_value")

/* Heap types of this extension, in the order in which they are made. */
#define STATE_TYPES(X) X(Batch) X(BatchSlot) X(BatchResolver) X(TypeCheck) X(IsTypeOf)

typedef struct {
#define X(name) PyObject *str_##name; /* owned, interned */
    STATE_NAMES(X)
#undef X
#define X(name, module, attribute) PyObject *name; /* owned */
    STATE_IMPORTS(X)
#undef X
#define X(name) PyTypeObject *name; /* owned */
    STATE_TYPES(X)
#undef X
} module_state;

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
