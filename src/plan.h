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
typedef enum {
    READ_GETATTR,
    READ_DESCRIPTOR,    /* of a mapped class, by code that may load (asynchronous runs only) */
    READ_INSTANCE_DICT, /* the instance dict first */
    READ_COLUMN,        /* the same, and what is not there is to be loaded */
    READ_MAPPING,
} read_kind;

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

/* Where the value of a field comes from when its object is a row; the numbers are those of the
 * constants in levels.py. */
typedef enum {
    ROW_NOTHING,
    ROW_TYPENAME,
    ROW_VALUE,        /* a column, or several as the text of a tuple */
    ROW_GLOBAL_ID,    /* the same, as a global id */
    ROW_RELATION,     /* a relationship, or a connection over one */
    ROW_EDGES,        /* of a connection: a list of edges; what follows is below it */
    ROW_NODE,
    ROW_CURSOR,
    ROW_PAGE_INFO,
    ROW_HAS_NEXT,
    ROW_HAS_PREVIOUS,
    ROW_START_CURSOR,
    ROW_END_CURSOR,
    ROW_TOTAL,
} row_kind;

typedef struct plan_selection plan_selection;
typedef struct plan_kinds plan_kinds;

typedef struct {
    plan_object *object;       /* borrowed from the plan */
    plan_selection *selection; /* borrowed from the plan */
} plan_branch;

typedef struct plan_field {
    plan_selection *selection;  /* borrowed from the plan: the one that it is in */
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
    PyObject *limits;           /* owned: pagination.Limits of a connection; else NULL */
    int arranges;               /* a connection whose arguments may sort or filter */
    PyObject *arguments;        /* owned: ARGUMENTS_CONSTANT: dict, once coerced;
                                 * ARGUMENTS_PER_OPERATION: with None for each variable, or NULL */
    PyObject *variables;        /* owned: of these `arguments`: dict, name -> variable, or NULL */
    Py_ssize_t arguments_index; /* ARGUMENTS_PER_OPERATION: index in Run.arguments */
    struct plan_field *leader;  /* borrowed from the plan: the same relationship of another type that
                                 * stands at the same place, with which it is loaded; NULL without */
    plan_branch *branches;      /* owned */
    Py_ssize_t branch_count;
    plan_kinds *kinds;          /* owned list: of an interface or a union */
    row_kind row;      /* when the selection is by rows */
    Py_ssize_t column; /* ROW_VALUE, ROW_GLOBAL_ID: of the row; -1 where there are several */
    PyObject *columns; /* owned: tuple of columns; NULL where there is one */
} plan_field;

struct plan_selection {
    struct plan_selection *next;
    plan_object *object;  /* borrowed from the plan */
    PyObject *template_;  /* owned: dict, response names -> None */
    plan_field **fields;  /* owned */
    Py_ssize_t field_count;
    PyObject *names;      /* owned: tuple of the attributes that its fields read; NULL until
                           * plan_attribute_names() */
    PyObject *level;      /* owned: levels.Level; NULL until plan_level_of() */
    Py_ssize_t row_width; /* columns of a row that the fields read */
    int by_rows;          /* the level is loaded as rows */
    int is_flat;          /* by rows, and of leaves alone */
    int is_pure;          /* by rows, and no Python code runs for the usual values */
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
    PyObject *options;         /* owned: levels.PlanOptions */
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

/* How the objects of a selection are loaded: levels.Level, borrowed (level.c). `is_part` says that
 * the selection is below a connection and above its nodes. NULL with an exception. */
PyObject *plan_level_of(plan_root *plan, plan_selection *self, PyObject *variable_values,
                        int is_part);
/* The same of the objects of a field; new. None without objects, and where the selection cannot be
 * compiled: executing it will say why. */
PyObject *plan_level_below(plan_root *plan, plan_field *field, PyObject *variable_values,
                           int is_part);
/* levels.FieldFacts of each field of a selection, a list; new. */
PyObject *plan_describe_fields(plan_root *plan, plan_selection *self, PyObject *variable_values,
                               int is_connection, int is_part);
/* Put the sources of a level, one for each field, and the number of columns on a selection. */
int plan_set_sources(plan_selection *self, PyObject *sources, Py_ssize_t width);
/* The attributes that the fields of a selection read, and those that its relationships start from, a
 * tuple: borrowed, or NULL. */
PyObject *plan_attribute_names(module_state *state, plan_selection *self);
/* A selection below `field` that no other place has. NULL with an exception. */
plan_selection *plan_own_selection(plan_root *plan, plan_field *field, plan_object *object,
                                   PyObject *variable_values);

/* The objects of an interface or a union, as rows (polymorph.c). */
struct plan_kinds {
    struct plan_kinds *next;
    PyObject *base;        /* owned: the object type that is asked for, or None */
    PyObject *level;       /* owned: levels.Level; NULL where that of `base` alone serves */
    PyObject *by_identity; /* owned: dict, discriminator -> index of a branch or None; NULL where the
                            * level is not by rows */
    plan_selection **branches; /* owned; the selections are borrowed from the plan */
    Py_ssize_t branch_count;
    int is_pure; /* nothing runs Python code for the usual values */
};

/* How the objects of a field are loaded whose type is an interface or a union. `base` is the object
 * type that they are asked for by, or None. NULL with an exception, and without one where a level
 * of that one type serves. */
plan_kinds *plan_kinds_of(plan_root *plan, plan_field *field, PyObject *base,
                          PyObject *variable_values);
/* The same by their level; NULL without an exception where it is not of several types. */
const plan_kinds *plan_kinds_with(const plan_field *field, PyObject *level);
int plan_visit_kinds(const plan_kinds *self, visitproc visit, void *arg);
void plan_free_kinds(plan_kinds *self);
/* As plan_own_selection() for one of several types: its relationships are loaded with those of the
 * types that were met before; `others` are not the field's yet, or NULL. */
plan_selection *plan_kind_selection(plan_root *plan, plan_field *field, plan_object *object,
                                    const plan_kinds *others, PyObject *variable_values);

/* What a type wraps. */
const plan_type *plan_named_type(const plan_type *type);
/* The kind of a resolver as (name, key); new (level.c). */
PyObject *plan_describe_resolver(const plan_resolver *self);

/* Plan.describe(): the fields of the operation, with everything below them (describe.c). */
PyObject *plan_describe(plan_root *plan, PyObject *variable_values);

/* How a resolver is known (classify.c): the one place that decides which callables need not be
 * called. `arguments` are the definitions of the field's arguments. NULL with an exception. */
plan_resolver *plan_classify_resolver(plan_root *plan, PyObject *callable, plan_object *parent,
                                      PyObject *field_name, PyObject *arguments);
void plan_free_resolver(plan_resolver *resolver);
int plan_visit_resolver(plan_resolver *resolver, visitproc visit, void *arg);

/* Fill in how `is_type_of` of an object type is asked (classify.c). */
int plan_classify_type_of(plan_root *plan, plan_object *object);

#endif
