/* Collecting fields: which fields a selection set selects for an object type.
 *
 * Does: what collect_fields.py of graphql-core does, once per plan and type, with conditions
 *     decided from the variable values of the run that compiles.
 * Never: judge directives or odd type conditions itself; those go to graphql-core's functions.
 *     Fragments nested deeper than DEPTH_LIMIT are collected by graphql-core as a whole, so its
 *     handling of the recursion limit stays its own.
 * Owns: the dict it returns.
 */
#include "plan.h"

#define DEPTH_LIMIT 100

typedef struct {
    plan_root *plan;           /* borrowed: caller */
    plan_object *object;       /* borrowed: plan */
    PyObject *variable_values; /* borrowed: caller */
    PyObject *fields;          /* owned: dict, response name -> list of nodes */
    PyObject *visited;         /* owned: set of fragment names */
    int depth;
} collector;

typedef enum { COLLECT_ERROR = -1, COLLECT_OK, COLLECT_TOO_DEEP } collect_outcome;

static collect_outcome collect_set(collector *self, PyObject *selection_set);

/* Note which variables the directives of a node use: a plan is kept only for conditions on the
 * variables that its key holds. */
static int
note_conditions(plan_root *plan, PyObject *directives)
{
    module_state *state = plan->state;
    int result = -1;
    PyObject *arguments = NULL, *items = NULL, *value = NULL, *name = NULL, *text = NULL;
    PyObject *list = PySequence_Fast(directives, "directives must be a sequence");
    if (list == NULL) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(list); i++) {
        Py_XSETREF(arguments, PyObject_GetAttr(PySequence_Fast_GET_ITEM(list, i),
                                               state->str_arguments));
        if (arguments == NULL) {
            goto done;
        }
        if (arguments == Py_None) {
            continue;
        }
        Py_XSETREF(items, PySequence_Fast(arguments, "arguments must be a sequence"));
        if (items == NULL) {
            goto done;
        }
        for (Py_ssize_t j = 0; j < PySequence_Fast_GET_SIZE(items); j++) {
            Py_XSETREF(value,
                       PyObject_GetAttr(PySequence_Fast_GET_ITEM(items, j), state->str_value));
            int is_variable = value ? PyObject_IsInstance(value, state->VariableNode) : -1;
            if (is_variable < 0) {
                goto done;
            }
            if (!is_variable) {
                continue;
            }
            Py_XSETREF(name, PyObject_GetAttr(value, state->str_name));
            Py_XSETREF(text, name ? PyObject_GetAttr(name, state->str_value) : NULL);
            int known = text ? PySet_Contains(plan->condition_names, text) : -1;
            if (known < 0) {
                goto done;
            }
            plan->reusable = plan->reusable && known;
        }
    }
    result = 0;
done:
    Py_DECREF(list);
    Py_XDECREF(arguments);
    Py_XDECREF(items);
    Py_XDECREF(value);
    Py_XDECREF(name);
    Py_XDECREF(text);
    return result;
}

/* 1 when @skip and @include leave the node in (`should_include_node`), 0, or -1. */
static int
is_included(collector *self, PyObject *node)
{
    module_state *state = self->plan->state;
    PyObject *directives = PyObject_GetAttr(node, state->str_directives);
    if (directives == NULL) {
        return -1;
    }
    int result = PyObject_IsTrue(directives);
    if (result > 0) {
        result = -1;
        if (note_conditions(self->plan, directives) == 0) {
            PyObject *included = PyObject_CallFunctionObjArgs(
                state->should_include_node, self->variable_values, node, NULL);
            if (included != NULL) {
                result = PyObject_IsTrue(included);
                Py_DECREF(included);
            }
        }
    }
    else if (result == 0) {
        result = 1;
    }
    Py_DECREF(directives);
    return result;
}

static PyObject *
name_of(const module_state *state, PyObject *node)
{
    PyObject *name = PyObject_GetAttr(node, state->str_name);
    PyObject *text = name ? PyObject_GetAttr(name, state->str_value) : NULL;
    Py_XDECREF(name);
    return text;
}

/* 1 when the fragment applies to the type (`does_fragment_condition_match`), 0, or -1. A condition
 * that names the type itself is the usual one and needs no call. */
static int
is_matching(collector *self, PyObject *fragment)
{
    module_state *state = self->plan->state;
    int result = -1;
    PyObject *name = NULL, *type_map = NULL, *answer = NULL;
    PyObject *condition = PyObject_GetAttr(fragment, state->str_type_condition);
    if (condition == NULL) {
        return -1;
    }
    if (condition == Py_None) {
        result = 1;
        goto done;
    }
    name = name_of(state, condition);
    if (name == NULL) {
        goto done;
    }
    if (PyUnicode_Check(name) && PyUnicode_Compare(name, self->object->name) == 0) {
        type_map = PyObject_GetAttr(self->plan->schema, state->str_type_map);
        PyObject *named = type_map ? PyObject_GetItem(type_map, name) : NULL;
        int same = named == self->object->type;
        Py_XDECREF(named);
        if (same) {
            result = 1;
            goto done;
        }
        PyErr_Clear();
    }
    answer = PyObject_CallFunctionObjArgs(state->does_fragment_condition_match,
                                          self->plan->schema, fragment, self->object->type, NULL);
    result = answer ? PyObject_IsTrue(answer) : -1;
done:
    Py_DECREF(condition);
    Py_XDECREF(name);
    Py_XDECREF(type_map);
    Py_XDECREF(answer);
    return result;
}

static int
add_field(collector *self, PyObject *node)
{
    module_state *state = self->plan->state;
    int result = -1;
    PyObject *alias = PyObject_GetAttr(node, state->str_alias);
    PyObject *key = NULL;
    if (alias == NULL) {
        return -1;
    }
    key = alias == Py_None ? name_of(state, node) : PyObject_GetAttr(alias, state->str_value);
    if (key == NULL) {
        goto done;
    }
    PyObject *nodes = PyDict_GetItemWithError(self->fields, key);
    if (nodes != NULL) {
        result = PyList_Append(nodes, node);
        goto done;
    }
    if (PyErr_Occurred()) {
        goto done;
    }
    nodes = PyList_New(1);
    if (nodes != NULL) {
        PyList_SET_ITEM(nodes, 0, Py_NewRef(node));
        result = PyDict_SetItem(self->fields, key, nodes);
        Py_DECREF(nodes);
    }
done:
    Py_DECREF(alias);
    Py_XDECREF(key);
    return result;
}

/* A fragment spread: the fragment to descend into, None for none, NULL for an error. */
static PyObject *
spread_fragment(collector *self, PyObject *node)
{
    PyObject *fragment = NULL;
    PyObject *name = name_of(self->plan->state, node);
    if (name == NULL) {
        return NULL;
    }
    int skip = PySet_Contains(self->visited, name);
    if (skip == 0) {
        int included = is_included(self, node);
        skip = included < 0 ? -1 : !included;
    }
    if (skip == 0 && PySet_Add(self->visited, name) < 0) {
        skip = -1;
    }
    if (skip == 0) {
        fragment = PyDict_GetItemWithError(self->plan->fragments, name);
        int matches = fragment ? is_matching(self, fragment) : 0;
        skip = matches < 0 || PyErr_Occurred() ? -1 : !matches;
    }
    Py_DECREF(name);
    if (skip < 0) {
        return NULL;
    }
    return Py_NewRef(skip ? Py_None : fragment);
}

static collect_outcome
descend(collector *self, PyObject *fragment)
{
    PyObject *inner = PyObject_GetAttr(fragment, self->plan->state->str_selection_set);
    if (inner == NULL) {
        return COLLECT_ERROR;
    }
    collect_outcome outcome = collect_set(self, inner);
    Py_DECREF(inner);
    return outcome;
}

static int
is_node(PyObject *node, PyObject *class)
{
    return (PyObject *)Py_TYPE(node) == class ? 1 : PyObject_IsInstance(node, class);
}

static collect_outcome
collect_node(collector *self, PyObject *node)
{
    module_state *state = self->plan->state;
    int is = is_node(node, state->FieldNode);
    if (is != 0) {
        int included = is < 0 ? -1 : is_included(self, node);
        if (included <= 0) {
            return included < 0 ? COLLECT_ERROR : COLLECT_OK;
        }
        return add_field(self, node) < 0 ? COLLECT_ERROR : COLLECT_OK;
    }
    is = is_node(node, state->InlineFragmentNode);
    if (is != 0) {
        int applies = is < 0 ? -1 : is_included(self, node);
        applies = applies > 0 ? is_matching(self, node) : applies;
        if (applies <= 0) {
            return applies < 0 ? COLLECT_ERROR : COLLECT_OK;
        }
        return descend(self, node);
    }
    is = is_node(node, state->FragmentSpreadNode);
    if (is <= 0) {
        return is < 0 ? COLLECT_ERROR : COLLECT_OK;
    }
    PyObject *fragment = spread_fragment(self, node);
    if (fragment == NULL) {
        return COLLECT_ERROR;
    }
    collect_outcome outcome = fragment == Py_None ? COLLECT_OK : descend(self, fragment);
    Py_DECREF(fragment);
    return outcome;
}

static collect_outcome
collect_set(collector *self, PyObject *selection_set)
{
    if (self->depth >= DEPTH_LIMIT) {
        return COLLECT_TOO_DEEP;
    }
    collect_outcome outcome = COLLECT_ERROR;
    PyObject *list = NULL;
    PyObject *selections = PyObject_GetAttr(selection_set, self->plan->state->str_selections);
    if (selections != NULL) {
        list = PySequence_Fast(selections, "selections must be a sequence");
    }
    if (list != NULL) {
        outcome = COLLECT_OK;
        self->depth++;
        for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(list) && outcome == COLLECT_OK; i++) {
            PyObject *node = Py_NewRef(PySequence_Fast_GET_ITEM(list, i));
            outcome = collect_node(self, node);
            Py_DECREF(node);
        }
        self->depth--;
    }
    Py_XDECREF(selections);
    Py_XDECREF(list);
    return outcome;
}

static collect_outcome
collect_nodes(collector *self, PyObject *nodes)
{
    collect_outcome outcome = COLLECT_OK;
    if (nodes == NULL) {
        return collect_set(self, self->plan->root_selections);
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(nodes) && outcome == COLLECT_OK; i++) {
        PyObject *inner = PyObject_GetAttr(PyList_GET_ITEM(nodes, i),
                                           self->plan->state->str_selection_set);
        if (inner == NULL) {
            return COLLECT_ERROR;
        }
        if (inner != Py_None) {
            outcome = collect_set(self, inner);
        }
        Py_DECREF(inner);
    }
    return outcome;
}

PyObject *
collect_selection(plan_root *plan, plan_object *object, PyObject *nodes,
                  PyObject *variable_values)
{
    module_state *state = plan->state;
    collector self = {plan, object, variable_values, PyDict_New(), PySet_New(NULL), 0};
    collect_outcome outcome = COLLECT_ERROR;
    if (self.fields != NULL && self.visited != NULL) {
        outcome = collect_nodes(&self, nodes);
    }
    Py_XDECREF(self.visited);
    if (outcome == COLLECT_OK) {
        return self.fields;
    }
    Py_XDECREF(self.fields);
    if (outcome == COLLECT_ERROR) {
        return NULL;
    }
    plan->reusable = 0; /* its conditions were not looked at */
    if (nodes == NULL) {
        return PyObject_CallFunctionObjArgs(state->collect_fields, plan->schema, plan->fragments,
                                            variable_values, object->type, plan->root_selections,
                                            NULL);
    }
    return PyObject_CallFunctionObjArgs(state->collect_sub_fields, plan->schema, plan->fragments,
                                        variable_values, object->type, nodes, NULL);
}
