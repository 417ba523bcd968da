/* TypeCheck: `is_type_of` of a graphene-sqlalchemy type, for every object of a response.
 *
 *     SQLAlchemyBase.is_type_of = IsTypeOf(upstream's function)    a descriptor, as classmethod
 *     AuthorType.is_type_of -> TypeCheck of AuthorType             what graphene keeps in a schema
 *     TypeCheck(root, info) -> type(root) is AuthorType's model, or whatever upstream's says
 *
 * Does: compare the class of an object with the mapped class.
 * Never: decide about any other object; upstream's function does, with its own errors.
 * Owns: a TypeCheck owns its graphene type, the function and, once asked, the mapped class.
 */
#include "module.h"

#include <structmember.h>

/* ---- TypeCheck ---- */

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *function; /* owned: upstream's (cls, root, info) */
    PyObject *type;     /* owned: the graphene type, `cls` */
    PyObject *model;    /* owned: type._meta.model; NULL until the first call */
} check_object;

static int
check_find_model(module_state *state, check_object *self)
{
    PyObject *meta = PyObject_GetAttr(self->type, state->str__meta);
    if (meta == NULL) {
        return -1;
    }
    Py_XSETREF(self->model, PyObject_GetAttr(meta, state->str_model));
    Py_DECREF(meta);
    return self->model == NULL ? -1 : 0;
}

static PyObject *
check_call(PyObject *callable, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    check_object *self = (check_object *)callable;
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    if (self->model == NULL && check_find_model(state_of_type(Py_TYPE(self)), self) < 0) {
        return NULL;
    }
    if (count == 2 && kwnames == NULL) {
        if ((PyObject *)Py_TYPE(args[0]) == self->model) {
            Py_RETURN_TRUE;
        }
        PyObject *bound[] = {self->type, args[0], args[1]};
        return PyObject_Vectorcall(self->function, bound, 3, NULL);
    }
    /* An unusual call: as a bound method would make it. */
    PyObject *method = PyMethod_New(self->function, self->type);
    PyObject *result = method ? PyObject_Vectorcall(method, args, (size_t)count, kwnames) : NULL;
    Py_XDECREF(method);
    return result;
}

static int
check_traverse(check_object *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->function);
    Py_VISIT(self->type);
    Py_VISIT(self->model);
    return 0;
}

static int
check_clear(check_object *self)
{
    Py_CLEAR(self->function);
    Py_CLEAR(self->type);
    Py_CLEAR(self->model);
    return 0;
}

static void
check_dealloc(check_object *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    (void)check_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMemberDef check_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(check_object, vectorcall), READONLY, NULL},
    {"__func__", T_OBJECT_EX, offsetof(check_object, function), READONLY,
     "graphene-sqlalchemy's own function."},
    {"__self__", T_OBJECT_EX, offsetof(check_object, type), READONLY, "The graphene type."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot check_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("is_type_of of one graphene type, callable as (root, info).")},
    {Py_tp_dealloc, check_dealloc},
    {Py_tp_traverse, check_traverse},
    {Py_tp_clear, check_clear},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_members, check_members},
    {0, NULL},
};

static PyType_Spec check_spec = {
    .name = "graphene_sqlalchemy_c._core.TypeCheck",
    .basicsize = sizeof(check_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL
             | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = check_slots,
};

/* ---- IsTypeOf ---- */

typedef struct {
    PyObject_HEAD
    PyObject *function; /* owned: upstream's (cls, root, info) */
} descriptor_object;

static PyObject *
descriptor_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"function", NULL};
    PyObject *function;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:IsTypeOf", keywords, &function)) {
        return NULL;
    }
    descriptor_object *self = (descriptor_object *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->function = Py_NewRef(function);
    }
    return (PyObject *)self;
}

/* As classmethod.__get__: bound to the class, or to the class of the instance. */
static PyObject *
descriptor_get(PyObject *descriptor, PyObject *instance, PyObject *owner)
{
    module_state *state = state_of_type(Py_TYPE(descriptor));
    check_object *check = PyObject_GC_New(check_object, state->TypeCheck);
    if (check == NULL) {
        return NULL;
    }
    PyObject *type = owner != NULL ? owner : (PyObject *)Py_TYPE(instance);
    check->vectorcall = check_call;
    check->function = Py_NewRef(((descriptor_object *)descriptor)->function);
    check->type = Py_NewRef(type);
    check->model = NULL;
    PyObject_GC_Track(check);
    return (PyObject *)check;
}

static int
descriptor_traverse(descriptor_object *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->function);
    return 0;
}

static int
descriptor_clear(descriptor_object *self)
{
    Py_CLEAR(self->function);
    return 0;
}

static void
descriptor_dealloc(descriptor_object *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    (void)descriptor_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMemberDef descriptor_members[] = {
    {"__func__", T_OBJECT_EX, offsetof(descriptor_object, function), READONLY,
     "graphene-sqlalchemy's own function."},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(descriptor_doc,
"IsTypeOf(function)\n--\n\n"
"In the place of `classmethod(function)` as `is_type_of` of a mapped graphene type.");

static PyType_Slot descriptor_slots[] = {
    {Py_tp_doc, (void *)descriptor_doc},
    {Py_tp_new, descriptor_new},
    {Py_tp_dealloc, descriptor_dealloc},
    {Py_tp_traverse, descriptor_traverse},
    {Py_tp_clear, descriptor_clear},
    {Py_tp_descr_get, descriptor_get},
    {Py_tp_members, descriptor_members},
    {0, NULL},
};

static PyType_Spec descriptor_spec = {
    .name = "graphene_sqlalchemy_c._core.IsTypeOf",
    .basicsize = sizeof(descriptor_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = descriptor_slots,
};

int
typecheck_add(PyObject *module, module_state *state)
{
    if (module_add_type(module, &state->TypeCheck, &check_spec) < 0) {
        return -1;
    }
    return module_add_type(module, &state->IsTypeOf, &descriptor_spec);
}
