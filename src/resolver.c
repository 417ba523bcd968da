/* Attribute resolvers: AttrResolver, and the functions of upstream's resolvers module.
 *
 * An AttrResolver answers what upstream's `lambda root, _info: getattr(root, model_attr, None)`
 * answers. Most reads are of a column that is loaded, and what SQLAlchemy then does, in Python,
 * is to look into the instance dict (InstrumentedAttribute.__get__). The resolver does that
 * look-up itself when all of these hold, and calls getattr otherwise:
 *
 *   - the type of root reads attributes by PyObject_GenericGetAttr;
 *   - its own class dict holds, under this name, the very descriptor that the Python helper
 *     stored_attribute approved for this type (so a later change of the class is seen);
 *   - the instance dict is a plain dict and holds the name.
 *
 * Never: loads anything itself; a missing value is SQLAlchemy's to load.
 * Owns: a resolver owns its name and the few exact types it has met.
 */
#include "call.h"

#include <structmember.h>

/* A field meets one model and its subclasses: so many exact types are told apart, by a walk over
 * pointers. Any further type is read by getattr. */
#define MAX_TYPES 8

typedef struct {
    PyTypeObject *type;   /* owned */
    PyObject *descriptor; /* owned: what stored_attribute approved, or None */
} met_type;

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *model_attr; /* owned: exact str, interned */
    Py_ssize_t met_count;
    met_type met[MAX_TYPES];
} AttrResolver;

/* What is known of `type`, asking the Python helper on first sight. NULL when there is no room
 * for another type, or with an exception. */
static met_type *
meet_type(AttrResolver *self, PyTypeObject *type)
{
    for (Py_ssize_t i = 0; i < self->met_count; i++) {
        if (self->met[i].type == type) {
            return &self->met[i];
        }
    }
    if (self->met_count == MAX_TYPES) {
        return NULL;
    }
    module_state *state = state_of_type(Py_TYPE(self));
    PyObject *descriptor =
        PyObject_CallFunctionObjArgs(state->stored_attribute, type, self->model_attr, NULL);
    if (descriptor == NULL) {
        return NULL;
    }
    if (self->met_count == MAX_TYPES) { /* filled by another thread meanwhile */
        Py_DECREF(descriptor);
        return NULL;
    }
    met_type *met = &self->met[self->met_count++];
    met->type = (PyTypeObject *)Py_NewRef(type);
    met->descriptor = descriptor;
    return met;
}

/* Whether the class dict of `type` itself holds `descriptor` under the resolver's name. */
static int
still_has_descriptor(AttrResolver *self, PyTypeObject *type, PyObject *descriptor)
{
#if PY_VERSION_HEX >= 0x030C0000
    PyObject *class_dict = PyType_GetDict(type);
#else
    PyObject *class_dict = Py_XNewRef(type->tp_dict);
#endif
    if (class_dict == NULL) {
        return 0;
    }
    PyObject *current = PyDict_GetItemWithError(class_dict, self->model_attr);
    int same = current == descriptor;
    if (current == NULL && PyErr_Occurred()) {
        same = -1;
    }
    Py_DECREF(class_dict);
    return same;
}

/* The loaded value in the instance dict; NULL without an exception when that is not the way. */
static PyObject *
read_instance_dict(AttrResolver *self, PyObject *root)
{
    PyTypeObject *type = Py_TYPE(root);
    if (type->tp_getattro != PyObject_GenericGetAttr) {
        return NULL;
    }
    met_type *met = meet_type(self, type);
    if (met == NULL || met->descriptor == Py_None) {
        return NULL;
    }
    int same = still_has_descriptor(self, type, met->descriptor);
    if (same <= 0) {
        if (same == 0) { /* the class was changed: getattr from now on */
            Py_SETREF(met->descriptor, Py_NewRef(Py_None));
        }
        return NULL;
    }
    PyObject *dict = PyObject_GenericGetDict(root, NULL);
    if (dict == NULL) {
        return NULL;
    }
    PyObject *value = NULL;
    if (PyDict_CheckExact(dict)) {
        value = Py_XNewRef(PyDict_GetItemWithError(dict, self->model_attr));
    }
    Py_DECREF(dict);
    return value;
}

/* A new lambda of upstream's for the same attribute. */
static PyObject *
upstream_resolver(PyObject *op)
{
    module_state *state = state_of_type(Py_TYPE(op));
    return PyObject_CallFunctionObjArgs(state->upstream_get_attr_resolver, Py_None,
                                        ((AttrResolver *)op)->model_attr, NULL);
}

/* Any other call than (root, info): upstream's own lambda takes it or says what is wrong. */
static PyObject *
call_upstream_resolver(PyObject *op, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyObject *resolver = upstream_resolver(op);
    if (resolver == NULL) {
        return NULL;
    }
    PyObject *result = PyObject_Vectorcall(resolver, args, nargsf, kwnames);
    Py_DECREF(resolver);
    return result;
}

static PyObject *
attr_resolver_vectorcall(PyObject *callable, PyObject *const *args, size_t nargsf,
                         PyObject *kwnames)
{
    AttrResolver *self = (AttrResolver *)callable;
    if (PyVectorcall_NARGS(nargsf) != 2 || (kwnames != NULL && PyTuple_GET_SIZE(kwnames) > 0)) {
        return call_upstream_resolver(callable, args, nargsf, kwnames);
    }
    PyObject *value = read_instance_dict(self, args[0]);
    if (value != NULL || PyErr_Occurred()) {
        return value;
    }
    return call_getattr(args[0], self->model_attr, Py_None);
}

static PyObject *
attr_resolver_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"model_attr", NULL};
    PyObject *model_attr;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "U:AttrResolver", keywords, &model_attr)) {
        return NULL;
    }
    if (!PyUnicode_CheckExact(model_attr)) {
        PyErr_Format(PyExc_TypeError, "AttrResolver() argument 'model_attr' must be str, not %s",
                     Py_TYPE(model_attr)->tp_name);
        return NULL;
    }
    AttrResolver *self = (AttrResolver *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->vectorcall = attr_resolver_vectorcall;
    self->model_attr = Py_NewRef(model_attr);
    PyUnicode_InternInPlace(&self->model_attr);
    return (PyObject *)self;
}

static int
attr_resolver_traverse(PyObject *op, visitproc visit, void *arg)
{
    AttrResolver *self = (AttrResolver *)op;
    Py_VISIT(Py_TYPE(op));
    for (Py_ssize_t i = 0; i < self->met_count; i++) {
        Py_VISIT(self->met[i].type);
        Py_VISIT(self->met[i].descriptor);
    }
    return 0;
}

static int
attr_resolver_clear(PyObject *op)
{
    AttrResolver *self = (AttrResolver *)op;
    while (self->met_count > 0) {
        met_type met = self->met[--self->met_count];
        Py_DECREF(met.type);
        Py_DECREF(met.descriptor);
    }
    return 0;
}

static void
attr_resolver_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    (void)attr_resolver_clear(op);
    Py_CLEAR(((AttrResolver *)op)->model_attr);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyObject *
attr_resolver_repr(PyObject *op)
{
    return PyUnicode_FromFormat("AttrResolver(%R)", ((AttrResolver *)op)->model_attr);
}

/* An instance, not the type, has __wrapped__: inspect.signature follows it on both. */
static PyObject *
attr_resolver_getattro(PyObject *op, PyObject *name)
{
    int is_wrapped =
        PyObject_RichCompareBool(name, state_of_type(Py_TYPE(op))->str___wrapped__, Py_EQ);
    if (is_wrapped != 0) {
        return is_wrapped < 0 ? NULL : upstream_resolver(op);
    }
    return PyObject_GenericGetAttr(op, name);
}

static PyObject *
attr_resolver_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return Py_BuildValue("O(O)", Py_TYPE(op), ((AttrResolver *)op)->model_attr);
}

static PyMethodDef attr_resolver_methods[] = {
    {"__reduce__", attr_resolver_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef attr_resolver_members[] = {
    {"model_attr", T_OBJECT_EX, offsetof(AttrResolver, model_attr), READONLY,
     PyDoc_STR("The name of the attribute that is read.")},
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(AttrResolver, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(attr_resolver_doc,
             "AttrResolver(model_attr)\n--\n\n"
             "Resolver that answers getattr(root, model_attr, None).\n\n"
             "A loaded SQLAlchemy attribute is read from the instance dict directly.");

static PyType_Slot attr_resolver_slots[] = {
    {Py_tp_doc, (void *)attr_resolver_doc},
    {Py_tp_new, attr_resolver_new},
    {Py_tp_dealloc, attr_resolver_dealloc},
    {Py_tp_traverse, attr_resolver_traverse},
    {Py_tp_clear, attr_resolver_clear},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_repr, attr_resolver_repr},
    {Py_tp_methods, attr_resolver_methods},
    {Py_tp_members, attr_resolver_members},
    {Py_tp_getattro, attr_resolver_getattro},
    {0, NULL},
};

static PyType_Spec attr_resolver_spec = {
    .name = "graphene_sqlalchemy_c._core.AttrResolver",
    .basicsize = sizeof(AttrResolver),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = attr_resolver_slots,
};

static PyObject *
attr_resolver_for(PyObject *module, PyObject *const *bound, PyObject *Py_UNUSED(extra))
{
    module_state *state = PyModule_GetState(module);
    PyObject *model_attr = bound[1];
    if (!PyUnicode_CheckExact(model_attr)) {
        /* A name that compares or hashes by a subclass's rules, or that getattr refuses. */
        return PyObject_Vectorcall(state->upstream_get_attr_resolver, bound, 2, NULL);
    }
    return PyObject_CallOneArg((PyObject *)state->AttrResolver, model_attr);
}

static PyObject *
get_attr_resolver(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    module_state *state = PyModule_GetState(module);
    PyObject *const names[] = {state->str_obj_type, state->str_model_attr};
    const call_stand_in stand_in = {names, 2, false, attr_resolver_for,
                                    state->upstream_get_attr_resolver};
    return call_bound(module, &stand_in, args, nargs, kwnames);
}

/* "resolve_{}".format(orm_field_name) */
static PyObject *
resolve_method_name(PyObject *orm_field_name)
{
    PyObject *text = PyObject_Format(orm_field_name, NULL);
    if (text == NULL) {
        return NULL;
    }
    PyObject *name = PyUnicode_FromFormat("resolve_%U", text);
    Py_DECREF(text);
    return name;
}

static PyObject *
custom_resolver_for(PyObject *module, PyObject *const *bound, PyObject *Py_UNUSED(extra))
{
    module_state *state = PyModule_GetState(module);
    PyObject *name = resolve_method_name(bound[1]);
    if (name == NULL) {
        return NULL;
    }
    PyObject *result = NULL;
    PyObject *resolver = call_getattr(bound[0], name, Py_None);
    int defined = resolver == NULL ? -1 : PyObject_IsTrue(resolver);
    if (defined > 0) {
        result = PyObject_CallOneArg(state->get_unbound_function, resolver);
    }
    else if (defined == 0) {
        result = Py_NewRef(Py_None);
    }
    Py_XDECREF(resolver);
    Py_DECREF(name);
    return result;
}

static PyObject *
get_custom_resolver(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    module_state *state = PyModule_GetState(module);
    PyObject *const names[] = {state->str_obj_type, state->str_orm_field_name};
    const call_stand_in stand_in = {names, 2, false, custom_resolver_for,
                                    state->upstream_get_custom_resolver};
    return call_bound(module, &stand_in, args, nargs, kwnames);
}

PyDoc_STRVAR(get_attr_resolver_doc,
             "get_attr_resolver($module, /, obj_type, model_attr)\n--\n\n"
             "An AttrResolver for model_attr; graphene_sqlalchemy.resolvers.get_attr_resolver.");

PyDoc_STRVAR(get_custom_resolver_doc,
             "get_custom_resolver($module, /, obj_type, orm_field_name)\n--\n\n"
             "The function resolve_<orm_field_name> of obj_type, or None;\n"
             "graphene_sqlalchemy.resolvers.get_custom_resolver.");

static PyMethodDef resolver_functions[] = {
    {"get_attr_resolver", METHOD_CAST(get_attr_resolver), METH_FASTCALL | METH_KEYWORDS,
     get_attr_resolver_doc},
    {"get_custom_resolver", METHOD_CAST(get_custom_resolver), METH_FASTCALL | METH_KEYWORDS,
     get_custom_resolver_doc},
    {NULL, NULL, 0, NULL},
};

int
resolver_add(PyObject *module, module_state *state)
{
    state->AttrResolver =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &attr_resolver_spec, NULL);
    if (state->AttrResolver == NULL || PyModule_AddType(module, state->AttrResolver) < 0) {
        return -1;
    }
    return PyModule_AddFunctions(module, resolver_functions);
}
