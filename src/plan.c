/* Plans: an operation compiled for a schema.
 *
 * Does: make, check and free the nodes of plan.h, and the Python type Plan that owns them.
 *     Selections are compiled when the walk asks for them (plan_selection_of).
 * Never: look at data, or at the variables of a run except in conditions and never after a
 *     selection is compiled.
 * Owns: all nodes. Two threads may compile one selection at the same time; both results belong to
 *     the plan and the first one stays in use.
 */
#include "plan.h"

/* ---- types ------------------------------------------------------------------------------- */

static void
free_type(plan_type *self)
{
    while (self != NULL) {
        plan_type *inner = self->inner;
        Py_XDECREF(self->type);
        Py_XDECREF(self->function);
        Py_XDECREF(self->memo);
        PyMem_Free(self);
        self = inner;
    }
}

plan_object *
plan_object_of(plan_root *plan, PyObject *type)
{
    module_state *state = plan->state;
    for (plan_object *known = plan->objects; known != NULL; known = known->next) {
        if (known->type == type) {
            return known;
        }
    }
    plan_object *self = PyMem_Calloc(1, sizeof(plan_object));
    if (self == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    self->type = Py_NewRef(type);
    self->name = PyObject_GetAttr(type, state->str_name);
    self->fields = self->name ? PyObject_GetAttr(type, state->str_fields) : NULL;
    self->is_type_of = self->fields ? PyObject_GetAttr(type, state->str_is_type_of) : NULL;
    int failed = self->is_type_of == NULL || plan_classify_type_of(plan, self) < 0;
    /* The plan owns it even half made: what is missing is not there to be freed. */
    if (failed) {
        Py_CLEAR(self->type);
    }
    self->next = plan->objects;
    plan->objects = self;
    return failed ? NULL : self;
}

/* isinstance() for the classes of graphql-core's types, which have no say of their own in it. */
static int
is_of(PyObject *type, PyObject *class)
{
    return PyObject_TypeCheck(type, (PyTypeObject *)class);
}

/* Fill in a node for a named type. */
static int
complete_named_type(plan_root *plan, plan_type *self)
{
    module_state *state = plan->state;
    PyObject *type = self->type;
    int is_enum = is_of(type, state->GraphQLEnumType);
    if (is_enum || is_of(type, state->GraphQLScalarType)) {
        self->kind = TYPE_LEAF;
        self->function = PyObject_GetAttr(type, state->str_serialize);
        if (self->function == NULL) {
            return -1;
        }
        self->leaf = is_enum ? LEAF_ENUM : leaf_classify(state, self->function);
        self->memo = is_enum ? Py_BuildValue("({}{})") : NULL;
        return is_enum && self->memo == NULL ? -1 : 0;
    }
    if (is_of(type, state->GraphQLObjectType)) {
        self->kind = TYPE_OBJECT;
        self->object = plan_object_of(plan, type);
        return self->object == NULL ? -1 : 0;
    }
    self->kind = TYPE_ABSTRACT;
    self->function = PyObject_GetAttr(type, state->str_resolve_type);
    self->memo = self->function ? PyDict_New() : NULL;
    return self->memo == NULL ? -1 : 0;
}

static plan_type *
compile_type(plan_root *plan, PyObject *type)
{
    module_state *state = plan->state;
    plan_type *first = NULL;
    plan_type **link = &first;
    PyObject *current = Py_NewRef(type);
    for (;;) {
        plan_type *self = PyMem_Calloc(1, sizeof(plan_type));
        if (self == NULL) {
            PyErr_NoMemory();
            goto error;
        }
        *link = self;
        link = &self->inner;
        self->type = Py_NewRef(current);
        int non_null = is_of(current, state->GraphQLNonNull);
        if (!non_null && !is_of(current, state->GraphQLList)) {
            if (complete_named_type(plan, self) < 0) {
                goto error;
            }
            Py_DECREF(current);
            return first;
        }
        self->kind = non_null ? TYPE_NON_NULL : TYPE_LIST;
        Py_XSETREF(current, PyObject_GetAttr(self->type, state->str_of_type));
        if (current == NULL) {
            goto error;
        }
    }
error:
    Py_XDECREF(current);
    free_type(first);
    return NULL;
}

/* ---- fields ------------------------------------------------------------------------------ */

static void
free_field(plan_field *self)
{
    if (self == NULL) {
        return;
    }
    Py_XDECREF(self->response_name);
    Py_XDECREF(self->field_name);
    Py_XDECREF(self->nodes);
    Py_XDECREF(self->definition);
    Py_XDECREF(self->declared_resolve);
    Py_XDECREF(self->return_type);
    Py_XDECREF(self->limits);
    Py_XDECREF(self->arguments);
    Py_XDECREF(self->variables);
    Py_XDECREF(self->columns);
    plan_free_resolver(self->resolver);
    free_type(self->type);
    plan_free_kinds(self->kinds);
    PyMem_Free(self->branches);
    PyMem_Free(self);
}

/* The definition of a field (`get_field_def`), None when the type has no such field. */
static PyObject *
find_definition(plan_root *plan, plan_object *parent, PyObject *node, PyObject *name)
{
    if (PyUnicode_Check(name) && PyUnicode_GET_LENGTH(name) > 1 &&
        PyUnicode_READ_CHAR(name, 0) == '_' && PyUnicode_READ_CHAR(name, 1) == '_') {
        return PyObject_CallFunctionObjArgs(plan->state->get_field_def, plan->schema, parent->type,
                                            node, NULL);
    }
    if (PyDict_CheckExact(parent->fields)) {
        PyObject *found = PyDict_GetItemWithError(parent->fields, name);
        return found == NULL && PyErr_Occurred() ? NULL : Py_NewRef(found ? found : Py_None);
    }
    return PyObject_CallMethodOneArg(parent->fields, plan->state->str_get, name);
}

/* Note which arguments are values of variables, where nothing else has to be looked at. */
static int
find_variables(plan_root *plan, plan_field *self)
{
    PyObject *found =
        PyObject_CallFunctionObjArgs(plan->state->arguments_of_variables, self->definition,
                                     PyList_GET_ITEM(self->nodes, 0), NULL);
    if (found == NULL) {
        return -1;
    }
    int result = 0;
    if (found != Py_None) {
        result = PyArg_ParseTuple(found, "O!O!:arguments_of_variables", &PyDict_Type,
                                  &self->arguments, &PyDict_Type, &self->variables)
                     ? 0
                     : -1;
        if (result < 0) {
            self->arguments = self->variables = NULL;
        }
        Py_XINCREF(self->arguments);
        Py_XINCREF(self->variables);
    }
    Py_DECREF(found);
    return result;
}

static int
classify_arguments(plan_root *plan, plan_field *self, PyObject *definitions)
{
    int has_arguments = PyObject_IsTrue(definitions);
    if (has_arguments <= 0) {
        self->arguments_use = ARGUMENTS_NONE;
        return has_arguments;
    }
    PyObject *use = PyObject_CallFunctionObjArgs(plan->state->arguments_use, self->definition,
                                                 PyList_GET_ITEM(self->nodes, 0), NULL);
    if (use == NULL) {
        return -1;
    }
    long number = PyLong_AsLong(use);
    Py_DECREF(use);
    self->arguments_use = (arguments_kind)number;
    if (self->arguments_use == ARGUMENTS_PER_OPERATION) {
        self->arguments_index = plan->argument_slots++;
        return find_variables(plan, self);
    }
    return number < 0 ? -1 : 0;
}

/* What the arguments of a connection are checked against; NULL for anything else. */
static int
find_limits(plan_root *plan, plan_field *self)
{
    PyObject *page_limits = late_page_limits(plan->state);
    PyObject *limits = NULL;
    if (page_limits != NULL) {
        limits = PyObject_CallFunctionObjArgs(page_limits, plan->options, self->return_type, NULL);
    }
    if (limits == NULL) {
        return -1;
    }
    if (limits == Py_None) {
        Py_CLEAR(limits);
    }
    self->limits = limits;
    return 0;
}

/* Note whether a connection is sorted or filtered: its attribute does not answer then. */
static int
find_arrangement(plan_root *plan, plan_field *self)
{
    PyObject *may_arrange = late_may_arrange(plan->state);
    PyObject *answer = NULL;
    if (may_arrange != NULL) {
        answer = PyObject_CallFunctionObjArgs(may_arrange, self->definition,
                                              PyList_GET_ITEM(self->nodes, 0), NULL);
    }
    self->arranges = answer ? PyObject_IsTrue(answer) : -1;
    Py_XDECREF(answer);
    return self->arranges < 0 ? -1 : 0;
}

/* The resolver to plan with: a BatchResolver where a field shows a relationship by one of
 * graphene-sqlalchemy's own resolvers, as in a schema that was built before install(). Only a field
 * with a selection set can be one. */
static PyObject *
relationship_resolver(plan_root *plan, plan_field *self, PyObject *callable)
{
    module_state *state = plan->state;
    PyObject *selections =
        PyObject_GetAttr(PyList_GET_ITEM(self->nodes, 0), state->str_selection_set);
    int is_settled = selections == Py_None || Py_TYPE(callable) == state->BatchResolver
                     || Py_TYPE(callable) == state->ConnectionResolver;
    Py_XDECREF(selections);
    if (selections == NULL || is_settled) {
        return selections == NULL ? NULL : Py_NewRef(callable);
    }
    PyObject *planned_resolver = late_planned_resolver(state);
    return planned_resolver == NULL
               ? NULL
               : PyObject_CallFunctionObjArgs(planned_resolver, self->parent->type,
                                              self->field_name, callable, NULL);
}

/* Read the resolver of the definition and see what it is. */
static int
classify_field(plan_root *plan, plan_field *self)
{
    module_state *state = plan->state;
    int result = -1;
    PyObject *callable = NULL;
    PyObject *definitions = PyObject_GetAttr(self->definition, state->str_args);
    if (definitions == NULL || classify_arguments(plan, self, definitions) < 0 ||
        (self->arguments_use != ARGUMENTS_NONE && find_limits(plan, self) < 0)) {
        goto done;
    }
    int has_own = PyObject_IsTrue(self->declared_resolve);
    if (has_own < 0) {
        goto done;
    }
    callable = relationship_resolver(plan, self,
                                     has_own ? self->declared_resolve : plan->field_resolver);
    if (callable == NULL) {
        goto done;
    }
    self->resolver = plan_classify_resolver(plan, callable, self->parent, self->field_name,
                                            definitions);
    if (self->resolver == NULL ||
        (self->resolver->kind == RESOLVE_CONNECTION && find_arrangement(plan, self) < 0)) {
        goto done;
    }
    if (self->definition == state->TypeNameMetaFieldDef) {
        self->resolver->kind = RESOLVE_TYPENAME;
        Py_XSETREF(self->resolver->key, Py_NewRef(self->parent->name));
    }
    result = 0;
done:
    Py_XDECREF(callable);
    Py_XDECREF(definitions);
    return result;
}

/* Compile one field; *out is NULL, with success, for a field that the type does not have. */
static int
compile_field(plan_root *plan, plan_object *parent, PyObject *response_name, PyObject *nodes,
              plan_field **out)
{
    module_state *state = plan->state;
    int result = -1;
    plan_field *self = NULL;
    PyObject *definition = NULL, *text = NULL;
    PyObject *node = PyList_GET_ITEM(nodes, 0);
    PyObject *name = PyObject_GetAttr(node, state->str_name);
    text = name ? PyObject_GetAttr(name, state->str_value) : NULL;
    definition = text ? find_definition(plan, parent, node, text) : NULL;
    *out = NULL;
    if (definition == NULL || definition == Py_None) {
        result = definition == NULL ? -1 : 0;
        goto done;
    }
    self = PyMem_Calloc(1, sizeof(plan_field));
    if (self == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    self->parent = parent;
    self->response_name = Py_NewRef(response_name);
    self->field_name = Py_NewRef(text);
    self->nodes = Py_NewRef(nodes);
    self->definition = Py_NewRef(definition);
    self->declared_resolve = PyObject_GetAttr(definition, state->str_resolve);
    self->return_type =
        self->declared_resolve ? PyObject_GetAttr(definition, state->str_type) : NULL;
    if (self->return_type == NULL || classify_field(plan, self) < 0) {
        goto done;
    }
    self->type = compile_type(plan, self->return_type);
    if (self->type != NULL) {
        *out = self;
        self = NULL;
        result = 0;
    }
done:
    Py_XDECREF(name);
    Py_XDECREF(text);
    Py_XDECREF(definition);
    free_field(self);
    return result;
}

/* ---- selections -------------------------------------------------------------------------- */

static void
free_selection(plan_selection *self)
{
    for (Py_ssize_t i = 0; i < self->field_count; i++) {
        free_field(self->fields[i]);
    }
    Py_XDECREF(self->template_);
    Py_XDECREF(self->level);
    Py_XDECREF(self->names);
    PyMem_Free(self->fields);
    PyMem_Free(self);
}

/* Fill a selection with the collected fields. */
static int
fill_selection(plan_root *plan, plan_selection *self, PyObject *collected)
{
    PyObject *response_name, *nodes;
    Py_ssize_t position = 0;
    Py_ssize_t size = PyDict_GET_SIZE(collected);
    self->fields = PyMem_Calloc(size ? (size_t)size : 1, sizeof(plan_field *));
    self->template_ = PyDict_New();
    if (self->fields == NULL || self->template_ == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    while (PyDict_Next(collected, &position, &response_name, &nodes)) {
        plan_field *field;
        if (compile_field(plan, self->object, response_name, nodes, &field) < 0) {
            return -1;
        }
        if (field == NULL) {
            continue;
        }
        PyUnicode_InternInPlace(&field->response_name);
        field->selection = self;
        field->order = self->field_count;
        self->fields[self->field_count++] = field;
        if (PyDict_SetItem(self->template_, field->response_name, Py_None) < 0) {
            return -1;
        }
    }
    return 0;
}

static plan_selection *
compile_selection(plan_root *plan, plan_object *object, PyObject *nodes,
                  PyObject *variable_values)
{
    PyObject *collected = collect_selection(plan, object, nodes, variable_values);
    if (collected == NULL) {
        return NULL;
    }
    plan_selection *self = PyMem_Calloc(1, sizeof(plan_selection));
    if (self == NULL) {
        PyErr_NoMemory();
    }
    else {
        self->object = object;
        if (fill_selection(plan, self, collected) < 0) {
            free_selection(self);
            self = NULL;
        }
    }
    Py_DECREF(collected);
    if (self != NULL) {
        self->next = plan->selections;
        plan->selections = self;
    }
    return self;
}

plan_selection *
plan_own_selection(plan_root *plan, plan_field *field, plan_object *object,
                   PyObject *variable_values)
{
    return compile_selection(plan, object, field->nodes, variable_values);
}

plan_selection *
plan_selection_of(plan_root *plan, plan_field *field, plan_object *object,
                  PyObject *variable_values)
{
    field = field->leader ? field->leader : field;
    for (Py_ssize_t i = 0; i < field->branch_count; i++) {
        if (field->branches[i].object == object) {
            return field->branches[i].selection;
        }
    }
    plan_selection *selection =
        plan_named_type(field->type)->kind == TYPE_ABSTRACT
            ? plan_kind_selection(plan, field, object, NULL, variable_values)
            : plan_own_selection(plan, field, object, variable_values);
    if (selection == NULL) {
        return NULL;
    }
    size_t count = (size_t)field->branch_count + 1;
    plan_branch *branches = PyMem_Realloc(field->branches, count * sizeof(plan_branch));
    if (branches == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    branches[field->branch_count].object = object;
    branches[field->branch_count].selection = selection;
    field->branches = branches;
    field->branch_count++;
    return selection;
}

/* ---- is a kept plan still right? ----------------------------------------------------------- */

/* 1 when the attribute is the same object as before, 0 or -1. */
static int
is_same(PyObject *owner, PyObject *name, PyObject *expected)
{
    PyObject *found = PyObject_GetAttr(owner, name);
    Py_XDECREF(found);
    return found == NULL ? -1 : found == expected;
}

static int
is_type_current(plan_root *plan, const plan_type *type)
{
    module_state *state = plan->state;
    while (type->inner != NULL) {
        type = type->inner;
    }
    if (type->kind == TYPE_LEAF) {
        return type->leaf == LEAF_ENUM ? 1
                                       : is_same(type->type, state->str_serialize, type->function);
    }
    return type->kind == TYPE_ABSTRACT
               ? is_same(type->type, state->str_resolve_type, type->function)
               : 1;
}

static int
is_field_current(plan_root *plan, const plan_field *field)
{
    module_state *state = plan->state;
    PyObject *definition = field->definition;
    if (PyUnicode_READ_CHAR(field->field_name, 0) != '_') {
        PyObject *found = PyDict_CheckExact(field->parent->fields)
                              ? PyDict_GetItemWithError(field->parent->fields, field->field_name)
                              : NULL;
        if (found != definition) {
            return PyErr_Occurred() ? -1 : 0;
        }
    }
    int same = is_same(definition, state->str_resolve, field->declared_resolve);
    same = same > 0 ? is_same(definition, state->str_type, field->return_type) : same;
    return same > 0 ? is_type_current(plan, field->type) : same;
}

/* 1 when nothing that the plan was compiled from has been exchanged since, 0 or -1. */
static int
plan_is_current(plan_root *plan)
{
    module_state *state = plan->state;
    for (plan_object *object = plan->objects; object != NULL; object = object->next) {
        int same = object->type == NULL
                       ? 0
                       : is_same(object->type, state->str_is_type_of, object->is_type_of);
        same = same > 0 ? is_same(object->type, state->str_fields, object->fields) : same;
        if (same <= 0) {
            return same;
        }
    }
    for (plan_selection *selection = plan->selections; selection; selection = selection->next) {
        for (Py_ssize_t i = 0; i < selection->field_count; i++) {
            int same = is_field_current(plan, selection->fields[i]);
            if (same <= 0) {
                return same;
            }
        }
    }
    return 1;
}

/* ---- the Python type ---------------------------------------------------------------------- */

static int
visit_type(const plan_type *type, visitproc visit, void *arg)
{
    for (; type != NULL; type = type->inner) {
        Py_VISIT(type->type);
        Py_VISIT(type->function);
        Py_VISIT(type->memo);
    }
    return 0;
}

static int
visit_field(const plan_field *field, visitproc visit, void *arg)
{
    Py_VISIT(field->response_name);
    Py_VISIT(field->field_name);
    Py_VISIT(field->nodes);
    Py_VISIT(field->definition);
    Py_VISIT(field->declared_resolve);
    Py_VISIT(field->return_type);
    Py_VISIT(field->limits);
    Py_VISIT(field->arguments);
    Py_VISIT(field->variables);
    Py_VISIT(field->columns);
    int result = plan_visit_resolver(field->resolver, visit, arg);
    result = result ? result : plan_visit_kinds(field->kinds, visit, arg);
    return result ? result : visit_type(field->type, visit, arg);
}

static int
plan_traverse(plan_root *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->schema);
    Py_VISIT(self->fragments);
    Py_VISIT(self->field_resolver);
    Py_VISIT(self->condition_names);
    Py_VISIT(self->options);
    Py_VISIT(self->root_type);
    Py_VISIT(self->root_selections);
    for (plan_object *object = self->objects; object != NULL; object = object->next) {
        Py_VISIT(object->type);
        Py_VISIT(object->name);
        Py_VISIT(object->fields);
        Py_VISIT(object->is_type_of);
        Py_VISIT(object->known_class);
    }
    for (plan_selection *selection = self->selections; selection; selection = selection->next) {
        Py_VISIT(selection->template_);
        Py_VISIT(selection->level);
        Py_VISIT(selection->names);
        for (Py_ssize_t i = 0; i < selection->field_count; i++) {
            int result = visit_field(selection->fields[i], visit, arg);
            if (result) {
                return result;
            }
        }
    }
    return 0;
}

/* A run holds its plan strongly, so the nodes are freed only when none can use them. */
static int
plan_clear(plan_root *self)
{
    plan_selection *selections = self->selections;
    plan_object *objects = self->objects;
    self->selections = NULL;
    self->objects = NULL;
    self->root = NULL;
    Py_CLEAR(self->schema);
    Py_CLEAR(self->fragments);
    Py_CLEAR(self->field_resolver);
    Py_CLEAR(self->condition_names);
    Py_CLEAR(self->options);
    Py_CLEAR(self->root_type);
    Py_CLEAR(self->root_selections);
    while (selections != NULL) {
        plan_selection *next = selections->next;
        free_selection(selections);
        selections = next;
    }
    while (objects != NULL) {
        plan_object *next = objects->next;
        Py_XDECREF(objects->type);
        Py_XDECREF(objects->name);
        Py_XDECREF(objects->fields);
        Py_XDECREF(objects->is_type_of);
        Py_XDECREF(objects->known_class);
        PyMem_Free(objects);
        objects = next;
    }
    return 0;
}

static void
plan_dealloc(plan_root *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    (void)plan_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

/* Plan(schema, fragments, operation_selection_set, root_type, field_resolver, variable_values,
 *      condition_names, options) */
static PyObject *
plan_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *schema, *fragments, *selections, *root_type, *field_resolver, *variables, *names;
    PyObject *options;
    if ((kwargs != NULL && PyDict_GET_SIZE(kwargs)) ||
        !PyArg_ParseTuple(args, "OO!OOOO!O!O:Plan", &schema, &PyDict_Type, &fragments, &selections,
                          &root_type, &field_resolver, &PyDict_Type, &variables,
                          &PyFrozenSet_Type, &names, &options)) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "Plan() takes no keyword arguments");
        }
        return NULL;
    }
    plan_root *self = (plan_root *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->state = state_of_type(type);
    self->schema = Py_NewRef(schema);
    self->fragments = Py_NewRef(fragments);
    self->root_selections = Py_NewRef(selections);
    self->root_type = Py_NewRef(root_type);
    self->field_resolver = Py_NewRef(field_resolver);
    self->condition_names = Py_NewRef(names);
    self->options = Py_NewRef(options);
    self->reusable = 1;
    plan_object *root = plan_object_of(self, root_type);
    self->root = root ? compile_selection(self, root, NULL, variables) : NULL;
    if (self->root == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static PyObject *
plan_is_usable(plan_root *self, PyObject *Py_UNUSED(ignored))
{
    int current = self->reusable ? plan_is_current(self) : 0;
    return current < 0 ? NULL : PyBool_FromLong(current);
}

static PyMethodDef plan_methods[] = {
    {"describe", METHOD_CAST(plan_describe), METH_O,
     PyDoc_STR("describe($self, variable_values, /)\n--\n\n"
               "The fields of the operation, as explain_levels.FieldPlan takes them.")},
    {"is_usable", METHOD_CAST(plan_is_usable), METH_NOARGS,
     PyDoc_STR("is_usable($self, /)\n--\n\nWhether the plan may be used for another run.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot plan_slots[] = {
    {Py_tp_doc, PyDoc_STR("A compiled operation.")},
    {Py_tp_new, plan_new},
    {Py_tp_dealloc, plan_dealloc},
    {Py_tp_traverse, plan_traverse},
    {Py_tp_clear, plan_clear},
    {Py_tp_methods, plan_methods},
    {0, NULL},
};

static PyType_Spec plan_spec = {
    .name = "graphene_sqlalchemy_c._core.Plan",
    .basicsize = sizeof(plan_root),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = plan_slots,
};

int
plan_add(PyObject *module, module_state *state)
{
    state->Plan = (PyTypeObject *)PyType_FromModuleAndSpec(module, &plan_spec, NULL);
    return state->Plan == NULL ? -1 : PyModule_AddType(module, state->Plan);
}
