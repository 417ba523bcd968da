/* convert_sqlalchemy_composite: a callable with an attribute `register`, as upstream's function.
 *
 * Does: call the converter that a user registered for the composite's class.
 * Never: keeps a registration. They live in graphene-sqlalchemy's Registry, and `register` is
 * upstream's own function.
 * Owns: nothing; upstream's function is the module state's.
 */
#include "call.h"

#include <structmember.h>

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
} CompositeConverter;

/* bound: composite_prop, registry, resolver */
static PyObject *
composite_field(PyObject *module, PyObject *const *bound, PyObject *Py_UNUSED(extra))
{
    module_state *state = PyModule_GetState(module);
    PyObject *result = NULL;
    PyObject *converter = NULL;
    PyObject *composite_class = PyObject_GetAttr(bound[0], state->str_composite_class);
    if (composite_class == NULL) {
        goto done;
    }
    converter = PyObject_CallMethodObjArgs(bound[1], state->str_get_converter_for_composite,
                                           composite_class, NULL);
    int found = converter == NULL ? -1 : PyObject_IsTrue(converter);
    if (found > 0) {
        PyObject *const call[] = {bound[0], bound[1]};
        result = PyObject_Vectorcall(converter, call, 2, NULL);
    }
    else if (found == 0) {
        /* Upstream says that there is none. */
        result = PyObject_Vectorcall(state->upstream_convert_composite, bound, 3, NULL);
    }
done:
    Py_XDECREF(composite_class);
    Py_XDECREF(converter);
    return result;
}

static PyObject *
composite_converter_vectorcall(PyObject *callable, PyObject *const *args, size_t nargsf,
                               PyObject *kwnames)
{
    PyObject *module = PyType_GetModule(Py_TYPE(callable));
    if (module == NULL) {
        return NULL;
    }
    module_state *state = PyModule_GetState(module);
    PyObject *const names[] = {state->str_composite_prop, state->str_registry,
                               state->str_resolver};
    const call_stand_in stand_in = {names, 3, false, composite_field,
                                    state->upstream_convert_composite};
    return call_bound(module, &stand_in, args, PyVectorcall_NARGS(nargsf), kwnames);
}

static PyObject *
composite_converter_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, ":CompositeConverter", keywords)) {
        return NULL;
    }
    CompositeConverter *self = (CompositeConverter *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->vectorcall = composite_converter_vectorcall;
    }
    return (PyObject *)self;
}

static int
composite_converter_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    return 0;
}

static void
composite_converter_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyObject *
composite_converter_wrapped(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(state_of_type(Py_TYPE(op))->upstream_convert_composite);
}

static PyObject *
composite_converter_register(PyObject *op, void *Py_UNUSED(closure))
{
    module_state *state = state_of_type(Py_TYPE(op));
    return PyObject_GetAttr(state->upstream_convert_composite, state->str_register);
}

static PyObject *
composite_converter_name(PyObject *op, void *Py_UNUSED(closure))
{
    module_state *state = state_of_type(Py_TYPE(op));
    return PyObject_GetAttr(state->upstream_convert_composite, state->str___name__);
}

static PyGetSetDef composite_converter_getset[] = {
    {"__wrapped__", composite_converter_wrapped, NULL,
     PyDoc_STR("Upstream's function; its signature is this object's."), NULL},
    {"__name__", composite_converter_name, NULL, PyDoc_STR("The name of upstream's function."),
     NULL},
    {"register", composite_converter_register, NULL,
     PyDoc_STR("Upstream's register(cls, registry=None): decorates a converter for cls."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef composite_converter_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(CompositeConverter, vectorcall), READONLY,
     NULL},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(composite_converter_doc,
             "CompositeConverter()\n--\n\n"
             "graphene_sqlalchemy.converter.convert_sqlalchemy_composite and its register().");

static PyType_Slot composite_converter_slots[] = {
    {Py_tp_doc, (void *)composite_converter_doc},
    {Py_tp_new, composite_converter_new},
    {Py_tp_dealloc, composite_converter_dealloc},
    {Py_tp_traverse, composite_converter_traverse},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_members, composite_converter_members},
    {Py_tp_getset, composite_converter_getset},
    {0, NULL},
};

static PyType_Spec composite_converter_spec = {
    .name = "graphene_sqlalchemy_c._core.CompositeConverter",
    .basicsize = sizeof(CompositeConverter),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = composite_converter_slots,
};

int
composite_add(PyObject *module, module_state *state)
{
    state->CompositeConverter =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &composite_converter_spec, NULL);
    if (state->CompositeConverter == NULL ||
        PyModule_AddType(module, state->CompositeConverter) < 0) {
        return -1;
    }
    PyObject *converter = PyObject_CallNoArgs((PyObject *)state->CompositeConverter);
    if (converter == NULL) {
        return -1;
    }
    int added = PyModule_AddObjectRef(module, "convert_sqlalchemy_composite", converter);
    Py_DECREF(converter);
    return added;
}
