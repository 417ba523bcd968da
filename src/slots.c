/* Slots: values that come later.
 *
 * Does: keep what the walk left, in order; say what is to be awaited.
 * Never: load (loads.c), complete (settle.c), await or touch asyncio; a Python driver does, with
 *     what slots_awaitables() and slots_load_async() return.
 * Owns: the slots of a list and, through them, places, awaitables and parents.
 */
#include "execute.h"

void
slot_release(slot_node *self)
{
    place_node *above = self->above;
    self->above = NULL; /* the collector may look at the slot meanwhile */
    place_release(above);
    Py_CLEAR(self->container);
    Py_CLEAR(self->value);
    Py_CLEAR(self->source);
    Py_CLEAR(self->origin);
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

/* A slot below the place `above`, with what it has in common with all others; NULL with an
 * exception. */
static slot_node *
new_slot(run_state *run, slot_kind kind, place_node *above, const plan_field *field,
         PyObject *container)
{
    slot_node *self = append_slot(&run->slots);
    if (self != NULL) {
        if (above != NULL) {
            above->references++;
        }
        *self = (slot_node){.kind = kind,
                            .is_detached = run->is_detached,
                            .above = above,
                            .field = field,
                            .container = Py_NewRef(container),
                            .index = -1,
                            .tick = run->tick};
    }
    return self;
}

int
slot_leave(run_state *run, slot_kind kind, frame_node *position, const plan_type *type,
           PyObject *value, PyObject *source)
{
    if (run->is_detached && !slot_kind_is_load(kind)) {
        return 0; /* its object failed: graphql-core would have dropped the coroutine */
    }
    place_node *above = position->parent ? frame_place(position->parent) : position->above;
    if (above == NULL && position->parent != NULL) {
        return -1;
    }
    slot_node *self = new_slot(run, kind, above, position->field, position->container);
    if (self == NULL) {
        return -1;
    }
    self->declared = position->type;
    self->index = position->index;
    self->type = type;
    self->value = Py_XNewRef(value);
    self->source = Py_XNewRef(source);
    return 0;
}

int
slot_leave_row(run_state *run, frame_node *position, PyObject *row, PyObject *origin)
{
    if (slot_leave(run, SLOT_BATCH, position, position->type, NULL, row) < 0) {
        return -1;
    }
    run->slots.items[run->slots.size - 1].origin = Py_NewRef(origin);
    return 0;
}

int
slot_leave_rows(run_state *run, frame_node *owner, const plan_type *type, const plan_field *field,
                PyObject *list, PyObject *rows, PyObject *origin)
{
    place_node *above = frame_place(owner);
    slot_node *self = above ? new_slot(run, SLOT_ROWS, above, field, list) : NULL;
    if (self == NULL) {
        return -1;
    }
    self->declared = type;
    self->type = field->type;
    self->source = Py_NewRef(rows);
    self->origin = Py_NewRef(origin);
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
        if (slot_is_load(&list->items[i])) {
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
    if (run->null_tick >= 0 && run->base_tick + slot_depth(self) > run->null_tick) {
        return 1;
    }
    for (const place_node *above = self->above; above != NULL; above = above->parent) {
        if (above->failed_tick == self->tick) {
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
        if (slot_is_load(&list->items[i]) || !is_lost(run, &list->items[i])) {
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
        if (!slot_is_load(&list->items[i])) {
            close_coroutine(run, list->items[i].value);
        }
    }
    slots_clear(list);
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

/* Whether a slot is moved by slots_move_batches(). */
static int
is_moved(const slot_node *self, int all)
{
    return slot_is_load(self) && (all || !self->needs_await);
}

int
slots_move_batches(slot_list *from, slot_list *to, int all)
{
    Py_ssize_t kept = 0;
    while (kept < from->size && is_moved(&from->items[kept], all)) {
        kept++;
    }
    if (kept == from->size) {
        return slots_move_all(from, to);
    }
    kept = 0;
    for (Py_ssize_t i = 0; i < from->size; i++) {
        slot_node moved = from->items[i];
        if (!is_moved(&moved, all)) {
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

/* ---- awaitables ---------------------------------------------------------------------------- */

PyObject *
slots_awaitables(run_state *run, slot_list *list)
{
    PyObject *awaitables = NULL;
    for (Py_ssize_t i = 0; i < list->size; i++) {
        slot_node *self = &list->items[i];
        if (slot_is_load(self)) {
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
        if (slot_is_load(self)) {
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
