/* Slots: values that come later.
 *
 * Does: keep what the walk left, in order; load relationships over all parents of a level; say what
 *     is to be awaited; complete what came.
 * Never: await or touch asyncio; a Python driver does, with what slots_awaitables() and
 *     slots_load_async() return.
 * Owns: the slots of a list and, through them, places, awaitables and parents.
 */
#include "execute.h"

#include "batch.h"

void
slot_release(slot_node *self)
{
    place_release(self->place);
    Py_CLEAR(self->value);
    Py_CLEAR(self->source);
}

void
slots_clear(slot_list *self)
{
    slot_list list = *self;
    memset(self, 0, sizeof(slot_list));
    for (Py_ssize_t i = 0; i < list.size; i++) {
        slot_release(&list.items[i]);
    }
    PyMem_Free(list.items);
}

/* Room for one more slot at the end of the list; NULL with an exception. */
static slot_node *
append_slot(slot_list *self)
{
    if (self->size == self->allocated) {
        Py_ssize_t allocated = self->allocated ? self->allocated * 2 : 16;
        slot_node *items = PyMem_Realloc(self->items, (size_t)allocated * sizeof(slot_node));
        if (items == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        self->items = items;
        self->allocated = allocated;
    }
    return &self->items[self->size++];
}

int
slot_leave(run_state *run, slot_kind kind, frame_node *position, const plan_type *type,
           PyObject *value, PyObject *source)
{
    if (run->is_detached && kind != SLOT_BATCH) {
        return 0; /* its object failed: graphql-core would have dropped the coroutine */
    }
    place_node *place = frame_place(position);
    slot_node *self = place ? append_slot(&run->slots) : NULL;
    if (self == NULL) {
        return -1;
    }
    place->references++;
    place->tick = run->tick;
    self->kind = kind;
    self->is_detached = run->is_detached;
    self->needs_await = 0;
    self->place = place;
    self->type = type;
    self->value = Py_XNewRef(value);
    self->source = Py_XNewRef(source);
    return 0;
}

static void
close_coroutine(const run_state *run, PyObject *value)
{
    if (value != NULL && PyCoro_CheckExact(value)) {
        PyObject *closed = PyObject_CallMethodNoArgs(value, run->state->str_close);
        Py_XDECREF(closed);
        PyErr_Clear();
    }
}

/* Give up the slots from `kept` on, which is what the list ends with: each has left the list when
 * it is released, because the collector may look at the list meanwhile. */
static void
drop_tail(const run_state *run, slot_list *list, Py_ssize_t kept, int close)
{
    while (list->size > kept) {
        slot_node lost = list->items[--list->size];
        if (close) {
            close_coroutine(run, lost.value);
        }
        slot_release(&lost);
    }
}

static void
swap_slots(slot_list *list, Py_ssize_t i, Py_ssize_t j)
{
    slot_node moved = list->items[i];
    list->items[i] = list->items[j];
    list->items[j] = moved;
}

void
slots_forget(run_state *run, Py_ssize_t mark)
{
    slot_list *list = &run->slots;
    Py_ssize_t kept = mark;
    for (Py_ssize_t i = mark; i < list->size; i++) {
        if (list->items[i].kind == SLOT_BATCH) {
            list->items[i].is_detached = 1;
            swap_slots(list, kept++, i);
        }
    }
    drop_tail(run, list, kept, 0);
}

/* Whether graphql-core would have dropped the coroutine of this slot. */
static int
is_lost(const run_state *run, const slot_node *self)
{
    const place_node *place = self->place;
    if (run->null_tick >= 0 && run->base_tick + (long)place->depth > run->null_tick) {
        return 1;
    }
    for (const place_node *above = place->parent; above != NULL; above = above->parent) {
        if (above->failed_tick == place->tick) {
            return 1;
        }
    }
    return 0;
}

void
slots_forget_failed(run_state *run)
{
    slot_list *list = &run->slots;
    Py_ssize_t kept = 0;
    if (!run->has_failures && run->null_tick < 0) {
        return;
    }
    for (Py_ssize_t i = 0; i < list->size; i++) {
        if (list->items[i].kind == SLOT_BATCH || !is_lost(run, &list->items[i])) {
            swap_slots(list, kept++, i);
        }
    }
    drop_tail(run, list, kept, 1);
    run->has_failures = 0;
}

void
slots_close(const run_state *run, slot_list *list)
{
    for (Py_ssize_t i = 0; i < list->size; i++) {
        if (list->items[i].kind != SLOT_BATCH) {
            close_coroutine(run, list->items[i].value);
        }
    }
    slots_clear(list);
}

int
slots_move_batches(slot_list *from, slot_list *to, int all)
{
    Py_ssize_t kept = 0;
    for (Py_ssize_t i = 0; i < from->size; i++) {
        slot_node moved = from->items[i];
        if (moved.kind != SLOT_BATCH || (moved.needs_await && !all)) {
            from->items[kept++] = moved;
            continue;
        }
        slot_node *room = append_slot(to);
        if (room == NULL) {
            memmove(&from->items[kept], &from->items[i],
                    (size_t)(from->size - i) * sizeof(slot_node));
            from->size -= i - kept;
            return -1;
        }
        *room = moved;
    }
    from->size = kept;
    return 0;
}

int
slots_move_all(slot_list *from, slot_list *to)
{
    if (to->size == 0) {
        slot_list empty = *to;
        *to = *from;
        *from = empty;
        return 0;
    }
    for (Py_ssize_t i = 0; i < from->size; i++) {
        slot_node *room = append_slot(to);
        if (room == NULL) {
            memmove(from->items, &from->items[i], (size_t)(from->size - i) * sizeof(slot_node));
            from->size -= i;
            return -1;
        }
        *room = from->items[i];
    }
    from->size = 0;
    return 0;
}

/* ---- relationships ------------------------------------------------------------------------- */

static int
belongs(const slot_node *self, const plan_field *field, int needs_await)
{
    return self->kind == SLOT_BATCH && self->value == NULL && self->place->field == field &&
           self->needs_await == needs_await;
}

/* Give each slot of the group its value; `values` is the list, in order, or one exception. */
static int
give_values(slot_list *list, const plan_field *field, int needs_await, PyObject *values)
{
    int is_error = PyExceptionInstance_Check(values);
    PyObject *fast = is_error ? NULL : PySequence_Fast(values, "load_many() must give a list");
    if (!is_error && fast == NULL) {
        return -1;
    }
    Py_ssize_t next = 0;
    int result = 0;
    for (Py_ssize_t i = 0; i < list->size && result == 0; i++) {
        slot_node *self = &list->items[i];
        if (!belongs(self, field, needs_await)) {
            continue;
        }
        if (is_error) {
            self->value = Py_NewRef(values);
        }
        else if (next < PySequence_Fast_GET_SIZE(fast)) {
            self->value = Py_NewRef(PySequence_Fast_GET_ITEM(fast, next++));
        }
        else {
            PyErr_SetString(PyExc_SystemError, "load_many() gave fewer values than parents");
            result = -1;
        }
    }
    Py_XDECREF(fast);
    return result;
}

/* The parents to load for, kept alive until the run has ended: instances that nobody else refers to
 * would be gone from the session's identity map when a level below comes back to them. */
static PyObject *
parents_of(run_state *run, slot_list *list, const plan_field *field, int needs_await)
{
    if (run->parents == NULL && (run->parents = PyList_New(0)) == NULL) {
        return NULL;
    }
    PyObject *parents = PyList_New(0);
    for (Py_ssize_t i = 0; i < list->size && parents != NULL; i++) {
        if (belongs(&list->items[i], field, needs_await) &&
            PyList_Append(parents, list->items[i].source) < 0) {
            Py_CLEAR(parents);
        }
    }
    if (parents != NULL && PyList_Append(run->parents, parents) < 0) {
        Py_CLEAR(parents);
    }
    return parents;
}

/* Put aside the parents that have to be awaited. In synchronous execution there is no such thing:
 * the batch resolver says what it has to say about them. */
static int
ask_needs_await(run_state *run, slot_list *list)
{
    if (run->is_sync) {
        return 0;
    }
    PyObject *sessions = PyDict_New();
    int needs_await = sessions == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; i < list->size && needs_await >= 0; i++) {
        slot_node *self = &list->items[i];
        if (self->kind == SLOT_BATCH && self->value == NULL) {
            needs_await = batch_needs_await(run->state, self->place->field->resolver->batch,
                                            self->source, sessions);
            self->needs_await = needs_await > 0;
        }
    }
    Py_XDECREF(sessions);
    return needs_await < 0 ? -1 : 0;
}

/* The exception that is set, as a value, if it is one that belongs to a field. */
static PyObject *
exception_as_value(void)
{
    if (!PyErr_ExceptionMatches(PyExc_Exception)) {
        return NULL;
    }
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (value != NULL && traceback != NULL) {
        (void)PyException_SetTraceback(value, traceback);
    }
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return value;
}

static int
load_group(run_state *run, slot_list *list, const plan_field *field)
{
    PyObject *values = NULL;
    PyObject *parents = parents_of(run, list, field, 0);
    if (parents == NULL) {
        return -1;
    }
    values = PyObject_CallMethodOneArg(field->resolver->batch, run->state->str_load_many, parents);
    if (values == NULL) {
        values = exception_as_value();
    }
    int result = values ? give_values(list, field, 0, values) : -1;
    Py_DECREF(parents);
    Py_XDECREF(values);
    return result;
}

int
slots_load(run_state *run, slot_list *list)
{
    if (ask_needs_await(run, list) < 0) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < list->size; i++) {
        const slot_node *self = &list->items[i];
        if (self->kind == SLOT_BATCH && self->value == NULL && !self->needs_await &&
            load_group(run, list, self->place->field) < 0) {
            return -1;
        }
    }
    return 0;
}

PyObject *
slots_load_async(run_state *run, slot_list *list)
{
    run->loading = NULL;
    for (Py_ssize_t i = 0; i < list->size; i++) {
        const slot_node *self = &list->items[i];
        if (self->kind == SLOT_BATCH && self->value == NULL) {
            const plan_field *field = self->place->field;
            PyObject *parents = parents_of(run, list, field, 1);
            PyObject *coroutine = NULL;
            if (parents != NULL) {
                coroutine = PyObject_CallMethodOneArg(field->resolver->batch,
                                                      run->state->str_load_many_async, parents);
                Py_DECREF(parents);
            }
            run->loading = field;
            return coroutine;
        }
    }
    return Py_NewRef(Py_None);
}

int
slots_take_loaded(run_state *run, slot_list *list, PyObject *values)
{
    return give_values(list, run->loading, 1, values);
}

/* ---- awaitables ---------------------------------------------------------------------------- */

PyObject *
slots_awaitables(run_state *run, slot_list *list)
{
    PyObject *awaitables = NULL;
    for (Py_ssize_t i = 0; i < list->size; i++) {
        slot_node *self = &list->items[i];
        if (self->kind == SLOT_BATCH) {
            continue;
        }
        if (awaitables == NULL) {
            awaitables = PyList_New(0);
        }
        PyObject *awaitable = PyCoro_CheckExact(self->value)
                                  ? Py_NewRef(self->value)
                                  : PyObject_CallOneArg(run->state->await_value, self->value);
        int failed = awaitables == NULL || awaitable == NULL ||
                     PyList_Append(awaitables, awaitable) < 0;
        Py_XDECREF(awaitable);
        if (failed) {
            Py_XDECREF(awaitables);
            return NULL;
        }
        Py_CLEAR(self->value); /* a task's from now on */
    }
    return awaitables ? awaitables : Py_NewRef(Py_None);
}

int
slots_take_awaited(slot_list *list, PyObject *values)
{
    Py_ssize_t next = 0;
    if (!PyList_CheckExact(values)) {
        PyErr_SetString(PyExc_TypeError, "what was awaited must come back as a list");
        return -1;
    }
    for (Py_ssize_t i = 0; i < list->size; i++) {
        slot_node *self = &list->items[i];
        if (self->kind == SLOT_BATCH) {
            continue;
        }
        if (next >= PyList_GET_SIZE(values)) {
            PyErr_SetString(PyExc_ValueError, "fewer values than were awaited");
            return -1;
        }
        PyObject *value = PyList_GET_ITEM(values, next++);
        if (PyExceptionInstance_Check(value) &&
            !PyObject_TypeCheck(value, (PyTypeObject *)PyExc_Exception)) {
            PyErr_SetObject((PyObject *)Py_TYPE(value), value); /* cancelled, or interrupted */
            return -1;
        }
        Py_XSETREF(self->value, Py_NewRef(value));
    }
    return 0;
}

/* ---- settling ------------------------------------------------------------------------------ */

/* A connection makes its value from the relationship that was loaded for it. */
outcome
complete_loaded(run_state *run, plan_field *field, PyObject *source, PyObject *loaded,
                frame_node *position, PyObject **out)
{
    plan_resolver *resolver = field->resolver;
    if (resolver->kind == RESOLVE_BATCH || PyExceptionInstance_Check(loaded)) {
        return complete_value(run, field->type, loaded, position, out);
    }
    outcome result = FAILED;
    PyObject *value = NULL;
    PyObject *arguments = resolve_arguments(run, field);
    if (arguments == NULL && !PyErr_Occurred()) {
        arguments = PyDict_New();
    }
    if (arguments != NULL) {
        Py_SETREF(arguments, PyDict_Copy(arguments)); /* resolve_connection may change it */
    }
    PyObject *info = arguments ? frame_info(run, position) : NULL;
    if (info != NULL) {
        value = PyObject_CallMethodObjArgs(resolver->callable, run->state->str_complete, loaded,
                                           source, info, arguments, NULL);
    }
    if (value != NULL) {
        result = complete_resolved(run, field->type, value, position, out);
        Py_DECREF(value);
    }
    Py_XDECREF(arguments);
    return result;
}

static outcome
settle_type_of(run_state *run, slot_node *self, frame_node *position, PyObject **out)
{
    plan_object *object = plan_object_of(run->plan, PyTuple_GET_ITEM(self->source, 0));
    PyObject *value = PyTuple_GET_ITEM(self->source, 1);
    int answer = object ? PyObject_IsTrue(self->value) : -1;
    if (answer <= 0) {
        return answer < 0 ? FAILED : (outcome)raise_wrong_type(run, object, value, position);
    }
    return complete_checked_object(run, object, value, position, out);
}

static outcome
settle_value(run_state *run, slot_node *self, frame_node *position, PyObject **out)
{
    if (self->kind == SLOT_BATCH) {
        return complete_loaded(run, (plan_field *)self->place->field, self->source, self->value,
                               position, out);
    }
    if (PyExceptionInstance_Check(self->value)) {
        PyErr_SetObject((PyObject *)Py_TYPE(self->value), self->value);
        return FAILED;
    }
    switch (self->kind) {
    case SLOT_LIST:
        return complete_list(run, self->type, self->value, position, out);
    case SLOT_TYPE_OF:
        return settle_type_of(run, self, position, out);
    case SLOT_RUNTIME_TYPE:
        return complete_runtime_type(run, self->type, self->value, self->source, position, out);
    default:
        break;
    }
    if (self->type == NULL) {
        *out = Py_NewRef(self->value);
        return DONE;
    }
    return complete_value(run, self->type, self->value, position, out);
}

static int
settle_slot(run_state *run, slot_node *self)
{
    place_node *place = self->place;
    PyObject *out = NULL;
    frame_node position = {.field = place->field,
                           .type = place->type,
                           .container = place->container,
                           .index = place->index,
                           .place = place};
    place->references++;
    run->tick = self->kind == SLOT_BATCH ? place->tick : run->base_tick + (long)place->depth;
    run->is_detached = self->is_detached;
    int result = 0;
    outcome settled = settle_value(run, self, &position, &out);
    if (settled == FAILED) {
        result = position_failed(run, &position);
        if (result < 0) {
            result = place_climb(run, place);
        }
        else {
            out = Py_NewRef(Py_None);
            settled = DONE;
        }
    }
    if (settled == DONE && result == 0) {
        result = place_set(place, out);
    }
    Py_XDECREF(out);
    frame_finish(&position);
    run->is_detached = 0;
    return result;
}

int
slots_settle(run_state *run, slot_list *list)
{
    int result = 0;
    for (Py_ssize_t i = 0; i < list->size && result == 0; i++) {
        result = settle_slot(run, &list->items[i]);
        place_node *place = list->items[i].place;
        list->items[i].place = NULL;
        place_release(place);
        Py_CLEAR(list->items[i].value);
        Py_CLEAR(list->items[i].source);
    }
    slots_clear(list);
    return result;
}
