/* Rows by key, and what becomes of them for each parent.
 *
 * Where one statement answers for all parents:
 *
 *     [row of a parent] --key_groups--> {key: RowGroup}, the RowGroup of each parent, without rows
 *     {key: RowGroup}, [row] --fill_groups--> number of rows that belong to no key
 *
 * and where it takes several steps:
 *
 *     [row of a parent] --row_keys--> {key: [position]}, [position whose key is NULL]
 *     [row] --group_rows--> {key: [row]}, number of rows that belong to no key
 *     {key: [parent]}, {key: [row]} --give_rows--> a RowGroup for each parent
 *     [row of a parent + row of its child] --split_rows--> [row of a parent], [row of a child]
 *
 * Parents are positions in a list of answers, or instances, whose answers go by their id.
 *
 * Does: what runs once per row or per parent of a level that is loaded as rows.
 * Never: build or execute SQL, cut pages (pages.c), or make response objects.
 * Owns: the type RowGroup. It is not known to the collector: what it refers to never refers back.
 */
#include "rows.h"

#include <structmember.h>

#include "group.h"

PyDoc_STRVAR(row_tuples_doc,
"row_tuples($module, rows, /)\n--\n\n"
"The rows of a result as plain tuples, in place.\n\n"
"A tuple is read without calling anything, and the collector forgets it once it has seen it.");

static PyObject *
row_tuples(PyObject *Py_UNUSED(module), PyObject *rows)
{
    if (!PyList_CheckExact(rows)) {
        PyErr_SetString(PyExc_TypeError, "rows must be a list");
        return NULL;
    }
    /* All of a Row is the tuple that it is made of, which is not even copied. */
    PyObject *all = PySlice_New(NULL, NULL, NULL);
    int failed = all == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(rows) && !failed; i++) {
        PyObject *row = Py_NewRef(PyList_GET_ITEM(rows, i));
        PyObject *tuple = PyObject_GetItem(row, all);
        if (tuple != NULL && !PyTuple_CheckExact(tuple)) {
            Py_SETREF(tuple, PySequence_Tuple(tuple));
        }
        Py_DECREF(row);
        failed = tuple ? PyList_SetItem(rows, i, tuple) : -1;
    }
    Py_XDECREF(all);
    return failed ? NULL : Py_NewRef(rows);
}

/* ---- keys ---------------------------------------------------------------------------------- */

PyObject *
row_key(PyObject *row, PyObject *indexes, Py_ssize_t first, Py_ssize_t width, Py_ssize_t *nulls)
{
    PyObject *key = width == 1 ? NULL : PyTuple_New(width);
    *nulls = 0;
    if (width != 1 && key == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < width; i++) {
        Py_ssize_t index =
            indexes ? PyLong_AsSsize_t(PyTuple_GET_ITEM(indexes, i)) : first + i;
        PyObject *value = PyTuple_CheckExact(row) && index >= 0 && index < PyTuple_GET_SIZE(row)
                              ? Py_NewRef(PyTuple_GET_ITEM(row, index))
                              : PySequence_GetItem(row, index);
        if (value == NULL) {
            Py_XDECREF(key);
            return NULL;
        }
        *nulls += value == Py_None;
        if (width == 1) {
            return value;
        }
        PyTuple_SET_ITEM(key, i, value);
    }
    return key;
}

PyDoc_STRVAR(row_keys_doc,
"row_keys($module, rows, indexes, /)\n--\n\n"
"Group rows by the columns `indexes`, a tuple of positions.\n\n"
"Returns ({key: [position of the row]}, [position of a row with a NULL in its key]). A key is the\n"
"value, or a tuple where there are several columns. Raises TypeError for a key without a hash.");

static PyObject *
row_keys(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *rows, *indexes, *by_key, *empty, *result = NULL;
    if (!PyArg_ParseTuple(args, "O!O!:row_keys", &PyList_Type, &rows, &PyTuple_Type, &indexes)) {
        return NULL;
    }
    by_key = PyDict_New();
    empty = PyList_New(0);
    int failed = by_key == NULL || empty == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(rows) && !failed; i++) {
        Py_ssize_t nulls;
        PyObject *key =
            row_key(PyList_GET_ITEM(rows, i), indexes, 0, PyTuple_GET_SIZE(indexes), &nulls);
        PyObject *position = key ? PyLong_FromSsize_t(i) : NULL;
        failed = position == NULL ? -1
                 : nulls          ? PyList_Append(empty, position)
                                  : group_append(by_key, key, position, 0);
        Py_XDECREF(key);
        Py_XDECREF(position);
    }
    if (!failed) {
        result = PyTuple_Pack(2, by_key, empty);
    }
    Py_XDECREF(by_key);
    Py_XDECREF(empty);
    return result;
}

/* Whether the columns `unique` of a row were met before below this key; remembers them. */
static int
is_repeated(PyObject *seen, PyObject *key, PyObject *row, PyObject *unique)
{
    Py_ssize_t nulls;
    PyObject *own = row_key(row, unique, 0, PyTuple_GET_SIZE(unique), &nulls);
    PyObject *pair = own ? PyTuple_Pack(2, key, own) : NULL;
    int known = pair ? PySet_Contains(seen, pair) : -1;
    if (known == 0 && PySet_Add(seen, pair) < 0) {
        known = -1;
    }
    Py_XDECREF(own);
    Py_XDECREF(pair);
    return known;
}

PyDoc_STRVAR(group_rows_doc,
"group_rows($module, rows, by_key, first, width, unique, /)\n--\n\n"
"Group rows by their `width` key columns, which begin at column `first`.\n\n"
"unique: a tuple of columns that a row of a key must not repeat, or None.\n"
"Returns ({key: [row]}, number of rows whose key is not in `by_key`).");

static PyObject *
group_rows(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *rows, *by_key, *unique, *children, *seen, *result = NULL;
    Py_ssize_t first, width, stray = 0;
    if (!PyArg_ParseTuple(args, "O!O!nnO:group_rows", &PyList_Type, &rows, &PyDict_Type, &by_key,
                          &first, &width, &unique)) {
        return NULL;
    }
    children = PyDict_New();
    seen = PySet_New(NULL);
    int failed = children == NULL || seen == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(rows) && !failed; i++) {
        Py_ssize_t nulls;
        PyObject *row = Py_NewRef(PyList_GET_ITEM(rows, i));
        PyObject *key = row_key(row, NULL, first, width, &nulls);
        int known = key ? PyDict_Contains(by_key, key) : -1;
        int repeated = known > 0 && unique != Py_None ? is_repeated(seen, key, row, unique) : 0;
        /* Rows with an instance may come to be seen by a resolver. */
        int is_shown = !PyTuple_CheckExact(row);
        stray += known == 0;
        failed = known < 0 || repeated < 0 ? -1
                 : known == 0 || repeated  ? 0
                                           : group_append(children, key, row, is_shown);
        Py_XDECREF(key);
        Py_DECREF(row);
    }
    if (!failed) {
        result = Py_BuildValue("On", children, stray);
    }
    Py_XDECREF(children);
    Py_XDECREF(seen);
    return result;
}

/* Whether two rows agree in the columns `indexes`: 1, 0 or -1. */
static int
agree(PyObject *row, PyObject *other, PyObject *indexes)
{
    Py_ssize_t nulls, width = PyTuple_GET_SIZE(indexes);
    PyObject *key = row_key(row, indexes, 0, width, &nulls);
    PyObject *second = key ? row_key(other, indexes, 0, width, &nulls) : NULL;
    int result = second ? PyObject_RichCompareBool(key, second, Py_EQ) : -1;
    Py_XDECREF(key);
    Py_XDECREF(second);
    return result;
}

static int
append_columns(PyObject *list, PyObject *row, Py_ssize_t first, Py_ssize_t end)
{
    PyObject *columns = PySequence_GetSlice(row, first, end);
    int result = columns ? PyList_Append(list, columns) : -1;
    Py_XDECREF(columns);
    return result;
}

PyDoc_STRVAR(split_rows_doc,
"split_rows($module, rows, width, indexes, child, /)\n--\n\n"
"Take rows of parents joined with their children apart: ([row of a parent], [row of a child]).\n\n"
"width: columns of a parent; those of a child come after them.\n"
"indexes: the columns that tell parents apart. The rows of one follow each other.\n"
"child: the column that is NULL where a parent has no child.");

static PyObject *
split_rows(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *rows, *indexes, *parents, *children, *last = NULL, *result = NULL;
    Py_ssize_t width, child;
    if (!PyArg_ParseTuple(args, "O!nO!n:split_rows", &PyList_Type, &rows, &width, &PyTuple_Type,
                          &indexes, &child)) {
        return NULL;
    }
    parents = PyList_New(0);
    children = PyList_New(0);
    int failed = parents == NULL || children == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(rows) && !failed; i++) {
        PyObject *row = Py_NewRef(PyList_GET_ITEM(rows, i));
        PyObject *value = PySequence_GetItem(row, child);
        int known = value == NULL ? -1 : last ? agree(last, row, indexes) : 0;
        failed = known < 0 ? -1 : known ? 0 : append_columns(parents, row, 0, width);
        if (!failed && value != Py_None) {
            failed = append_columns(children, row, width, PY_SSIZE_T_MAX);
        }
        Py_XDECREF(value);
        Py_XSETREF(last, row);
    }
    Py_XDECREF(last);
    if (!failed) {
        result = PyTuple_Pack(2, parents, children);
    }
    Py_XDECREF(parents);
    Py_XDECREF(children);
    return result;
}

/* ---- groups -------------------------------------------------------------------------------- */

PyObject *
rows_new_group(module_state *state, PyObject *origin, PyObject *rows, group_kind kind)
{
    row_group *self = PyObject_New(row_group, state->RowGroup);
    if (self != NULL) {
        self->origin = Py_NewRef(origin);
        self->rows = Py_NewRef(rows);
        self->kind = kind;
        self->start = 0;
        self->total = -1;
        self->has_previous = 0;
        self->has_next = 0;
        self->object = NULL;
    }
    return (PyObject *)self;
}

static int
check_kind(int kind)
{
    if (kind < GROUP_LIST || kind > GROUP_INSTANCES) {
        PyErr_Format(PyExc_ValueError, "a RowGroup has no kind %d", kind);
        return -1;
    }
    return 0;
}

int
rows_check_group(const module_state *state, PyObject *value)
{
    if (value != NULL && Py_TYPE(value) == state->RowGroup) {
        return 0;
    }
    if (value != NULL) {
        PyErr_Format(PyExc_TypeError, "a RowGroup is wanted, not %.200s", Py_TYPE(value)->tp_name);
    }
    return -1;
}

/* The group of a key, made when it is missing: borrowed from `by_key`, or NULL. */
static PyObject *
group_of_key(module_state *state, PyObject *by_key, PyObject *key, PyObject *origin,
             group_kind kind)
{
    PyObject *group = PyDict_GetItemWithError(by_key, key);
    if (group != NULL || PyErr_Occurred()) {
        return group;
    }
    PyObject *rows = kind == GROUP_ONE ? Py_NewRef(Py_None) : PyList_New(0);
    if (rows != NULL && kind != GROUP_ONE) {
        PyObject_GC_UnTrack(rows); /* as group_append() does, for the same reason */
    }
    group = rows ? rows_new_group(state, origin, rows, kind) : NULL;
    Py_XDECREF(rows);
    if (group == NULL) {
        return NULL;
    }
    if (kind == GROUP_ONE) {
        ((row_group *)group)->total = 0;
    }
    int result = PyDict_SetItem(by_key, key, group);
    Py_DECREF(group);
    return result < 0 ? NULL : group;
}

PyDoc_STRVAR(key_groups_doc,
"key_groups($module, rows, indexes, origin, kind, /)\n--\n\n"
"The RowGroups that the rows of parents refer to by the columns `indexes`, a tuple of positions.\n\n"
"origin, kind: of the RowGroups, which have no rows yet.\n"
"Returns ({key: RowGroup}, [RowGroup of each parent]). To one, a parent with a NULL in its key has\n"
"None; of a list, None is returned for all. Raises TypeError for a key without a hash.");

static PyObject *
key_groups(PyObject *module, PyObject *args)
{
    module_state *state = PyModule_GetState(module);
    PyObject *rows, *indexes, *origin, *result = NULL;
    int kind, is_known = 1;
    if (!PyArg_ParseTuple(args, "O!O!Oi:key_groups", &PyList_Type, &rows, &PyTuple_Type, &indexes,
                          &origin, &kind) ||
        check_kind(kind) < 0) {
        return NULL;
    }
    PyObject *by_key = PyDict_New();
    PyObject *answers = PyList_New(0);
    int failed = by_key == NULL || answers == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(rows) && !failed && is_known; i++) {
        Py_ssize_t nulls;
        PyObject *key =
            row_key(PyList_GET_ITEM(rows, i), indexes, 0, PyTuple_GET_SIZE(indexes), &nulls);
        PyObject *group = key == NULL ? NULL
                          : nulls     ? Py_None
                                      : group_of_key(state, by_key, key, origin, (group_kind)kind);
        Py_XDECREF(key);
        failed = group ? PyList_Append(answers, group) : -1;
        is_known = kind == GROUP_ONE || group != Py_None;
    }
    if (!failed) {
        result = is_known ? PyTuple_Pack(2, by_key, answers) : Py_NewRef(Py_None);
    }
    Py_XDECREF(by_key);
    Py_XDECREF(answers);
    return result;
}

/* Put a row into its group. `total` counts the rows of GROUP_ONE, which keeps the first. */
static int
add_row(row_group *self, PyObject *row)
{
    if (self->kind != GROUP_ONE) {
        return PyList_Append(self->rows, row);
    }
    if (self->total++ == 0) {
        Py_SETREF(self->rows, Py_NewRef(row));
    }
    return 0;
}

/* Put rows into the groups of their keys; returns how many belong to none, or -1. */
static Py_ssize_t
add_rows(const module_state *state, PyObject *by_key, PyObject *rows, Py_ssize_t first,
         Py_ssize_t width)
{
    Py_ssize_t stray = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(rows); i++) {
        Py_ssize_t nulls;
        PyObject *row = Py_NewRef(PyList_GET_ITEM(rows, i));
        PyObject *key = row_key(row, NULL, first, width, &nulls);
        PyObject *group = key ? PyDict_GetItemWithError(by_key, key) : NULL;
        int is_stray = group == NULL && !PyErr_Occurred();
        int failed = !is_stray && (rows_check_group(state, group) < 0 ||
                                   add_row((row_group *)group, row) < 0);
        stray += is_stray;
        Py_XDECREF(key);
        Py_DECREF(row);
        if (failed) {
            return -1;
        }
    }
    return stray;
}

PyDoc_STRVAR(fill_groups_doc,
"fill_groups($module, answers, by_key, rows, first, width, /)\n--\n\n"
"Put rows into the RowGroups of their `width` key columns, which begin at column `first`.\n\n"
"answers, by_key: of key_groups(). To one, parents that get no row have None afterwards.\n"
"Returns (number of rows whose key is not in `by_key`, number of parents that a to-one relationship\n"
"gave more than one row).");

static PyObject *
fill_groups(PyObject *module, PyObject *args)
{
    const module_state *state = PyModule_GetState(module);
    PyObject *answers, *by_key, *rows;
    Py_ssize_t first, width, surplus = 0;
    if (!PyArg_ParseTuple(args, "O!O!O!nn:fill_groups", &PyList_Type, &answers, &PyDict_Type,
                          &by_key, &PyList_Type, &rows, &first, &width)) {
        return NULL;
    }
    Py_ssize_t stray = add_rows(state, by_key, rows, first, width);
    int failed = stray < 0 ? -1 : 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(answers) && !failed; i++) {
        const row_group *group = (row_group *)PyList_GET_ITEM(answers, i);
        if (Py_TYPE(group) != state->RowGroup || group->kind != GROUP_ONE) {
            continue;
        }
        surplus += group->total > 1;
        failed = group->total == 0 ? PyList_SetItem(answers, i, Py_NewRef(Py_None)) : 0;
    }
    return failed ? NULL : Py_BuildValue("nn", stray, surplus);
}

/* ---- answers ------------------------------------------------------------------------------- */

/* Give a parent its answer: answers[position], or answers[id(parent)]. */
static int
put_answer(PyObject *answers, PyObject *parent, PyObject *answer)
{
    if (PyList_CheckExact(answers)) {
        Py_ssize_t position = PyLong_AsSsize_t(parent);
        if (position == -1 && PyErr_Occurred()) {
            return -1;
        }
        return PyList_SetItem(answers, position, Py_NewRef(answer));
    }
    PyObject *id = PyLong_FromVoidPtr(parent);
    int result = id ? PyDict_SetItem(answers, id, answer) : -1;
    Py_XDECREF(id);
    return result;
}

int
rows_put_answers(PyObject *answers, PyObject *parents, PyObject *answer)
{
    int failed = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(parents) && !failed; i++) {
        failed = put_answer(answers, PyList_GET_ITEM(parents, i), answer);
    }
    return failed;
}

PyDoc_STRVAR(give_rows_doc,
"give_rows($module, answers, by_key, children, origin, uselist, /)\n--\n\n"
"Give every parent in `by_key` its rows as a RowGroup; without a row, an empty one or None.\n\n"
"answers: a list, for parents that are positions in it, or a dict by id(parent).\n"
"children: {key: [row]}, or {key: [instance]} with origin None: then lists or instances are given.\n"
"Returns the number of parents that a to-one relationship gave more than one row.");

static PyObject *
give_rows(PyObject *module, PyObject *args)
{
    module_state *state = PyModule_GetState(module);
    PyObject *answers, *by_key, *children, *origin, *key, *parents;
    Py_ssize_t position = 0, surplus = 0;
    int uselist;
    if (!PyArg_ParseTuple(args, "OO!O!Op:give_rows", &answers, &PyDict_Type, &by_key, &PyDict_Type,
                          &children, &origin, &uselist)) {
        return NULL;
    }
    PyObject *nothing = PyList_New(0);
    int failed = nothing == NULL ? -1 : 0;
    while (!failed && PyDict_Next(by_key, &position, &key, &parents)) {
        PyObject *rows = PyDict_GetItemWithError(children, key);
        PyObject *answer = NULL;
        if (rows == NULL && PyErr_Occurred()) {
            failed = -1;
            break;
        }
        if (!uselist && rows != NULL && PyList_GET_SIZE(rows) > 1) {
            surplus += PyList_GET_SIZE(parents);
        }
        if (!uselist && rows == NULL) {
            answer = Py_NewRef(Py_None);
        }
        else {
            PyObject *value = uselist ? (rows ? rows : nothing) : PyList_GET_ITEM(rows, 0);
            answer = origin == Py_None
                         ? Py_NewRef(value)
                         : rows_new_group(state, origin, value, uselist ? GROUP_LIST : GROUP_ONE);
        }
        failed = answer ? rows_put_answers(answers, parents, answer) : -1;
        Py_XDECREF(answer);
    }
    Py_XDECREF(nothing);
    return failed ? NULL : PyLong_FromSsize_t(surplus);
}

/* ---- RowGroup ------------------------------------------------------------------------------ */

static PyObject *
group_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"origin", "rows", "kind", "start", "total", "has_previous",
                               "has_next", NULL};
    PyObject *origin, *rows;
    Py_ssize_t start = 0, total = -1;
    int kind = GROUP_LIST, has_previous = 0, has_next = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|innpp:RowGroup", keywords, &origin, &rows,
                                     &kind, &start, &total, &has_previous, &has_next) ||
        check_kind(kind) < 0) {
        return NULL;
    }
    if (kind != GROUP_ONE && !PyList_CheckExact(rows)) {
        PyErr_SetString(PyExc_ValueError, "a RowGroup holds one row or a list");
        return NULL;
    }
    row_group *self =
        (row_group *)rows_new_group(state_of_type(type), origin, rows, (group_kind)kind);
    if (self != NULL) {
        self->start = start;
        self->total = total;
        self->has_previous = has_previous;
        self->has_next = has_next;
    }
    return (PyObject *)self;
}

static void
group_dealloc(row_group *self)
{
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(self->origin);
    Py_XDECREF(self->rows);
    Py_XDECREF(self->object);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyMemberDef group_members[] = {
    {"origin", T_OBJECT_EX, offsetof(row_group, origin), READONLY, "Where the rows are from."},
    {"rows", T_OBJECT_EX, offsetof(row_group, rows), READONLY, "The rows, or the one row."},
    {"kind", T_INT, offsetof(row_group, kind), READONLY,
     "0 list, 1 one, 2 page, 3 page of instances."},
    {"start", T_PYSSIZET, offsetof(row_group, start), READONLY, "Offset of a page's first node."},
    {"total", T_PYSSIZET, offsetof(row_group, total), READONLY,
     "Nodes of the connection, or -1; of one row, how many were found."},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(group_doc,
"RowGroup(origin, rows, kind=0, start=0, total=-1, has_previous=False, has_next=False)\n--\n\n"
"Rows that are the value of one field. kind: 0 list, 1 one row, 2 page, 3 page of instances.");

static PyType_Slot group_slots[] = {
    {Py_tp_doc, (void *)group_doc},
    {Py_tp_new, group_new},
    {Py_tp_dealloc, group_dealloc},
    {Py_tp_members, group_members},
    {0, NULL},
};

static PyType_Spec group_spec = {
    .name = "graphene_sqlalchemy_c._core.RowGroup",
    .basicsize = sizeof(row_group),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = group_slots,
};

static PyMethodDef rows_functions[] = {
    {"row_tuples", row_tuples, METH_O, row_tuples_doc},
    {"key_groups", key_groups, METH_VARARGS, key_groups_doc},
    {"fill_groups", fill_groups, METH_VARARGS, fill_groups_doc},
    {"row_keys", row_keys, METH_VARARGS, row_keys_doc},
    {"group_rows", group_rows, METH_VARARGS, group_rows_doc},
    {"split_rows", split_rows, METH_VARARGS, split_rows_doc},
    {"give_rows", give_rows, METH_VARARGS, give_rows_doc},
    {NULL, NULL, 0, NULL},
};

int
rows_add(PyObject *module, module_state *state)
{
    return PyModule_AddFunctions(module, rows_functions) < 0
               ? -1
               : module_add_type(module, &state->RowGroup, &group_spec);
}
