/* Pages of connections: where they begin and end, and what of a parent's rows is in them.
 *
 *     {key: RowGroup} --cut_groups--> the same, cut to their pages
 *     {key: [parent]}, {key: [row]} --give_pages--> the RowGroup of a page for each parent
 *
 * Does: graphql_relay's arithmetic of an array, over rows that a statement has cut already.
 * Never: build or execute SQL; pagination.py and page_statements.py do.
 * Owns: nothing.
 */
#include "rows.h"

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

static void
set_bounds(row_group *self, const page_bounds *bounds)
{
    self->start = bounds->start;
    self->has_previous = bounds->has_previous;
    self->has_next = bounds->has_next;
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

/* Cut a group to the page that all of its rows make, which are nobody else's; *known as for
 * bounds_of_rows(). */
static int
cut_rows(row_group *self, const page_arguments *arguments, int *known)
{
    Py_ssize_t count = PyList_GET_SIZE(self->rows);
    page_bounds bounds = bounds_of_rows(arguments, count, known);
    if (!*known) {
        return 0;
    }
    if (bounds.start == 0 && arguments->first < 0 && !arguments->has_before) {
        self->total = count;
    }
    set_bounds(self, &bounds);
    Py_ssize_t shown = bounds.end - bounds.start;
    return shown < count ? PyList_SetSlice(self->rows, shown, count, NULL) : 0;
}

/* Cut a group to its page by the number of each row, from 1, and the total, which are at columns
 * `place` and `place + 1`. */
static int
cut_counted(row_group *self, const page_arguments *arguments, Py_ssize_t place)
{
    PyObject *rows = self->rows;
    Py_ssize_t total = PyList_GET_SIZE(rows) ? number_at(PyList_GET_ITEM(rows, 0), place + 1) : 0;
    PyObject *kept = PyErr_Occurred() ? NULL : PyList_New(0);
    page_bounds bounds = bounds_of(arguments, total);
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(rows) && kept != NULL; i++) {
        Py_ssize_t number = number_at(PyList_GET_ITEM(rows, i), place);
        if (PyErr_Occurred() || (number > bounds.start && number <= bounds.end &&
                                 PyList_Append(kept, PyList_GET_ITEM(rows, i)) < 0)) {
            Py_CLEAR(kept);
        }
    }
    if (kept == NULL) {
        return -1;
    }
    Py_SETREF(self->rows, kept);
    self->total = total;
    set_bounds(self, &bounds);
    return 0;
}

/* Set a page's total from {key: number}, unless its rows told it. */
static int
set_total(row_group *self, PyObject *totals, PyObject *key)
{
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

/* What give_pages() is asked for. */
typedef struct {
    module_state *state;
    PyObject *answers; /* borrowed: an argument, as the others */
    PyObject *origin;  /* borrowed: an argument */
    PyObject *totals;  /* borrowed: an argument */
    page_arguments arguments;
    Py_ssize_t place;
    int counted;
    int kind;
} page_request;

/* Give the parents of a key their page: 1 given, 0 where only the total tells it, or -1. */
static int
give_page(const page_request *self, PyObject *key, PyObject *parents, PyObject *rows)
{
    int known = 1;
    PyObject *page = rows_new_group(self->state, self->origin, rows, (group_kind)self->kind);
    row_group *group = (row_group *)page;
    int failed = page == NULL    ? -1
                 : self->counted ? cut_counted(group, &self->arguments, self->place)
                                 : cut_rows(group, &self->arguments, &known);
    if (!failed && known && self->totals != Py_None) {
        failed = set_total(group, self->totals, key);
    }
    if (!failed && known) {
        failed = rows_put_answers(self->answers, parents, page);
    }
    Py_XDECREF(page);
    return failed ? -1 : known;
}

PyDoc_STRVAR(give_pages_doc,
"give_pages($module, answers, by_key, children, origin, page, place, counted, kind, totals, /)\n"
"--\n\n"
"Give every parent in `by_key` the RowGroup of its page, cut as graphql_relay cuts an array.\n\n"
"answers, children: as for give_rows(); the lists of rows are cut in place. page: Page.arguments.\n"
"place: if `counted`, the column of a row with its number, before the one with the total.\n"
"kind: of RowGroup. totals: {key: number of children} where they are asked for, else None.\n"
"Returns {key: parents} for the keys that only a counted statement can answer for.");

static PyObject *
give_pages(PyObject *module, PyObject *args)
{
    page_request request = {.state = PyModule_GetState(module)};
    PyObject *by_key, *children, *page, *key, *parents;
    Py_ssize_t position = 0;
    if (!PyArg_ParseTuple(args, "OO!O!OO!npiO:give_pages", &request.answers, &PyDict_Type, &by_key,
                          &PyDict_Type, &children, &request.origin, &PyTuple_Type, &page,
                          &request.place, &request.counted, &request.kind, &request.totals) ||
        parse_page(page, &request.arguments) < 0) {
        return NULL;
    }
    PyObject *unknown = PyDict_New();
    PyObject *nothing = PyList_New(0);
    int failed = unknown == NULL || nothing == NULL ? -1 : 0;
    while (!failed && PyDict_Next(by_key, &position, &key, &parents)) {
        PyObject *rows = PyDict_GetItemWithError(children, key);
        int given = rows == NULL && PyErr_Occurred()
                        ? -1
                        : give_page(&request, key, parents, rows ? rows : nothing);
        failed = given < 0 ? -1 : given ? 0 : PyDict_SetItem(unknown, key, parents);
    }
    Py_XDECREF(nothing);
    if (failed) {
        Py_CLEAR(unknown);
    }
    return unknown;
}

PyDoc_STRVAR(cut_groups_doc,
"cut_groups($module, by_key, page, /)\n--\n\n"
"Cut each RowGroup in {key: RowGroup} to its page, in place. page: Page.arguments.\n\n"
"Returns False where one of them has a page that only its total tells.");

static PyObject *
cut_groups(PyObject *module, PyObject *args)
{
    const module_state *state = PyModule_GetState(module);
    PyObject *by_key, *page, *key, *value;
    Py_ssize_t position = 0;
    page_arguments arguments;
    int known = 1;
    if (!PyArg_ParseTuple(args, "O!O!:cut_groups", &PyDict_Type, &by_key, &PyTuple_Type, &page) ||
        parse_page(page, &arguments) < 0) {
        return NULL;
    }
    while (known && PyDict_Next(by_key, &position, &key, &value)) {
        row_group *group = (row_group *)value;
        if (rows_check_group(state, value) < 0) {
            return NULL;
        }
        if (!PyList_CheckExact(group->rows)) {
            PyErr_SetString(PyExc_TypeError, "the rows of a page must be a list");
            return NULL;
        }
        if (cut_rows(group, &arguments, &known) < 0) {
            return NULL;
        }
    }
    return PyBool_FromLong(known);
}

static PyMethodDef pages_functions[] = {
    {"cut_groups", cut_groups, METH_VARARGS, cut_groups_doc},
    {"give_pages", give_pages, METH_VARARGS, give_pages_doc},
    {"page_bounds", page_bounds_of, METH_VARARGS, page_bounds_doc},
    {NULL, NULL, 0, NULL},
};

int
pages_add(PyObject *module, module_state *Py_UNUSED(state))
{
    return PyModule_AddFunctions(module, pages_functions);
}
