/* Rows by key, and rows that answer a field: what rows.c hands to the other rooms. */
#ifndef GSC_ROWS_H
#define GSC_ROWS_H

#include "module.h"

/* The numbers are those of the constructor's `kind` argument. */
typedef enum {
    GROUP_LIST,      /* rows of a list */
    GROUP_ONE,       /* one row */
    GROUP_PAGE,      /* rows of a connection's page */
    GROUP_INSTANCES, /* rows of a connection's page that begin with an instance */
} group_kind;

typedef struct {
    PyObject_HEAD
    PyObject *origin;   /* owned: loading.Origin, from where the rows were loaded */
    PyObject *rows;     /* owned: list of rows; GROUP_ONE: the row */
    group_kind kind;
    Py_ssize_t start;   /* of a page: offset of its first node */
    Py_ssize_t total;   /* nodes of the whole connection, or -1; GROUP_ONE: rows that were found */
    int has_previous;
    int has_next;
    PyObject *object; /* owned: the response object of GROUP_ONE, if a place may have a copy of it;
                       * else NULL */
} row_group;

/* The columns of a row as a key: the value, or a tuple of `width` values; `column(i)` is
 * `indexes[i]`, or `first + i` without indexes. *nulls counts the columns that are NULL. */
PyObject *row_key(PyObject *row, PyObject *indexes, Py_ssize_t first, Py_ssize_t width,
                  Py_ssize_t *nulls);

/* New; the rows are a list, or the one row of GROUP_ONE. */
PyObject *rows_new_group(module_state *state, PyObject *origin, PyObject *rows, group_kind kind);

/* -1 with an exception where a value is no RowGroup, or NULL. */
int rows_check_group(const module_state *state, PyObject *value);

/* Give parents one answer: answers[position], or answers[id(parent)]. */
int rows_put_answers(PyObject *answers, PyObject *parents, PyObject *answer);

#endif
