/* The walk over rows: response objects straight from the columns that a level selected.
 *
 * Does: what execute.c does for instances, over the sources that level.c put on the fields; lists,
 *     connections, edges and page infos of row levels. A relationship of a row leaves a slot.
 * Never: load, or call a resolver: a level with anything else than columns and relationships is
 *     loaded as instances.
 * Owns: the containers it fills, until they are returned.
 */
#include "execute.h"

#include "rows.h"

/* A row, or the page that it is in. */
typedef struct {
    PyObject *row;    /* borrowed: the group's, a tuple; NULL for a connection and its page info */
    row_group *group; /* borrowed: the caller's */
    Py_ssize_t index; /* of an edge */
    int is_grouped;   /* its relationships are left for the whole list at once: leave_rows() */
} row_view;

static PyObject *walk_view(run_state *run, plan_selection *selection, row_view *view,
                           frame_node *owner);

/* What the objects of a group are. */
typedef struct {
    plan_selection *selection; /* borrowed: plan; NULL for objects of several types */
    const plan_kinds *kinds;   /* borrowed: plan; else NULL */
} row_shape;

/* The selection below a position for an object type, planned as rows; NULL with an exception. */
static plan_selection *
row_selection(run_state *run, frame_node *position, plan_object *object, int is_part)
{
    plan_selection *selection = plan_selection_of(run->plan, (plan_field *)position->field, object,
                                                  run->variable_values);
    if (selection == NULL ||
        plan_level_of(run->plan, selection, run->variable_values, is_part) == NULL) {
        return NULL;
    }
    if (!selection->by_rows) {
        PyErr_Format(PyExc_SystemError, "rows for %U, which is not loaded as rows", object->name);
        return NULL;
    }
    return selection;
}

/* ---- values of a row ------------------------------------------------------------------------ */

/* Several columns as upstream's resolve_id() shows a composite key: the text of their tuple. */
static PyObject *
tuple_text(const row_view *view, PyObject *columns)
{
    Py_ssize_t count = PyTuple_GET_SIZE(columns);
    PyObject *result = NULL;
    PyObject *values = PyTuple_New(count);
    for (Py_ssize_t i = 0; i < count && values != NULL; i++) {
        Py_ssize_t column = PyLong_AsSsize_t(PyTuple_GET_ITEM(columns, i));
        PyTuple_SET_ITEM(values, i, Py_NewRef(PyTuple_GET_ITEM(view->row, column)));
    }
    if (values != NULL) {
        result = PyObject_Str(values);
        Py_DECREF(values);
    }
    return result;
}

/* The value that a resolver would have given; NULL with an exception. */
static PyObject *
read_value(run_state *run, const plan_field *field, const row_view *view)
{
    PyObject *value = field->columns ? tuple_text(view, field->columns)
                                     : Py_NewRef(PyTuple_GET_ITEM(view->row, field->column));
    if (value != NULL && field->row == ROW_GLOBAL_ID) {
        Py_SETREF(value, resolve_id_as_global(run, field->resolver, value));
    }
    return value;
}

/* A page's first or last cursor, None for an empty page. */
static PyObject *
end_cursor(const row_group *group, row_kind kind)
{
    Py_ssize_t count = PyList_GET_SIZE(group->rows);
    if (count == 0) {
        return Py_NewRef(Py_None);
    }
    return leaf_cursor(group->start + (kind == ROW_END_CURSOR ? count - 1 : 0));
}

/* The completed value of a field that nothing can go wrong with but its serializer: NULL without
 * an exception where it takes more. */
static PyObject *
read_leaf(run_state *run, const plan_field *field, const row_view *view)
{
    const row_group *group = view->group;
    switch (field->row) {
    case ROW_TYPENAME:
        return Py_NewRef(field->resolver->key);
    case ROW_CURSOR:
        return leaf_cursor(group->start + view->index);
    case ROW_HAS_NEXT:
        return PyBool_FromLong(group->has_next);
    case ROW_HAS_PREVIOUS:
        return PyBool_FromLong(group->has_previous);
    case ROW_START_CURSOR:
    case ROW_END_CURSOR:
        return end_cursor(group, field->row);
    case ROW_TOTAL:
        return PyLong_FromSsize_t(group->total);
    case ROW_VALUE:
    case ROW_GLOBAL_ID:
        break;
    default:
        return NULL;
    }
    const plan_type *type = field->type;
    const plan_type *leaf = type->kind == TYPE_NON_NULL ? type->inner : type;
    if (leaf->kind != TYPE_LEAF || leaf->leaf == LEAF_OTHER) {
        return NULL;
    }
    PyObject *value = read_value(run, field, view);
    if (value == NULL || (value == Py_None && leaf == type)) {
        return value;
    }
    PyObject *result = NULL;
    if (value != Py_None) {
        result = leaf_serialize(run->state, leaf->leaf, leaf->type, leaf->function, leaf->memo,
                                value);
    }
    Py_DECREF(value);
    return result;
}

/* ---- relationships -------------------------------------------------------------------------- */

/* Leave the relationship of a row to be loaded with those of the whole level. */
static outcome
leave_relation(run_state *run, plan_field *field, const row_view *view, frame_node *position,
               PyObject **out)
{
    if (resolve_check_arguments(run, field) < 0 ||
        slot_leave_row(run, position, view->row, view->group->origin) < 0) {
        return FAILED;
    }
    *out = Py_NewRef(Py_None);
    return DEFERRED;
}

/* ---- objects -------------------------------------------------------------------------------- */

/* The response object of one row. */
static PyObject *
walk_row(run_state *run, plan_selection *selection, row_group *group, PyObject *row,
         Py_ssize_t index, int is_grouped, frame_node *owner)
{
    if (!PyTuple_CheckExact(row) || PyTuple_GET_SIZE(row) < selection->row_width) {
        PyErr_SetString(PyExc_ValueError, "a row has fewer columns than were selected");
        return NULL;
    }
    row_view view = {row, group, index, is_grouped};
    return walk_view(run, selection, &view, owner);
}

/* The object of a row of one type or of several. */
static PyObject *
walk_shape(run_state *run, const row_shape *shape, row_group *group, PyObject *row,
           Py_ssize_t index, int is_grouped, frame_node *owner)
{
    plan_selection *selection =
        shape->kinds ? kinds_select(run, shape->kinds, row, owner) : shape->selection;
    return selection ? walk_row(run, selection, group, row, index, is_grouped, owner) : NULL;
}

/* What the rows of a group are at a position; -1 with an exception. */
static int
find_shape(run_state *run, frame_node *position, const row_group *group, row_shape *shape)
{
    const plan_type *named = plan_named_type(position->type);
    plan_object *object = named->object;
    shape->selection = NULL;
    shape->kinds = NULL;
    if (named->kind == TYPE_ABSTRACT) {
        const plan_field *field = position->field->leader ? position->field->leader
                                                          : position->field;
        PyObject *level = PyObject_GetAttr(group->origin, run->state->str_level);
        shape->kinds = level ? plan_kinds_with(field, level) : NULL;
        PyObject *type = level && !shape->kinds
                             ? PyObject_GetAttr(level, run->state->str_object_type)
                             : NULL;
        object = type ? plan_object_of(run->plan, type) : NULL;
        Py_XDECREF(level);
        Py_XDECREF(type);
    }
    if (object != NULL) {
        shape->selection = row_selection(run, position, object, 0);
    }
    return shape->selection || shape->kinds ? 0 : -1;
}

/* The node of an edge: a row, or an instance where the nodes are loaded as such. */
static outcome
complete_node(run_state *run, const row_view *view, frame_node *position, PyObject **out)
{
    if (view->group->kind == GROUP_INSTANCES) {
        PyObject *instance = PySequence_GetItem(view->row, 0);
        outcome result =
            instance ? complete_resolved(run, position->type, instance, position, out) : FAILED;
        Py_XDECREF(instance);
        return result;
    }
    row_shape shape;
    *out = find_shape(run, position, view->group, &shape) < 0
               ? NULL
               : walk_shape(run, &shape, view->group, view->row, view->index, 0, position);
    return *out == NULL ? FAILED : DONE;
}

/* One edge, as an item of the list. */
static PyObject *
walk_edge(run_state *run, plan_selection *selection, row_group *group, PyObject *row,
          Py_ssize_t index, frame_node *position)
{
    row_view view = {row, group, index, 0};
    return walk_view(run, selection, &view, position);
}

static int
is_pure_shape(const row_shape *shape)
{
    return shape->kinds ? shape->kinds->is_pure : shape->selection->is_pure;
}

/* Whether the relationships of a list of rows may be left for all of them at once: 1, 0 or -1. Where
 * an argument is wrong, or coerced anew for each object, they are left one by one. */
static int
may_group(run_state *run, const plan_selection *selection)
{
    int relations = 0;
    for (Py_ssize_t i = 0; i < selection->field_count; i++) {
        plan_field *field = selection->fields[i];
        if (field->row != ROW_RELATION) {
            continue;
        }
        relations = 1;
        if (field->arguments_use == ARGUMENTS_PER_CALL) {
            return 0;
        }
        if (resolve_check_arguments(run, field) < 0) {
            if (!PyErr_ExceptionMatches(PyExc_Exception)) {
                return -1;
            }
            PyErr_Clear(); /* each object has the error of its own */
            return 0;
        }
    }
    return relations;
}

/* Leave the relationships of the objects in a list that has begun with `rows`. */
static int
leave_rows(run_state *run, const plan_selection *selection, const plan_type *type,
           const row_group *group, PyObject *rows, PyObject *list, frame_node *owner)
{
    int result = 0;
    for (Py_ssize_t i = 0; i < selection->field_count && result == 0; i++) {
        if (selection->fields[i]->row == ROW_RELATION) {
            result = slot_leave_rows(run, owner, type, selection->fields[i], list, rows,
                                     group->origin);
        }
    }
    return result;
}

/* The same for the `count` objects before one that fails the list, with its exception set: their
 * relationships would have been resolved before it, and their errors count. */
static void
leave_rows_of_failed(run_state *run, const plan_selection *selection, const plan_type *type,
                     const row_group *group, Py_ssize_t count, PyObject *list, frame_node *owner)
{
    PyObject *error = take_exception();
    PyObject *rows = PyList_GetSlice(group->rows, 0, count);
    if (rows != NULL && leave_rows(run, selection, type, group, rows, list, owner) == 0) {
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    }
    Py_XDECREF(rows);
    Py_DECREF(error);
}

/* The items of a list of rows: its objects, or the edges of a page. */
static PyObject *
walk_items(run_state *run, const row_shape *shape, const plan_type *type, row_group *group,
           int are_edges, frame_node *owner)
{
    Py_ssize_t mark = run->slots.size;
    Py_ssize_t count = PyList_GET_SIZE(group->rows);
    int is_grouped =
        are_edges || count < 2 || shape->kinds ? 0 : may_group(run, shape->selection);
    PyObject *list = is_grouped < 0 ? NULL : PyList_New(count);
    /* A list that is not full yet is nobody's but ours. */
    for (Py_ssize_t i = 0; i < count && list != NULL; i++) {
        PyList_SET_ITEM(list, i, Py_NewRef(Py_None));
    }
    for (Py_ssize_t i = 0; i < count && list != NULL; i++) {
        frame_node position = {.parent = owner, .field = owner->field, .type = type,
                               .container = list, .index = i};
        PyObject *row = PyList_GET_ITEM(group->rows, i);
        PyObject *item = are_edges
                             ? walk_edge(run, shape->selection, group, row, i, &position)
                             : walk_shape(run, shape, group, row, i, is_grouped, &position);
        if (item == NULL && position_failed(run, &position) == 0) {
            item = Py_NewRef(Py_None);
        }
        frame_finish(&position);
        if (item == NULL || PyList_SetItem(list, i, item) < 0) {
            if (is_grouped && i > 0) {
                leave_rows_of_failed(run, shape->selection, type, group, i, list, owner);
            }
            slots_forget(run, mark);
            Py_CLEAR(list);
        }
    }
    if (list != NULL && is_grouped &&
        leave_rows(run, shape->selection, type, group, group->rows, list, owner) < 0) {
        slots_forget(run, mark);
        Py_CLEAR(list);
    }
    return list;
}

/* What read_leaf() leaves: objects, lists, relationships, and leaves that may wait or be null. */
static outcome
complete_view(run_state *run, plan_field *field, row_view *view, frame_node *position,
              PyObject **out)
{
    plan_object *object = plan_named_type(field->type)->object;
    plan_selection *selection;
    PyObject *value;
    outcome result;
    switch (field->row) {
    case ROW_RELATION:
        return leave_relation(run, field, view, position, out);
    case ROW_NODE:
        return complete_node(run, view, position, out);
    case ROW_EDGES:
        selection = row_selection(run, position, object, 1);
        const plan_type *list = field->type->kind == TYPE_NON_NULL ? field->type->inner
                                                                   : field->type;
        *out = selection ? walk_items(run, &(row_shape){selection, NULL}, list->inner, view->group,
                                      1, position)
                         : NULL;
        return *out == NULL ? FAILED : DONE;
    case ROW_PAGE_INFO:
        selection = row_selection(run, position, object, 1);
        *out = selection ? walk_view(run, selection, view, position) : NULL;
        return *out == NULL ? FAILED : DONE;
    default:
        value = read_value(run, field, view);
        result = value ? complete_resolved(run, field->type, value, position, out) : FAILED;
        Py_XDECREF(value);
        return result;
    }
}

/* A field that read_leaf() did not complete, or failed to; NULL with an exception. */
static PyObject *
walk_view_field(run_state *run, plan_field *field, row_view *view, PyObject *container,
                frame_node *owner)
{
    frame_node position = {.parent = owner, .field = field, .type = field->type,
                           .container = container, .index = -1};
    PyObject *out = NULL;
    if (field->row == ROW_VALUE || field->row == ROW_GLOBAL_ID) {
        collector_resume(run->state); /* its serializer may be Python code */
    }
    outcome result = PyErr_Occurred() ? FAILED : complete_view(run, field, view, &position, &out);
    if (result == FAILED) {
        out = position_failed(run, &position) < 0 ? NULL : Py_NewRef(Py_None);
    }
    frame_finish(&position);
    return out;
}

/* Leave the relationships of an object before the field that fails it, with the exception of the
 * field set: they would have been resolved before it, and their errors count. */
static void
leave_relations_of_failed(run_state *run, const plan_selection *selection, Py_ssize_t failed,
                          const row_view *view, PyObject *container, frame_node *owner)
{
    int result = 0;
    PyObject *error = take_exception();
    for (Py_ssize_t i = 0; i < failed && result == 0; i++) {
        const plan_field *field = selection->fields[i];
        if (field->row == ROW_RELATION) {
            frame_node position = {.parent = owner, .field = field, .type = field->type,
                                   .container = container, .index = -1};
            result = slot_leave_row(run, &position, view->row, view->group->origin);
            frame_finish(&position);
        }
    }
    if (result == 0) {
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    }
    Py_DECREF(error);
}

/* The response object of a selection, from a row or a page. */
static PyObject *
walk_view(run_state *run, plan_selection *selection, row_view *view, frame_node *owner)
{
    Py_ssize_t mark = run->slots.size;
    PyObject *result = run_count_object(run) < 0 ? NULL : PyDict_Copy(selection->template_);
    for (Py_ssize_t i = 0; i < selection->field_count && result != NULL; i++) {
        plan_field *field = selection->fields[i];
        if (view->is_grouped && field->row == ROW_RELATION) {
            continue;
        }
        PyObject *value = read_leaf(run, field, view);
        if (value == NULL) {
            value = walk_view_field(run, field, view, result, owner);
        }
        int failed = value == NULL || PyDict_SetItem(result, field->response_name, value) < 0;
        Py_XDECREF(value);
        if (failed) {
            if (view->is_grouped) {
                leave_relations_of_failed(run, selection, i, view, result, owner);
            }
            slots_forget(run, mark);
            Py_CLEAR(result);
        }
    }
    return result;
}

/* The object of a to-one relationship, which many parents may share. Where nothing but leaves is in
 * it and all of them went well, it is kept: settle_known() in slots.c gives the other places a copy,
 * or the one object if nobody can change it. */
static PyObject *
walk_one(run_state *run, const row_shape *shape, row_group *group, frame_node *position)
{
    PyObject *events = run->events;
    plan_selection *selection =
        shape->kinds ? kinds_select(run, shape->kinds, group->rows, position) : shape->selection;
    if (selection == NULL) {
        return NULL;
    }
    Py_ssize_t errors = events ? PyList_GET_SIZE(events) : 0;
    PyObject *result = walk_row(run, selection, group, group->rows, 0, 0, position);
    if (result != NULL && selection->is_flat && group->object == NULL && run->events == events &&
        (events == NULL || PyList_GET_SIZE(events) == errors)) {
        group->object = run->shares_objects ? Py_NewRef(result) : PyDict_Copy(result);
        if (group->object == NULL) {
            Py_CLEAR(result);
        }
    }
    return result;
}

/* ---- positions ------------------------------------------------------------------------------ */

outcome
complete_group(run_state *run, const plan_type *type, PyObject *value, frame_node *position,
               PyObject **out)
{
    row_group *group = (row_group *)value;
    row_shape shape;
    *out = NULL;
    if (find_shape(run, position, group, &shape) < 0) {
        return FAILED;
    }
    if (!is_pure_shape(&shape)) {
        collector_resume(run->state);
    }
    if (type->kind == TYPE_LIST && group->kind == GROUP_LIST) {
        *out = walk_items(run, &shape, type->inner, group, 0, position);
    }
    else if (type->kind != TYPE_LIST && group->kind == GROUP_ONE) {
        *out = walk_one(run, &shape, group, position);
    }
    else if (type->kind != TYPE_LIST && group->kind != GROUP_LIST && shape.selection != NULL) {
        row_view view = {NULL, group, -1, 0};
        *out = walk_view(run, shape.selection, &view, position);
    }
    else {
        PyErr_SetString(PyExc_SystemError, "rows of another shape than the field");
    }
    return *out == NULL ? FAILED : DONE;
}
