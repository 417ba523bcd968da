/* What the rooms that read instances or group rows share: see group.c. */
#ifndef GSC_GROUP_H
#define GSC_GROUP_H

#include "module.h"

/* The `__dict__` of an instance. New reference; NULL with AttributeError where it has none. */
static inline PyObject *
group_instance_dict(PyObject *instance)
{
    return PyObject_GenericGetDict(instance, NULL);
}

/* Append `item` to the list at mapping[key], made when it is missing. Only a list that is shown to
 * somebody else can be part of a cycle; the collector, which would look at thousands of them again
 * and again, is not told of others. */
int group_append(PyObject *mapping, PyObject *key, PyObject *item, int is_shown);

#endif
