/* BatchResolver: the resolver of one relationship field; Batch and BatchSlot: its answers to come.
 *
 *     resolver(root, info)
 *         root's dict holds the attribute ------------> the value
 *         a batch is open for root's session ---------> BatchSlot(batch, index of root)
 *         otherwise loader.miss(root, info) ----------> the value, or a BatchSlot of a new batch
 *
 * Under an AsyncSession all calls of one event-loop tick append their parents to one open Batch
 * (batching.py opens and runs it). A slot is awaited through the batch's one waiter, a future that
 * every task of the tick shares:
 *
 *     await slot ---> batch settled? ---> results[index], returned or raised
 *                         | no
 *                     yield the shared waiter; look again when woken
 *
 * A waiter that is woken early (a sibling was cancelled) is simply replaced. A cancelled slot keeps
 * waiting until the load has ended, so that the session is never left inside a statement; the last
 * slot that leaves before the batch is settled asks for the load to be cancelled (batch.cancel).
 * A settled batch takes no more parents and no other results.
 *
 * Does: read instance dicts, collect parents, hand results out.
 * Never: load anything; loading.py and batching.py do. No state of a request is kept in a resolver.
 * Owns: a slot owns its batch, a batch its parents and results, until the slots are gone.
 */
#include "batch.h"

#include <structmember.h>

#include "group.h"

/* ---- Batch ---- */

typedef struct {
    PyObject_HEAD
    PyObject *parents;  /* owned: list of instances, in the order of the calls */
    PyObject *results;  /* owned: tuple of values or exceptions aligned with parents; NULL: not yet */
    PyObject *waiter;   /* owned: the future that all slots share now, or NULL */
    PyObject *make_waiter; /* owned: callable without arguments */
    PyObject *cancel;      /* owned: callable that cancels the load of this batch */
    Py_ssize_t waiting;    /* slots that are alive and neither done nor cancelled */
} batch_object;

static PyObject *
batch_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"make_waiter", "cancel", NULL};
    PyObject *make_waiter, *cancel;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO:Batch", keywords, &make_waiter, &cancel)) {
        return NULL;
    }
    batch_object *self = (batch_object *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->make_waiter = Py_NewRef(make_waiter);
    self->cancel = Py_NewRef(cancel);
    self->parents = PyList_New(0);
    if (self->parents == NULL) {
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

static int
batch_traverse(batch_object *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->parents);
    Py_VISIT(self->results);
    Py_VISIT(self->waiter);
    Py_VISIT(self->make_waiter);
    Py_VISIT(self->cancel);
    return 0;
}

static int
batch_clear(batch_object *self)
{
    Py_CLEAR(self->parents);
    Py_CLEAR(self->results);
    Py_CLEAR(self->waiter);
    Py_CLEAR(self->make_waiter);
    Py_CLEAR(self->cancel);
    return 0;
}

static void
batch_dealloc(batch_object *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    (void)batch_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

PyDoc_STRVAR(batch_settle_doc,
"settle($self, results, /)\n--\n\n"
"Give the results, a list of values or exceptions aligned with `parents`, and wake every slot.");

static PyObject *
batch_settle(batch_object *self, PyObject *results)
{
    module_state *state = state_of_type(Py_TYPE(self));
    if (!PyList_Check(results) || PyList_GET_SIZE(results) != PyList_GET_SIZE(self->parents)) {
        PyErr_SetString(PyExc_ValueError, "a batch needs one result for each of its parents");
        return NULL;
    }
    if (self->results != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the batch is settled");
        return NULL;
    }
    self->results = PyList_AsTuple(results);
    if (self->results == NULL) {
        return NULL;
    }
    PyObject *waiter = self->waiter; /* steals the batch's reference: every slot is done with it */
    self->waiter = NULL;
    if (waiter == NULL) {
        Py_RETURN_NONE;
    }
    PyObject *woken = PyObject_CallMethodNoArgs(waiter, state->str_wake);
    Py_DECREF(waiter);
    return woken;
}

static PyObject *slot_join(module_state *state, PyObject *batch, PyObject *parent);

PyDoc_STRVAR(batch_join_doc,
"join($self, parent, /)\n--\n\n"
"Append a parent and return the BatchSlot of its result.");

static PyObject *
batch_join(PyObject *self, PyObject *parent)
{
    return slot_join(state_of_type(Py_TYPE(self)), self, parent);
}

static PyMethodDef batch_type_methods[] = {
    {"join", batch_join, METH_O, batch_join_doc},
    {"settle", (PyCFunction)batch_settle, METH_O, batch_settle_doc},
    {NULL, NULL, 0, NULL},
};

static PyObject *
batch_parents(batch_object *self, void *Py_UNUSED(closure))
{
    return PyList_GetSlice(self->parents, 0, PyList_GET_SIZE(self->parents));
}

static PyGetSetDef batch_getset[] = {
    {"parents", (getter)batch_parents, NULL,
     PyDoc_STR("A list of the instances to load for, in the order of the calls."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef batch_members[] = {
    {"waiting", T_PYSSIZET, offsetof(batch_object, waiting), READONLY,
     "How many slots still want a result."},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(batch_doc,
"Batch(make_waiter, cancel)\n--\n\n"
"Parents of one relationship and one session that share a load, and its results.\n\n"
"`make_waiter()` returns a future with a method `wake`; `cancel()` is called when every task\n"
"that awaited a slot has been cancelled.");

static PyType_Slot batch_slots[] = {
    {Py_tp_doc, (void *)batch_doc},
    {Py_tp_new, batch_new},
    {Py_tp_dealloc, batch_dealloc},
    {Py_tp_traverse, batch_traverse},
    {Py_tp_clear, batch_clear},
    {Py_tp_methods, batch_type_methods},
    {Py_tp_getset, batch_getset},
    {Py_tp_members, batch_members},
    {0, NULL},
};

static PyType_Spec batch_spec = {
    .name = "graphene_sqlalchemy_c._core.Batch",
    .basicsize = sizeof(batch_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = batch_slots,
};

/* ---- BatchSlot ---- */

typedef struct {
    PyObject_HEAD
    batch_object *batch; /* owned; NULL once the slot has been awaited to its end */
    PyObject *inner;     /* owned: iterator of the waiter that is awaited now, or NULL */
    PyObject *cancelled; /* owned: the exception to raise when the load has ended, or NULL */
    Py_ssize_t index;    /* of the parent in the batch */
    int counted;         /* in batch->waiting */
} slot_object;

/* The slot wants its result no longer. The last one to leave an unsettled batch cancels its load. */
static int
slot_leave(slot_object *self)
{
    if (!self->counted) {
        return 0;
    }
    self->counted = 0;
    if (--self->batch->waiting > 0 || self->batch->results != NULL) {
        return 0;
    }
    PyObject *asked = PyObject_CallNoArgs(self->batch->cancel);
    Py_XDECREF(asked);
    return asked == NULL ? -1 : 0;
}

static int
slot_traverse(slot_object *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->batch);
    Py_VISIT(self->inner);
    Py_VISIT(self->cancelled);
    return 0;
}

static int
slot_clear(slot_object *self)
{
    Py_CLEAR(self->batch);
    Py_CLEAR(self->inner);
    Py_CLEAR(self->cancelled);
    return 0;
}

/* Runs before the collector clears anything, so the batch is whole. */
static void
slot_finalize(slot_object *self)
{
    PyObject *error_type, *error, *traceback;
    if (self->batch == NULL || !self->counted) {
        return;
    }
    PyErr_Fetch(&error_type, &error, &traceback);
    if (slot_leave(self) < 0) {
        PyErr_WriteUnraisable((PyObject *)Py_TYPE(self));
    }
    PyErr_Restore(error_type, error, traceback);
}

static void
slot_dealloc(slot_object *self)
{
    PyTypeObject *type = Py_TYPE(self);
    if (PyObject_CallFinalizerFromDealloc((PyObject *)self) < 0) {
        return;
    }
    PyObject_GC_UnTrack(self);
    (void)slot_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

/* Append `parent` to the batch and return the slot of its result. */
static PyObject *
slot_join(module_state *state, PyObject *batch, PyObject *parent)
{
    batch_object *joined = (batch_object *)batch;
    if (joined->results != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the batch is settled");
        return NULL;
    }
    slot_object *self = PyObject_GC_New(slot_object, state->BatchSlot);
    if (self == NULL) {
        return NULL;
    }
    self->batch = (batch_object *)Py_NewRef(batch);
    self->inner = NULL;
    self->cancelled = NULL;
    self->index = PyList_GET_SIZE(joined->parents);
    self->counted = 0;
    PyObject_GC_Track(self);
    if (PyList_Append(joined->parents, parent) < 0) {
        Py_CLEAR(self);
    }
    else {
        self->counted = 1;
        joined->waiting++;
    }
    return (PyObject *)self;
}

/* Take the result of a settled batch: PYGEN_RETURN, or PYGEN_ERROR with the exception set. */
static PySendResult
slot_take_result(slot_object *self, PyObject **result)
{
    PyObject *cancelled = self->cancelled;
    self->cancelled = NULL;
    PyObject *value = Py_NewRef(PyTuple_GET_ITEM(self->batch->results, self->index));
    (void)slot_leave(self); /* cannot fail: the batch is settled */
    Py_CLEAR(self->batch);
    *result = NULL;
    if (cancelled != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(cancelled), cancelled);
        Py_DECREF(cancelled);
    }
    else if (PyObject_TypeCheck(value, (PyTypeObject *)PyExc_StopIteration)) {
        /* To the awaiting coroutine it would be a return; PEP 479 says the same of generators. */
        PyErr_Format(PyExc_RuntimeError, "a load raised %R", value);
    }
    else if (PyExceptionInstance_Check(value)) {
        /* One exception is raised at many fields: without this, each would lengthen its traceback. */
        (void)PyException_SetTraceback(value, Py_None);
        PyErr_SetObject((PyObject *)Py_TYPE(value), value);
    }
    else {
        *result = value;
        return PYGEN_RETURN;
    }
    Py_DECREF(value);
    return PYGEN_ERROR;
}

/* Begin to await the batch's waiter, made when there is none. */
static int
slot_enter(module_state *state, slot_object *self)
{
    batch_object *batch = self->batch;
    if (batch->waiter == NULL) {
        batch->waiter = PyObject_CallNoArgs(batch->make_waiter);
        if (batch->waiter == NULL) {
            return -1;
        }
    }
    self->inner = PyObject_CallMethodNoArgs(batch->waiter, state->str___await__);
    return self->inner == NULL ? -1 : 0;
}

/* Forget the batch's waiter when it has been woken, so that the next round makes a new one. */
static int
slot_drop_spent_waiter(module_state *state, batch_object *batch)
{
    if (batch->waiter == NULL) {
        return 0;
    }
    PyObject *done = PyObject_CallMethodNoArgs(batch->waiter, state->str_done);
    int spent = done ? PyObject_IsTrue(done) : -1;
    Py_XDECREF(done);
    if (spent > 0) {
        Py_CLEAR(batch->waiter);
    }
    return spent < 0 ? -1 : 0;
}

/* am_send of the awaited slot; the value sent is always None, as asyncio's tasks send. */
static PySendResult
slot_send(slot_object *self, PyObject *Py_UNUSED(value), PyObject **result)
{
    module_state *state = state_of_type(Py_TYPE(self));
    *result = NULL;
    if (self->batch == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse an already awaited BatchSlot");
        return PYGEN_ERROR;
    }
    while (self->batch->results == NULL) {
        if (self->inner == NULL && slot_enter(state, self) < 0) {
            return PYGEN_ERROR;
        }
        PySendResult sent = PyIter_Send(self->inner, Py_None, result);
        if (sent != PYGEN_RETURN) {
            return sent;
        }
        Py_CLEAR(*result);
        Py_CLEAR(self->inner);
        if (slot_drop_spent_waiter(state, self->batch) < 0) {
            return PYGEN_ERROR;
        }
    }
    Py_CLEAR(self->inner);
    return slot_take_result(self, result);
}

static PyObject *
slot_iternext(slot_object *self)
{
    PyObject *result;
    PySendResult sent = slot_send(self, Py_None, &result);
    if (sent == PYGEN_RETURN) {
        /* An instance, because a tuple given to PyErr_SetObject would become arguments. */
        PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, result);
        Py_CLEAR(result);
        if (stop != NULL) {
            PyErr_SetObject(PyExc_StopIteration, stop);
            Py_DECREF(stop);
        }
    }
    return result;
}

PyDoc_STRVAR(slot_throw_doc,
"throw($self, type, value=None, traceback=None, /)\n--\n\n"
"Called when the awaiting task is cancelled: wait until the load has ended, then raise.");

static PyObject *
slot_throw(slot_object *self, PyObject *args)
{
    PyObject *type, *value = Py_None, *traceback = Py_None, *exception;
    if (!PyArg_ParseTuple(args, "O|OO:throw", &type, &value, &traceback)) {
        return NULL;
    }
    if (PyExceptionInstance_Check(type)) {
        exception = Py_NewRef(type);
    }
    else if (PyExceptionInstance_Check(value)) {
        exception = Py_NewRef(value);
    }
    else {
        exception = value == Py_None ? PyObject_CallNoArgs(type) : PyObject_CallOneArg(type, value);
    }
    if (exception == NULL) {
        return NULL;
    }
    if (self->batch == NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
        Py_DECREF(exception);
        return NULL;
    }
    Py_XSETREF(self->cancelled, exception);
    Py_CLEAR(self->inner);
    if (slot_leave(self) < 0) {
        return NULL;
    }
    return slot_iternext(self);
}

static PyMethodDef slot_methods[] = {
    {"throw", (PyCFunction)slot_throw, METH_VARARGS, slot_throw_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slot_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("One parent's result in a Batch: an awaitable, to be awaited once.")},
    {Py_tp_dealloc, slot_dealloc},
    {Py_tp_finalize, slot_finalize},
    {Py_tp_traverse, slot_traverse},
    {Py_tp_clear, slot_clear},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, slot_iternext},
    {Py_tp_methods, slot_methods},
    {Py_am_await, PyObject_SelfIter},
    {Py_am_send, slot_send},
    {0, NULL},
};

static PyType_Spec slot_spec = {
    .name = "graphene_sqlalchemy_c._core.BatchSlot",
    .basicsize = sizeof(slot_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slot_slots,
};

/* ---- BatchResolver ---- */

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *loader;   /* owned: the RelationshipLoader, shared by all fields of the relationship */
    PyObject *fallback; /* owned: the resolver for roots that are not instances of the parent class */
    PyObject *key;      /* owned: interned name of the relationship attribute */
    PyObject *served;   /* owned: {class: loader}, mapped classes that have the relationship */
    PyObject *weakrefs; /* borrowed: managed by the weakref machinery */
} resolver_object;

/* The loader of the relationship that instances of a class have under the key: 1 with a borrowed
 * reference, kept in `served`; 0 when they have none whose value would be in their dict; or -1. */
static int
resolver_find_loader(module_state *state, resolver_object *self, PyObject *cls, PyObject **loader)
{
    *loader = PyDict_GetItemWithError(self->served, cls);
    if (*loader != NULL || PyErr_Occurred()) {
        return *loader != NULL ? 1 : -1;
    }
    PyObject *answer = PyObject_CallMethodOneArg(self->loader, state->str_loader_of, cls);
    int found = answer == NULL ? -1 : answer != Py_None;
    if (found > 0 && PyDict_SetItem(self->served, cls, answer) < 0) {
        found = -1;
    }
    *loader = found > 0 ? answer : NULL;
    Py_XDECREF(answer);
    return found;
}

batch_answer
batch_read(module_state *state, PyObject *resolver, PyObject *root, PyObject **value)
{
    resolver_object *self = (resolver_object *)resolver;
    PyObject *loader;
    int serves = resolver_find_loader(state, self, (PyObject *)Py_TYPE(root), &loader);
    if (serves <= 0) {
        return serves < 0 ? BATCH_ERROR : BATCH_FOREIGN;
    }
    PyObject *dict = group_instance_dict(root);
    if (dict == NULL) {
        return BATCH_ERROR;
    }
    *value = Py_XNewRef(PyDict_GetItemWithError(dict, self->key));
    Py_DECREF(dict);
    if (*value != NULL) {
        return BATCH_LOADED;
    }
    return PyErr_Occurred() ? BATCH_ERROR : BATCH_MISSING;
}

int
batch_needs_await(module_state *state, PyObject *resolver, PyObject *parent, PyObject *sessions)
{
    PyObject *answer = NULL;
    PyObject *instance_state = PyObject_CallOneArg(state->instance_state, parent);
    PyObject *session =
        instance_state ? PyObject_GetAttr(instance_state, state->str_session) : NULL;
    Py_XDECREF(instance_state);
    if (session == NULL) {
        return -1;
    }
    answer = Py_XNewRef(PyDict_GetItemWithError(sessions, session));
    if (answer == NULL && !PyErr_Occurred()) {
        answer = PyObject_CallMethodOneArg(resolver, state->str_needs_await, parent);
        if (answer != NULL && PyDict_SetItem(sessions, session, answer) < 0) {
            Py_CLEAR(answer);
        }
    }
    Py_DECREF(session);
    int needs = answer ? PyObject_IsTrue(answer) : -1;
    Py_XDECREF(answer);
    return needs;
}

/* Whether the queue belongs to the event loop that is running; a queue whose loop is gone is never
 * emptied. 1, 0, or -1 with an exception. */
static int
queue_is_running(module_state *state, PyObject *queue)
{
    PyObject *loop = PyObject_GetAttr(queue, state->str_loop);
    PyObject *running = loop ? PyObject_CallNoArgs(state->get_running_loop) : NULL;
    int result = running == loop;
    if (running == NULL) {
        result = PyErr_ExceptionMatches(PyExc_RuntimeError) ? 0 : -1;
        if (result == 0) {
            PyErr_Clear();
        }
    }
    Py_XDECREF(loop);
    Py_XDECREF(running);
    return result;
}

int
batch_loads_the_same(PyObject *resolver, PyObject *other)
{
    return ((resolver_object *)resolver)->loader == ((resolver_object *)other)->loader;
}

/* The batch that is open for the root's session and the loader: a new reference, NULL without an
 * exception where there is none. session.info[QUEUE_KEY].open is {loader: Batch}. */
static PyObject *
find_open_batch(module_state *state, PyObject *loader, PyObject *root)
{
    PyObject *session = NULL, *info = NULL, *queue = NULL, *open = NULL, *batch = NULL;
    PyObject *instance_state = PyObject_CallOneArg(state->instance_state, root);
    if (instance_state == NULL) {
        return NULL;
    }
    session = PyObject_GetAttr(instance_state, state->str_session);
    if (session == NULL || session == Py_None) {
        goto done;
    }
    info = PyObject_GetAttr(session, state->str_info);
    if (info == NULL || !PyDict_Check(info)) {
        goto done;
    }
    queue = Py_XNewRef(PyDict_GetItemWithError(info, state->str_graphene_sqlalchemy_c_queue));
    if (queue == NULL || queue_is_running(state, queue) <= 0) {
        goto done;
    }
    open = PyObject_GetAttr(queue, state->str_open);
    if (open != NULL && PyDict_Check(open)) {
        batch = Py_XNewRef(PyDict_GetItemWithError(open, loader));
    }
done:
    Py_DECREF(instance_state);
    Py_XDECREF(session);
    Py_XDECREF(info);
    Py_XDECREF(queue);
    Py_XDECREF(open);
    return batch;
}

/* The root lacks the attribute: join an open batch, or let the loader decide. */
static PyObject *
resolver_miss(module_state *state, resolver_object *self, PyObject *root, PyObject *info)
{
    PyObject *loader;
    if (resolver_find_loader(state, self, (PyObject *)Py_TYPE(root), &loader) <= 0) {
        return NULL; /* with an exception: batch_read() has just found it */
    }
    PyObject *result = NULL;
    Py_INCREF(loader);
    PyObject *batch = find_open_batch(state, loader, root);
    if (batch == NULL) {
        if (!PyErr_Occurred()) {
            result = PyObject_CallMethodObjArgs(loader, state->str_miss, root, info, NULL);
        }
    }
    else if (Py_TYPE(batch) == state->Batch) {
        result = slot_join(state, batch, root);
    }
    else {
        PyErr_SetString(PyExc_TypeError, "an open batch must be a Batch");
    }
    Py_XDECREF(batch);
    Py_DECREF(loader);
    return result;
}

static PyObject *
resolver_call(PyObject *callable, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    resolver_object *self = (resolver_object *)callable;
    module_state *state = state_of_type(Py_TYPE(self));
    if (PyVectorcall_NARGS(nargsf) != 2) {
        PyErr_SetString(PyExc_TypeError, "a BatchResolver is called with (root, info)");
        return NULL;
    }
    PyObject *value = NULL;
    switch (batch_read(state, callable, args[0], &value)) {
    case BATCH_MISSING:
        return resolver_miss(state, self, args[0], args[1]);
    case BATCH_FOREIGN:
        return PyObject_Vectorcall(self->fallback, args, nargsf, kwnames);
    default:
        return value;
    }
}

static PyObject *
resolver_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"loader", "fallback", NULL};
    module_state *state = state_of_type(type);
    PyObject *loader, *fallback;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO:BatchResolver", keywords, &loader,
                                     &fallback)) {
        return NULL;
    }
    resolver_object *self = (resolver_object *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->vectorcall = resolver_call;
    self->loader = Py_NewRef(loader);
    self->fallback = Py_NewRef(fallback);
    self->key = PyObject_GetAttr(loader, state->str_key);
    self->served = PyDict_New();
    if (self->key == NULL || self->served == NULL) {
        Py_CLEAR(self);
    }
    else if (!PyUnicode_CheckExact(self->key)) {
        PyErr_SetString(PyExc_TypeError, "the key of a relationship loader must be a str");
        Py_CLEAR(self);
    }
    else {
        PyUnicode_InternInPlace(&self->key);
    }
    return (PyObject *)self;
}

static int
resolver_traverse(resolver_object *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->loader);
    Py_VISIT(self->fallback);
    Py_VISIT(self->served);
    return 0;
}

static int
resolver_clear(resolver_object *self)
{
    Py_CLEAR(self->loader);
    Py_CLEAR(self->fallback);
    Py_CLEAR(self->served);
    return 0;
}

static void
resolver_dealloc(resolver_object *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs((PyObject *)self);
    }
    (void)resolver_clear(self);
    Py_CLEAR(self->key);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *
resolver_repr(resolver_object *self)
{
    return PyUnicode_FromFormat("<BatchResolver of %S>", self->loader);
}

PyDoc_STRVAR(resolver_load_many_doc,
"load_many($self, parents, /)\n--\n\n"
"Load the relationship for all parents: one statement for each session, options and key chunk.\n\n"
"parents: list of instances of the parent class, not in an AsyncSession (or inside run_sync).\n"
"Returns a list aligned with parents: the values; an entry that failed is its exception.");

static PyObject *
resolver_load_many(resolver_object *self, PyObject *parents)
{
    return PyObject_CallMethodOneArg(self->loader, state_of_type(Py_TYPE(self))->str_load_many,
                                     parents);
}

PyDoc_STRVAR(resolver_load_many_async_doc,
"load_many_async($self, parents, /)\n--\n\n"
"The same as load_many for parents that live in AsyncSessions: a coroutine.");

static PyObject *
resolver_load_many_async(resolver_object *self, PyObject *parents)
{
    module_state *state = state_of_type(Py_TYPE(self));
    return PyObject_CallMethodOneArg(self->loader, state->str_load_many_async, parents);
}

PyDoc_STRVAR(resolver_needs_await_doc,
"needs_await($self, parent, /)\n--\n\n"
"Whether the parent lives in an AsyncSession, so that loading needs load_many_async.");

static PyObject *
resolver_needs_await(resolver_object *self, PyObject *parent)
{
    module_state *state = state_of_type(Py_TYPE(self));
    return PyObject_CallMethodOneArg(self->loader, state->str_needs_await, parent);
}

static PyMethodDef resolver_methods[] = {
    {"load_many", (PyCFunction)resolver_load_many, METH_O, resolver_load_many_doc},
    {"load_many_async", (PyCFunction)resolver_load_many_async, METH_O,
     resolver_load_many_async_doc},
    {"needs_await", (PyCFunction)resolver_needs_await, METH_O, resolver_needs_await_doc},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef resolver_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(resolver_object, vectorcall), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(resolver_object, weakrefs), READONLY, NULL},
    {"loader", T_OBJECT_EX, offsetof(resolver_object, loader), READONLY,
     "The RelationshipLoader, shared by all fields of the relationship."},
    {"fallback", T_OBJECT_EX, offsetof(resolver_object, fallback), READONLY,
     "The resolver for roots that are not instances of the parent class."},
    {"key", T_OBJECT_EX, offsetof(resolver_object, key), READONLY,
     "Name of the relationship attribute."},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(resolver_doc,
"BatchResolver(loader, fallback)\n--\n\n"
"The resolver of one relationship field, called as any resolver with (root, info, ...).\n\n"
"loader: the relationship's RelationshipLoader. fallback: the resolver for other roots.");

static PyType_Slot resolver_slots[] = {
    {Py_tp_doc, (void *)resolver_doc},
    {Py_tp_new, resolver_new},
    {Py_tp_dealloc, resolver_dealloc},
    {Py_tp_traverse, resolver_traverse},
    {Py_tp_clear, resolver_clear},
    {Py_tp_repr, resolver_repr},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_methods, resolver_methods},
    {Py_tp_members, resolver_members},
    {0, NULL},
};

static PyType_Spec resolver_spec = {
    .name = "graphene_sqlalchemy_c._core.BatchResolver",
    .basicsize = sizeof(resolver_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .slots = resolver_slots,
};

int
batch_add(PyObject *module, module_state *state)
{
    if (module_add_type(module, &state->Batch, &batch_spec) < 0
        || module_add_type(module, &state->BatchSlot, &slot_spec) < 0) {
        return -1;
    }
    return module_add_type(module, &state->BatchResolver, &resolver_spec);
}
