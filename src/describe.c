/* Describing a plan: what explain.py knows of an operation.
 *
 * Does: compile every selection of a plan that data could ask for, decide its level, and give all
 *     of it as nested tuples: explain_levels.FieldPlan.
 * Never: look at data, or run anything. It is for a plan of explain's own: a plan that is kept for
 *     executions would keep selections that no data needs.
 * Owns: the tuples until they are returned.
 */
#include "plan.h"

static PyObject *describe_selection(plan_root *plan, plan_selection *selection,
                                    PyObject *variable_values);

/* Append (object type, level, fields) for the objects of one type below a field. */
static int
add_branch(plan_root *plan, plan_field *field, plan_object *object, PyObject *variable_values,
           PyObject *branches)
{
    plan_selection *selection = plan_selection_of(plan, field, object, variable_values);
    if (selection == NULL || selection->field_count == 0) {
        return selection == NULL ? -1 : 0;
    }
    int result = -1;
    PyObject *branch = NULL, *fields = NULL;
    /* Parts of a connection have their levels already: that of the connection planned them. */
    PyObject *level = plan_level_of(plan, selection, variable_values, 0);
    fields = level ? describe_selection(plan, selection, variable_values) : NULL;
    branch = fields ? PyTuple_Pack(3, object->type, level, fields) : NULL;
    if (branch != NULL) {
        result = PyList_Append(branches, branch);
    }
    Py_XDECREF(branch);
    Py_XDECREF(fields);
    return result;
}

/* The branches of a field whose objects may be of several types. */
static int
add_possible_branches(plan_root *plan, plan_field *field, PyObject *type,
                      PyObject *variable_values, PyObject *branches)
{
    int result = -1;
    PyObject *list = NULL;
    PyObject *found =
        PyObject_CallMethodOneArg(plan->schema, plan->state->str_get_possible_types, type);
    list = found ? PySequence_List(found) : NULL;
    Py_XDECREF(found);
    if (list == NULL) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        plan_object *object = plan_object_of(plan, PyList_GET_ITEM(list, i));
        if (object == NULL || add_branch(plan, field, object, variable_values, branches) < 0) {
            goto done;
        }
    }
    result = 0;
done:
    Py_DECREF(list);
    return result;
}

/* How the objects of an interface or a union are loaded, by the type that they are asked for by, and
 * in any case under None; an empty dict for any other type. */
static PyObject *
describe_kinds(plan_root *plan, plan_field *field, PyObject *branches, PyObject *variable_values)
{
    PyObject *result = PyDict_New();
    if (plan_named_type(field->type)->kind != TYPE_ABSTRACT) {
        return result;
    }
    for (Py_ssize_t i = -1; i < PyList_GET_SIZE(branches) && result != NULL; i++) {
        PyObject *base = i < 0 ? Py_None : PyTuple_GET_ITEM(PyList_GET_ITEM(branches, i), 0);
        const plan_kinds *kinds = plan_kinds_of(plan, field, base, variable_values);
        if (kinds == NULL ? PyErr_Occurred() != NULL
                          : PyDict_SetItem(result, base, kinds->level) < 0) {
            Py_CLEAR(result);
        }
    }
    return result;
}

/* Whatever a field's objects may be, in the order of their types. */
static PyObject *
describe_branches(plan_root *plan, plan_field *field, PyObject *variable_values)
{
    const plan_type *named = plan_named_type(field->type);
    int result = 0;
    PyObject *branches = PyList_New(0);
    if (branches == NULL) {
        return NULL;
    }
    if (named->kind == TYPE_OBJECT) {
        result = add_branch(plan, field, named->object, variable_values, branches);
    }
    else if (named->kind == TYPE_ABSTRACT) {
        result = add_possible_branches(plan, field, named->type, variable_values, branches);
    }
    if (result < 0) {
        Py_CLEAR(branches);
    }
    return branches;
}

static PyObject *
describe_field(plan_root *plan, plan_field *field, PyObject *variable_values)
{
    const plan_resolver *resolver = field->resolver;
    PyObject *result = NULL;
    PyObject *own = plan_describe_resolver(resolver);
    PyObject *branches = own ? describe_branches(plan, field, variable_values) : NULL;
    PyObject *kinds =
        branches ? describe_kinds(plan, field, branches, variable_values) : NULL;
    if (kinds != NULL) {
        result = PyTuple_Pack(10, field->response_name, field->field_name, field->definition,
                              PyList_GET_ITEM(field->nodes, 0), own,
                              resolver->batch ? resolver->batch : Py_None, resolver->callable,
                              branches, kinds, field->leader ? Py_True : Py_False);
    }
    Py_XDECREF(own);
    Py_XDECREF(branches);
    Py_XDECREF(kinds);
    return result;
}

static PyObject *
describe_selection(plan_root *plan, plan_selection *selection, PyObject *variable_values)
{
    if (Py_EnterRecursiveCall(" while describing a plan")) {
        return NULL;
    }
    PyObject *fields = PyList_New(0);
    for (Py_ssize_t i = 0; i < selection->field_count && fields != NULL; i++) {
        PyObject *field = describe_field(plan, selection->fields[i], variable_values);
        if (field == NULL || PyList_Append(fields, field) < 0) {
            Py_CLEAR(fields);
        }
        Py_XDECREF(field);
    }
    Py_LeaveRecursiveCall();
    return fields;
}

PyObject *
plan_describe(plan_root *plan, PyObject *variable_values)
{
    if (!PyDict_Check(variable_values)) {
        PyErr_SetString(PyExc_TypeError, "describe() takes a dict of variables");
        return NULL;
    }
    return describe_selection(plan, plan->root, variable_values);
}
