/* Settling: what has come is completed and put where it belongs.
 *
 * Does: complete the value of each slot of a level, at the position that the slot is; of a list of
 *     rows, that of each item.
 * Never: load or await.
 * Owns: nothing; what it completes leaves further slots in run->slots.
 */
#include "execute.h"

#include "rows.h"

/* A connection makes its value from the relationship that was loaded for it. */
outcome
complete_loaded(run_state *run, plan_field *field, PyObject *source, PyObject *loaded,
                frame_node *position, PyObject **out)
{
    plan_resolver *resolver = field->resolver;
    if (resolver->kind == RESOLVE_BATCH || PyExceptionInstance_Check(loaded) ||
        Py_TYPE(loaded) == run->state->RowGroup) {
        return complete_value(run, field->type, loaded, position, out);
    }
    if (run->guard != NULL && !position->admitted) {
        outcome guarded = guard_connection(run, field, source, loaded, position, out);
        if (guarded != DONE) {
            return guarded;
        }
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

/* The value of an attribute is what its resolver would have given. */
static outcome
settle_attribute(run_state *run, slot_node *self, frame_node *position, PyObject **out)
{
    const plan_field *field = self->field;
    PyObject *value = Py_NewRef(self->value);
    if (field->resolver->kind == RESOLVE_GLOBAL_ID) {
        Py_SETREF(value, resolve_id_as_global(run, field->resolver, value));
    }
    outcome result = value ? complete_resolved(run, field->type, value, position, out) : FAILED;
    Py_XDECREF(value);
    return result;
}

static outcome
settle_value(run_state *run, slot_node *self, frame_node *position, PyObject **out)
{
    if (PyExceptionInstance_Check(self->value)) {
        PyErr_SetObject((PyObject *)Py_TYPE(self->value), self->value);
        return FAILED;
    }
    switch (self->kind) {
    case SLOT_LIST:
        return complete_list(run, self->type, self->value, position, out);
    case SLOT_TYPE_OF:
        return settle_type_of(run, self, position, out);
    case SLOT_ATTRIBUTE:
        return settle_attribute(run, self, position, out);
    case SLOT_GUARD:
        return guard_settle(run, self, position, out);
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

/* Put what became of a position there; an exception goes to the places above. */
static int
put_outcome(run_state *run, outcome settled, frame_node *position, PyObject *out)
{
    if (settled == FAILED) {
        if (position_failed(run, position) == 0) {
            return position_set(position->container, position->field, position->index, Py_None);
        }
        place_node *above =
            position->parent ? frame_place(position->parent) : position->above;
        return position->parent != NULL && above == NULL ? -1 : place_climb(run, above);
    }
    return settled == DONE
               ? position_set(position->container, position->field, position->index, out)
               : 0;
}

/* The object of a row that another place shows already, which nothing more has to be done for: 1
 * when it was put there, 0 when there is none, or -1. */
static int
put_known(run_state *run, PyObject *value, PyObject *container, const plan_field *field,
          Py_ssize_t index)
{
    if (Py_TYPE(value) != run->state->RowGroup) {
        return 0;
    }
    const row_group *group = (const row_group *)value;
    if (group->object == NULL) {
        return 0;
    }
    if (run_count_object(run) < 0) {
        return -1;
    }
    PyObject *object =
        run->shares_objects ? Py_NewRef(group->object) : PyDict_Copy(group->object);
    int result = object ? position_set(container, field, index, object) : -1;
    Py_XDECREF(object);
    return result < 0 ? -1 : 1;
}

/* No Python code runs while rows are completed, so that the collector may rest. */
static void
prepare_collector(run_state *run, PyObject *value)
{
    if (value != NULL && Py_TYPE(value) == run->state->RowGroup) {
        collector_pause(run->state);
    }
    else if (value != Py_None) {
        collector_resume(run->state);
    }
}

/* A relationship that is loaded, of an instance or a row, and not known. */
static int
settle_relation(run_state *run, PyObject *source, PyObject *value, frame_node *position)
{
    PyObject *out = NULL;
    prepare_collector(run, value);
    outcome settled =
        complete_loaded(run, (plan_field *)position->field, source, value, position, &out);
    int result = put_outcome(run, settled, position, out);
    Py_XDECREF(out);
    frame_finish(position);
    return result;
}

/* A relationship of one object in a list, the list being the slot's container. */
static int
settle_row(run_state *run, slot_node *self, Py_ssize_t index, PyObject *object, PyObject *value)
{
    int known = put_known(run, value, object, self->field, -1);
    if (known != 0) {
        return known < 0 ? -1 : 0;
    }
    frame_node item = {.above = self->above,
                       .field = self->above->field,
                       .type = self->declared,
                       .container = self->container,
                       .index = index};
    frame_node position = {.parent = &item,
                           .field = self->field,
                           .type = self->type,
                           .container = object,
                           .index = -1};
    int result = settle_relation(run, PyList_GET_ITEM(self->source, index), value, &position);
    frame_finish(&item);
    return result;
}

/* The same of each of them. */
static int
settle_rows(run_state *run, slot_node *self)
{
    int is_error = PyExceptionInstance_Check(self->value);
    int result = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(self->source) && result == 0; i++) {
        PyObject *object = PyList_GET_ITEM(self->container, i);
        PyObject *value = is_error ? self->value : PyList_GET_ITEM(self->value, i);
        if (!PyDict_CheckExact(object)) {
            continue; /* null: it failed */
        }
        Py_INCREF(object);
        result = settle_row(run, self, i, object, value);
        Py_DECREF(object);
    }
    return result;
}

static frame_node
position_of(const slot_node *self)
{
    return (frame_node){.above = self->above,
                        .field = self->field,
                        .type = self->declared,
                        .container = self->container,
                        .index = self->index};
}

static int
settle_batch(run_state *run, slot_node *self)
{
    int known = put_known(run, self->value, self->container, self->field, self->index);
    if (known != 0) {
        return known < 0 ? -1 : 0;
    }
    frame_node position = position_of(self);
    return settle_relation(run, self->source, self->value, &position);
}

static int
settle_position(run_state *run, slot_node *self)
{
    frame_node position = position_of(self);
    PyObject *out = NULL;
    prepare_collector(run, self->value);
    outcome settled = settle_value(run, self, &position, &out);
    int result = put_outcome(run, settled, &position, out);
    Py_XDECREF(out);
    frame_finish(&position);
    return result;
}

static int
settle_slot(run_state *run, slot_node *self)
{
    run->tick = slot_is_load(self) ? self->tick : run->base_tick + slot_depth(self);
    run->is_detached = self->is_detached;
    int result = self->kind == SLOT_ROWS    ? settle_rows(run, self)
                 : self->kind == SLOT_BATCH ? settle_batch(run, self)
                                            : settle_position(run, self);
    run->is_detached = 0;
    return result;
}

int
slots_settle(run_state *run, slot_list *list)
{
    int result = 0;
    for (Py_ssize_t i = 0; i < list->size && result == 0; i++) {
        result = settle_slot(run, &list->items[i]);
        slot_release(&list->items[i]);
    }
    collector_resume(run->state);
    slots_clear(list);
    return result;
}
