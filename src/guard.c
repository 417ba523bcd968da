/* Guarded types: objects that are shown only when `get_query` of their type allows it.
 *
 * Does: leave a slot for each object, list or connection of a guarded type that did not come as rows,
 *     and complete what guard.py says of them. Rows have the criterion in their statement.
 * Never: ask the database, or decide which types are guarded; guard.py does.
 * Owns: the subjects of its slots: (SUBJECT, what it is asked with, the value).
 */
#include "execute.h"

/* The numbers are those of guard.py. */
enum { SUBJECT_OBJECT, SUBJECT_LIST, SUBJECT_CONNECTION };
enum { GUARD_OBJECT = 1, GUARD_LIST = 2, GUARD_CONNECTION = 4 };

/* Whether values of a type are to be checked in that way: 1, 0 or -1. */
static int
is_guarded(const run_state *run, PyObject *type, long how)
{
    PyObject *flags = PyDict_GetItemWithError(run->guarded, type);
    if (flags == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    long known = PyLong_AsLong(flags);
    return known == -1 && PyErr_Occurred() ? -1 : (known & how) != 0;
}

static outcome
leave_guard(run_state *run, long subject, PyObject *with, PyObject *value, const plan_type *type,
            frame_node *position, PyObject **out)
{
    PyObject *source = Py_BuildValue("lOO", subject, with, value);
    int left = source ? slot_leave(run, SLOT_GUARD, position, type, NULL, source) : -1;
    Py_XDECREF(source);
    if (left < 0) {
        return FAILED;
    }
    *out = Py_NewRef(Py_None);
    return DEFERRED;
}

outcome
guard_object(run_state *run, plan_object *object, PyObject *value, frame_node *position,
             PyObject **out)
{
    int guarded = is_guarded(run, object->type, GUARD_OBJECT);
    if (guarded <= 0) {
        return guarded < 0 ? FAILED : DONE;
    }
    return leave_guard(run, SUBJECT_OBJECT, object->type, value, position->type, position, out);
}

/* 1 when an item is awaitable, 0 or -1. */
static int
has_awaitable(run_state *run, PyObject *items)
{
    int result = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items) && result == 0; i++) {
        PyObject *item = Py_NewRef(PyList_GET_ITEM(items, i));
        result = run_is_awaitable(run, item);
        Py_DECREF(item);
    }
    return result;
}

/* Items that come later are awaited first, so that those which are hidden are absent. */
static outcome
leave_awaitables(run_state *run, PyObject *items, const plan_type *type, frame_node *position,
                 PyObject **out)
{
    PyObject *function = late_gather_items(run->state);
    PyObject *coroutine = function ? PyObject_CallOneArg(function, items) : NULL;
    int left = coroutine ? slot_leave(run, SLOT_VALUE, position, type, coroutine, NULL) : -1;
    Py_XDECREF(coroutine);
    if (left < 0) {
        return FAILED;
    }
    *out = Py_NewRef(Py_None);
    return DEFERRED;
}

/* What a list type wraps, without non-null. */
static const plan_type *
item_type(const plan_type *list)
{
    return list->inner->kind == TYPE_NON_NULL ? list->inner->inner : list->inner;
}

/* A list of the items of an iterable, and of those of its items that are lists too: iterators are
 * looked at more than once. */
static PyObject *
list_of(run_state *run, const plan_type *type, PyObject *value)
{
    PyObject *items = PySequence_List(value);
    if (items == NULL || item_type(type)->kind != TYPE_LIST) {
        return items;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items); i++) {
        PyObject *item = PyList_GET_ITEM(items, i);
        PyObject *answer = PyObject_CallOneArg(run->state->is_iterable, item);
        int iterable = answer ? PyObject_IsTrue(answer) : -1;
        Py_XDECREF(answer);
        PyObject *list = iterable > 0 ? list_of(run, item_type(type), item) : NULL;
        if (iterable < 0 || (iterable > 0 && list == NULL) ||
            (list != NULL && PyList_SetItem(items, i, list) < 0)) {
            Py_DECREF(items);
            return NULL;
        }
    }
    return items;
}

outcome
guard_list(run_state *run, const plan_type *type, PyObject *value, frame_node *position,
           PyObject **out)
{
    int guarded = is_guarded(run, plan_named_type(type)->type, GUARD_LIST);
    if (guarded <= 0) {
        return guarded < 0 ? FAILED : DONE;
    }
    PyObject *items = list_of(run, type, value);
    int awaitable = items ? has_awaitable(run, items) : -1;
    outcome result = FAILED;
    if (awaitable > 0) {
        result = leave_awaitables(run, items, type, position, out);
    }
    else if (awaitable == 0) {
        result = leave_guard(run, SUBJECT_LIST, Py_None, items, type, position, out);
    }
    Py_XDECREF(items);
    return result;
}

outcome
guard_connection(run_state *run, plan_field *field, PyObject *source, PyObject *loaded,
                 frame_node *position, PyObject **out)
{
    int guarded = is_guarded(run, plan_named_type(field->type)->type, GUARD_CONNECTION);
    if (guarded <= 0) {
        return guarded < 0 ? FAILED : DONE;
    }
    return leave_guard(run, SUBJECT_CONNECTION, source, loaded, field->type, position, out);
}

outcome
guard_settle(run_state *run, slot_node *self, frame_node *position, PyObject **out)
{
    long subject = PyLong_AsLong(PyTuple_GET_ITEM(self->source, 0));
    PyObject *with = PyTuple_GET_ITEM(self->source, 1);
    position->admitted = 1;
    if (subject == SUBJECT_CONNECTION) {
        return complete_loaded(run, (plan_field *)self->field, with, self->value, position, out);
    }
    if (subject == SUBJECT_LIST) {
        /* What else than its class may decide about an object is asked for each. */
        position->admitted = plan_named_type(self->type)->kind == TYPE_OBJECT;
        position->is_sifted = 1;
        return complete_list(run, self->type, self->value, position, out);
    }
    if (self->value != Py_True) {
        return complete_value(run, self->type, Py_None, position, out);
    }
    plan_object *object = plan_object_of(run->plan, with);
    return object ? complete_checked_object(run, object, PyTuple_GET_ITEM(self->source, 2),
                                            position, out)
                  : FAILED;
}
