/* Recognising callables: resolvers and is_type_of predicates whose meaning is known.
 *
 * Does: tell, once per plan field, whether a resolver is one of graphql-core's, graphene's,
 *     graphene-sqlalchemy's or our own, by identity of the function, of its code object or of its
 *     type. A callable that is not one of these is called.
 * Never: recognise by name or by signature, nor anything that a subclass could have changed.
 * Owns: the plan_resolver that it returns, which the caller's field takes over.
 */
#include "plan.h"

static plan_resolver *
new_resolver(resolver_kind kind, PyObject *callable)
{
    plan_resolver *self = PyMem_Calloc(1, sizeof(plan_resolver));
    if (self == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    self->kind = kind;
    self->callable = Py_NewRef(callable);
    return self;
}

void
plan_free_resolver(plan_resolver *self)
{
    if (self == NULL) {
        return;
    }
    Py_XDECREF(self->callable);
    Py_XDECREF(self->key);
    Py_XDECREF(self->fallback);
    Py_XDECREF(self->batch);
    Py_XDECREF(self->seen_type);
    plan_free_resolver(self->inner);
    PyMem_Free(self);
}

int
plan_visit_resolver(plan_resolver *self, visitproc visit, void *arg)
{
    for (; self != NULL; self = self->inner) {
        Py_VISIT(self->callable);
        Py_VISIT(self->key);
        Py_VISIT(self->fallback);
        Py_VISIT(self->batch);
        Py_VISIT(self->seen_type);
    }
    return 0;
}

/* Make `self` read a name of the root; the name must be an exact str to be looked up as it is. */
static void
read_by_key(plan_resolver *self, resolver_kind kind, PyObject *key, PyObject *fallback)
{
    if (PyUnicode_CheckExact(key)) {
        self->kind = kind;
        Py_XSETREF(self->key, Py_NewRef(key));
        PyUnicode_InternInPlace(&self->key);
        Py_XSETREF(self->fallback, Py_NewRef(fallback));
    }
}

/* Whether an argument would clash with a parameter of the default resolver. */
static int
takes_argument(PyObject *arguments, const char *name)
{
    PyObject *text = PyUnicode_FromString(name);
    int result = -1;
    if (text != NULL) {
        result = PySequence_Contains(arguments, text);
        Py_DECREF(text);
    }
    return result;
}

static int
classify_default(plan_resolver *self, PyObject *field_name, PyObject *arguments)
{
    int clash = takes_argument(arguments, "source");
    clash = clash == 0 ? takes_argument(arguments, "info") : clash;
    if (clash == 0) {
        read_by_key(self, RESOLVE_DEFAULT, field_name, Py_None);
    }
    return clash < 0 ? -1 : 0;
}

static int
classify_global_id(plan_resolver *self, plan_root *plan, plan_object *parent,
                   PyObject *field_name, PyObject *arguments)
{
    PyObject *parts = PyObject_CallOneArg(plan->state->global_id_parts, self->callable);
    if (parts == NULL || parts == Py_None) {
        Py_XDECREF(parts);
        return parts == NULL ? -1 : 0;
    }
    PyObject *name = PyTuple_GET_ITEM(parts, 1);
    plan_resolver *inner = plan_classify_resolver(plan, PyTuple_GET_ITEM(parts, 0), parent,
                                                  field_name, arguments);
    if (inner != NULL) {
        self->inner = inner;
        if (inner->kind == RESOLVE_ATTRIBUTE || inner->kind == RESOLVE_DICT_OR_ATTR ||
            inner->kind == RESOLVE_PYTHON || inner->kind == RESOLVE_PRIMARY_KEY) {
            read_by_key(self, RESOLVE_GLOBAL_ID, name == Py_None ? parent->name : name, Py_None);
        }
    }
    Py_DECREF(parts);
    return inner == NULL ? -1 : 0;
}

/* Partials of graphene's resolvers. They take no arguments of the field here. */
static int
classify_partial(plan_resolver *self, plan_root *plan, plan_object *parent, PyObject *field_name,
                 PyObject *arguments)
{
    module_state *state = plan->state;
    int result = -1;
    PyObject *function = PyObject_GetAttr(self->callable, state->str_func);
    PyObject *args = PyObject_GetAttr(self->callable, state->str_args);
    PyObject *keywords = PyObject_GetAttr(self->callable, state->str_keywords);
    if (function == NULL || args == NULL || keywords == NULL) {
        goto done;
    }
    if (function == state->global_id_resolver) {
        result = classify_global_id(self, plan, parent, field_name, arguments);
        goto done;
    }
    result = 0;
    if (PyTuple_CheckExact(args) && PyTuple_GET_SIZE(args) == 2 && PyDict_Check(keywords) &&
        PyDict_GET_SIZE(keywords) == 0) {
        PyObject *key = PyTuple_GET_ITEM(args, 0);
        PyObject *fallback = PyTuple_GET_ITEM(args, 1);
        if (function == state->dict_or_attr_resolver) {
            read_by_key(self, RESOLVE_DICT_OR_ATTR, key, fallback);
        }
        else if (function == state->attr_resolver) {
            read_by_key(self, RESOLVE_ATTRIBUTE, key, fallback);
        }
    }
done:
    Py_XDECREF(function);
    Py_XDECREF(args);
    Py_XDECREF(keywords);
    return result;
}

/* Upstream's `resolve_id`, and its `lambda root, _info: getattr(root, model_attr, None)`. */
static void
classify_function(plan_resolver *self, const module_state *state)
{
    if (self->callable == state->upstream_resolve_id) {
        self->kind = RESOLVE_PRIMARY_KEY;
        return;
    }
    PyObject *closure = PyFunction_GetClosure(self->callable);
    if (PyFunction_GetCode(self->callable) != state->upstream_attribute_code || closure == NULL ||
        PyTuple_GET_SIZE(closure) != 1) {
        return;
    }
    PyObject *key = PyCell_Get(PyTuple_GET_ITEM(closure, 0));
    if (key != NULL) {
        read_by_key(self, RESOLVE_ATTRIBUTE, key, Py_None);
        Py_DECREF(key);
    }
}

/* Our own resolvers, by their exact types. */
static int
classify_own(plan_resolver *self, const module_state *state)
{
    PyTypeObject *type = Py_TYPE(self->callable);
    if (type == state->BatchResolver) {
        self->kind = RESOLVE_BATCH;
        self->batch = Py_NewRef(self->callable);
    }
    else if (type == state->ConnectionResolver) {
        self->batch = PyObject_GetAttr(self->callable, state->str_batch);
        if (self->batch == NULL) {
            return -1;
        }
        self->kind = RESOLVE_CONNECTION;
    }
    return 0;
}

plan_resolver *
plan_classify_resolver(plan_root *plan, PyObject *callable, plan_object *parent,
                       PyObject *field_name, PyObject *arguments)
{
    module_state *state = plan->state;
    int result = 0;
    plan_resolver *self = new_resolver(RESOLVE_PYTHON, callable);
    if (self == NULL) {
        return NULL;
    }
    PyTypeObject *type = Py_TYPE(callable);
    int has_arguments = PyObject_IsTrue(arguments);
    if (has_arguments < 0) {
        result = -1;
    }
    else if (callable == state->default_field_resolver) {
        result = classify_default(self, field_name, arguments);
    }
    else if (type == state->BatchResolver || type == state->ConnectionResolver) {
        result = classify_own(self, state);
    }
    else if (has_arguments) {
        /* The others would not take them all alike: call them. */
    }
    else if (type == state->AttrResolver) {
        PyObject *key = PyObject_GetAttr(callable, state->str_model_attr);
        if (key != NULL) {
            read_by_key(self, RESOLVE_ATTRIBUTE, key, Py_None);
            Py_DECREF(key);
        }
        result = key == NULL ? -1 : 0;
    }
    else if ((PyObject *)type == state->partial) {
        result = classify_partial(self, plan, parent, field_name, arguments);
    }
    else if (type == &PyFunction_Type) {
        classify_function(self, state);
    }
    if (result < 0) {
        plan_free_resolver(self);
        return NULL;
    }
    return self;
}

/* The mapped class when `is_type_of` is graphene-sqlalchemy's own, bound to a graphene type; NULL,
 * with or without an exception, when it is not. */
static PyObject *
upstream_model(const module_state *state, PyObject *is_type_of)
{
    if (!PyMethod_Check(is_type_of) && Py_TYPE(is_type_of) != state->TypeCheck) {
        return NULL;
    }
    PyObject *function = PyObject_GetAttr(is_type_of, state->str___func__);
    int is_upstream = function == state->upstream_is_type_of;
    Py_XDECREF(function);
    if (!is_upstream) {
        return NULL;
    }
    PyObject *type = PyObject_GetAttr(is_type_of, state->str___self__);
    PyObject *meta = type ? PyObject_GetAttr(type, state->str__meta) : NULL;
    PyObject *model = meta ? PyObject_GetAttr(meta, state->str_model) : NULL;
    Py_XDECREF(type);
    Py_XDECREF(meta);
    if (model != NULL && !PyType_Check(model)) {
        Py_CLEAR(model);
    }
    return model;
}

static PyObject *
possible_types(const module_state *state, PyObject *is_type_of)
{
    PyObject *types = NULL;
    if ((PyObject *)Py_TYPE(is_type_of) != state->partial) {
        return NULL;
    }
    PyObject *function = PyObject_GetAttr(is_type_of, state->str_func);
    PyObject *args = PyObject_GetAttr(is_type_of, state->str_args);
    if (function == state->is_type_of_from_possible_types && args != NULL &&
        PyTuple_CheckExact(args) && PyTuple_GET_SIZE(args) == 1) {
        types = Py_NewRef(PyTuple_GET_ITEM(args, 0));
    }
    Py_XDECREF(function);
    Py_XDECREF(args);
    return types;
}

int
plan_classify_type_of(plan_root *plan, plan_object *object)
{
    module_state *state = plan->state;
    int is_set = PyObject_IsTrue(object->is_type_of);
    if (is_set < 0) {
        return -1;
    }
    object->type_of = is_set ? TYPE_OF_OTHER : TYPE_OF_NONE;
    if (!is_set) {
        return 0;
    }
    object->known_class = upstream_model(state, object->is_type_of);
    if (object->known_class != NULL) {
        object->type_of = TYPE_OF_UPSTREAM;
        return 0;
    }
    if (PyErr_Occurred()) {
        return -1;
    }
    object->known_class = possible_types(state, object->is_type_of);
    if (object->known_class != NULL) {
        object->type_of = TYPE_OF_POSSIBLE;
    }
    return PyErr_Occurred() ? -1 : 0;
}
