/* Rows by key, and what becomes of them for each parent.
 *
 *     [row of a parent] --row_keys--> {key: [position]}, [position whose key is NULL]
 *     [row] --group_rows--> {key: [row]}, number of rows that belong to no key
 *     [row of a parent + row of its child] --split_rows--> [row of a parent], [row of a child]
 *     {key: [parent]}, {key: [row]} --give_rows--> a RowGroup for each parent
 *     {key: [parent]}, {key: [row]} --give_pages--> the RowGroup of a page for each parent
 *
 * Parents are positions in a list of answers, or instances, whose answers go by their id.
 *
 * Does: what runs once per row or per parent of a level that is loaded as rows.
 * Never: build or execute SQL, or make response objects.
 * Owns: the type RowGroup. It is not known to the collector: what it refers to never refers back.
 */
#include "rows.h"

#include <structmember.h>

#include "group.h"

/* Ints of positions that are kept at most: 128 KiB of them. */
#define POSITIONS_KEPT 4096

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

/* The int of a position. Each level of rows has the same first ones for each of its relationships,
 * so they are kept. */
static PyObject *
row_position(const module_state *state, Py_ssize_t index)
{
    if (index >= POSITIONS_KEPT) {
        return PyLong_FromSsize_t(index);
    }
    while (PyList_GET_SIZE(state->positions) <= index) {
        PyObject *next = PyLong_FromSsize_t(PyList_GET_SIZE(state->positions));
        int failed = next ? PyList_Append(state->positions, next) : -1;
        Py_XDECREF(next);
        if (failed) {
            return NULL;
        }
    }
    return Py_NewRef(PyList_GET_ITEM(state->positions, index));
}

PyDoc_STRVAR(row_keys_doc,
"row_keys($module, rows, indexes, /)\n--\n\n"
"Group rows by the columns `indexes`, a tuple of positions.\n\n"
"Returns ({key: [position of the row]}, [position of a row with a NULL in its key]). A key is the\n"
"value, or a tuple where there are several columns. Raises TypeError for a key without a hash.");

static PyObject *
row_keys(PyObject *module, PyObject *args)
{
    const module_state *state = PyModule_GetState(module);
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
        PyObject *position = key ? row_position(state, i) : NULL;
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
        PyObject *row = PyList_GET_ITEM(rows, i);
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

/* ---- answers ------------------------------------------------------------------------------- */

static PyObject *
new_group(module_state *state, PyObject *origin, PyObject *rows, group_kind kind)
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

static int
put_answers(PyObject *answers, PyObject *parents, PyObject *answer)
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
                         : new_group(state, origin, value, uselist ? GROUP_LIST : GROUP_ONE);
        }
        failed = answer ? put_answers(answers, parents, answer) : -1;
        Py_XDECREF(answer);
    }
    Py_XDECREF(nothing);
    return failed ? NULL : PyLong_FromSsize_t(surplus);
}

/* ---- pages --------------------------------------------------------------------------------- */

/* The arguments of a connection as pages.Page.arguments has them. */
typedef struct {
    Py_ssize_t first; /* or -1 */
    Py_ssize_t last;  /* or -1 */
    Py_ssize_t after; /* offset; -1 where it is not a cursor */
    int has_after;    /* the argument is not empty */
    Py_ssize_t before;
    int has_before; /* it is a cursor */
} page_arguments;

typedef struct {
    Py_ssize_t start;
    Py_ssize_t end;
    int has_previous;
    int has_next;
} page_bounds;

static int
parse_page(PyObject *arguments, page_arguments *self)
{
    return PyArg_ParseTuple(arguments, "nnnpnp:page", &self->first, &self->last, &self->after,
                            &self->has_after, &self->before, &self->has_before)
               ? 0
               : -1;
}

static Py_ssize_t
smaller(Py_ssize_t a, Py_ssize_t b)
{
    return a < b ? a : b;
}

/* graphql_relay's connection_from_array_slice over an array of `total` items. */
static page_bounds
bounds_of(const page_arguments *self, Py_ssize_t total)
{
    page_bounds bounds = {0, total, 0, 0};
    if (self->after >= 0 && self->after < total) {
        bounds.start = self->after + 1;
    }
    if (self->has_before && self->before >= 0 && self->before < total) {
        bounds.end = self->before;
    }
    if (self->first >= 0) {
        bounds.end = smaller(bounds.end, bounds.start + self->first);
    }
    if (self->last >= 0 && bounds.start < bounds.end - self->last) {
        bounds.start = bounds.end - self->last;
    }
    bounds.has_previous =
        self->last >= 0 && bounds.start > (self->has_after ? self->after + 1 : 0);
    bounds.has_next = self->first >= 0 && bounds.end < (self->has_before ? self->before : total);
    return bounds;
}

/* The same for rows that begin at the cursor and hold one more than the page where there is one,
 * without the total; *known is 0 where only the total tells: no row, and a cursor that may lie
 * beyond the end, which graphql_relay then ignores. */
static page_bounds
bounds_of_rows(const page_arguments *self, Py_ssize_t rows, int *known)
{
    page_bounds bounds = {self->after >= 0 ? self->after + 1 : 0, 0, 0, 0};
    Py_ssize_t count = self->first >= 0 ? smaller(rows, self->first) : rows;
    *known = rows > 0 || bounds.start == 0;
    bounds.end = bounds.start + count;
    bounds.has_next = self->first >= 0 &&
                      (self->has_before ? bounds.end < self->before : rows > self->first);
    return bounds;
}

PyDoc_STRVAR(page_bounds_doc,
"page_bounds($module, page, total, /)\n--\n\n"
"(start, end, has_previous, has_next) of a page of a connection with `total` nodes.");

static PyObject *
page_bounds_of(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *page;
    page_arguments arguments;
    Py_ssize_t total;
    if (!PyArg_ParseTuple(args, "O!n:page_bounds", &PyTuple_Type, &page, &total) ||
        parse_page(page, &arguments) < 0) {
        return NULL;
    }
    page_bounds bounds = bounds_of(&arguments, total);
    return Py_BuildValue("nnOO", bounds.start, bounds.end, bounds.has_previous ? Py_True : Py_False,
                         bounds.has_next ? Py_True : Py_False);
}

/* The value of a number column, or -1 with an exception. */
static Py_ssize_t
number_at(PyObject *row, Py_ssize_t index)
{
    PyObject *value = PySequence_GetItem(row, index);
    Py_ssize_t number = value ? PyNumber_AsSsize_t(value, PyExc_OverflowError) : -1;
    Py_XDECREF(value);
    return number;
}

/* The page that the rows of one key make; *known as for bounds_of_rows(). `counted` rows have
 * their number, from 1, and the total at columns `place` and `place + 1`. */
static PyObject *
make_page(module_state *state, PyObject *origin, const page_arguments *arguments, PyObject *rows,
          Py_ssize_t place, int counted, int kind, int *known)
{
    page_bounds bounds;
    PyObject *kept = NULL, *page = NULL;
    Py_ssize_t total = -1;
    *known = 1;
    if (!counted) {
        bounds = bounds_of_rows(arguments, PyList_GET_SIZE(rows), known);
        if (bounds.start == 0 && arguments->first < 0 && !arguments->has_before) {
            total = PyList_GET_SIZE(rows);
        }
        kept = *known ? PyList_GetSlice(rows, 0, bounds.end - bounds.start) : NULL;
    }
    else {
        total = PyList_GET_SIZE(rows) ? number_at(PyList_GET_ITEM(rows, 0), place + 1) : 0;
        kept = PyErr_Occurred() ? NULL : PyList_New(0);
        bounds = bounds_of(arguments, total);
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(rows) && kept != NULL; i++) {
            Py_ssize_t number = number_at(PyList_GET_ITEM(rows, i), place);
            if (PyErr_Occurred() ||
                (number > bounds.start && number <= bounds.end &&
                 PyList_Append(kept, PyList_GET_ITEM(rows, i)) < 0)) {
                Py_CLEAR(kept);
            }
        }
    }
    if (kept != NULL) {
        page = new_group(state, origin, kept, (group_kind)kind);
        Py_DECREF(kept);
    }
    if (page != NULL) {
        row_group *self = (row_group *)page;
        self->start = bounds.start;
        self->total = total;
        self->has_previous = bounds.has_previous;
        self->has_next = bounds.has_next;
    }
    return page;
}

/* Set a page's total from {key: number}, unless its rows told it. */
static int
set_total(PyObject *page, PyObject *totals, PyObject *key)
{
    row_group *self = (row_group *)page;
    if (self->total >= 0) {
        return 0;
    }
    PyObject *number = PyObject_GetItem(totals, key);
    if (number == NULL && PyErr_ExceptionMatches(PyExc_KeyError)) {
        PyErr_Clear();
        self->total = 0;
        return 0;
    }
    self->total = number ? PyNumber_AsSsize_t(number, PyExc_OverflowError) : -1;
    Py_XDECREF(number);
    return PyErr_Occurred() ? -1 : 0;
}

PyDoc_STRVAR(give_pages_doc,
"give_pages($module, answers, by_key, children, origin, page, place, counted, kind, totals, /)\n"
"--\n\n"
"Give every parent in `by_key` the RowGroup of its page, cut as graphql_relay cuts an array.\n\n"
"answers, children: as for give_rows(). page: Page.arguments. place: if `counted`, the column of a\n"
"row with its number, before the one with the total. kind: of RowGroup.\n"
"totals: {key: number of children} where they are asked for, else None.\n"
"Returns {key: parents} for the keys that only a counted statement can answer for.");

static PyObject *
give_pages(PyObject *module, PyObject *args)
{
    module_state *state = PyModule_GetState(module);
    PyObject *answers, *by_key, *children, *origin, *page, *key, *parents, *totals;
    Py_ssize_t position = 0, place;
    page_arguments arguments;
    int counted, kind;
    if (!PyArg_ParseTuple(args, "OO!O!OO!npiO:give_pages", &answers, &PyDict_Type, &by_key,
                          &PyDict_Type, &children, &origin, &PyTuple_Type, &page, &place,
                          &counted, &kind, &totals) ||
        parse_page(page, &arguments) < 0) {
        return NULL;
    }
    PyObject *unknown = PyDict_New();
    PyObject *nothing = PyList_New(0);
    int failed = unknown == NULL || nothing == NULL ? -1 : 0;
    while (!failed && PyDict_Next(by_key, &position, &key, &parents)) {
        PyObject *rows = PyDict_GetItemWithError(children, key);
        if (rows == NULL && PyErr_Occurred()) {
            failed = -1;
            break;
        }
        int known;
        PyObject *answer = make_page(state, origin, &arguments, rows ? rows : nothing, place,
                                     counted, kind, &known);
        if (answer != NULL && totals != Py_None && set_total(answer, totals, key) < 0) {
            failed = -1;
            Py_DECREF(answer);
            break;
        }
        if (answer != NULL) {
            failed = put_answers(answers, parents, answer);
            Py_DECREF(answer);
        }
        else {
            failed = known ? -1 : PyDict_SetItem(unknown, key, parents);
        }
    }
    Py_XDECREF(nothing);
    if (failed) {
        Py_CLEAR(unknown);
    }
    return unknown;
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
                                     &kind, &start, &total, &has_previous, &has_next)) {
        return NULL;
    }
    if (kind < GROUP_LIST || kind > GROUP_INSTANCES ||
        (kind != GROUP_ONE && !PyList_CheckExact(rows))) {
        PyErr_SetString(PyExc_ValueError, "a RowGroup holds one row or a list");
        return NULL;
    }
    row_group *self = (row_group *)new_group(state_of_type(type), origin, rows, (group_kind)kind);
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
    {"rows", T_OBJECT_EX, offsetof(row_group, rows), 0, "The rows, or the one row."},
    {"kind", T_INT, offsetof(row_group, kind), 0, "0 list, 1 one, 2 page, 3 page of instances."},
    {"start", T_PYSSIZET, offsetof(row_group, start), READONLY, "Offset of a page's first node."},
    {"total", T_PYSSIZET, offsetof(row_group, total), 0, "Nodes of the connection, or -1."},
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
    {"row_keys", row_keys, METH_VARARGS, row_keys_doc},
    {"group_rows", group_rows, METH_VARARGS, group_rows_doc},
    {"split_rows", split_rows, METH_VARARGS, split_rows_doc},
    {"give_rows", give_rows, METH_VARARGS, give_rows_doc},
    {"give_pages", give_pages, METH_VARARGS, give_pages_doc},
    {"page_bounds", page_bounds_of, METH_VARARGS, page_bounds_doc},
    {NULL, NULL, 0, NULL},
};

int
rows_add(PyObject *module, module_state *state)
{
    return PyModule_AddFunctions(module, rows_functions) < 0
               ? -1
               : module_add_type(module, &state->RowGroup, &group_spec);
}
