/* Loads: what the slots of a level wait for that is ours to load.
 *
 * Does: gather the parents of one relationship over a whole level and have them loaded together,
 *     as rows or as instances; have the statements run that resolvers returned; ask which objects
 *     of a guarded type are visible.
 * Never: build SQL or await; batching.py, relations.py and queries.py do.
 * Owns: nothing but what it adds to run->parents.
 */
#include "execute.h"

#include "batch.h"
#include "rows.h"

/* The field that a slot is loaded for with those of the same place: its own, but that a relationship
 * which several types inherit is loaded once for all of them. */
static const plan_field *
leader_of(const slot_node *self)
{
    const plan_field *field = self->field;
    return field->leader ? field->leader : field;
}

/* Whether a slot is loaded for together with `first`. */
static int
belongs(const slot_node *self, const slot_node *first)
{
    int are_relations = self->origin != NULL; /* of one row, or of a list of them */
    return (self->kind == first->kind || are_relations) && !self->is_loaded &&
           leader_of(self) == leader_of(first) && self->origin == first->origin &&
           self->needs_await == first->needs_await;
}

static int
take_value(slot_node *self, PyObject *value)
{
    Py_XSETREF(self->value, Py_NewRef(value));
    self->is_loaded = 1;
    return 0;
}

/* The value of a slot among the answers for all parents of a group, from *next on: new, or NULL.
 * A list of rows takes as many as it has. */
static PyObject *
next_answer(const slot_node *self, PyObject *answers, Py_ssize_t *next)
{
    Py_ssize_t count = self->kind == SLOT_ROWS ? PyList_GET_SIZE(self->source) : 1;
    Py_ssize_t start = *next;
    *next += count;
    if (*next > PyList_GET_SIZE(answers)) {
        PyErr_SetString(PyExc_SystemError, "a load gave fewer values than parents");
        return NULL;
    }
    return self->kind == SLOT_ROWS ? PyList_GetSlice(answers, start, *next)
                                   : Py_NewRef(PyList_GET_ITEM(answers, start));
}

/* Give each slot of the group its value; `values` is the list, in order, or one exception. */
static int
give_values(slot_list *list, Py_ssize_t index, PyObject *values)
{
    slot_node first = list->items[index]; /* as it is now */
    int is_error = PyExceptionInstance_Check(values);
    if (!is_error && !PyList_Check(values)) {
        PyErr_SetString(PyExc_TypeError, "a load must give a list");
        return -1;
    }
    Py_ssize_t next = 0;
    for (Py_ssize_t i = index; i < list->size; i++) {
        slot_node *self = &list->items[i];
        if (!belongs(self, &first)) {
            continue;
        }
        PyObject *value = is_error ? Py_NewRef(values) : next_answer(self, values, &next);
        if (value == NULL) {
            return -1;
        }
        Py_XSETREF(self->value, value);
        self->is_loaded = 1;
    }
    return 0;
}

/* The parents to load for, kept alive until the run has ended: instances that nobody else refers to
 * would be gone from the session's identity map when a level below comes back to them. */
static PyObject *
parents_of(run_state *run, slot_list *list, Py_ssize_t index)
{
    const slot_node *first = &list->items[index];
    PyObject *parents = PyList_New(0);
    for (Py_ssize_t i = index; i < list->size && parents != NULL; i++) {
        const slot_node *self = &list->items[i];
        int failed = 0;
        if (belongs(self, first) && self->kind == SLOT_ROWS) {
            Py_ssize_t end = PyList_GET_SIZE(parents);
            failed = PyList_SetSlice(parents, end, end, self->source);
        }
        else if (belongs(self, first)) {
            failed = PyList_Append(parents, self->source);
        }
        if (failed) {
            Py_CLEAR(parents);
        }
    }
    if (parents != NULL && first->origin == NULL && run_keep(run, parents) < 0) {
        Py_CLEAR(parents);
    }
    return parents;
}

/* Whether a load has to be awaited: 1, 0 or -1. `known` keeps the answers by session or origin. */
static int
needs_await(run_state *run, const slot_node *self, PyObject *known)
{
    if (self->kind == SLOT_BATCH && self->origin == NULL) {
        return batch_needs_await(run->state, self->field->resolver->batch, self->source,
                                 known);
    }
    if (self->kind == SLOT_ATTRIBUTE) {
        PyObject *function = late_needs_await(run->state);
        PyObject *answer = function ? PyObject_CallOneArg(function, self->source) : NULL;
        int result = answer ? PyObject_IsTrue(answer) : -1;
        Py_XDECREF(answer);
        return result;
    }
    if (self->kind == SLOT_GUARD) {
        PyObject *answer =
            PyObject_CallMethodOneArg(run->guard, run->state->str_needs_await, self->source);
        int result = answer ? PyObject_IsTrue(answer) : -1;
        Py_XDECREF(answer);
        return result;
    }
    PyObject *subject = self->kind == SLOT_QUERY ? self->value : self->origin;
    PyObject *answer = PyObject_GetAttr(subject, run->state->str_needs_await);
    int result = answer ? PyObject_IsTrue(answer) : -1;
    Py_XDECREF(answer);
    return result;
}

/* Put aside what has to be awaited. In synchronous execution there is no such thing: the load says
 * what it has to say about it. */
static int
ask_needs_await(run_state *run, slot_list *list)
{
    if (run->is_sync) {
        return 0;
    }
    PyObject *known = PyDict_New();
    int answer = known == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; i < list->size && answer >= 0; i++) {
        slot_node *self = &list->items[i];
        if (slot_is_load(self) && !self->is_loaded) {
            answer = needs_await(run, self, known);
            self->needs_await = answer > 0;
        }
    }
    Py_XDECREF(known);
    return answer < 0 ? -1 : 0;
}

/* The exception that is set, as a value, if it is one that belongs to a field. */
static PyObject *
exception_as_value(void)
{
    return PyErr_ExceptionMatches(PyExc_Exception) ? take_exception() : NULL;
}

/* ---- what a load needs ---------------------------------------------------------------------- */

static PyObject *
level_of_object(run_state *run, const slot_node *self, plan_object *object)
{
    plan_selection *selection = plan_selection_of(run->plan, (plan_field *)self->field,
                                                  object, run->variable_values);
    PyObject *level =
        selection ? plan_level_of(run->plan, selection, run->variable_values, 0) : NULL;
    return level == NULL ? NULL : Py_NewRef(selection->by_rows ? level : Py_None);
}

/* The level of objects of several types, or of the one type that a global id names. */
static PyObject *
level_of_kinds(run_state *run, const slot_node *self)
{
    PyObject *result = NULL;
    PyObject *base = self->kind == SLOT_QUERY
                         ? PyObject_GetAttr(self->value, run->state->str_object_type)
                         : Py_NewRef(Py_None);
    const plan_kinds *kinds = base ? plan_kinds_of(run->plan, (plan_field *)leader_of(self), base,
                                                   run->variable_values)
                                   : NULL;
    if (kinds != NULL) {
        result = Py_NewRef(kinds->by_identity ? kinds->level : Py_None);
    }
    else if (!PyErr_Occurred()) {
        plan_object *object = plan_object_of(run->plan, base);
        result = object ? level_of_object(run, self, object) : NULL;
    }
    Py_XDECREF(base);
    return result;
}

/* The level of what a slot waits for: new, None where it is not by rows. */
static PyObject *
level_of(run_state *run, const slot_node *self)
{
    const plan_type *type = plan_named_type(self->type);
    if (run->middleware != NULL) {
        return Py_NewRef(Py_None);
    }
    if (type->kind == TYPE_ABSTRACT) {
        return level_of_kinds(run, self);
    }
    return type->kind == TYPE_OBJECT ? level_of_object(run, self, type->object)
                                     : Py_NewRef(Py_None);
}

/* The arguments of a connection as a dict of its own, or None. */
static PyObject *
arguments_of(run_state *run, plan_field *field)
{
    if (field->resolver->kind != RESOLVE_CONNECTION || field->arguments_use == ARGUMENTS_NONE) {
        return Py_NewRef(Py_None);
    }
    PyObject *arguments = resolve_arguments(run, field);
    if (arguments != NULL) {
        Py_SETREF(arguments, PyDict_Copy(arguments));
    }
    return arguments;
}

/* The field of the one selection below another field that has a source of this kind, or NULL; of
 * relationships the first connection. */
static const plan_field *
field_below(const plan_field *field, row_kind row)
{
    if (field == NULL || field->branch_count != 1) {
        return NULL;
    }
    const plan_selection *selection = field->branches[0].selection;
    for (Py_ssize_t i = 0; i < selection->field_count; i++) {
        const plan_field *found = selection->fields[i];
        int is_list = row == ROW_RELATION && found->resolver->kind != RESOLVE_CONNECTION;
        if (found->row == row && !is_list) {
            return found;
        }
    }
    return NULL;
}

/* The first connection of a connection's nodes as (resolver, level, arguments, connection of its own
 * nodes): their pages may come along. New; None without one, under a guard, which may hide some of
 * them, and where something is wrong with it, which its own load will say. */
static PyObject *
connection_below(run_state *run, const plan_field *field)
{
    const plan_field *node = field_below(field_below(field, ROW_EDGES), ROW_NODE);
    plan_field *below = (plan_field *)field_below(node, ROW_RELATION);
    if (run->guard != NULL || below == NULL || below->arguments_use == ARGUMENTS_NONE ||
        below->arguments_use == ARGUMENTS_PER_CALL) {
        return Py_NewRef(Py_None);
    }
    PyObject *result = NULL;
    PyObject *level = plan_level_below(run->plan, below, run->variable_values, 0);
    PyObject *arguments = level ? resolve_arguments(run, below) : NULL;
    PyObject *more = arguments ? connection_below(run, below) : NULL;
    if (more != NULL) {
        result = PyTuple_Pack(4, below->resolver->callable, level, arguments, more);
    }
    else if (level != NULL && exception_forgotten()) {
        result = Py_NewRef(Py_None);
    }
    Py_XDECREF(level);
    Py_XDECREF(arguments);
    Py_XDECREF(more);
    return result;
}

/* Begin loading a relationship for the parents of a group: their values, or, `later`, a coroutine
 * that gives them. */
static PyObject *
load_relation(run_state *run, slot_list *list, Py_ssize_t index, int later)
{
    module_state *state = run->state;
    const slot_node *first = &list->items[index];
    plan_field *field = (plan_field *)first->field;
    PyObject *origin = Py_NewRef(first->origin ? first->origin : Py_None);
    PyObject *arguments = NULL, *below = NULL, *result = NULL;
    PyObject *parents = parents_of(run, list, index);
    PyObject *level = parents ? level_of(run, first) : NULL;
    PyObject *function = later ? late_load_relation_async(state) : late_load_relation(state);
    if (level != NULL && level == Py_None && origin == Py_None && !field->arranges) {
        result = PyObject_CallMethodOneArg(field->resolver->batch,
                                           later ? state->str_load_many_async
                                                 : state->str_load_many,
                                           parents);
    }
    else if (level != NULL && function != NULL) {
        arguments = arguments_of(run, field);
        below = arguments == NULL   ? NULL
                : origin != Py_None ? connection_below(run, field)
                                    : Py_NewRef(Py_None);
        if (below != NULL) {
            result = PyObject_CallFunctionObjArgs(function, field->resolver->callable, level,
                                                  origin, parents, arguments,
                                                  PyList_GET_ITEM(field->nodes, 0),
                                                  run->variable_values,
                                                  run->guard ? run->guard : Py_None, below, NULL);
        }
    }
    Py_DECREF(origin);
    Py_XDECREF(parents);
    Py_XDECREF(level);
    Py_XDECREF(arguments);
    Py_XDECREF(below);
    return result;
}

/* Load an attribute for all instances of a group that lack it. */
static PyObject *
load_attributes(run_state *run, slot_list *list, Py_ssize_t index, int later)
{
    module_state *state = run->state;
    const plan_field *field = list->items[index].field;
    const plan_resolver *resolver = field->resolver->inner ? field->resolver->inner
                                                           : field->resolver;
    PyObject *key = Py_NewRef(resolver->kind == RESOLVE_PRIMARY_KEY ? Py_None : resolver->key);
    PyObject *names = plan_attribute_names(state, field->selection);
    PyObject *instances = names ? parents_of(run, list, index) : NULL;
    PyObject *function = later ? late_load_attributes_async(state) : late_load_attributes(state);
    PyObject *result = NULL;
    if (instances != NULL && function != NULL) {
        result = PyObject_CallFunctionObjArgs(function, key, names, instances, NULL);
    }
    Py_DECREF(key);
    Py_XDECREF(instances);
    return result;
}

/* Run a statement that a resolver returned: its value, or, `later`, a coroutine that gives it. */
static PyObject *
load_query(run_state *run, const slot_node *self, int later)
{
    module_state *state = run->state;
    PyObject *query = Py_NewRef(self->value);
    PyObject *level = level_of(run, self);
    PyObject *below = level ? connection_below(run, self->field) : NULL;
    PyObject *result = NULL;
    if (below != NULL) {
        result = PyObject_CallMethodObjArgs(query, later ? state->str_load_async : state->str_load,
                                            level, run->guard ? run->guard : Py_None, below, NULL);
    }
    Py_XDECREF(level);
    Py_XDECREF(below);
    Py_DECREF(query);
    return result;
}

/* Ask what is visible of the subjects of a group. */
static PyObject *
load_guard(run_state *run, slot_list *list, Py_ssize_t index, int later)
{
    PyObject *type = Py_NewRef(plan_named_type(list->items[index].field->type)->type);
    PyObject *subjects = parents_of(run, list, index);
    PyObject *result = NULL;
    if (subjects != NULL) {
        result = PyObject_CallMethodObjArgs(
            run->guard, later ? run->state->str_check_async : run->state->str_check, type, subjects,
            NULL);
    }
    Py_DECREF(type);
    Py_XDECREF(subjects);
    return result;
}

static PyObject *
begin_load(run_state *run, slot_list *list, Py_ssize_t index, int later)
{
    const slot_node *self = &list->items[index];
    switch (self->kind) {
    case SLOT_QUERY:
        return load_query(run, self, later);
    case SLOT_ATTRIBUTE:
        return load_attributes(run, list, index, later);
    case SLOT_GUARD:
        return load_guard(run, list, index, later);
    default:
        return load_relation(run, list, index, later);
    }
}

static int
take_loaded(slot_list *list, Py_ssize_t index, PyObject *values)
{
    slot_node *self = &list->items[index];
    return self->kind == SLOT_QUERY ? take_value(self, values) : give_values(list, index, values);
}

/* ---- the levels ------------------------------------------------------------------------------ */

/* Load what needs no awaiting: attributes, or anything else. Attributes come first, because those
 * that relationships start from are loaded along with them. */
static int
load_now(run_state *run, slot_list *list, int attributes)
{
    for (Py_ssize_t i = 0; i < list->size; i++) {
        const slot_node *self = &list->items[i];
        if (!slot_is_load(self) || self->is_loaded || self->needs_await ||
            (self->kind == SLOT_ATTRIBUTE) != attributes) {
            continue;
        }
        PyObject *values = begin_load(run, list, i, 0);
        if (values == NULL) {
            values = exception_as_value();
        }
        int result = values ? take_loaded(list, i, values) : -1;
        Py_XDECREF(values);
        if (result < 0) {
            return -1;
        }
    }
    return 0;
}

int
slots_load(run_state *run, slot_list *list)
{
    if (ask_needs_await(run, list) < 0) {
        return -1;
    }
    return load_now(run, list, 1) < 0 || load_now(run, list, 0) < 0 ? -1 : 0;
}

/* The first slot whose load is still to come, attributes first; -1 without one. */
static Py_ssize_t
next_load(const slot_list *list)
{
    Py_ssize_t found = -1;
    for (Py_ssize_t i = 0; i < list->size; i++) {
        const slot_node *self = &list->items[i];
        if (slot_is_load(self) && !self->is_loaded) {
            if (self->kind == SLOT_ATTRIBUTE) {
                return i;
            }
            found = found < 0 ? i : found;
        }
    }
    return found;
}

PyObject *
slots_load_async(run_state *run, slot_list *list)
{
    Py_ssize_t next;
    run->loading = -1;
    while ((next = next_load(list)) >= 0) {
        PyObject *coroutine = begin_load(run, list, next, 1);
        if (coroutine != NULL) {
            run->loading = next;
            return coroutine;
        }
        PyObject *error = exception_as_value();
        int result = error ? take_loaded(list, next, error) : -1;
        Py_XDECREF(error);
        if (result < 0) {
            return NULL;
        }
    }
    return Py_NewRef(Py_None);
}

int
slots_take_loaded(run_state *run, slot_list *list, PyObject *values)
{
    return take_loaded(list, run->loading, values);
}
