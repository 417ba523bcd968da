/* ConnectionResolver: the resolver of a connection field that shows a relationship.
 *
 *     resolver(root, info, **args) -> batch(root, info), then complete(value, root, info, args)
 *
 * Does: ask the batch resolver, and hand its value to the field class's resolve_connection.
 * Never: cut or count anything, that is resolve_connection's; sort or filter, that is
 *     relations.arranged_connection()'s.
 * Owns: the batch resolver and what resolve_connection is called with.
 */
#include "batch.h"

#include <structmember.h>

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *batch;           /* owned: BatchResolver */
    PyObject *field_class;     /* owned: class of the connection field */
    PyObject *connection_type; /* owned: graphene connection */
    PyObject *model;           /* owned: mapped class of the nodes */
} connection_object;

PyDoc_STRVAR(connection_complete_doc,
"complete($self, value, root, info, args, /)\n--\n\n"
"The connection over a loaded relationship, cut by the field's arguments.");

static PyObject *
connection_complete(connection_object *self, PyObject *const *args, Py_ssize_t nargs)
{
    module_state *state = state_of_type(Py_TYPE(self));
    if (nargs != 4) {
        PyErr_SetString(PyExc_TypeError, "complete() takes value, root, info and args");
        return NULL;
    }
    return PyObject_CallMethodObjArgs(self->field_class, state->str_resolve_connection,
                                      self->connection_type, self->model, args[2], args[3],
                                      args[0], NULL);
}

/* The keyword arguments of a call as a dict. */
static PyObject *
keyword_dict(PyObject *const *values, PyObject *kwnames)
{
    PyObject *result = PyDict_New();
    Py_ssize_t count = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    for (Py_ssize_t i = 0; result != NULL && i < count; i++) {
        if (PyDict_SetItem(result, PyTuple_GET_ITEM(kwnames, i), values[i]) < 0) {
            Py_CLEAR(result);
        }
    }
    return result;
}

/* Whether an argument of that name was given, and is not None: 1, 0, or -1 with an exception. */
static int
is_given(PyObject *keywords, PyObject *name)
{
    PyObject *value = PyDict_GetItemWithError(keywords, name);
    return value != NULL ? value != Py_None : PyErr_Occurred() ? -1 : 0;
}

int
connection_cuts_the_same(PyObject *resolver, PyObject *other)
{
    return ((connection_object *)resolver)->field_class ==
           ((connection_object *)other)->field_class;
}

/* The connection where the arguments sort or filter it; NotImplemented where they do not. */
static PyObject *
arranged_connection(connection_object *self, PyObject *const *args, PyObject *keywords)
{
    module_state *state = state_of_type(Py_TYPE(self));
    int sorts = is_given(keywords, state->str_sort);
    int filters = sorts < 0 ? -1 : is_given(keywords, state->str_filter);
    if (filters < 0) {
        return NULL;
    }
    if (!sorts && !filters) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    PyObject *function = late_arranged_connection(state);
    return function == NULL ? NULL
                            : PyObject_CallFunctionObjArgs(function, (PyObject *)self, args[0],
                                                           args[1], keywords, NULL);
}

static PyObject *
connection_call(PyObject *callable, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    connection_object *self = (connection_object *)callable;
    module_state *state = state_of_type(Py_TYPE(self));
    if (PyVectorcall_NARGS(nargsf) != 2) {
        PyErr_SetString(PyExc_TypeError, "a ConnectionResolver is called with (root, info)");
        return NULL;
    }
    PyObject *result = NULL;
    PyObject *keywords = keyword_dict(args + 2, kwnames);
    PyObject *arranged = keywords ? arranged_connection(self, args, keywords) : NULL;
    if (arranged == NULL || arranged != Py_NotImplemented) {
        Py_XDECREF(keywords);
        return arranged;
    }
    Py_DECREF(arranged);
    PyObject *value = PyObject_Vectorcall(self->batch, args, 2, NULL);
    if (value != NULL && Py_TYPE(value) == state->BatchSlot) {
        result = PyObject_CallFunctionObjArgs(state->complete_later, callable, value, args[0],
                                              args[1], keywords, NULL);
    }
    else if (value != NULL) {
        PyObject *completing[] = {value, args[0], args[1], keywords};
        result = connection_complete(self, completing, 4);
    }
    Py_XDECREF(value);
    Py_XDECREF(keywords);
    return result;
}

static PyObject *
connection_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"batch", "field_class", "connection_type", "model", NULL};
    PyObject *batch, *field_class, *connection_type, *model;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!OOO:ConnectionResolver", keywords,
                                     state_of_type(type)->BatchResolver, &batch, &field_class,
                                     &connection_type, &model)) {
        return NULL;
    }
    connection_object *self = (connection_object *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->vectorcall = connection_call;
        self->batch = Py_NewRef(batch);
        self->field_class = Py_NewRef(field_class);
        self->connection_type = Py_NewRef(connection_type);
        self->model = Py_NewRef(model);
    }
    return (PyObject *)self;
}

static int
connection_traverse(connection_object *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->batch);
    Py_VISIT(self->field_class);
    Py_VISIT(self->connection_type);
    Py_VISIT(self->model);
    return 0;
}

static int
connection_clear(connection_object *self)
{
    Py_CLEAR(self->batch);
    Py_CLEAR(self->field_class);
    Py_CLEAR(self->connection_type);
    Py_CLEAR(self->model);
    return 0;
}

static void
connection_dealloc(connection_object *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    (void)connection_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *
connection_repr(connection_object *self)
{
    return PyUnicode_FromFormat("<ConnectionResolver of %R>", self->batch);
}

static PyMethodDef connection_methods[] = {
    {"complete", METHOD_CAST(connection_complete), METH_FASTCALL, connection_complete_doc},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef connection_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(connection_object, vectorcall), READONLY, NULL},
    {"batch", T_OBJECT_EX, offsetof(connection_object, batch), READONLY,
     "The BatchResolver of the relationship."},
    {"field_class", T_OBJECT_EX, offsetof(connection_object, field_class), READONLY,
     "The class of the connection field."},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(connection_doc,
"ConnectionResolver(batch, field_class, connection_type, model)\n--\n\n"
"The resolver of one connection field that shows a relationship.\n\n"
"batch: loads the relationship. field_class: its resolve_connection is called.\n"
"connection_type: the connection to build. model: the mapped class of its nodes.");

static PyType_Slot connection_slots[] = {
    {Py_tp_doc, (void *)connection_doc},
    {Py_tp_new, connection_new},
    {Py_tp_dealloc, connection_dealloc},
    {Py_tp_traverse, connection_traverse},
    {Py_tp_clear, connection_clear},
    {Py_tp_repr, connection_repr},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_methods, connection_methods},
    {Py_tp_members, connection_members},
    {0, NULL},
};

static PyType_Spec connection_spec = {
    .name = "graphene_sqlalchemy_c._core.ConnectionResolver",
    .basicsize = sizeof(connection_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .slots = connection_slots,
};

int
connection_add(PyObject *module, module_state *state)
{
    return module_add_type(module, &state->ConnectionResolver, &connection_spec);
}
