/* The loops of a relationship load: over its parents before the statement, over its rows after.
 *
 *     parents --group_parents--> {(session, options): [parent]}, [parent that only the ORM knows]
 *     [parent] --lacking--> [parent that has no value for a key yet]
 *     [parent] --collect_keys--> {key: [parent]}, [parent whose key is NULL], [odd parent]
 *     {key: [parent]} --assign_identities--> what the identity map holds is set, the rest stays
 *     [row] --match_rows--> {key: [child]}, number of rows that belong to no key
 *     {key: [parent]}, {key: [child]} --assign_children--> attributes set, surplus rows counted
 *
 * and, for the guess which siblings a resolver's parent has under graphql-core's own executor,
 *
 *     instances --sibling_states--> [instance state] --living_siblings--> [parent]
 *     [instance state] --loaded_children--> [child], who are siblings one level below
 *
 * A key is the value of one attribute, or a tuple where the relationship has several columns. A row
 * is (child, key column, ...).
 *
 * Does: read instance dicts and instance states, call `set_committed_value`.
 * Never: build or execute SQL; loading.py does that, once per level.
 * Owns: nothing; every container is made here and handed out.
 */
#include "group.h"

#include "rows.h"

/* state.<name> as a truth value: 1, 0, or -1 with an exception. */
static int
state_flag(PyObject *instance_state, PyObject *name)
{
    PyObject *value = PyObject_GetAttr(instance_state, name);
    if (value == NULL) {
        return -1;
    }
    int flag = PyObject_IsTrue(value);
    Py_DECREF(value);
    return flag;
}

/* Whether state.callables holds a loader of this instance's own for `key` (a loader option with
 * criteria, or one that raises): 1, 0, or -1 with an exception. */
static int
has_own_loader(module_state *state, PyObject *instance_state, PyObject *key)
{
    PyObject *callables = PyObject_GetAttr(instance_state, state->str_callables);
    if (callables == NULL) {
        return -1;
    }
    int found = PySequence_Contains(callables, key);
    Py_DECREF(callables);
    return found;
}

/* Whether the instance's own dict holds the attribute: 1, 0, or -1 with an exception. */
static int
is_loaded(PyObject *instance, PyObject *key)
{
    PyObject *dict = group_instance_dict(instance);
    if (dict == NULL) {
        return -1;
    }
    int found = PyDict_Contains(dict, key);
    Py_DECREF(dict);
    return found;
}

int
group_append(PyObject *mapping, PyObject *key, PyObject *item, int is_shown)
{
    PyObject *members = PyDict_GetItemWithError(mapping, key);
    if (members != NULL) {
        return PyList_Append(members, item);
    }
    if (PyErr_Occurred()) {
        return -1;
    }
    members = PyList_New(1);
    if (members == NULL) {
        return -1;
    }
    PyList_SET_ITEM(members, 0, Py_NewRef(item));
    if (!is_shown) {
        PyObject_GC_UnTrack(members);
    }
    int result = PyDict_SetItem(mapping, key, members);
    Py_DECREF(members);
    return result;
}

/* ---- parents by session and options ---- */

typedef enum {
    PARENT_ERROR = -1,
    PARENT_GROUPED, /* *group holds (session, options), a new reference */
    PARENT_ORM,     /* only the ORM knows: not persistent, detached, own loader, sharded */
} parent_kind;

static parent_kind
classify_parent(module_state *state, PyObject *parent, PyObject *key, PyObject **group)
{
    parent_kind kind = PARENT_ERROR;
    PyObject *identity = NULL, *session = NULL, *token = NULL, *options = NULL;
    PyObject *instance_state = PyObject_CallOneArg(state->instance_state, parent);
    if (instance_state == NULL) {
        return PARENT_ERROR;
    }
    identity = PyObject_GetAttr(instance_state, state->str_key);
    session = identity ? PyObject_GetAttr(instance_state, state->str_session) : NULL;
    token = session ? PyObject_GetAttr(instance_state, state->str_identity_token) : NULL;
    if (token == NULL) {
        goto done;
    }
    if (identity == Py_None || session == Py_None || token != Py_None) {
        kind = PARENT_ORM;
        goto done;
    }
    int own = has_own_loader(state, instance_state, key);
    if (own != 0) {
        kind = own < 0 ? PARENT_ERROR : PARENT_ORM;
        goto done;
    }
    options = PyObject_GetAttr(instance_state, state->str_load_options);
    if (options != NULL) {
        *group = PyTuple_Pack(2, session, options);
        kind = *group == NULL ? PARENT_ERROR : PARENT_GROUPED;
    }
done:
    Py_DECREF(instance_state);
    Py_XDECREF(identity);
    Py_XDECREF(session);
    Py_XDECREF(token);
    Py_XDECREF(options);
    return kind;
}

PyDoc_STRVAR(group_parents_doc,
"group_parents($module, parents, key, /)\n--\n\n"
"Sort the parents that lack the attribute `key` by (session, loader options).\n\n"
"Returns ({(session, options): [parent]}, [parent that only the ORM can answer for]).");

static PyObject *
group_parents(PyObject *module, PyObject *args)
{
    module_state *state = PyModule_GetState(module);
    PyObject *parents, *key, *groups, *rest = NULL, *result = NULL;
    if (!PyArg_ParseTuple(args, "O!U:group_parents", &PyList_Type, &parents, &key)) {
        return NULL;
    }
    groups = PyDict_New();
    rest = groups ? PyList_New(0) : NULL;
    if (rest == NULL) {
        goto done;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(parents); i++) {
        PyObject *group = NULL;
        PyObject *parent = Py_NewRef(PyList_GET_ITEM(parents, i));
        int failed = is_loaded(parent, key);
        if (failed == 0) {
            parent_kind kind = classify_parent(state, parent, key, &group);
            failed = kind == PARENT_ERROR ? -1 : 0;
            if (kind == PARENT_GROUPED && group_append(groups, group, parent, 1) < 0) {
                /* An option of the application's own that cannot be hashed. */
                failed = PyErr_ExceptionMatches(PyExc_TypeError) ? 0 : -1;
                kind = PARENT_ORM;
            }
            if (failed == 0 && kind == PARENT_ORM) {
                PyErr_Clear();
                failed = PyList_Append(rest, parent);
            }
        }
        Py_DECREF(parent);
        Py_XDECREF(group);
        if (failed < 0) {
            goto done;
        }
    }
    result = PyTuple_Pack(2, groups, rest);
done:
    Py_XDECREF(groups);
    Py_XDECREF(rest);
    return result;
}

/* ---- parents by key ---- */

/* The value of the attribute `name`: from the instance dict, else as the ORM gives it. Of a guessed
 * sibling only the dict is read, because the ORM may need a statement: NULL without exception. */
static PyObject *
attribute_value(PyObject *parent, PyObject *dict, PyObject *name, int is_guess)
{
    PyObject *value = PyDict_GetItemWithError(dict, name);
    if (value != NULL) {
        return Py_NewRef(value);
    }
    return is_guess || PyErr_Occurred() ? NULL : PyObject_GetAttr(parent, name);
}

/* The key of one parent: a new reference to the value, or to the tuple of values. `*nulls` counts
 * the columns that are NULL. NULL without exception: a guess that is not worth a statement. */
static PyObject *
parent_key(PyObject *parent, PyObject *names, int is_guess, Py_ssize_t *nulls)
{
    Py_ssize_t width = PyTuple_GET_SIZE(names);
    PyObject *key = NULL, *value = NULL;
    PyObject *dict = group_instance_dict(parent);
    if (dict == NULL) {
        return NULL;
    }
    *nulls = 0;
    if (width > 1 && (key = PyTuple_New(width)) == NULL) {
        goto done;
    }
    for (Py_ssize_t i = 0; i < width; i++) {
        value = attribute_value(parent, dict, PyTuple_GET_ITEM(names, i), is_guess);
        if (value == NULL) {
            Py_CLEAR(key);
            goto done;
        }
        *nulls += value == Py_None;
        if (width > 1) {
            PyTuple_SET_ITEM(key, i, value);
        }
        else {
            key = value;
        }
    }
done:
    Py_DECREF(dict);
    return key;
}

/* File `parent` under its key, or with the empty or odd ones. An ordinary exception while the key
 * is made or hashed makes the parent odd: the ORM will give its own answer, or its own error. */
static int
file_parent(PyObject *parent, PyObject *names, Py_ssize_t limit, int is_guess, PyObject *by_key,
            PyObject *empty, PyObject *odd)
{
    Py_ssize_t nulls;
    int failed = 0;
    PyObject *key = parent_key(parent, names, is_guess, &nulls);
    if (key == NULL && !PyErr_Occurred()) {
        return 0;
    }
    if (key != NULL && nulls > 0) {
        failed = PyList_Append(nulls == PyTuple_GET_SIZE(names) ? empty : odd, parent);
    }
    else if (key != NULL) {
        int known = limit < 0 || PyDict_GET_SIZE(by_key) < limit ? 1 : PyDict_Contains(by_key, key);
        failed = known > 0 ? group_append(by_key, key, parent, 1) : known;
    }
    if (key == NULL || failed < 0) {
        failed = exception_forgotten() ? PyList_Append(odd, parent) : -1;
    }
    Py_XDECREF(key);
    return failed;
}

PyDoc_STRVAR(lacking_doc,
"lacking($module, instances, names, /)\n--\n\n"
"The instances of a list that lack one of the attributes `names`, a tuple.");

static PyObject *
lacking(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *instances, *names;
    if (!PyArg_ParseTuple(args, "O!O!:lacking", &PyList_Type, &instances, &PyTuple_Type, &names)) {
        return NULL;
    }
    PyObject *result = PyList_New(0);
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(instances) && result != NULL; i++) {
        PyObject *instance = Py_NewRef(PyList_GET_ITEM(instances, i));
        int found = 1;
        for (Py_ssize_t j = 0; j < PyTuple_GET_SIZE(names) && found > 0; j++) {
            found = is_loaded(instance, PyTuple_GET_ITEM(names, j));
        }
        if (found < 0 || (found == 0 && PyList_Append(result, instance) < 0)) {
            Py_CLEAR(result);
        }
        Py_DECREF(instance);
    }
    return result;
}

PyDoc_STRVAR(collect_keys_doc,
"collect_keys($module, parents, names, limit, guess, /)\n--\n\n"
"Group parents by the values of the attributes `names`, for at most `limit` keys (-1: any).\n\n"
"Returns ({key: [parent]}, [parent whose key is NULL], [parent that only the ORM can answer for]).\n"
"Parents whose key lies beyond the limit are left out; with `guess` also those after the first whose\n"
"key is not loaded.");

static PyObject *
collect_keys(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *parents, *names, *by_key, *empty = NULL, *odd = NULL, *result = NULL;
    Py_ssize_t limit;
    int guess;
    if (!PyArg_ParseTuple(args, "O!O!np:collect_keys", &PyList_Type, &parents, &PyTuple_Type, &names,
                          &limit, &guess)) {
        return NULL;
    }
    by_key = PyDict_New();
    empty = by_key ? PyList_New(0) : NULL;
    odd = empty ? PyList_New(0) : NULL;
    if (odd == NULL) {
        goto done;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(parents); i++) {
        PyObject *parent = Py_NewRef(PyList_GET_ITEM(parents, i));
        int failed = file_parent(parent, names, limit, guess && i > 0, by_key, empty, odd);
        Py_DECREF(parent);
        if (failed < 0) {
            goto done;
        }
    }
    result = PyTuple_Pack(3, by_key, empty, odd);
done:
    Py_XDECREF(by_key);
    Py_XDECREF(empty);
    Py_XDECREF(odd);
    return result;
}

/* ---- children onto parents ---- */

/* set_committed_value(parent, key, value) for every parent of a list. */
static int
assign_all(module_state *state, PyObject *parents, PyObject *key, PyObject *value)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(parents); i++) {
        PyObject *parent = Py_NewRef(PyList_GET_ITEM(parents, i));
        PyObject *done = PyObject_CallFunctionObjArgs(state->set_committed_value, parent, key,
                                                      value, NULL);
        Py_DECREF(parent);
        if (done == NULL) {
            return -1;
        }
        Py_DECREF(done);
    }
    return 0;
}

/* What the identity map holds for one key: a new reference, None where it holds nothing.
 * Matches sqlalchemy.orm.loading.get_from_identity. */
static PyObject *
look_up_identity(PyObject *lookup, PyObject *identity_key, PyObject *key, int composite)
{
    PyObject *primary_key = composite ? Py_NewRef(key) : PyTuple_Pack(1, key);
    PyObject *identity = primary_key ? PyObject_CallOneArg(identity_key, primary_key) : NULL;
    PyObject *instance = identity ? PyObject_CallOneArg(lookup, identity) : NULL;
    Py_XDECREF(primary_key);
    Py_XDECREF(identity);
    return instance;
}

/* Settle one key from the identity map: 1 settled, 0 not there, -1 error. Parents of an expired
 * target go to `stale`, because only the ORM's refresh tells whether it is still there. */
static int
settle_identity(module_state *state, PyObject *instance, PyObject *parents, PyObject *target,
                PyObject *key, PyObject *stale)
{
    if (instance == Py_None) {
        return 0;
    }
    int fits = PyObject_IsInstance(instance, target);
    if (fits <= 0) {
        return fits < 0 || assign_all(state, parents, key, Py_None) < 0 ? -1 : 1;
    }
    PyObject *instance_state = PyObject_CallOneArg(state->instance_state, instance);
    int expired = instance_state ? state_flag(instance_state, state->str_expired) : -1;
    Py_XDECREF(instance_state);
    if (expired == 0) {
        return assign_all(state, parents, key, instance) < 0 ? -1 : 1;
    }
    if (expired > 0) {
        Py_ssize_t end = PyList_GET_SIZE(stale);
        return PyList_SetSlice(stale, end, end, parents) < 0 ? -1 : 1;
    }
    return -1;
}

PyDoc_STRVAR(assign_identities_doc,
"assign_identities($module, by_key, lookup, identity_key, target, key, composite, /)\n--\n\n"
"Set the many-to-one attribute `key` from the identity map, as a lazy load does.\n\n"
"`lookup` is identity_map.get, `identity_key` the target mapper's identity_key_from_primary_key.\n"
"Settled keys are removed from `by_key`. Returns the parents whose target is expired.");

static PyObject *
assign_identities(PyObject *module, PyObject *args)
{
    module_state *state = PyModule_GetState(module);
    PyObject *by_key, *lookup, *identity_key, *target, *key, *keys = NULL, *stale = NULL;
    int composite, failed = -1;
    if (!PyArg_ParseTuple(args, "O!OOOUp:assign_identities", &PyDict_Type, &by_key, &lookup,
                          &identity_key, &target, &key, &composite)) {
        return NULL;
    }
    keys = PyDict_Keys(by_key);
    stale = keys ? PyList_New(0) : NULL;
    if (stale == NULL) {
        goto done;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(keys); i++) {
        PyObject *each = PyList_GET_ITEM(keys, i);
        PyObject *parents = PyDict_GetItemWithError(by_key, each);
        PyObject *instance = parents ? look_up_identity(lookup, identity_key, each, composite) : NULL;
        int settled = instance ? settle_identity(state, instance, parents, target, key, stale) : -1;
        Py_XDECREF(instance);
        if (settled < 0 || (settled > 0 && PyDict_DelItem(by_key, each) < 0)) {
            goto done;
        }
    }
    failed = 0;
done:
    Py_XDECREF(keys);
    if (failed < 0) {
        Py_CLEAR(stale);
    }
    return stale;
}

/* Append `child` to the list at children[key], unless it is there: an association may hold a pair
 * twice, and a joined eager load multiplies rows. `seen` maps each key to the ids of its children. */
static int
append_child(PyObject *children, PyObject *seen, PyObject *key, PyObject *child)
{
    PyObject *ids = Py_XNewRef(PyDict_GetItemWithError(seen, key));
    PyObject *id = PyLong_FromVoidPtr(child);
    int result = -1;
    if (ids == NULL && !PyErr_Occurred() && (ids = PySet_New(NULL)) != NULL
        && PyDict_SetItem(seen, key, ids) < 0) {
        Py_CLEAR(ids);
    }
    if (ids != NULL && id != NULL) {
        int known = PySet_Contains(ids, id);
        result = known != 0           ? (known > 0 ? 0 : -1)
                 : PySet_Add(ids, id) ? -1
                                      : group_append(children, key, child, 1);
    }
    Py_XDECREF(ids);
    Py_XDECREF(id);
    return result;
}

PyDoc_STRVAR(match_rows_doc,
"match_rows($module, rows, by_key, width, /)\n--\n\n"
"Group the children of rows (child, key column, ...) by key, each child once.\n\n"
"Returns ({key: [child]}, number of rows whose key is not in `by_key`).");

static PyObject *
match_rows(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *rows, *by_key, *children, *seen, *result = NULL;
    Py_ssize_t width, stray = 0;
    if (!PyArg_ParseTuple(args, "O!O!n:match_rows", &PyList_Type, &rows, &PyDict_Type, &by_key,
                          &width)) {
        return NULL;
    }
    children = PyDict_New();
    seen = PyDict_New();
    if (children == NULL || seen == NULL) {
        goto done;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(rows); i++) {
        Py_ssize_t nulls;
        PyObject *row = Py_NewRef(PyList_GET_ITEM(rows, i));
        PyObject *key = row_key(row, NULL, 1, width, &nulls);
        int known = key ? PyDict_Contains(by_key, key) : -1;
        if (known > 0) {
            PyObject *child = PySequence_GetItem(row, 0);
            known = child ? append_child(children, seen, key, child) : -1;
            Py_XDECREF(child);
        }
        else if (known == 0) {
            stray++;
        }
        Py_XDECREF(key);
        Py_DECREF(row);
        if (known < 0) {
            goto done;
        }
    }
    result = Py_BuildValue("On", children, stray);
done:
    Py_XDECREF(children);
    Py_XDECREF(seen);
    return result;
}

PyDoc_STRVAR(assign_children_doc,
"assign_children($module, by_key, children, key, uselist, /)\n--\n\n"
"Set the attribute `key` of every parent in `by_key`: its list of children, or the first one.\n\n"
"Returns the number of parents that a to-one relationship gave more than one row.");

static PyObject *
assign_children(PyObject *module, PyObject *args)
{
    module_state *state = PyModule_GetState(module);
    PyObject *by_key, *children, *key, *nothing, *each, *parents, *result = NULL;
    Py_ssize_t position = 0, surplus = 0;
    int uselist;
    if (!PyArg_ParseTuple(args, "O!O!Up:assign_children", &PyDict_Type, &by_key, &PyDict_Type,
                          &children, &key, &uselist)) {
        return NULL;
    }
    nothing = uselist ? PyList_New(0) : Py_NewRef(Py_None);
    if (nothing == NULL) {
        return NULL;
    }
    while (PyDict_Next(by_key, &position, &each, &parents)) {
        PyObject *value = PyDict_GetItemWithError(children, each);
        if (value == NULL && PyErr_Occurred()) {
            goto done;
        }
        if (value != NULL && !uselist) {
            surplus += PyList_GET_SIZE(value) > 1 ? PyList_GET_SIZE(parents) : 0;
            value = PyList_GET_ITEM(value, 0);
        }
        value = Py_NewRef(value ? value : nothing);
        int failed = assign_all(state, parents, key, value);
        Py_DECREF(value);
        if (failed < 0) {
            goto done;
        }
    }
    result = PyLong_FromSsize_t(surplus);
done:
    Py_DECREF(nothing);
    return result;
}

PyDoc_STRVAR(assign_value_doc,
"assign_value($module, parents, key, value, /)\n--\n\n"
"Set the attribute `key` of every parent to one committed value.");

static PyObject *
assign_value(PyObject *module, PyObject *args)
{
    PyObject *parents, *key, *value;
    if (!PyArg_ParseTuple(args, "O!UO:assign_value", &PyList_Type, &parents, &key, &value)) {
        return NULL;
    }
    if (assign_all(PyModule_GetState(module), parents, key, value) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(read_results_doc,
"read_results($module, parents, key, answers, /)\n--\n\n"
"The value of the attribute `key` for each parent, in order.\n\n"
"`answers` maps id(parent) to what is known otherwise: an exception, or what the ORM answered.");

static PyObject *
read_results(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *parents, *key, *answers, *results;
    if (!PyArg_ParseTuple(args, "O!UO!:read_results", &PyList_Type, &parents, &key, &PyDict_Type,
                          &answers)) {
        return NULL;
    }
    results = PyList_New(0);
    for (Py_ssize_t i = 0; results != NULL && i < PyList_GET_SIZE(parents); i++) {
        PyObject *parent = Py_NewRef(PyList_GET_ITEM(parents, i));
        PyObject *id = PyLong_FromVoidPtr(parent);
        PyObject *value = id ? PyDict_GetItemWithError(answers, id) : NULL;
        if (value != NULL) {
            Py_INCREF(value);
        }
        else if (!PyErr_Occurred()) {
            value = PyObject_GetAttr(parent, key);
        }
        if (value == NULL || PyList_Append(results, value) < 0) {
            Py_CLEAR(results);
        }
        Py_XDECREF(id);
        Py_XDECREF(value);
        Py_DECREF(parent);
    }
    return results;
}

/* ---- siblings ---- */

/* Whether a persistent instance may be loaded along with a sibling: it lacks the attribute, has no
 * pending change, is not expired and has no loader of its own. 1, 0, or -1 with an exception. */
static int
is_loadable_sibling(module_state *state, PyObject *instance, PyObject *instance_state, PyObject *key)
{
    int flag = is_loaded(instance, key);
    if (flag != 0) {
        return flag < 0 ? -1 : 0;
    }
    flag = state_flag(instance_state, state->str_modified);
    if (flag == 0) {
        flag = state_flag(instance_state, state->str_expired);
    }
    if (flag == 0) {
        flag = has_own_loader(state, instance_state, key);
    }
    return flag < 0 ? -1 : !flag;
}

PyDoc_STRVAR(sibling_states_doc,
"sibling_states($module, instances, classes, key, /)\n--\n\n"
"The instance states of those instances of the `classes` that could be loaded together.\n\n"
"`classes`: a set of exact classes, because a subclass may have a relationship of its own.");

static PyObject *
sibling_states(PyObject *module, PyObject *args)
{
    module_state *state = PyModule_GetState(module);
    PyObject *instances, *classes, *key, *states;
    if (!PyArg_ParseTuple(args, "O!O!U:sibling_states", &PyList_Type, &instances, &PySet_Type,
                          &classes, &key)) {
        return NULL;
    }
    states = PyList_New(0);
    for (Py_ssize_t i = 0; states != NULL && i < PyList_GET_SIZE(instances); i++) {
        PyObject *instance_state = NULL;
        PyObject *instance = Py_NewRef(PyList_GET_ITEM(instances, i));
        int fits = PySet_Contains(classes, (PyObject *)Py_TYPE(instance));
        if (fits > 0) {
            instance_state = PyObject_CallOneArg(state->instance_state, instance);
            fits = instance_state ? is_loadable_sibling(state, instance, instance_state, key) : -1;
        }
        if (fits < 0 || (fits > 0 && PyList_Append(states, instance_state) < 0)) {
            Py_CLEAR(states);
        }
        Py_XDECREF(instance_state);
        Py_DECREF(instance);
    }
    return states;
}

PyDoc_STRVAR(living_siblings_doc,
"living_siblings($module, root, states, start, key, limit, /)\n--\n\n"
"`root`, and the instances of states[start:] that are still alive and loadable.\n\n"
"Returns (instances, their states, stop): at most `limit` (-1: any), and where to go on.");

static PyObject *
living_siblings(PyObject *module, PyObject *args)
{
    module_state *state = PyModule_GetState(module);
    PyObject *root, *states, *key, *siblings = NULL, *found = NULL, *result = NULL;
    Py_ssize_t index, limit;
    if (!PyArg_ParseTuple(args, "OO!nUn:living_siblings", &root, &PyList_Type, &states, &index, &key,
                          &limit)) {
        return NULL;
    }
    PyObject *root_state = PyObject_CallOneArg(state->instance_state, root);
    siblings = root_state ? PyList_New(0) : NULL;
    found = siblings ? PyList_New(0) : NULL;
    if (found == NULL || PyList_Append(siblings, root) < 0
        || PyList_Append(found, root_state) < 0) {
        goto done;
    }
    for (; index < PyList_GET_SIZE(states); index++) {
        if (limit >= 0 && PyList_GET_SIZE(siblings) >= limit) {
            break;
        }
        PyObject *instance_state = Py_NewRef(PyList_GET_ITEM(states, index));
        PyObject *instance = PyObject_GetAttr(instance_state, state->str_object);
        int fits = instance == NULL ? -1 : 0;
        if (instance != NULL && instance != Py_None && instance != root) {
            fits = is_loadable_sibling(state, instance, instance_state, key);
        }
        if (fits > 0
            && (PyList_Append(siblings, instance) < 0
                || PyList_Append(found, instance_state) < 0)) {
            fits = -1;
        }
        Py_XDECREF(instance);
        Py_DECREF(instance_state);
        if (fits < 0) {
            goto done;
        }
    }
    result = Py_BuildValue("OOn", siblings, found, index);
done:
    Py_XDECREF(root_state);
    Py_XDECREF(siblings);
    Py_XDECREF(found);
    return result;
}

/* Append a relationship's value, an instance or a list of them, to `children`. */
static int
append_children(PyObject *children, PyObject *value)
{
    if (value == NULL || value == Py_None) {
        return 0;
    }
    if (!PyList_Check(value)) {
        return PyList_Append(children, value);
    }
    Py_ssize_t end = PyList_GET_SIZE(children);
    return PyList_SetSlice(children, end, end, value);
}

PyDoc_STRVAR(loaded_children_doc,
"loaded_children($module, states, key, /)\n--\n\n"
"What the attribute `key` holds in the living instances of the states, as one list.");

static PyObject *
loaded_children(PyObject *module, PyObject *args)
{
    module_state *state = PyModule_GetState(module);
    PyObject *states, *key, *children;
    if (!PyArg_ParseTuple(args, "O!U:loaded_children", &PyList_Type, &states, &key)) {
        return NULL;
    }
    children = PyList_New(0);
    for (Py_ssize_t i = 0; children != NULL && i < PyList_GET_SIZE(states); i++) {
        PyObject *dict = NULL;
        PyObject *instance = PyObject_GetAttr(PyList_GET_ITEM(states, i), state->str_object);
        int failed = instance == NULL ? -1 : 0;
        if (instance != NULL && instance != Py_None) {
            dict = group_instance_dict(instance);
            failed = dict ? append_children(children, PyDict_GetItemWithError(dict, key)) : -1;
        }
        if (failed < 0 || PyErr_Occurred()) {
            Py_CLEAR(children);
        }
        Py_XDECREF(dict);
        Py_XDECREF(instance);
    }
    return children;
}

static PyMethodDef group_methods[] = {
    {"group_parents", group_parents, METH_VARARGS, group_parents_doc},
    {"lacking", lacking, METH_VARARGS, lacking_doc},
    {"collect_keys", collect_keys, METH_VARARGS, collect_keys_doc},
    {"assign_identities", assign_identities, METH_VARARGS, assign_identities_doc},
    {"match_rows", match_rows, METH_VARARGS, match_rows_doc},
    {"assign_children", assign_children, METH_VARARGS, assign_children_doc},
    {"assign_value", assign_value, METH_VARARGS, assign_value_doc},
    {"read_results", read_results, METH_VARARGS, read_results_doc},
    {"sibling_states", sibling_states, METH_VARARGS, sibling_states_doc},
    {"living_siblings", living_siblings, METH_VARARGS, living_siblings_doc},
    {"loaded_children", loaded_children, METH_VARARGS, loaded_children_doc},
    {NULL, NULL, 0, NULL},
};

int
group_add(PyObject *module, module_state *Py_UNUSED(state))
{
    return PyModule_AddFunctions(module, group_methods);
}
