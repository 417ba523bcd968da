/* The run: one execution of a plan, as a state machine.
 *
 * Does: walk the root fields, then drain the slots level by level; stop where something has to be
 *     awaited, and go on with what came of it. Without awaitables start() does everything.
 * Never: await. `execution.py` drives it.
 * Owns: the response while it is being made, all slots, and the attributes of the context.
 */
#include "execute.h"

/* Mutations: each root field has its own ticks, far after those of the one before. */
#define TICKS_OF_A_ROOT 100000000L

/* Objects and lists open at once, whatever the interpreter's own limit is: some 2 MB of C stack. */
#define DEPTH_CEILING 3000

/* Nothing of the root fields that are still to come will be shown. */
static void
forget_roots(run_state *self)
{
    for (Py_ssize_t i = self->next_root; i < self->root_count; i++) {
        slots_close(self, &self->roots[i]);
    }
    self->next_root = self->root_count;
}

/* A root field failed and the failure reached the response. */
static int
fail_response(run_state *self)
{
    return place_climb(self, NULL);
}

/* Everything of the current slots that needs no awaiting, down to the last level. */
static int
drain_batches(run_state *self)
{
    for (;;) {
        if (slots_move_batches(&self->slots, &self->level, 0) < 0) {
            return -1;
        }
        if (self->level.size == 0) {
            slots_forget_failed(self);
            return 0;
        }
        slot_list ready = {NULL, 0, 0};
        int result = slots_load(self, &self->level);
        /* What is not moved has to be awaited, in its turn. */
        result = result < 0 ? -1 : slots_move_batches(&self->level, &ready, 0);
        result = result < 0 ? -1 : slots_move_all(&self->level, &self->slots);
        slots_clear(&self->level);
        self->level = ready;
        if (result < 0 || slots_settle(self, &self->level) < 0) {
            return -1;
        }
    }
}

/* execute_fields_serially(): the root fields one after the other. graphql-core calls all resolvers
 * first and awaits afterwards, one after the other; what needs no awaiting is finished before the
 * next resolver is called. */
static int
walk_serially(run_state *self)
{
    plan_selection *root = self->plan->root;
    source_view view = {self->source, NULL};
    int result = -1;
    if (run_count_object(self) < 0) {
        return -1;
    }
    self->data = PyDict_Copy(root->template_);
    self->roots = PyMem_Calloc((size_t)root->field_count + 1, sizeof(slot_list));
    if (self->data == NULL || self->roots == NULL) {
        if (self->roots == NULL) {
            PyErr_NoMemory();
        }
        return -1;
    }
    self->root_count = root->field_count;
    for (Py_ssize_t i = 0; i < root->field_count; i++) {
        plan_field *field = root->fields[i];
        PyObject *data = Py_NewRef(self->data);
        frame_node position = {.field = field, .type = field->type, .container = data, .index = -1};
        PyObject *value = walk_field(self, field, &view, &position);
        frame_finish(&position);
        int failed = value == NULL ? fail_response(self)
                                   : PyDict_SetItem(data, field->response_name, value);
        Py_DECREF(data);
        Py_XDECREF(value);
        if (failed < 0 || drain_batches(self) < 0) {
            goto done;
        }
        if (self->null_tick >= 0) {
            slots_close(self, &self->slots);
            self->root_count = i;
            forget_roots(self);
            break;
        }
        if (slots_move_all(&self->slots, &self->roots[i]) < 0) {
            goto done;
        }
    }
    result = 0;
done:
    Py_XDECREF(view.dict);
    return result;
}

static int
walk_root(run_state *self)
{
    if (self->is_serial) {
        return walk_serially(self);
    }
    PyObject *data = walk_selection(self, self->plan->root, self->source, NULL);
    if (data == NULL) {
        return fail_response(self);
    }
    self->data = data;
    return 0;
}

/* Take up the next slots: relationships as long as there are any, then awaitables, then those of
 * the next root field. So all awaitables that can be known are awaited together, and a relationship
 * that fails is known before anything is awaited that fails with it. Returns the phase in which
 * the slots are, PHASE_NEXT when there are none, or -1. */
static int
begin_level(run_state *self)
{
    for (;;) {
        if (slots_move_batches(&self->slots, &self->level, 1) < 0) {
            return -1;
        }
        if (self->level.size > 0) {
            return PHASE_LOAD;
        }
        slots_forget_failed(self);
        if (self->null_tick >= 0) {
            forget_roots(self);
        }
        if (self->slots.size > 0) {
            return slots_move_all(&self->slots, &self->level) < 0 ? -1 : PHASE_GATHER;
        }
        if (self->next_root >= self->root_count) {
            return PHASE_NEXT;
        }
        self->base_tick += TICKS_OF_A_ROOT;
        if (slots_move_all(&self->roots[self->next_root++], &self->slots) < 0) {
            return -1;
        }
    }
}

/* Go on until something has to be awaited: what that is, None at the end, or NULL. */
static PyObject *
advance(run_state *self)
{
    for (;;) {
        if (self->phase == PHASE_NEXT) {
            int phase = begin_level(self);
            if (phase <= PHASE_NEXT) {
                return phase < 0 ? NULL : Py_NewRef(Py_None);
            }
            self->phase = (run_phase)phase;
            if (phase == PHASE_GATHER) {
                return slots_awaitables(self, &self->level);
            }
            if (slots_load(self, &self->level) < 0) {
                return NULL;
            }
        }
        if (self->phase == PHASE_LOAD) {
            PyObject *step = slots_load_async(self, &self->level);
            if (step != Py_None) {
                return step;
            }
            Py_DECREF(step);
        }
        self->phase = PHASE_NEXT;
        if (slots_settle(self, &self->level) < 0) {
            return NULL;
        }
    }
}

/* ---- the Python type ---------------------------------------------------------------------- */

static PyObject *
run_start(run_state *self, PyObject *Py_UNUSED(ignored))
{
    if (self->is_started) {
        PyErr_SetString(PyExc_RuntimeError, "the run has been started already");
        return NULL;
    }
    self->is_started = 1;
    if (walk_root(self) < 0) {
        return NULL;
    }
    return advance(self);
}

static PyObject *
run_resume(run_state *self, PyObject *values)
{
    int taken = -1;
    if (self->phase == PHASE_LOAD && self->loading >= 0) {
        taken = slots_take_loaded(self, &self->level, values);
    }
    else if (self->phase == PHASE_GATHER) {
        taken = slots_take_awaited(&self->level, values);
    }
    else {
        PyErr_SetString(PyExc_RuntimeError, "the run does not wait for anything");
    }
    return taken < 0 ? NULL : advance(self);
}

static PyObject *
run_finish(run_state *self, PyObject *Py_UNUSED(ignored))
{
    if (self->data == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the run has no response");
        return NULL;
    }
    return replay_events(self) < 0 ? NULL : Py_NewRef(self->data);
}

static PyObject *
run_close(run_state *self, PyObject *Py_UNUSED(ignored))
{
    slots_close(self, &self->slots);
    slots_close(self, &self->level);
    for (Py_ssize_t i = 0; i < self->root_count; i++) {
        slots_close(self, &self->roots[i]);
    }
    self->next_root = self->root_count;
    Py_RETURN_NONE;
}

#define RUN_OBJECTS(X)                                                                            \
    X(plan)                                                                                       \
    X(context)                                                                                    \
    X(schema)                                                                                     \
    X(fragments)                                                                                  \
    X(root_value)                                                                                 \
    X(source)                                                                                     \
    X(operation)                                                                                  \
    X(variable_values)                                                                            \
    X(context_value)                                                                              \
    X(is_awaitable)                                                                               \
    X(type_resolver)                                                                              \
    X(middleware)                                                                                 \
    X(collected_errors)                                                                           \
    X(arguments)                                                                                  \
    X(data)                                                                                       \
    X(events)                                                                                     \
    X(parents)                                                                                    \
    X(aborts)                                                                                     \
    X(origin)                                                                                     \
    X(guard)                                                                                      \
    X(guarded)

static int
visit_slots(const slot_list *list, visitproc visit, void *arg)
{
    for (Py_ssize_t i = 0; i < list->size; i++) {
        Py_VISIT(list->items[i].value);
        Py_VISIT(list->items[i].source);
        Py_VISIT(list->items[i].origin);
        Py_VISIT(list->items[i].container);
        /* A place may be shared by slots, and containers then have more than one owner in it; only
         * a place that is this slot's alone is shown to the collector. */
        const place_node *above = list->items[i].above;
        if (above != NULL && above->references == 1) {
            Py_VISIT(above->container);
        }
    }
    return 0;
}

static int
run_traverse(run_state *self, visitproc visit, void *arg)
{
    int result = 0;
    Py_VISIT(Py_TYPE(self));
#define X(name) Py_VISIT(self->name);
    RUN_OBJECTS(X)
#undef X
    result = visit_slots(&self->slots, visit, arg);
    result = result ? result : visit_slots(&self->level, visit, arg);
    for (Py_ssize_t i = 0; i < self->root_count && !result; i++) {
        result = visit_slots(&self->roots[i], visit, arg);
    }
    return result;
}

static int
run_clear(run_state *self)
{
    slots_clear(&self->slots);
    slots_clear(&self->level);
    for (Py_ssize_t i = 0; i < self->root_count; i++) {
        slots_clear(&self->roots[i]);
    }
    self->root_count = 0;
    PyMem_Free(self->roots);
    self->roots = NULL;
#define X(name) Py_CLEAR(self->name);
    RUN_OBJECTS(X)
#undef X
    return 0;
}

static void
run_dealloc(run_state *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    (void)run_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

/* Read what the walk needs of the context. */
static int
read_context(run_state *self)
{
    module_state *state = self->state;
    const struct {
        PyObject *name;  /* borrowed: module state */
        PyObject **slot; /* borrowed: field of the run_state, which owns what is put there */
    } wanted[] = {
        {state->str_schema, &self->schema},
        {state->str_fragments, &self->fragments},
        {state->str_root_value, &self->root_value},
        {state->str_operation, &self->operation},
        {state->str_variable_values, &self->variable_values},
        {state->str_context_value, &self->context_value},
        {state->str_is_awaitable, &self->is_awaitable},
        {state->str_type_resolver, &self->type_resolver},
        {state->str_middleware_manager, &self->middleware},
        {state->str_collected_errors, &self->collected_errors},
        {state->str_guard, &self->guard},
    };
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        *wanted[i].slot = PyObject_GetAttr(self->context, wanted[i].name);
        if (*wanted[i].slot == NULL) {
            return -1;
        }
    }
    if (self->guard == Py_None) {
        Py_CLEAR(self->guard);
    }
    else {
        self->guarded = PyObject_GetAttr(self->guard, state->str_places);
        if (self->guarded == NULL) {
            return -1;
        }
        if (!PyDict_CheckExact(self->guarded)) {
            PyErr_SetString(PyExc_TypeError, "the places of a guard are a dict");
            return -1;
        }
    }
    PyObject *shares = PyObject_GetAttr(self->context, state->str_shares_objects);
    self->shares_objects = shares ? PyObject_IsTrue(shares) : -1;
    Py_XDECREF(shares);
    if (self->shares_objects < 0) {
        return -1;
    }
    int has_middleware = PyObject_IsTrue(self->middleware);
    if (has_middleware == 0) {
        Py_CLEAR(self->middleware);
    }
    self->is_sync = self->is_awaitable == state->execute_assume_not_awaitable ||
                    self->is_awaitable == state->graphql_assume_not_awaitable;
    self->default_awaitable = self->is_awaitable == state->is_awaitable_default;
    return has_middleware < 0 ? -1 : 0;
}

/* Run(plan, context, root_value, is_serial, max_objects=0) */
static PyObject *
run_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    module_state *state = state_of_type(type);
    PyObject *plan, *context, *source;
    if (late_RowQuery(state) == NULL) {
        return NULL;
    }
    int is_serial;
    Py_ssize_t max_objects = 0;
    if (kwargs != NULL && PyDict_GET_SIZE(kwargs)) {
        PyErr_SetString(PyExc_TypeError, "Run() takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "O!OOp|n:Run", state->Plan, &plan, &context, &source, &is_serial,
                          &max_objects)) {
        return NULL;
    }
    run_state *self = (run_state *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->state = state;
    self->plan = (plan_root *)Py_NewRef(plan);
    self->context = Py_NewRef(context);
    self->source = Py_NewRef(source);
    self->is_serial = is_serial;
    self->max_objects = max_objects;
    self->number = ++state->run_count;
    self->null_tick = -1;
    self->loading = -1;
    self->depth_limit = Py_GetRecursionLimit();
    if (self->depth_limit > DEPTH_CEILING) {
        self->depth_limit = DEPTH_CEILING;
    }
    if (read_context(self) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static PyMethodDef run_methods[] = {
    {"start", METHOD_CAST(run_start), METH_NOARGS,
     PyDoc_STR("start($self, /)\n--\n\n"
               "Execute; returns what has to be awaited, or None at the end.")},
    {"resume", METHOD_CAST(run_resume), METH_O,
     PyDoc_STR("resume($self, values, /)\n--\n\nGo on with what was awaited; returns as start().")},
    {"finish", METHOD_CAST(run_finish), METH_NOARGS,
     PyDoc_STR("finish($self, /)\n--\n\nReport the errors to the context and return the data.")},
    {"close", METHOD_CAST(run_close), METH_NOARGS,
     PyDoc_STR("close($self, /)\n--\n\nClose the coroutines that will not be awaited any more.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot run_slots[] = {
    {Py_tp_doc, PyDoc_STR("One execution of a plan.")},
    {Py_tp_new, run_new},
    {Py_tp_dealloc, run_dealloc},
    {Py_tp_traverse, run_traverse},
    {Py_tp_clear, run_clear},
    {Py_tp_methods, run_methods},
    {0, NULL},
};

static PyType_Spec run_spec = {
    .name = "graphene_sqlalchemy_c._core.Run",
    .basicsize = sizeof(run_state),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = run_slots,
};

int
run_add(PyObject *module, module_state *state)
{
    state->Run = (PyTypeObject *)PyType_FromModuleAndSpec(module, &run_spec, NULL);
    return state->Run == NULL ? -1 : PyModule_AddType(module, state->Run);
}
