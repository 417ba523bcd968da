/* Serialising leaf values: what leaf.c shares. */
#ifndef GSC_LEAF_H
#define GSC_LEAF_H

#include "module.h"

typedef enum {
    LEAF_OTHER, /* by its `serialize` */
    LEAF_INT,
    LEAF_FLOAT,
    LEAF_STRING,
    LEAF_BOOLEAN,
    LEAF_ID,
    LEAF_BIG_INT,
    LEAF_DATE,
    LEAF_DATETIME,
    LEAF_TIME,
    LEAF_DECIMAL,
    LEAF_UUID,
    LEAF_ENUM,
} leaf_kind;

/* Which kind a scalar is, told by its serializer. */
leaf_kind leaf_classify(const module_state *state, PyObject *serialize);

/* The serialised value as `complete_leaf_value` of graphql-core returns it, or NULL with its
 * exception. `memo` is the table of an enum (value -> name), else NULL. */
PyObject *leaf_serialize(module_state *state, leaf_kind kind, PyObject *type,
                         PyObject *serialize, PyObject *memo, PyObject *value);

/* base64("type_name:id") as `graphql_relay.to_global_id` makes it; NULL without an exception when
 * `id` is not a plain str or int and so has to go through Python. */
PyObject *leaf_global_id(PyObject *type_name, PyObject *id);

/* The cursor of an offset as `graphql_relay.offset_to_cursor` makes it. */
PyObject *leaf_cursor(Py_ssize_t offset);

#endif
