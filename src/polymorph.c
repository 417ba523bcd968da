/* Rows of several classes: the objects of an interface or a union.
 *
 *     field of abstract type --plan_kinds_of--> plan_kinds: Level, a selection for each type
 *     row --discriminator--> selection of its type
 *
 * Does: have the level of such a place planned, once; find the selection that a row is walked with.
 * Never: decide what the types are or what is selected; inheritance.py does.
 * Owns: the list of plan_kinds that hangs on a field.
 */
#include "execute.h"

#include "batch.h"

/* ---- relationships that several types inherit ------------------------------------------------ */

/* Whether two lists hold the same objects. */
static int
have_same_items(PyObject *one, PyObject *other)
{
    Py_ssize_t size = PyList_GET_SIZE(one);
    if (size != PyList_GET_SIZE(other)) {
        return 0;
    }
    for (Py_ssize_t i = 0; i < size; i++) {
        if (PyList_GET_ITEM(one, i) != PyList_GET_ITEM(other, i)) {
            return 0;
        }
    }
    return 1;
}

/* Whether a load for one field is a load for the other: one relationship, asked for in the same
 * nodes of the document, to be shown as the same type. */
static int
loads_the_same(const plan_field *one, const plan_field *other)
{
    const plan_resolver *resolver = one->resolver;
    return resolver->batch != NULL && other->resolver->batch != NULL &&
           resolver->kind == other->resolver->kind &&
           one->response_name == other->response_name && /* interned */
           have_same_items(one->nodes, other->nodes) &&
           plan_named_type(one->type)->type == plan_named_type(other->type)->type &&
           batch_loads_the_same(resolver->batch, other->resolver->batch) &&
           (resolver->kind == RESOLVE_BATCH ||
            connection_cuts_the_same(resolver->callable, other->resolver->callable));
}

static plan_field *
find_leader(const plan_selection *selection, const plan_field *field)
{
    for (Py_ssize_t i = 0; i < selection->field_count; i++) {
        plan_field *other = selection->fields[i];
        if (other != field && loads_the_same(other, field)) {
            return other->leader ? other->leader : other;
        }
    }
    return NULL;
}

static void
follow_kinds(const plan_kinds *kinds, plan_field *own)
{
    for (Py_ssize_t i = 0; i < kinds->branch_count && own->leader == NULL; i++) {
        own->leader = find_leader(kinds->branches[i], own);
    }
}

plan_selection *
plan_kind_selection(plan_root *plan, plan_field *field, plan_object *object,
                    const plan_kinds *others, PyObject *variable_values)
{
    plan_selection *self = plan_own_selection(plan, field, object, variable_values);
    for (Py_ssize_t i = 0; self != NULL && i < self->field_count; i++) {
        plan_field *own = self->fields[i];
        for (Py_ssize_t j = 0; j < field->branch_count && own->leader == NULL; j++) {
            own->leader = find_leader(field->branches[j].selection, own);
        }
        if (others != NULL) {
            follow_kinds(others, own);
        }
        for (const plan_kinds *kinds = field->kinds; kinds != NULL; kinds = kinds->next) {
            follow_kinds(kinds, own);
        }
    }
    return self;
}

/* ---- planning ------------------------------------------------------------------------------- */

/* Compile the selection of each type, and describe them: [(object type, [FieldFacts])]; new. */
static PyObject *
describe_branches(plan_root *plan, plan_field *field, plan_kinds *self, PyObject *types,
                  PyObject *variable_values)
{
    Py_ssize_t count = PyList_GET_SIZE(types);
    PyObject *result = PyList_New(0);
    self->branches = PyMem_Calloc(count ? (size_t)count : 1, sizeof(plan_selection *));
    if (self->branches == NULL) {
        PyErr_NoMemory();
        Py_CLEAR(result);
    }
    for (Py_ssize_t i = 0; i < count && result != NULL; i++) {
        PyObject *fields = NULL, *pair = NULL;
        plan_object *object = plan_object_of(plan, PyList_GET_ITEM(types, i));
        plan_selection *selection =
            object ? plan_kind_selection(plan, field, object, self, variable_values) : NULL;
        if (selection != NULL) {
            self->branches[self->branch_count++] = selection;
            fields = plan_describe_fields(plan, selection, variable_values, 0, 0);
        }
        pair = fields ? PyTuple_Pack(2, object->type, fields) : NULL;
        if (pair == NULL || PyList_Append(result, pair) < 0) {
            Py_CLEAR(result);
        }
        Py_XDECREF(fields);
        Py_XDECREF(pair);
    }
    return result;
}

/* Whether a discriminator is hashed and compared without Python code. */
static int
are_plain_keys(PyObject *dict)
{
    PyObject *key;
    Py_ssize_t position = 0;
    while (PyDict_Next(dict, &position, &key, NULL)) {
        if (!PyUnicode_CheckExact(key) && !PyLong_CheckExact(key)) {
            return 0;
        }
    }
    return 1;
}

/* Read what the level says into the selections. */
static int
read_level(plan_root *plan, plan_kinds *self)
{
    module_state *state = plan->state;
    int result = -1;
    PyObject *sources = NULL, *width = NULL, *by_identity = NULL;
    PyObject *kinds = PyObject_GetAttr(self->level, state->str_kinds);
    if (kinds == NULL || kinds == Py_None) {
        Py_XDECREF(kinds);
        return kinds == NULL ? -1 : 0;
    }
    sources = PyObject_GetAttr(kinds, state->str_sources);
    by_identity = sources ? PyObject_GetAttr(kinds, state->str_by_identity) : NULL;
    width = by_identity ? PyObject_GetAttr(self->level, state->str_width) : NULL;
    Py_ssize_t count = width ? PyLong_AsSsize_t(width) : -1;
    if (PyErr_Occurred()) {
        goto done;
    }
    if (!PyDict_CheckExact(by_identity) || !PyTuple_CheckExact(sources) ||
        PyTuple_GET_SIZE(sources) != self->branch_count) {
        PyErr_SetString(PyExc_ValueError, "a level needs the sources of each type");
        goto done;
    }
    self->is_pure = are_plain_keys(by_identity);
    for (Py_ssize_t i = 0; i < self->branch_count; i++) {
        plan_selection *branch = self->branches[i];
        if (plan_set_sources(branch, PyTuple_GET_ITEM(sources, i), count) < 0) {
            goto done;
        }
        branch->level = Py_NewRef(self->level);
        self->is_pure &= branch->is_pure;
    }
    self->by_identity = Py_NewRef(by_identity);
    result = 0;
done:
    Py_DECREF(kinds);
    Py_XDECREF(sources);
    Py_XDECREF(by_identity);
    Py_XDECREF(width);
    return result;
}

static plan_kinds *
make_kinds(plan_root *plan, plan_field *field, PyObject *base, PyObject *types,
           PyObject *variable_values)
{
    PyObject *abstract = plan_named_type(field->type)->type;
    PyObject *function = late_plan_kinds(plan->state);
    plan_kinds *self = function ? PyMem_Calloc(1, sizeof(plan_kinds)) : NULL;
    if (self == NULL) {
        return function ? (plan_kinds *)PyErr_NoMemory() : NULL;
    }
    self->base = Py_NewRef(base);
    PyObject *selections = describe_branches(plan, field, self, types, variable_values);
    if (selections != NULL) {
        self->level = PyObject_CallFunctionObjArgs(function, plan->schema, abstract, base,
                                                   selections, plan->options, NULL);
        Py_DECREF(selections);
    }
    if (self->level == NULL || read_level(plan, self) < 0) {
        plan_free_kinds(self);
        return NULL;
    }
    return self;
}

/* That objects asked for by a type are of no other: its own level serves. */
static plan_kinds *
make_single(PyObject *base)
{
    plan_kinds *self = PyMem_Calloc(1, sizeof(plan_kinds));
    if (self == NULL) {
        return (plan_kinds *)PyErr_NoMemory();
    }
    self->base = Py_NewRef(base);
    return self;
}

plan_kinds *
plan_kinds_of(plan_root *plan, plan_field *field, PyObject *base, PyObject *variable_values)
{
    for (plan_kinds *kinds = field->kinds; kinds != NULL; kinds = kinds->next) {
        if (kinds->base == base) {
            return kinds->level ? kinds : NULL;
        }
    }
    PyObject *abstract = plan_named_type(field->type)->type;
    PyObject *function = late_kinds_of(plan->state);
    PyObject *types = function ? PyObject_CallFunctionObjArgs(function, plan->schema, abstract,
                                                              base, NULL)
                               : NULL;
    if (types == NULL) {
        return NULL;
    }
    plan_kinds *self = base == Py_None || PyList_GET_SIZE(types) > 1
                           ? make_kinds(plan, field, base, types, variable_values)
                           : make_single(base);
    Py_DECREF(types);
    if (self == NULL) {
        return NULL;
    }
    self->next = field->kinds;
    field->kinds = self;
    return self->level ? self : NULL;
}

const plan_kinds *
plan_kinds_with(const plan_field *field, PyObject *level)
{
    const plan_kinds *kinds = field->kinds;
    while (kinds != NULL && kinds->level != level) {
        kinds = kinds->next;
    }
    return kinds;
}

int
plan_visit_kinds(const plan_kinds *self, visitproc visit, void *arg)
{
    for (; self != NULL; self = self->next) {
        Py_VISIT(self->base);
        Py_VISIT(self->level);
        Py_VISIT(self->by_identity);
    }
    return 0;
}

void
plan_free_kinds(plan_kinds *self)
{
    while (self != NULL) {
        plan_kinds *next = self->next;
        Py_XDECREF(self->base);
        Py_XDECREF(self->level);
        Py_XDECREF(self->by_identity);
        PyMem_Free(self->branches);
        PyMem_Free(self);
        self = next;
    }
}

/* ---- rows ----------------------------------------------------------------------------------- */

/* Raise for a class that has no type: in graphql-core's words for an object that has none. */
static void
raise_without_type(run_state *run, frame_node *position)
{
    PyObject *abstract = plan_named_type(position->field->type)->type;
    PyObject *info = frame_info(run, position);
    PyObject *found = info ? PyObject_CallMethodObjArgs(
                                 run->context, run->state->str_ensure_valid_runtime_type, Py_None,
                                 abstract, position->field->nodes, info, Py_None, NULL)
                           : NULL;
    if (found != NULL) {
        PyErr_SetString(PyExc_SystemError, "None is the name of a type");
        Py_DECREF(found);
    }
}

plan_selection *
kinds_select(run_state *run, const plan_kinds *kinds, PyObject *row, frame_node *position)
{
    plan_selection *selection = NULL;
    if (!PyTuple_CheckExact(row) || PyTuple_GET_SIZE(row) == 0) {
        PyErr_SetString(PyExc_ValueError, "a row has no discriminator");
        return NULL;
    }
    PyObject *identity = Py_NewRef(PyTuple_GET_ITEM(row, 0));
    PyObject *index = PyDict_GetItemWithError(kinds->by_identity, identity);
    if (index != NULL && index != Py_None) {
        selection = kinds->branches[PyLong_AsSsize_t(index)];
    }
    else if (!PyErr_Occurred()) {
        collector_resume(run->state);
        PyObject *refuse = late_refuse_identity(run->state);
        if (index != NULL) {
            raise_without_type(run, position);
        }
        else if (refuse != NULL) {
            Py_XDECREF(PyObject_CallOneArg(refuse, identity));
        }
    }
    Py_DECREF(identity);
    return selection;
}
