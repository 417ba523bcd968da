/* Plans: what is known of an operation before its data is there.
 *
 *   Plan ── objects ──► plan_object ─► ...            one per object type that was met
 *     └── selections ─► plan_selection ─► ...         one per compiled selection set and type
 *                          └ fields[] ─► plan_field
 *                                          ├ resolver   plan_resolver (─► inner, for global ids)
 *                                          ├ type       plan_type ─► inner ─► named type
 *                                          └ branches[] (plan_object, plan_selection)
 *
 * All nodes live as long as the Plan; a pointer from node to node borrows.
 */
#ifndef GSC_PLAN_H
#define GSC_PLAN_H

#include "leaf.h"
#include "module.h"

typedef enum {
    TYPE_NON_NULL,
    TYPE_LIST,
    TYPE_LEAF,
    TYPE_OBJECT,
    TYPE_ABSTRACT,
} type_kind;

typedef enum {
    TYPE_OF_NONE,     /* the type has no is_type_of */
    TYPE_OF_UPSTREAM, /* graphene-sqlalchemy's own: true for the exact mapped class */
    TYPE_OF_POSSIBLE, /* graphene's possible_types */
    TYPE_OF_OTHER,    /* call it */
} type_of_kind;

typedef struct plan_object {
    struct plan_object *next;
    PyObject *type;        /* owned: GraphQLObjectType */
    PyObject *name;        /* owned: str */
    PyObject *fields;      /* owned: its dict of GraphQLField */
    PyObject *is_type_of;  /* owned: callable or None */
    PyObject *known_class; /* owned: mapped class or tuple of possible types; may be NULL */
    type_of_kind type_of;
} plan_object;

typedef struct plan_type {
    type_kind kind;
    leaf_kind leaf;
    PyObject *type;          /* owned: GraphQL type */
    PyObject *function;      /* owned: leaf: serialize; abstract: resolve_type; may be NULL */
    PyObject *memo;          /* owned: LEAF_ENUM: table of names; TYPE_ABSTRACT: the runtime types
                              * that were found valid, by name; else NULL */
    struct plan_type *inner; /* owned: of a wrapper */
    plan_object *object;     /* borrowed from the plan: TYPE_OBJECT */
} plan_type;

typedef enum {
    RESOLVE_PYTHON,       /* call it with root, info and arguments */
    RESOLVE_DEFAULT,      /* graphql-core's default_field_resolver */
    RESOLVE_DICT_OR_ATTR, /* graphene's default resolver */
    RESOLVE_ATTRIBUTE,    /* getattr(root, key, fallback) */
    RESOLVE_PRIMARY_KEY,  /* upstream's resolve_id */
    RESOLVE_TYPENAME,
    RESOLVE_GLOBAL_ID,
    RESOLVE_BATCH,      /* a relationship: load_many over the level */
    RESOLVE_CONNECTION, /* a connection over such a relationship */
} resolver_kind;

/* How a name of the objects of one class is read; see learn_class() in resolve.c. */
typedef enum { READ_GETATTR, READ_INSTANCE_DICT, READ_MAPPING } read_kind;

typedef struct plan_resolver {
    resolver_kind kind;
    read_kind read;
    PyObject *callable;          /* owned */
    PyObject *key;               /* owned: name or type name; may be NULL, and is None for a
                                  * class without a primary key of one column */
    PyObject *fallback;          /* owned: value where there is none; may be NULL */
    PyObject *batch;             /* owned: RESOLVE_BATCH, RESOLVE_CONNECTION: the batch resolver */
    struct plan_resolver *inner; /* owned: RESOLVE_GLOBAL_ID */
    PyTypeObject *seen_type;     /* owned: class that `read` is about; may be NULL */
    unsigned long long seen_run; /* run in which that was found out */
} plan_resolver;

/* How long coerced arguments are kept; the numbers are those of `arguments_use` in _graphql.py. */
typedef enum {
    ARGUMENTS_NONE,
    ARGUMENTS_CONSTANT,
    ARGUMENTS_PER_OPERATION,
    ARGUMENTS_PER_CALL,
} arguments_kind;

typedef struct plan_selection plan_selection;

typedef struct {
    plan_object *object;       /* borrowed from the plan */
    plan_selection *selection; /* borrowed from the plan */
} plan_branch;

typedef struct plan_field {
    Py_ssize_t order;           /* place among the fields of its selection */
    plan_object *parent;        /* borrowed from the plan */
    PyObject *response_name;    /* owned: str */
    PyObject *field_name;       /* owned: str */
    PyObject *nodes;            /* owned: list of FieldNode */
    PyObject *definition;       /* owned: GraphQLField */
    PyObject *declared_resolve; /* owned: definition.resolve */
    PyObject *return_type;      /* owned: definition.type */
    plan_resolver *resolver;    /* owned */
    plan_type *type;            /* owned */
    arguments_kind arguments_use;
    PyObject *arguments;        /* owned: ARGUMENTS_CONSTANT: dict, once coerced */
    Py_ssize_t arguments_index; /* ARGUMENTS_PER_OPERATION: index in Run.arguments */
    plan_branch *branches;      /* owned */
    Py_ssize_t branch_count;
} plan_field;

struct plan_selection {
    struct plan_selection *next;
    plan_object *object;  /* borrowed from the plan */
    PyObject *template_;  /* owned: dict, response names -> None */
    plan_field **fields;  /* owned */
    Py_ssize_t field_count;
};

typedef struct {
    PyObject_HEAD
    module_state *state;       /* borrowed: kept alive by the type's module */
    PyObject *schema;          /* owned: GraphQLSchema */
    PyObject *fragments;       /* owned: dict */
    PyObject *field_resolver;  /* owned: of fields that have none */
    PyObject *condition_names; /* owned: frozenset of the variables that conditions may use */
    PyObject *root_type;       /* owned */
    PyObject *root_selections; /* owned: SelectionSetNode of the operation */
    plan_object *objects;      /* owned list */
    plan_selection *selections; /* owned list */
    plan_selection *root;      /* borrowed from selections */
    Py_ssize_t argument_slots; /* ARGUMENTS_PER_OPERATION given out */
    int reusable;              /* no condition used a variable outside condition_names */
} plan_root;

/* The plan's node for an object type; made when it is not there. NULL with an exception. */
plan_object *plan_object_of(plan_root *plan, PyObject *type);

/* The selection below `field` for objects of that type, compiled on first use
 * (`collect_subfields` of graphql-core). NULL with an exception. */
plan_selection *plan_selection_of(plan_root *plan, plan_field *field, plan_object *object,
                                  PyObject *variable_values);

/* The fields that a selection set selects for a type, response name -> list of nodes, as
 * graphql-core's collect_fields and collect_sub_fields collect them (collect.c).
 * `nodes` is a list of FieldNode, or NULL for the operation's own selection set. */
PyObject *collect_selection(plan_root *plan, plan_object *object, PyObject *nodes,
                            PyObject *variable_values);

/* How a resolver is known (classify.c): the one place that decides which callables need not be
 * called. `arguments` are the definitions of the field's arguments. NULL with an exception. */
plan_resolver *plan_classify_resolver(plan_root *plan, PyObject *callable, plan_object *parent,
                                      PyObject *field_name, PyObject *arguments);
void plan_free_resolver(plan_resolver *resolver);
int plan_visit_resolver(plan_resolver *resolver, visitproc visit, void *arg);

/* Fill in how `is_type_of` of an object type is asked (classify.c). */
int plan_classify_type_of(plan_root *plan, plan_object *object);

#endif
