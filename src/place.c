/* Positions of a response: paths, infos, and what happens to an error there.
 *
 * Does: make graphql-core's Path and GraphQLResolveInfo when somebody asks for them; locate an
 *     error, let a null climb, and keep the events that decide which errors a response shows.
 * Never: compute a value.
 * Owns: places, counted by reference; the info and the path of a frame, until frame_finish().
 */
#include "execute.h"

/* A new instance of a named tuple class, its items NULL, to be filled by the caller. */
static PyObject *
new_named_tuple(PyObject *class, Py_ssize_t size)
{
#if PY_VERSION_HEX < 0x030E0000
    return PyType_GenericAlloc((PyTypeObject *)class, size);
#else
    /* A tuple caches its hash since 3.14, so only its own constructor can make one. */
    PyObject *items = PyTuple_New(size);
    (void)class;
    return items;
#endif
}

/* Make what new_named_tuple() gave an instance of its class; steals `self`. */
static PyObject *
finish_named_tuple(PyObject *class, PyObject *self)
{
#if PY_VERSION_HEX < 0x030E0000
    (void)class;
    return self;
#else
    PyObject *result = NULL;
    PyObject *arguments = PyTuple_Pack(1, self);
    Py_DECREF(self);
    if (arguments != NULL) {
        newfunc construct = (newfunc)PyType_GetSlot(&PyTuple_Type, Py_tp_new);
        result = construct((PyTypeObject *)class, arguments, NULL);
        Py_DECREF(arguments);
    }
    return result;
#endif
}

static PyObject *
new_path(run_state *run, PyObject *previous, const plan_field *field, Py_ssize_t index)
{
    PyObject *key = index >= 0 ? PyLong_FromSsize_t(index) : Py_NewRef(field->response_name);
    PyObject *path = key ? new_named_tuple(run->state->Path, 3) : NULL;
    if (path == NULL) {
        Py_XDECREF(key);
        return NULL;
    }
    PyTuple_SET_ITEM(path, 0, Py_NewRef(previous ? previous : Py_None));
    PyTuple_SET_ITEM(path, 1, key);
    PyTuple_SET_ITEM(path, 2, Py_NewRef(index >= 0 ? Py_None : field->parent->name));
    return finish_named_tuple(run->state->Path, path);
}

PyObject *
place_path(run_state *run, place_node *self)
{
    if (self->path == NULL) {
        PyObject *previous = self->parent ? place_path(run, self->parent) : NULL;
        if (self->parent == NULL || previous != NULL) {
            self->path = new_path(run, previous, self->field, self->index);
        }
    }
    return self->path;
}

PyObject *
frame_path(run_state *run, frame_node *self)
{
    if (self->path == NULL) {
        PyObject *previous = self->parent  ? frame_path(run, self->parent)
                             : self->above ? place_path(run, self->above)
                                           : NULL;
        if (previous != NULL || (self->parent == NULL && self->above == NULL)) {
            self->path = new_path(run, previous, self->field, self->index);
        }
    }
    return self->path;
}

/* Where the place of an item is kept, so that all slots of its object share it; *kept is NULL where
 * it need not be. An exception may be set before. */
static int
item_place(const frame_node *self, place_node ***kept)
{
    *kept = NULL;
    if (self->parent != NULL || self->above == NULL || self->index < 0) {
        return 0;
    }
    if (self->above->items == NULL) {
        size_t count = (size_t)PyList_GET_SIZE(self->container);
        self->above->items = PyMem_Calloc(count, sizeof(place_node *));
        if (self->above->items == NULL) {
            PyErr_NoMemory();
            return -1;
        }
    }
    *kept = &self->above->items[self->index];
    return 0;
}

place_node *
frame_place(frame_node *self)
{
    if (self->place != NULL) {
        return self->place;
    }
    place_node *parent = self->parent ? frame_place(self->parent) : self->above;
    place_node **kept;
    if ((self->parent != NULL && parent == NULL) || item_place(self, &kept) < 0) {
        return NULL;
    }
    if (kept != NULL && *kept != NULL) {
        (*kept)->references++;
        self->place = *kept;
        return self->place;
    }
    place_node *made = PyMem_Malloc(sizeof(place_node));
    if (made == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    if (parent != NULL) {
        parent->references++;
    }
    *made = (place_node){.parent = parent,
                         .field = self->field,
                         .type = self->type,
                         .container = Py_NewRef(self->container),
                         .path = Py_XNewRef(self->path),
                         .index = self->index,
                         .references = 1,
                         .depth = parent ? parent->depth + 1 : 1,
                         .failed_tick = -1};
    if (kept != NULL) {
        *kept = made;
    }
    self->place = made;
    return made;
}

void
place_release(place_node *self)
{
    while (self != NULL && --self->references == 0) {
        place_node *parent = self->parent;
        if (parent != NULL && parent->items != NULL && self->index >= 0 &&
            parent->items[self->index] == self) {
            parent->items[self->index] = NULL;
        }
        Py_XDECREF(self->container);
        Py_XDECREF(self->path);
        PyMem_Free(self->items);
        PyMem_Free(self);
        self = parent;
    }
}

void
frame_finish(frame_node *self)
{
    place_release(self->place);
    Py_XDECREF(self->path);
    Py_XDECREF(self->info);
}

int
position_set(PyObject *container, const plan_field *field, Py_ssize_t index, PyObject *value)
{
    if (index < 0) {
        return PyDict_SetItem(container, field->response_name, value);
    }
    return PyList_SetItem(container, index, Py_NewRef(value));
}

/* ---- info --------------------------------------------------------------------------------- */

static PyObject *
new_info(run_state *run, const plan_field *field, PyObject *path)
{
    PyObject *items[] = {
        field->field_name,     field->nodes, field->return_type, field->parent->type,
        path,                  run->schema,  run->fragments,     run->root_value,
        run->operation,        run->variable_values,
        run->context_value,    run->is_awaitable,
    };
    Py_ssize_t size = (Py_ssize_t)(sizeof(items) / sizeof(items[0]));
    PyObject *info = new_named_tuple(run->state->GraphQLResolveInfo, size);
    if (info == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < size; i++) {
        PyTuple_SET_ITEM(info, i, Py_NewRef(items[i]));
    }
    return finish_named_tuple(run->state->GraphQLResolveInfo, info);
}

PyObject *
frame_info(run_state *run, frame_node *self)
{
    while (self->index >= 0 && self->parent != NULL) {
        self = self->parent; /* items share the info of their field */
    }
    if (self->info != NULL) {
        return self->info;
    }
    PyObject *path;
    if (self->index < 0) {
        path = frame_path(run, self);
    }
    else {
        place_node *field = self->above; /* a slot of an item: its field is above */
        while (field->index >= 0) {
            field = field->parent;
        }
        path = place_path(run, field);
    }
    self->info = path ? new_info(run, self->field, path) : NULL;
    return self->info;
}

/* ---- errors ------------------------------------------------------------------------------- */

static Py_ssize_t
order_of(const plan_field *field, Py_ssize_t index)
{
    return index >= 0 ? index : field->order;
}

/* Where in the document an error comes from: what depth-first execution would have reached first
 * compares less. The last item is greater than any other, because a position's own error comes
 * after those of its children. */
static PyObject *
document_position(const frame_node *self)
{
    Py_ssize_t depth = 0;
    const place_node *above = NULL;
    for (const frame_node *frame = self; frame != NULL; frame = frame->parent) {
        above = frame->above;
        depth++;
    }
    depth += above ? above->depth : 0;
    PyObject *key = PyTuple_New(depth + 1);
    PyObject *last = key ? PyLong_FromSsize_t(PY_SSIZE_T_MAX) : NULL;
    if (last == NULL) {
        Py_XDECREF(key);
        return NULL;
    }
    PyTuple_SET_ITEM(key, depth, last);
    for (const frame_node *frame = self; depth > 0;) {
        Py_ssize_t order = frame ? order_of(frame->field, frame->index)
                                 : order_of(above->field, above->index);
        PyObject *number = PyLong_FromSsize_t(order);
        if (number == NULL) {
            Py_DECREF(key);
            return NULL;
        }
        PyTuple_SET_ITEM(key, --depth, number);
        if (frame != NULL) {
            frame = frame->parent;
        }
        else {
            above = above->parent;
        }
    }
    return key;
}

PyObject *
take_exception(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (value != NULL && traceback != NULL) {
        (void)PyException_SetTraceback(value, traceback);
    }
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return value;
#endif
}

static void
raise_exception(PyObject *error)
{
    PyErr_SetObject((PyObject *)Py_TYPE(error), error);
}

static int
record_event(run_state *run, long tick, PyObject *error, PyObject *path)
{
    if (run->events == NULL) {
        run->events = PyList_New(0);
        if (run->events == NULL) {
            return -1;
        }
    }
    PyObject *event = Py_BuildValue("(lOnOO)", tick, run->origin, PyList_GET_SIZE(run->events),
                                    error, path ? path : Py_None);
    if (event == NULL) {
        return -1;
    }
    int result = PyList_Append(run->events, event);
    Py_DECREF(event);
    Py_CLEAR(run->origin);
    return result;
}

/* `path.as_list()` */
static PyObject *
path_as_list(PyObject *path)
{
    PyObject *list = PyList_New(0);
    while (list != NULL && path != Py_None) {
        if (PyList_Append(list, PyTuple_GET_ITEM(path, 1)) < 0) {
            Py_CLEAR(list);
        }
        path = PyTuple_GET_ITEM(path, 0);
    }
    if (list != NULL && PyList_Reverse(list) < 0) {
        Py_CLEAR(list);
    }
    return list;
}

/* graphql-core's located_error() for an error that comes from this position. */
static PyObject *
locate(run_state *run, frame_node *self, PyObject *error)
{
    PyObject *located = NULL;
    PyObject *path = frame_path(run, self);
    PyObject *list = path ? path_as_list(path) : NULL;
    if (list != NULL) {
        located = PyObject_CallFunctionObjArgs(run->state->located_error, error,
                                               self->field->nodes, list, NULL);
        Py_DECREF(list);
    }
    return located;
}

int
position_failed(run_state *run, frame_node *self)
{
    if (!PyErr_ExceptionMatches(PyExc_Exception)) {
        return -1;
    }
    int result = -1;
    collector_resume(run->state); /* errors are located in Python */
    PyObject *error = take_exception();
    if (run->origin == NULL) {
        run->origin = document_position(self);
        PyObject *located = run->origin ? locate(run, self, error) : NULL;
        Py_XSETREF(error, located);
        if (error == NULL) {
            Py_CLEAR(run->origin);
            return -1;
        }
    }
    if (self->type->kind == TYPE_NON_NULL) {
        raise_exception(error);
    }
    else {
        PyObject *path = frame_path(run, self);
        result = path ? record_event(run, run->tick, error, path) : -1;
    }
    Py_DECREF(error);
    return result;
}

/* A null that climbs out of a task takes a turn of the loop to be noticed by the gather above, and
 * another until the task that awaits the gather goes on. The positions of one walk are one task,
 * and a walk's tick says how deep the awaitable stood that began it. */
static long
climbing_time(const run_state *run, Py_ssize_t depth)
{
    return depth < run->tick - run->base_tick ? 2 : 0;
}

/* (tick, position) of a walk that would not have gone on below `failed`, with the position of the
 * error that cut it short: what comes later in the document, in this walk, was never executed. */
static int
record_abort(run_state *run, const place_node *failed)
{
    frame_node position = {.above = failed->parent, .field = failed->field,
                           .index = failed->index};
    int result = -1;
    PyObject *above = NULL, *where = NULL;
    PyObject *key = document_position(&position);
    if (key != NULL) {
        above = PyTuple_GetSlice(key, 0, PyTuple_GET_SIZE(key) - 1);
    }
    where = above ? Py_BuildValue("(lO)", run->tick, above) : NULL;
    if (where != NULL && run->aborts == NULL) {
        run->aborts = PyDict_New();
    }
    if (where != NULL && run->aborts != NULL) {
        PyObject *known = PyDict_GetItemWithError(run->aborts, where);
        int later = known ? PyObject_RichCompareBool(known, run->origin, Py_LE) : 0;
        result = later < 0 || PyErr_Occurred()
                     ? -1
                     : later ? 0 : PyDict_SetItem(run->aborts, where, run->origin);
    }
    Py_XDECREF(key);
    Py_XDECREF(above);
    Py_XDECREF(where);
    return result;
}

/* Whether an event belongs to what was never executed: 1, 0 or -1. */
static int
is_aborted(const run_state *run, PyObject *event)
{
    PyObject *position = PyTuple_GET_ITEM(event, 1);
    int result = 0;
    for (Py_ssize_t i = 0; run->aborts && i < PyTuple_GET_SIZE(position) && result == 0; i++) {
        PyObject *above = PyTuple_GetSlice(position, 0, i);
        PyObject *where = above ? PyTuple_Pack(2, PyTuple_GET_ITEM(event, 0), above) : NULL;
        PyObject *origin = where ? PyDict_GetItemWithError(run->aborts, where) : NULL;
        result = origin ? PyObject_RichCompareBool(origin, position, Py_LT)
                        : PyErr_Occurred() ? -1 : 0;
        Py_XDECREF(above);
        Py_XDECREF(where);
    }
    return result;
}

int
place_climb(run_state *run, place_node *nearest)
{
    if (run->origin == NULL || !PyErr_ExceptionMatches(PyExc_Exception)) {
        return -1; /* not an error of a field */
    }
    int result = -1;
    long tick = run->tick;
    place_node *failed = NULL;
    PyObject *error = take_exception();
    for (place_node *parent = nearest; parent != NULL; parent = parent->parent) {
        long time = climbing_time(run, parent->depth);
        if (time == 0) {
            parent->failed_tick = run->tick;
            run->has_failures = 1;
            failed = parent;
        }
        else if (failed != NULL) {
            if (record_abort(run, failed) < 0) {
                goto done;
            }
            failed = NULL;
        }
        tick += time;
        if (parent->type->kind != TYPE_NON_NULL) {
            PyObject *path = place_path(run, parent);
            if (path != NULL &&
                position_set(parent->container, parent->field, parent->index, Py_None) == 0) {
                result = record_event(run, tick, error, path);
            }
            goto done;
        }
    }
    if (failed != NULL && run->tick > run->base_tick && record_abort(run, failed) < 0) {
        goto done;
    }
    tick += run->is_serial ? 0 : climbing_time(run, 0); /* a mutation's root fields are no tasks */
    Py_XSETREF(run->data, Py_NewRef(Py_None));
    if (run->null_tick < 0 || tick < run->null_tick) {
        run->null_tick = tick;
    }
    result = record_event(run, tick, error, NULL);
done:
    Py_DECREF(error);
    return result;
}

int
replay_events(run_state *run)
{
    if (run->events == NULL) {
        return 0;
    }
    int result = -1;
    PyObject *events = run->events;
    run->events = NULL;
    if (PyList_Sort(events) == 0) {
        result = 0;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(events) && result == 0; i++) {
        PyObject *event = PyList_GET_ITEM(events, i);
        int aborted = is_aborted(run, event);
        if (aborted != 0) {
            result = aborted < 0 ? -1 : 0;
            continue;
        }
        PyObject *added =
            PyObject_CallMethodObjArgs(run->collected_errors, run->state->str_add,
                                       PyTuple_GET_ITEM(event, 3), PyTuple_GET_ITEM(event, 4),
                                       NULL);
        result = added == NULL ? -1 : 0;
        Py_XDECREF(added);
    }
    Py_DECREF(events);
    return result;
}
