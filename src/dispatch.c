/* TypeDispatch: upstream's convert_sqlalchemy_type with its answers kept.
 *
 * Upstream's singledispatchbymatchfunction walks, at each call, the linearization of the argument
 * and for each class the list of registered matchers. A TypeDispatch stands in front of such an
 * object, shares its registry and its default, and keeps for each column type the way to the
 * answer:
 *
 *     entry = (mro, probes, method)     probes = (matcher, class, method, ...)
 *
 * `method` is what upstream's own matchers lead to; they depend on the class alone. `probes` are
 * the calls of users' matchers that upstream makes before it gets there; they are made again at
 * each call, in upstream's order, because they may look at anything. The Python helper
 * plan_dispatch makes the entry.
 *
 * An entry holds while the type keeps its linearization and the registry its content; both are
 * compared at each call, so a registration counts from the next call on wherever it was made: on
 * this object, on upstream's, or in the registry itself. (A mere reordering of the registry,
 * OrderedDict.move_to_end, is seen with the next registration.)
 *
 * Never: matches anything itself. What has no entry is called on upstream's object.
 * Owns: upstream's object, the snapshot of the registry, and the entries with their types, which
 * are SQLAlchemy's and Python's types and their subclasses, never models.
 */
#include "call.h"

#include <structmember.h>

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *upstream; /* owned: a singledispatchbymatchfunction */
    PyObject *snapshot; /* owned: tuple matcher, method, ... of the registry; NULL before use */
    PyObject *entries;  /* owned: dict, type -> entry; NULL before use */
} TypeDispatch;

enum { ENTRY_MRO, ENTRY_PROBES, ENTRY_METHOD, ENTRY_SIZE };

static int
registry_is_unchanged(TypeDispatch *self, PyObject *registry)
{
    PyObject *snapshot = self->snapshot;
    if (snapshot == NULL || PyTuple_GET_SIZE(snapshot) != 2 * PyDict_Size(registry)) {
        return 0;
    }
    PyObject *matcher, *method;
    Py_ssize_t position = 0;
    Py_ssize_t index = 0;
    while (PyDict_Next(registry, &position, &matcher, &method)) {
        if (PyTuple_GET_ITEM(snapshot, index) != matcher ||
            PyTuple_GET_ITEM(snapshot, index + 1) != method) {
            return 0;
        }
        index += 2;
    }
    return 1;
}

/* Forgets the entries and remembers the registry as it is. */
static int
start_anew(TypeDispatch *self, PyObject *registry)
{
    PyObject *snapshot = PyTuple_New(2 * PyDict_Size(registry));
    PyObject *entries = PyDict_New();
    if (snapshot == NULL || entries == NULL) {
        Py_XDECREF(snapshot);
        Py_XDECREF(entries);
        return -1;
    }
    PyObject *matcher, *method;
    Py_ssize_t position = 0;
    Py_ssize_t index = 0;
    while (PyDict_Next(registry, &position, &matcher, &method)) {
        PyTuple_SET_ITEM(snapshot, index++, Py_NewRef(matcher));
        PyTuple_SET_ITEM(snapshot, index++, Py_NewRef(method));
    }
    Py_XSETREF(self->snapshot, snapshot);
    Py_XSETREF(self->entries, entries);
    return 0;
}

/* Asks the helper for the entry of `type` and keeps it, unless the registry changed meanwhile. */
static PyObject *
make_entry(TypeDispatch *self, PyTypeObject *type, PyObject *registry)
{
    module_state *state = state_of_type(Py_TYPE(self));
    PyObject *snapshot = Py_NewRef(self->snapshot);
    PyObject *entry = PyObject_CallFunctionObjArgs(state->plan_dispatch, type, registry, NULL);
    if (entry == NULL) {
        goto done;
    }
    assert(entry == Py_None || PyTuple_GET_SIZE(entry) == ENTRY_SIZE);
    /* Only entries are kept: a type without one may be a user's class, to be left alone. */
    if (entry != Py_None && snapshot == self->snapshot && registry_is_unchanged(self, registry) &&
        PyDict_SetItem(self->entries, (PyObject *)type, entry) < 0) {
        Py_CLEAR(entry);
    }
done:
    Py_DECREF(snapshot);
    return entry;
}

/* The entry that holds for `type` now, or None for "ask upstream". */
static PyObject *
find_entry(TypeDispatch *self, PyTypeObject *type)
{
    module_state *state = state_of_type(Py_TYPE(self));
    PyObject *entry = NULL;
    PyObject *registry = PyObject_GetAttr(self->upstream, state->str_registry);
    if (registry == NULL) {
        return NULL;
    }
    if ((PyObject *)Py_TYPE(registry) != state->OrderedDict && !PyDict_CheckExact(registry)) {
        entry = Py_NewRef(Py_None);
        goto done;
    }
    if (!registry_is_unchanged(self, registry) && start_anew(self, registry) < 0) {
        goto done;
    }
    entry = Py_XNewRef(PyDict_GetItemWithError(self->entries, (PyObject *)type));
    if (entry != NULL && PyTuple_GET_ITEM(entry, ENTRY_MRO) != type->tp_mro) {
        Py_CLEAR(entry);
    }
    if (entry == NULL && !PyErr_Occurred()) {
        entry = make_entry(self, type, registry);
    }
done:
    Py_DECREF(registry);
    return entry;
}

/* The method that the entry leads to; runs the users' matchers on the way. */
static PyObject *
follow_entry(TypeDispatch *self, PyObject *entry)
{
    PyObject *probes = PyTuple_GET_ITEM(entry, ENTRY_PROBES);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(probes); i += 3) {
        PyObject *answer =
            PyObject_CallOneArg(PyTuple_GET_ITEM(probes, i), PyTuple_GET_ITEM(probes, i + 1));
        int matched = answer == NULL ? -1 : PyObject_IsTrue(answer);
        Py_XDECREF(answer);
        if (matched != 0) {
            return matched < 0 ? NULL : Py_NewRef(PyTuple_GET_ITEM(probes, i + 2));
        }
    }
    PyObject *method = PyTuple_GET_ITEM(entry, ENTRY_METHOD);
    if (method == Py_None) {
        module_state *state = state_of_type(Py_TYPE(self));
        return PyObject_GetAttr(self->upstream, state->str_default);
    }
    return Py_NewRef(method);
}

static PyObject *
type_dispatch_vectorcall(PyObject *callable, PyObject *const *args, size_t nargsf,
                         PyObject *kwnames)
{
    TypeDispatch *self = (TypeDispatch *)callable;
    /* A class with a metaclass of its own, a typing construct, a string: upstream's to handle. */
    if (PyVectorcall_NARGS(nargsf) == 0 || !Py_IS_TYPE(args[0], &PyType_Type)) {
        return PyObject_Vectorcall(self->upstream, args, nargsf, kwnames);
    }
    PyObject *entry = find_entry(self, (PyTypeObject *)args[0]);
    if (entry == NULL) {
        return NULL;
    }
    PyObject *method = entry == Py_None ? Py_NewRef(self->upstream) : follow_entry(self, entry);
    PyObject *result = NULL;
    if (method != NULL) {
        result = PyObject_Vectorcall(method, args, nargsf, kwnames);
        Py_DECREF(method);
    }
    Py_DECREF(entry);
    return result;
}

static PyObject *
type_dispatch_register(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    TypeDispatch *self = (TypeDispatch *)op;
    module_state *state = state_of_type(Py_TYPE(op));
    PyObject *method = PyObject_GetAttr(self->upstream, state->str_register);
    if (method == NULL) {
        return NULL;
    }
    PyObject *result = PyObject_Vectorcall(method, args, (size_t)nargs, kwnames);
    Py_DECREF(method);
    return result;
}

static PyObject *
type_dispatch_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"upstream", NULL};
    PyObject *upstream;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:TypeDispatch", keywords, &upstream)) {
        return NULL;
    }
    TypeDispatch *self = (TypeDispatch *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->vectorcall = type_dispatch_vectorcall;
    self->upstream = Py_NewRef(upstream);
    return (PyObject *)self;
}

static int
type_dispatch_traverse(PyObject *op, visitproc visit, void *arg)
{
    TypeDispatch *self = (TypeDispatch *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->upstream);
    Py_VISIT(self->snapshot);
    Py_VISIT(self->entries);
    return 0;
}

static int
type_dispatch_clear(PyObject *op)
{
    /* Not upstream, so that the object stays callable; upstream breaks its own cycles. */
    TypeDispatch *self = (TypeDispatch *)op;
    Py_CLEAR(self->snapshot);
    Py_CLEAR(self->entries);
    return 0;
}

static void
type_dispatch_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    (void)type_dispatch_clear(op);
    Py_CLEAR(((TypeDispatch *)op)->upstream);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyObject *
type_dispatch_repr(PyObject *op)
{
    return PyUnicode_FromFormat("TypeDispatch(%R)", ((TypeDispatch *)op)->upstream);
}

/* `registry` and `default` are upstream's own, for reading and for writing; the closure of the
 * getset is the name. */
static PyObject *
type_dispatch_get(PyObject *op, void *name)
{
    return PyObject_GetAttrString(((TypeDispatch *)op)->upstream, name);
}

static int
type_dispatch_set(PyObject *op, PyObject *value, void *name)
{
    /* value NULL deletes, as it does on upstream's object. */
    return PyObject_SetAttrString(((TypeDispatch *)op)->upstream, name, value);
}

static PyGetSetDef type_dispatch_getset[] = {
    {"registry", type_dispatch_get, type_dispatch_set,
     PyDoc_STR("Upstream's registry: matcher -> method, in order of registration."), "registry"},
    {"default", type_dispatch_get, type_dispatch_set,
     PyDoc_STR("Upstream's default: what runs when nothing matches."), "default"},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef type_dispatch_members[] = {
    {"__wrapped__", T_OBJECT_EX, offsetof(TypeDispatch, upstream), READONLY,
     PyDoc_STR("The upstream object that this one stands in front of.")},
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(TypeDispatch, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(type_dispatch_register_doc,
             "register($self, /, matcher_function, func=None)\n--\n\n"
             "Registers func for what matcher_function matches; a decorator without func.\n\n"
             "The registration is made on upstream's object and counts for both.");

static PyMethodDef type_dispatch_methods[] = {
    {"register", METHOD_CAST(type_dispatch_register), METH_FASTCALL | METH_KEYWORDS,
     type_dispatch_register_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(type_dispatch_doc,
             "TypeDispatch(upstream)\n--\n\n"
             "Calls what upstream, a singledispatchbymatchfunction, would call.\n\n"
             "The way to the answer is kept for each column type.");

static PyType_Slot type_dispatch_slots[] = {
    {Py_tp_doc, (void *)type_dispatch_doc},
    {Py_tp_new, type_dispatch_new},
    {Py_tp_dealloc, type_dispatch_dealloc},
    {Py_tp_traverse, type_dispatch_traverse},
    {Py_tp_clear, type_dispatch_clear},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_repr, type_dispatch_repr},
    {Py_tp_methods, type_dispatch_methods},
    {Py_tp_members, type_dispatch_members},
    {Py_tp_getset, type_dispatch_getset},
    {0, NULL},
};

static PyType_Spec type_dispatch_spec = {
    .name = "graphene_sqlalchemy_c._core.TypeDispatch",
    .basicsize = sizeof(TypeDispatch),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = type_dispatch_slots,
};

int
dispatch_add(PyObject *module, module_state *state)
{
    state->TypeDispatch =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &type_dispatch_spec, NULL);
    if (state->TypeDispatch == NULL) {
        return -1;
    }
    return PyModule_AddType(module, state->TypeDispatch);
}
