/* The walk: from a plan and a root value to the response, depth first.
 *
 * Does: what execute_fields, execute_field and the complete_* methods of graphql-core do, over the
 *     nodes of a plan. A value that is not there yet leaves a slot (slots.c) and the walk goes on.
 * Never: await, load or serialise in a way of its own.
 * Owns: the containers it fills, until they are returned. Nesting is bounded by run->depth_limit
 *     and by Py_EnterRecursiveCall, so that no data or document overflows the C stack.
 */
#include "execute.h"

#include "batch.h"

static int
enter(run_state *run)
{
    if (run->depth >= run->depth_limit) {
        PyErr_SetString(PyExc_RecursionError, "maximum recursion depth exceeded");
        return -1;
    }
    if (Py_EnterRecursiveCall(" while executing a GraphQL operation")) {
        return -1;
    }
    run->depth++;
    return 0;
}

static void
leave(run_state *run)
{
    run->depth--;
    Py_LeaveRecursiveCall();
}

int
run_keep(run_state *run, PyObject *value)
{
    if (run->parents == NULL && (run->parents = PyList_New(0)) == NULL) {
        return -1;
    }
    return PyList_Append(run->parents, value);
}

/* ---- statements ----------------------------------------------------------------------------- */

/* A statement that a resolver returned is run with the other loads of the level. */
static outcome
leave_query(run_state *run, PyObject *query, frame_node *position, PyObject **out)
{
    if (slot_leave(run, SLOT_QUERY, position, position->type, query, NULL) < 0) {
        return FAILED;
    }
    *out = Py_NewRef(Py_None);
    return DEFERRED;
}

static int
is_statement(const run_state *run, PyObject *value)
{
    return PyObject_TypeCheck(value, (PyTypeObject *)run->state->Select) ||
           PyObject_TypeCheck(value, (PyTypeObject *)run->state->Query) ||
           PyObject_TypeCheck(value, (PyTypeObject *)run->state->FromStatement);
}

/* A Select or a Query at a position of a mapped type; DONE without a value at any other. */
static outcome
complete_statement(run_state *run, const plan_type *type, PyObject *value, frame_node *position,
                   PyObject **out)
{
    PyObject *function = late_statement_query(run->state);
    PyObject *info = function ? frame_info(run, position) : NULL;
    PyObject *query = NULL;
    if (info != NULL) {
        query = PyObject_CallFunctionObjArgs(function, value, info, plan_named_type(type)->type,
                                             type->kind == TYPE_LIST ? Py_True : Py_False, NULL);
    }
    outcome result = query == NULL      ? FAILED
                     : query == Py_None ? DONE
                                        : leave_query(run, query, position, out);
    Py_XDECREF(query);
    return result;
}

/* ---- objects ------------------------------------------------------------------------------- */

int
raise_wrong_type(run_state *run, plan_object *object, PyObject *value, frame_node *position)
{
    PyObject *error =
        PyObject_CallFunctionObjArgs(run->state->invalid_return_type_error, object->type, value,
                                     position->field->nodes, NULL);
    if (error != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
        Py_DECREF(error);
    }
    return -1;
}

outcome
complete_checked_object(run_state *run, plan_object *object, PyObject *value, frame_node *position,
                        PyObject **out)
{
    if (run->guard != NULL && !position->admitted) {
        outcome guarded = guard_object(run, object, value, position, out);
        if (guarded != DONE) {
            return guarded;
        }
    }
    plan_selection *selection = plan_selection_of(run->plan, (plan_field *)position->field, object,
                                                  run->variable_values);
    Py_ssize_t mark = run->slots.size;
    *out = selection ? walk_selection(run, selection, value, position) : NULL;
    /* An item is kept by its list. */
    if (*out != NULL && position->index < 0 && run->slots.size > mark &&
        run_keep(run, value) < 0) {
        Py_CLEAR(*out);
    }
    return *out == NULL ? FAILED : DONE;
}

/* Ask is_type_of: 1, 0, -1, or 2 when a slot waits for the answer. */
static int
check_type_of(run_state *run, const plan_type *type, plan_object *object, PyObject *value,
              frame_node *position)
{
    if (object->type_of == TYPE_OF_UPSTREAM &&
        (PyObject *)Py_TYPE(value) == object->known_class) {
        return 1;
    }
    if (object->type_of == TYPE_OF_POSSIBLE) {
        return PyObject_IsInstance(value, object->known_class);
    }
    PyObject *info = frame_info(run, position);
    PyObject *answer =
        info ? PyObject_CallFunctionObjArgs(object->is_type_of, value, info, NULL) : NULL;
    int result = answer ? run_is_awaitable(run, answer) : -1;
    if (result == 0) {
        result = PyObject_IsTrue(answer);
    }
    else if (result > 0) {
        /* A slot of an abstract position knows its object by the type that is kept with it. */
        PyObject *pair = PyTuple_Pack(2, object->type, value);
        result = pair ? slot_leave(run, SLOT_TYPE_OF, position, type, answer, pair) : -1;
        result = result < 0 ? -1 : 2;
        Py_XDECREF(pair);
    }
    Py_XDECREF(answer);
    return result;
}

/* complete_object_value() */
static outcome
complete_object(run_state *run, const plan_type *type, plan_object *object, PyObject *value,
                frame_node *position, PyObject **out)
{
    if (object->type_of != TYPE_OF_NONE && (PyObject *)Py_TYPE(value) != object->known_class &&
        is_statement(run, value)) {
        outcome result = complete_statement(run, type, value, position, out);
        if (result != DONE) {
            return result;
        }
    }
    if (object->type_of != TYPE_OF_NONE) {
        /* graphql-core collects the fields first, so their errors come before this one. */
        if (plan_selection_of(run->plan, (plan_field *)position->field, object,
                              run->variable_values) == NULL) {
            return FAILED;
        }
        int answer = check_type_of(run, type, object, value, position);
        if (answer == 2) {
            *out = Py_NewRef(Py_None);
            return DEFERRED;
        }
        if (answer <= 0) {
            return answer < 0 ? FAILED : (outcome)raise_wrong_type(run, object, value, position);
        }
    }
    return complete_checked_object(run, object, value, position, out);
}

/* The object type of that name, checked by graphql-core's ensure_valid_runtime_type() when it is
 * met for the first time. */
static plan_object *
runtime_object(run_state *run, const plan_type *type, PyObject *name, PyObject *value,
               frame_node *position)
{
    PyObject *known = NULL;
    if (PyUnicode_CheckExact(name)) {
        known = PyDict_GetItemWithError(type->memo, name);
        if (known == NULL && PyErr_Occurred()) {
            return NULL;
        }
    }
    if (known != NULL) {
        return plan_object_of(run->plan, known);
    }
    PyObject *info = frame_info(run, position);
    PyObject *found = info ? PyObject_CallMethodObjArgs(
                                 run->context, run->state->str_ensure_valid_runtime_type, name,
                                 type->type, position->field->nodes, info, value, NULL)
                           : NULL;
    plan_object *object = found ? plan_object_of(run->plan, found) : NULL;
    if (object != NULL && PyUnicode_CheckExact(name) &&
        PyDict_SetItem(type->memo, name, found) < 0) {
        object = NULL;
    }
    Py_XDECREF(found);
    return object;
}

outcome
complete_runtime_type(run_state *run, const plan_type *type, PyObject *name, PyObject *value,
                      frame_node *position, PyObject **out)
{
    plan_object *object = runtime_object(run, type, name, value, position);
    return object ? complete_object(run, type, object, value, position, out) : FAILED;
}

/* The object type of a mapped instance, where its class tells it: borrowed, NULL with or without an
 * exception. Found out once for each class. */
static plan_object *
class_object(run_state *run, const plan_type *type, PyObject *value)
{
    PyObject *class = (PyObject *)Py_TYPE(value);
    PyObject *known = PyDict_GetItemWithError(type->memo, class);
    if (known == NULL && !PyErr_Occurred()) {
        PyObject *function = late_runtime_type(run->state);
        PyObject *found = function ? PyObject_CallFunctionObjArgs(function, run->schema, type->type,
                                                                  class, NULL)
                                   : NULL;
        known = found && PyDict_SetItem(type->memo, class, found) == 0 ? found : NULL;
        Py_XDECREF(found); /* the memo keeps it */
    }
    return known == NULL || known == Py_None ? NULL : plan_object_of(run->plan, known);
}

/* complete_abstract_value() */
static outcome
complete_abstract(run_state *run, const plan_type *type, PyObject *value, frame_node *position,
                  PyObject **out)
{
    if (is_statement(run, value)) {
        outcome statement = complete_statement(run, type, value, position, out);
        if (statement != DONE) {
            return statement;
        }
    }
    plan_object *object = class_object(run, type, value);
    if (object != NULL) {
        return complete_checked_object(run, object, value, position, out);
    }
    if (PyErr_Occurred()) {
        return FAILED;
    }
    int has_own = PyObject_IsTrue(type->function);
    PyObject *resolve_type = has_own > 0 ? type->function : run->type_resolver;
    PyObject *info = has_own < 0 ? NULL : frame_info(run, position);
    if (info == NULL) {
        return FAILED;
    }
    outcome result = FAILED;
    PyObject *name = PyObject_CallFunctionObjArgs(resolve_type, value, info, type->type, NULL);
    int awaitable = name ? run_is_awaitable(run, name) : -1;
    if (awaitable > 0) {
        if (slot_leave(run, SLOT_RUNTIME_TYPE, position, type, name, value) == 0) {
            *out = Py_NewRef(Py_None);
            result = DEFERRED;
        }
    }
    else if (awaitable == 0) {
        result = complete_runtime_type(run, type, name, value, position, out);
    }
    Py_XDECREF(name);
    return result;
}

/* ---- lists --------------------------------------------------------------------------------- */

/* Complete one item and append it; -1 when the list fails with it. */
static int
append_item(run_state *run, const plan_type *type, PyObject *list, Py_ssize_t index, PyObject *item,
            frame_node *owner)
{
    frame_node position = {.parent = owner, .field = owner->field, .type = type, .container = list,
                      .index = index, .admitted = owner->admitted, .is_sifted = owner->is_sifted};
    PyObject *value = NULL;
    int result = 0;
    if (complete_resolved(run, type, item, &position, &value) == FAILED) {
        result = position_failed(run, &position);
        value = result < 0 ? NULL : Py_NewRef(Py_None);
    }
    frame_finish(&position);
    if (value != NULL) {
        result = PyList_Append(list, value);
        Py_DECREF(value);
    }
    return result;
}

static int
append_items(run_state *run, const plan_type *type, PyObject *list, PyObject *items,
             frame_node *owner)
{
    if (PyList_CheckExact(items)) {
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items); i++) {
            PyObject *item = Py_NewRef(PyList_GET_ITEM(items, i));
            int result = append_item(run, type, list, i, item, owner);
            Py_DECREF(item);
            if (result < 0) {
                return -1;
            }
        }
        return 0;
    }
    PyObject *item;
    PyObject *iterator = PyObject_GetIter(items);
    if (iterator == NULL) {
        return -1;
    }
    int result = 0;
    for (Py_ssize_t i = 0; result == 0 && (item = PyIter_Next(iterator)) != NULL; i++) {
        result = append_item(run, type, list, i, item, owner);
        Py_DECREF(item);
    }
    Py_DECREF(iterator);
    return result < 0 || PyErr_Occurred() ? -1 : 0;
}

/* is_iterable() of graphql-core: 1, 0 or -1 */
static int
is_iterable(const run_state *run, PyObject *value)
{
    if (PyList_CheckExact(value) || PyTuple_CheckExact(value)) {
        return 1;
    }
    PyObject *answer = PyObject_CallOneArg(run->state->is_iterable, value);
    int result = answer ? PyObject_IsTrue(answer) : -1;
    Py_XDECREF(answer);
    return result;
}

/* What is not iterable may be an asynchronous iterable; its items come later. */
static outcome
complete_async_list(run_state *run, const plan_type *type, PyObject *value, frame_node *position,
                    PyObject **out)
{
    int is_async = PyObject_IsInstance(value, run->state->AsyncIterable);
    if (is_async < 0) {
        return FAILED;
    }
    if (!is_async) {
        const plan_field *field = position->field;
        PyObject *message = PyUnicode_FromFormat(
            "Expected Iterable, but did not find one for field '%U.%U'.", field->parent->name,
            field->field_name);
        if (message != NULL) {
            PyErr_SetObject(run->state->GraphQLError, message);
            Py_DECREF(message);
        }
        return FAILED;
    }
    PyObject *coroutine = PyObject_CallOneArg(run->state->list_of_async_iterable, value);
    int awaitable = coroutine ? run_is_awaitable(run, coroutine) : -1;
    outcome result = FAILED;
    if (awaitable == 0) {
        /* Synchronous execution: the coroutine is the value, as in graphql-core. */
        *out = coroutine;
        return DONE;
    }
    if (awaitable > 0 && slot_leave(run, SLOT_LIST, position, type, coroutine, NULL) == 0) {
        *out = Py_NewRef(Py_None);
        result = DEFERRED;
    }
    Py_XDECREF(coroutine);
    return result;
}

outcome
complete_list(run_state *run, const plan_type *type, PyObject *value, frame_node *position,
              PyObject **out)
{
    if (!PyList_CheckExact(value) && is_statement(run, value)) {
        outcome result = complete_statement(run, type, value, position, out);
        if (result != DONE) {
            return result;
        }
    }
    int iterable = is_iterable(run, value);
    if (iterable <= 0) {
        return iterable < 0 ? FAILED : complete_async_list(run, type, value, position, out);
    }
    if (run->guard != NULL && !position->is_sifted) {
        outcome guarded = guard_list(run, type, value, position, out);
        if (guarded != DONE) {
            return guarded;
        }
    }
    if (enter(run) < 0) {
        return FAILED;
    }
    Py_ssize_t mark = run->slots.size;
    PyObject *list = PyList_New(0);
    if (list != NULL && append_items(run, type->inner, list, value, position) < 0) {
        slots_forget(run, mark);
        Py_CLEAR(list);
    }
    if (list != NULL && run->slots.size > mark && run_keep(run, value) < 0) {
        Py_CLEAR(list);
    }
    leave(run);
    *out = list;
    return list == NULL ? FAILED : DONE;
}

/* ---- values -------------------------------------------------------------------------------- */

static outcome
raise_null(const frame_node *position)
{
    PyErr_Format(PyExc_TypeError, "Cannot return null for non-nullable field %U.%U.",
                 position->field->parent->name, position->field->field_name);
    return FAILED;
}

/* A custom scalar may serialise to an awaitable, which graphql-core awaits. */
static outcome
await_leaf(run_state *run, frame_node *position, PyObject **out)
{
    int awaitable = run_is_awaitable(run, *out);
    if (awaitable == 0) {
        return DONE;
    }
    int left = awaitable < 0 ? -1 : slot_leave(run, SLOT_VALUE, position, NULL, *out, NULL);
    Py_SETREF(*out, left < 0 ? NULL : Py_NewRef(Py_None));
    return left < 0 ? FAILED : DEFERRED;
}

/* complete_value() */
outcome
complete_value(run_state *run, const plan_type *type, PyObject *value, frame_node *position,
               PyObject **out)
{
    outcome result;
    if (PyExceptionInstance_Check(value) &&
        PyObject_TypeCheck(value, (PyTypeObject *)PyExc_Exception)) {
        PyErr_SetObject((PyObject *)Py_TYPE(value), value);
        return FAILED;
    }
    if (type->kind == TYPE_NON_NULL) {
        result = complete_value(run, type->inner, value, position, out);
        if (result == DONE && *out == Py_None) {
            Py_CLEAR(*out);
            return raise_null(position);
        }
        return result;
    }
    if (value == Py_None) {
        *out = Py_NewRef(Py_None);
        return DONE;
    }
    if (Py_TYPE(value) == run->state->RowGroup) {
        return complete_group(run, type, value, position, out);
    }
    if ((PyObject *)Py_TYPE(value) == run->state->RowQuery) {
        return leave_query(run, value, position, out);
    }
    switch (type->kind) {
    case TYPE_LEAF:
        *out = leaf_serialize(run->state, type->leaf, type->type, type->function, type->memo,
                              value);
        if (*out != NULL && type->leaf == LEAF_OTHER && !run->is_sync) {
            return await_leaf(run, position, out);
        }
        return *out == NULL ? FAILED : DONE;
    case TYPE_LIST:
        return complete_list(run, type, value, position, out);
    case TYPE_OBJECT:
        return complete_object(run, type, type->object, value, position, out);
    default:
        return complete_abstract(run, type, value, position, out);
    }
}

outcome
complete_resolved(run_state *run, const plan_type *type, PyObject *value, frame_node *position,
                  PyObject **out)
{
    int awaitable = run_is_awaitable(run, value);
    if (awaitable == 0) {
        return complete_value(run, type, value, position, out);
    }
    if (awaitable < 0 || slot_leave(run, SLOT_VALUE, position, type, value, NULL) < 0) {
        return FAILED;
    }
    *out = Py_NewRef(Py_None);
    return DEFERRED;
}

/* ---- fields -------------------------------------------------------------------------------- */

/* A relationship: read from the instance, or left to be loaded with those of the whole level. */
static outcome
complete_relationship(run_state *run, plan_field *field, source_view *source, frame_node *position,
            PyObject **out)
{
    if (resolve_check_arguments(run, field) < 0) {
        return FAILED;
    }
    PyObject *value = NULL;
    outcome result = FAILED;
    batch_answer found =
        batch_read(run->state, field->resolver->batch, source->object, &value);
    if (found == BATCH_LOADED && field->arranges) {
        Py_CLEAR(value);
        found = BATCH_MISSING; /* what the attribute holds is neither sorted nor filtered */
    }
    switch (found) {
    case BATCH_LOADED:
        result = complete_loaded(run, field, source->object, value, position, out);
        break;
    case BATCH_FOREIGN:
        value = resolve_field(run, field, source, position); /* calls the resolver: no slot */
        result = value ? complete_resolved(run, field->type, value, position, out) : FAILED;
        break;
    case BATCH_MISSING:
        if (slot_leave(run, SLOT_BATCH, position, field->type, NULL, source->object) == 0) {
            *out = Py_NewRef(Py_None);
            result = DEFERRED;
        }
        break;
    case BATCH_ERROR:
        break;
    }
    Py_XDECREF(value);
    return result;
}

/* execute_field() */
PyObject *
walk_field(run_state *run, plan_field *field, source_view *source, frame_node *position)
{
    PyObject *out = NULL;
    outcome result = FAILED;
    if (field->resolver->batch != NULL && run->middleware == NULL) {
        result = complete_relationship(run, field, source, position, &out);
    }
    else {
        PyObject *value = resolve_field(run, field, source, position);
        if (value != NULL) {
            result = complete_resolved(run, field->type, value, position, &out);
            Py_DECREF(value);
        }
        else if (!PyErr_Occurred() && slot_leave(run, SLOT_ATTRIBUTE, position, field->type, NULL,
                                                 source->object) == 0) {
            out = Py_NewRef(Py_None);
            result = DEFERRED;
        }
    }
    if (result != FAILED) {
        return out;
    }
    return position_failed(run, position) < 0 ? NULL : Py_NewRef(Py_None);
}

/* execute_fields() */
PyObject *
walk_selection(run_state *run, plan_selection *selection, PyObject *source, frame_node *owner)
{
    if (enter(run) < 0) {
        return NULL;
    }
    Py_ssize_t mark = run->slots.size;
    source_view view = {source, NULL};
    PyObject *result = run_count_object(run) < 0 ? NULL : PyDict_Copy(selection->template_);
    for (Py_ssize_t i = 0; i < selection->field_count && result != NULL; i++) {
        plan_field *field = selection->fields[i];
        frame_node position = {.parent = owner, .field = field, .type = field->type,
                          .container = result, .index = -1};
        PyObject *value = walk_field(run, field, &view, &position);
        frame_finish(&position);
        int failed = value == NULL || PyDict_SetItem(result, field->response_name, value) < 0;
        Py_XDECREF(value);
        if (failed) {
            slots_forget(run, mark);
            Py_CLEAR(result);
        }
    }
    Py_XDECREF(view.dict);
    leave(run);
    return result;
}
