/* Levels: how the objects of a selection are loaded, by rows or as instances.
 *
 * Does: describe a selection to levels.plan_level() in Python, once, and put what it answers on the
 *     nodes of the plan, so that assemble.c reads plain C.
 * Never: decide; levels.py does.
 * Owns: the Level of each selection, through the plan.
 */
#include "plan.h"

/* Names of resolver_kind for levels.py, in its order. */
static const char *const kind_names[] = {
    "python",  "python",   "attribute", "attribute",    "primary key",
    "typename", "global id", "relationship", "connection",
};

PyObject *
plan_describe_resolver(const plan_resolver *self)
{
    return Py_BuildValue("sO", kind_names[self->kind], self->key ? self->key : Py_None);
}

const plan_type *
plan_named_type(const plan_type *type)
{
    while (type->inner != NULL) {
        type = type->inner;
    }
    return type;
}

/* Append the attributes that a field reads. */
static int
append_names(module_state *state, const plan_field *field, PyObject *names)
{
    const plan_resolver *resolver = field->resolver->inner ? field->resolver->inner
                                                           : field->resolver;
    if (resolver->kind == RESOLVE_ATTRIBUTE || resolver->kind == RESOLVE_DICT_OR_ATTR) {
        return PyList_Append(names, resolver->key);
    }
    if (resolver->batch == NULL) {
        return 0;
    }
    PyObject *function = late_start_names(state);
    PyObject *more = function ? PyObject_CallOneArg(function, resolver->batch) : NULL;
    int result = more ? PyList_SetSlice(names, PY_SSIZE_T_MAX, PY_SSIZE_T_MAX, more) : -1;
    Py_XDECREF(more);
    return result;
}

PyObject *
plan_attribute_names(module_state *state, plan_selection *self)
{
    if (self->names != NULL) {
        return self->names;
    }
    PyObject *names = PyList_New(0);
    for (Py_ssize_t i = 0; i < self->field_count && names != NULL; i++) {
        if (append_names(state, self->fields[i], names) < 0) {
            Py_CLEAR(names);
        }
    }
    PyObject *tuple = names ? PyList_AsTuple(names) : NULL;
    Py_XDECREF(names);
    if (self->names == NULL) {
        self->names = tuple;
    }
    else {
        Py_XDECREF(tuple); /* another thread was first */
    }
    return self->names;
}

PyObject *
plan_level_below(plan_root *plan, plan_field *field, PyObject *variable_values, int is_part)
{
    const plan_type *type = plan_named_type(field->type);
    plan_selection *selection = NULL;
    PyObject *level = NULL;
    if (type->kind == TYPE_ABSTRACT) {
        plan_kinds *kinds = plan_kinds_of(plan, field, Py_None, variable_values);
        level = kinds ? kinds->level : NULL;
    }
    else if (type->kind == TYPE_OBJECT) {
        selection = plan_selection_of(plan, field, type->object, variable_values);
        level = selection ? plan_level_of(plan, selection, variable_values, is_part) : NULL;
    }
    else {
        return Py_NewRef(Py_None);
    }
    if (level == NULL && exception_forgotten()) {
        level = Py_None;
    }
    return Py_XNewRef(level);
}

/* levels.FieldFacts of one field. */
static PyObject *
describe_field(plan_root *plan, plan_field *field, PyObject *variable_values, int is_connection,
               int is_part)
{
    const plan_resolver *resolver = field->resolver;
    PyObject *result = NULL;
    PyObject *below = Py_NewRef(Py_None);
    if (is_connection || is_part) {
        Py_SETREF(below, plan_level_below(plan, field, variable_values, is_connection));
    }
    PyObject *own = plan_describe_resolver(resolver);
    PyObject *inner =
        resolver->inner ? plan_describe_resolver(resolver->inner) : Py_NewRef(Py_None);
    if (below != NULL && own != NULL && inner != NULL) {
        result = PyTuple_Pack(7, field->field_name, field->response_name, own, inner,
                              resolver->batch ? resolver->batch : Py_None, resolver->callable,
                              below);
    }
    Py_XDECREF(below);
    Py_XDECREF(own);
    Py_XDECREF(inner);
    return result;
}

PyObject *
plan_describe_fields(plan_root *plan, plan_selection *self, PyObject *variable_values,
                     int is_connection, int is_part)
{
    PyObject *fields = PyList_New(0);
    for (Py_ssize_t i = 0; i < self->field_count && fields != NULL; i++) {
        PyObject *field =
            describe_field(plan, self->fields[i], variable_values, is_connection, is_part);
        if (field == NULL || PyList_Append(fields, field) < 0) {
            Py_CLEAR(fields);
        }
        Py_XDECREF(field);
    }
    return fields;
}

/* Put a source (row_kind, column or tuple of columns) on its field. */
static int
set_source(plan_field *field, PyObject *source)
{
    PyObject *columns;
    int kind;
    if (!PyArg_ParseTuple(source, "iO:source", &kind, &columns)) {
        return -1;
    }
    if (kind < ROW_NOTHING || kind > ROW_TOTAL) {
        PyErr_SetString(PyExc_ValueError, "unknown kind of source");
        return -1;
    }
    field->row = (row_kind)kind;
    field->column = -1;
    if (PyLong_CheckExact(columns)) {
        field->column = PyLong_AsSsize_t(columns);
    }
    else if (PyTuple_CheckExact(columns)) {
        Py_XSETREF(field->columns, Py_NewRef(columns));
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* Whether a leaf of the type is serialised in C when its value is of the usual type. */
static int
is_pure_leaf(const plan_type *type)
{
    const plan_type *leaf = type->kind == TYPE_NON_NULL ? type->inner : type;
    return leaf->kind == TYPE_LEAF && leaf->leaf != LEAF_OTHER && leaf->leaf != LEAF_UUID &&
           leaf->leaf != LEAF_ENUM;
}

/* Whether the objects below a part of a connection are built without Python code. */
static int
is_pure_below(const plan_field *field)
{
    for (const plan_kinds *kinds = field->kinds; kinds != NULL; kinds = kinds->next) {
        if (!kinds->is_pure) {
            return 0;
        }
    }
    for (Py_ssize_t i = 0; i < field->branch_count; i++) {
        if (!field->branches[i].selection->is_pure) {
            return 0;
        }
    }
    return field->kinds != NULL || field->branch_count > 0;
}

/* Note what is true of all fields. */
static void
summarize(plan_selection *self)
{
    self->is_flat = 1;
    self->is_pure = 1;
    for (Py_ssize_t i = 0; i < self->field_count; i++) {
        const plan_field *field = self->fields[i];
        if (field->row == ROW_RELATION) {
            self->is_flat = 0;
            self->is_pure &= field->arguments_use == ARGUMENTS_NONE;
        }
        else if (field->row == ROW_VALUE || field->row == ROW_GLOBAL_ID) {
            int is_leaf = is_pure_leaf(field->type);
            self->is_flat &= plan_named_type(field->type) == field->type || is_leaf;
            self->is_pure &= is_leaf;
        }
        else if (field->row == ROW_EDGES || field->row == ROW_NODE || field->row == ROW_PAGE_INFO) {
            self->is_flat = 0;
            self->is_pure &= is_pure_below(field);
        }
    }
}

int
plan_set_sources(plan_selection *self, PyObject *sources, Py_ssize_t width)
{
    if (!PyTuple_CheckExact(sources) || PyTuple_GET_SIZE(sources) != self->field_count) {
        PyErr_SetString(PyExc_ValueError, "a level needs one source for each field");
        return -1;
    }
    for (Py_ssize_t i = 0; i < self->field_count; i++) {
        if (set_source(self->fields[i], PyTuple_GET_ITEM(sources, i)) < 0) {
            return -1;
        }
    }
    self->row_width = width;
    summarize(self);
    self->by_rows = 1;
    return 0;
}

/* Read what the level says into the selection. */
static int
set_sources(plan_root *plan, plan_selection *self, PyObject *level)
{
    module_state *state = plan->state;
    int result = -1;
    PyObject *width = NULL, *sources = NULL;
    PyObject *by_rows = PyObject_GetAttr(level, state->str_by_rows);
    int answer = by_rows ? PyObject_IsTrue(by_rows) : -1;
    Py_XDECREF(by_rows);
    if (answer <= 0) {
        return answer;
    }
    sources = PyObject_GetAttr(level, state->str_sources);
    width = PyObject_GetAttr(level, state->str_width);
    Py_ssize_t count = sources && width ? PyLong_AsSsize_t(width) : -1;
    if (!PyErr_Occurred()) {
        result = plan_set_sources(self, sources, count);
    }
    Py_XDECREF(sources);
    Py_XDECREF(width);
    return result;
}

PyObject *
plan_level_of(plan_root *plan, plan_selection *self, PyObject *variable_values, int is_part)
{
    module_state *state = plan->state;
    if (self->level != NULL) {
        return self->level;
    }
    PyObject *is_connection = late_is_connection(state);
    PyObject *plan_level = late_plan_level(state);
    if (is_connection == NULL || plan_level == NULL) {
        return NULL;
    }
    PyObject *answer = PyObject_CallOneArg(is_connection, self->object->type);
    int connection = answer ? PyObject_IsTrue(answer) : -1;
    Py_XDECREF(answer);
    PyObject *fields = connection < 0 ? NULL
                                      : plan_describe_fields(plan, self, variable_values,
                                                             connection, is_part);
    PyObject *level = NULL;
    if (fields != NULL) {
        level = PyObject_CallFunctionObjArgs(plan_level, self->object->type, fields,
                                             plan->options, is_part ? Py_True : Py_False, NULL);
        Py_DECREF(fields);
    }
    if (level != NULL && set_sources(plan, self, level) < 0) {
        Py_CLEAR(level);
    }
    if (level != NULL && self->level == NULL) {
        self->level = level;
    }
    else {
        Py_XDECREF(level); /* another thread was first */
    }
    return PyErr_Occurred() ? NULL : self->level;
}
