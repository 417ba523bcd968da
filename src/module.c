/* Definition of graphene_sqlalchemy_c._core: multi-phase initialisation, state, types.
 *
 * Does: make the module and fill its state from the lists in module.h.
 * Never: anything that runs per operation; that is in the other rooms.
 * Owns: every object in module_state.
 */
#include "module.h"

#ifdef __VERSION__
#define GSC_COMPILER __VERSION__
#else
#define GSC_COMPILER "unknown"
#endif

int
module_add_type(PyObject *module, PyTypeObject **slot, PyType_Spec *spec)
{
    *slot = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    return *slot == NULL ? -1 : PyModule_AddType(module, *slot);
}

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

PyObject *
module_import_late(PyObject **slot, const char *module, const char *name)
{
    if (*slot == NULL) {
        PyObject *imported = PyImport_ImportModule(module);
        PyObject *found = imported ? PyObject_GetAttrString(imported, name) : NULL;
        Py_XDECREF(imported);
        if (*slot == NULL) {
            *slot = found;
        }
        else {
            Py_XDECREF(found); /* another thread was first */
        }
    }
    return *slot;
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
#define X(name, count, ...)                                                                       \
    state->name = PyTuple_Pack(count, __VA_ARGS__);                                               \
    if (state->name == NULL) {                                                                    \
        return -1;                                                                                \
    }
    STATE_KEYWORDS(X)
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
#define X(room)                                                                                   \
    if (room##_add(module, state) < 0) {                                                          \
        return -1;                                                                                \
    }
    STATE_ROOMS(X)
#undef X
    return PyModule_AddStringConstant(module, "COMPILER", GSC_COMPILER);
}

static int
core_traverse(PyObject *module, visitproc visit, void *arg)
{
    module_state *state = PyModule_GetState(module);
#define X(name) Py_VISIT(state->str_##name);
    STATE_NAMES(X)
#undef X
#define X(name, count, ...) Py_VISIT(state->name);
    STATE_KEYWORDS(X)
#undef X
#define X(name, source, attribute) Py_VISIT(state->name);
    STATE_IMPORTS(X)
#undef X
#define X(name) Py_VISIT(state->name);
    STATE_TYPES(X)
#undef X
    Py_VISIT(state->empty_tuple);
#define X(name, source) Py_VISIT(state->name);
    STATE_LATE(X)
#undef X
    return 0;
}

static int
core_clear(PyObject *module)
{
    module_state *state = PyModule_GetState(module);
#define X(name) Py_CLEAR(state->str_##name);
    STATE_NAMES(X)
#undef X
#define X(name, count, ...) Py_CLEAR(state->name);
    STATE_KEYWORDS(X)
#undef X
#define X(name, source, attribute) Py_CLEAR(state->name);
    STATE_IMPORTS(X)
#undef X
#define X(name) Py_CLEAR(state->name);
    STATE_TYPES(X)
#undef X
    Py_CLEAR(state->empty_tuple);
#define X(name, source) Py_CLEAR(state->name);
    STATE_LATE(X)
#undef X
    return 0;
}

static void
core_free(void *module)
{
    (void)core_clear((PyObject *)module);
}

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
    .m_slots = core_slots,
    .m_traverse = core_traverse,
    .m_clear = core_clear,
    .m_free = core_free,
};

PyMODINIT_FUNC PyInit__core(void); /* no header declares it */

PyMODINIT_FUNC
PyInit__core(void)
{
    return PyModuleDef_Init(&core_module);
}
