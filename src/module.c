/* Definition of graphene_sqlalchemy_c._core: multi-phase initialisation, state, types.
 *
 * Does: make the module and fill its state from the lists in module.h.
 * Never: anything that runs per operation; that is in the other rooms.
 * Owns: every object in module_state.
 */
#include "module.h"

#include "execute.h"
#include "plan.h"

static int
import_attribute(PyObject **slot, const char *module_name, const char *attribute)
{
    PyObject *module = PyImport_ImportModule(module_name);
    if (module == NULL) {
        return -1;
    }
    *slot = PyObject_GetAttrString(module, attribute);
    Py_DECREF(module);
    return *slot == NULL ? -1 : 0;
}

static int
core_exec(PyObject *module)
{
    module_state *state = PyModule_GetState(module);
#define X(name)                                                                                   \
    state->str_##name = PyUnicode_InternFromString(#name);                                        \
    if (state->str_##name == NULL) {                                                              \
        return -1;                                                                                \
    }
    STATE_NAMES(X)
#undef X
#define X(name, source, attribute)                                                                \
    if (import_attribute(&state->name, source, attribute) < 0) {                                  \
        return -1;                                                                                \
    }
    STATE_IMPORTS(X)
#undef X
    state->empty_tuple = PyTuple_New(0);
    if (state->empty_tuple == NULL) {
        return -1;
    }
    if (plan_add_types(module, state) < 0 || run_add_types(module, state) < 0) {
        return -1;
    }
    return 0;
}

/* set_resolver_types(batch, connection, attribute): the types by which a plan knows resolvers
 * that it need not call as Python; None for a kind that there is not. */
static PyObject *
core_set_resolver_types(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    module_state *state = PyModule_GetState(module);
    PyTypeObject **slots[] = {
#define X(name) &state->name,
        STATE_RESOLVERS(X)
#undef X
    };
    if (nargs != 3) {
        PyErr_SetString(PyExc_TypeError, "set_resolver_types() takes 3 arguments");
        return NULL;
    }
    for (int i = 0; i < 3; i++) {
        if (args[i] != Py_None && !PyType_Check(args[i])) {
            PyErr_SetString(PyExc_TypeError, "set_resolver_types() takes types or None");
            return NULL;
        }
    }
    for (int i = 0; i < 3; i++) {
        PyTypeObject *type = args[i] == Py_None ? NULL : (PyTypeObject *)args[i];
        Py_XINCREF(type);
        Py_XSETREF(*slots[i], type);
    }
    Py_RETURN_NONE;
}

static int
core_traverse(PyObject *module, visitproc visit, void *arg)
{
    module_state *state = PyModule_GetState(module);
#define X(name) Py_VISIT(state->str_##name);
    STATE_NAMES(X)
#undef X
#define X(name, source, attribute) Py_VISIT(state->name);
    STATE_IMPORTS(X)
#undef X
#define X(name) Py_VISIT(state->name);
    STATE_TYPES(X)
    STATE_RESOLVERS(X)
#undef X
    Py_VISIT(state->empty_tuple);
    return 0;
}

static int
core_clear(PyObject *module)
{
    module_state *state = PyModule_GetState(module);
#define X(name) Py_CLEAR(state->str_##name);
    STATE_NAMES(X)
#undef X
#define X(name, source, attribute) Py_CLEAR(state->name);
    STATE_IMPORTS(X)
#undef X
#define X(name) Py_CLEAR(state->name);
    STATE_TYPES(X)
    STATE_RESOLVERS(X)
#undef X
    Py_CLEAR(state->empty_tuple);
    return 0;
}

static void
core_free(void *module)
{
    (void)core_clear((PyObject *)module);
}

static PyMethodDef core_methods[] = {
    {"set_resolver_types", METHOD_CAST(core_set_resolver_types), METH_FASTCALL,
     PyDoc_STR("set_resolver_types($module, batch, connection, attribute, /)\n--\n\n"
               "Name the types of resolvers that plans recognise; None for none.")},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot core_slots[] = {
    {Py_mod_exec, core_exec},
#if PY_VERSION_HEX >= 0x030C0000
    /* Each interpreter has its own state; running under an interpreter's own GIL is not
     * tested, so it is not declared. */
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_SUPPORTED},
#endif
    {0, NULL},
};

struct PyModuleDef core_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "graphene_sqlalchemy_c._core",
    .m_doc = PyDoc_STR("The C rooms of graphene_sqlalchemy_c; use the package instead."),
    .m_size = sizeof(module_state),
    .m_methods = core_methods,
    .m_slots = core_slots,
    .m_traverse = core_traverse,
    .m_clear = core_clear,
    .m_free = core_free,
};

PyMODINIT_FUNC PyInit__core(void);

PyMODINIT_FUNC
PyInit__core(void)
{
    return PyModuleDef_Init(&core_module);
}
