/* Executing a plan: positions, slots and the run, shared by the rooms of the walk.
 *
 *   frame (C stack)   a position that is being filled            ─┐ frame_place() makes the second
 *   place (heap)      a position above one that is filled later ◄┘ from the first
 *   slot              a position that is filled later, and what it waits for
 *   run               one execution of a plan, from its first field to its last slot
 */
#ifndef GSC_EXECUTE_H
#define GSC_EXECUTE_H

#include "plan.h"

/* What became of a value that was to be completed. */
typedef enum {
    FAILED = -1, /* an exception is set */
    DONE = 0,
    DEFERRED = 1, /* a slot was left; the value is None for the time being */
} outcome;

typedef struct place_node {
    struct place_node *parent; /* owned: the position of `container`; NULL at the response */
    const plan_field *field; /* borrowed: plan */
    const plan_type *type;   /* borrowed: plan; the declared type of the position */
    PyObject *container;     /* owned: dict, or list when index >= 0 */
    PyObject *path;          /* owned: graphql-core's Path; NULL until somebody asks */
    struct place_node **items; /* owned, its places borrowed: of a list, the items that places were
                                * made for while slots were settled; NULL at first */
    Py_ssize_t index;        /* in a list, or -1 */
    Py_ssize_t references;
    Py_ssize_t depth; /* positions from the response to here, this one included */
    long failed_tick; /* of the walk in which the value here failed, or -1 */
} place_node;

typedef struct frame_node {
    struct frame_node *parent;    /* borrowed: C stack; NULL at the response and at a slot */
    place_node *above;            /* borrowed: of a slot that is settled, the position above */
    const plan_field *field; /* borrowed: plan */
    const plan_type *type;   /* borrowed: plan */
    PyObject *container;     /* borrowed: C stack */
    Py_ssize_t index;
    place_node *place;   /* owned; NULL until somebody asks */
    PyObject *path; /* owned; NULL until somebody asks */
    PyObject *info; /* owned: GraphQLResolveInfo; of a field's frame_node */
    int admitted;   /* its guarded objects were found visible; of a list, those of its items */
    int is_sifted;  /* a list without the objects that are hidden */
} frame_node;

typedef enum {
    SLOT_VALUE,        /* the value of a field or an item */
    SLOT_LIST,         /* the items of an asynchronous iterable */
    SLOT_TYPE_OF,      /* the answer of is_type_of */
    SLOT_RUNTIME_TYPE, /* the answer of resolve_type */
    SLOT_BATCH,        /* a relationship of `source` */
    SLOT_ROWS,         /* a relationship of each row in the list `source`, whose objects are in the
                        * list `container` */
    SLOT_ATTRIBUTE,    /* an attribute of `source` that is not loaded */
    SLOT_QUERY,        /* a statement that a resolver returned: queries.RowQuery */
    SLOT_GUARD,        /* whether objects of a guarded type are visible: guard.c */
} slot_kind;

typedef struct {
    slot_kind kind;
    int is_detached;       /* its object failed already: only its errors count */
    int needs_await;       /* a load that cannot be made synchronously */
    int is_loaded;         /* of a load: `value` is what came of it */
    place_node *above;          /* owned: as of a place, like the four that follow */
    const plan_field *field;    /* borrowed: plan */
    const plan_type *declared;  /* borrowed: plan; the declared type of the position; SLOT_ROWS: of
                                 * the items */
    PyObject *container;        /* owned */
    Py_ssize_t index;
    long tick;                  /* of the walk that left it */
    const plan_type *type; /* borrowed: plan; what completes the value; NULL: nothing has to */
    PyObject *value;       /* owned: the awaitable or the RowQuery, then what it gave; NULL before
                            * a relationship is loaded */
    PyObject *source;      /* owned: the object that is asked about, or the parent, or the list of
                            * parents; may be NULL */
    PyObject *origin;      /* owned: where the parents are rows; else NULL */
} slot_node;

typedef struct {
    slot_node *items; /* owned */
    Py_ssize_t size;
    Py_ssize_t allocated;
} slot_list;

/* What a run is about to do. */
typedef enum { PHASE_NEXT, PHASE_LOAD, PHASE_GATHER } run_phase;

typedef struct {
    PyObject_HEAD
    module_state *state;        /* borrowed: kept alive by the type's module */
    plan_root *plan;            /* owned */
    PyObject *context;          /* owned: ExecutionContext */
    PyObject *schema;           /* owned, like all that follow: attributes of the context */
    PyObject *fragments;        /* owned */
    PyObject *root_value;       /* owned: the context's, for info */
    PyObject *source;           /* owned: the root value that is executed */
    PyObject *operation;        /* owned */
    PyObject *variable_values;  /* owned */
    PyObject *context_value;    /* owned */
    PyObject *is_awaitable;     /* owned */
    PyObject *type_resolver;    /* owned */
    PyObject *middleware;       /* owned; NULL without */
    PyObject *collected_errors; /* owned */
    PyObject *arguments;        /* owned: list, values of ARGUMENTS_PER_OPERATION; NULL at first */
    PyObject *data;             /* owned: the response */
    PyObject *events;           /* owned: list of error events; NULL without errors */
    PyObject *aborts;           /* owned: dict, where walks were cut short; NULL without */
    PyObject *parents;          /* owned: list of what has something below it that comes later; NULL
                                 * at first. A lazy load finds it in the identity map, too */
    PyObject *origin;           /* owned: document position of the error that is in flight */
    PyObject *guard;            /* owned: guard.Guard; NULL where no type is guarded */
    PyObject *guarded;          /* owned: its dict of types that are; NULL without */
    slot_list slots;            /* left by the walk that is going on */
    slot_list level;            /* being drained */
    slot_list *roots;           /* owned: of a mutation, one for each root field */
    Py_ssize_t root_count;
    Py_ssize_t next_root;
    Py_ssize_t object_count; /* of the response */
    Py_ssize_t max_objects;  /* 0 for any number */
    Py_ssize_t depth; /* objects and lists open on the C stack */
    Py_ssize_t depth_limit;
    unsigned long long number;
    long tick;      /* of the walk that is going on */
    long base_tick; /* of the root field that is drained, in a mutation */
    long null_tick; /* when the whole response became null, or -1 */
    Py_ssize_t loading;        /* slot of the level whose load is being awaited, or -1 */
    run_phase phase;
    int is_sync;           /* nothing counts as awaitable */
    int default_awaitable; /* is_awaitable is graphql-core's own */
    int is_detached;       /* completing a slot whose object failed already */
    int shares_objects;    /* places that show the same row may share its object */
    int is_serial;         /* a mutation */
    int has_failures;      /* some place has a failed_tick */
    int is_started;
} run_state;

/* ---- place.c: positions, paths, errors ---------------------------------------------------- */

place_node *frame_place(frame_node *self);
void place_release(place_node *self);
/* graphql-core's Path of a position; borrowed. NULL with an exception. */
PyObject *frame_path(run_state *run, frame_node *self);
PyObject *place_path(run_state *run, place_node *self);
/* graphql-core's GraphQLResolveInfo of the field that a position belongs to; borrowed. */
PyObject *frame_info(run_state *run, frame_node *self);
/* Put a value where it belongs: an item of a list, or the field of an object. */
int position_set(PyObject *container, const plan_field *field, Py_ssize_t index, PyObject *value);
void frame_finish(frame_node *self);

/* Take the exception that is set, with its traceback. NULL when it could not be had. */
PyObject *take_exception(void);
/* An exception came out of a position. 0 when the position is null now, -1 when the exception is
 * set and goes on (it is located then, or is not an Exception). */
int position_failed(run_state *run, frame_node *self);
/* The exception that position_failed() passed on reaches the places above a settled slot, from
 * the nearest one on; NULL is the response. */
int place_climb(run_state *run, place_node *nearest);
/* Hand the events to graphql-core's CollectedErrors, in order. */
int replay_events(run_state *run);

/* ---- resolve.c: values of fields ---------------------------------------------------------- */

typedef struct {
    PyObject *object; /* borrowed: the caller's */
    PyObject *dict;   /* owned: its __dict__; NULL until a resolver asks */
} source_view;

/* The value of a field, NULL with an exception; NULL without one where an attribute of an instance
 * is to be loaded: slot_leave_attribute(). */
PyObject *resolve_field(run_state *run, plan_field *field, source_view *source,
                        frame_node *position);
/* The arguments of a field as a new dict, or NULL; an empty field gives NULL without exception. */
PyObject *resolve_arguments(run_state *run, plan_field *field);
/* Coerce the arguments of a field that is left to be loaded with those of the whole level, so that
 * an error in them is this field's. 0 or -1. */
int resolve_check_arguments(run_state *run, plan_field *field);
/* relay's global id of what the inner resolver gives, or NULL. */
PyObject *resolve_id_as_global(run_state *run, const plan_resolver *resolver, PyObject *id);
/* 1 when the value is to be awaited, 0, or -1. */
int run_is_awaitable(run_state *run, PyObject *value);

/* ---- execute.c: the walk ------------------------------------------------------------------- */

/* Count one object of the response: 0, or -1 with TooManyObjects, which no position absorbs because
 * it is no Exception. */
static inline int
run_count_object(run_state *run)
{
    if (++run->object_count > run->max_objects && run->max_objects > 0) {
        PyErr_SetNone(run->state->TooManyObjects);
        return -1;
    }
    return 0;
}
/* Keep a value until the run has ended: a session forgets instances that nobody refers to, with
 * what was loaded into them, and a level below may come back to them. */
int run_keep(run_state *run, PyObject *value);
/* The response object of a selection; NULL with an exception. */
PyObject *walk_selection(run_state *run, plan_selection *selection, PyObject *source,
                         frame_node *owner);
/* One field; the value, which is None when a slot was left; NULL with an exception. */
PyObject *walk_field(run_state *run, plan_field *field, source_view *source, frame_node *position);
outcome complete_value(run_state *run, const plan_type *type, PyObject *value, frame_node *position,
                       PyObject **out);
/* A value that a resolver gave: leave a slot when it is awaitable, else complete it. */
outcome complete_resolved(run_state *run, const plan_type *type, PyObject *value,
                          frame_node *position, PyObject **out);
outcome complete_list(run_state *run, const plan_type *type, PyObject *value, frame_node *position,
                      PyObject **out);
/* An object whose is_type_of has been asked. */
outcome complete_checked_object(run_state *run, plan_object *object, PyObject *value,
                                frame_node *position, PyObject **out);
outcome complete_runtime_type(run_state *run, const plan_type *type, PyObject *name,
                              PyObject *value, frame_node *position, PyObject **out);
int raise_wrong_type(run_state *run, plan_object *object, PyObject *value, frame_node *position);

/* ---- guard.c: guarded types ------------------------------------------------------------------- */

/* Each leaves a slot where the value has to be checked first; DONE where it has not. Only of runs
 * that have a guard, and of values that did not come as rows. */
outcome guard_object(run_state *run, plan_object *object, PyObject *value, frame_node *position,
                     PyObject **out);
outcome guard_list(run_state *run, const plan_type *type, PyObject *value, frame_node *position,
                   PyObject **out);
/* What a connection is to be made from: the relationship of `source`. */
outcome guard_connection(run_state *run, plan_field *field, PyObject *source, PyObject *loaded,
                         frame_node *position, PyObject **out);
/* Complete what is visible of the subject of a slot. */
outcome guard_settle(run_state *run, slot_node *self, frame_node *position, PyObject **out);

/* ---- polymorph.c: rows of several classes --------------------------------------------------- */

/* The selection that a row is walked with: its discriminator tells. NULL with an exception. */
plan_selection *kinds_select(run_state *run, const plan_kinds *kinds, PyObject *row,
                             frame_node *position);

/* ---- assemble.c: the walk over rows ---------------------------------------------------------- */

/* Complete a RowGroup. */
outcome complete_group(run_state *run, const plan_type *type, PyObject *value, frame_node *position,
                       PyObject **out);

/* ---- slots.c: slots and levels -------------------------------------------------------------- */

int slot_leave(run_state *run, slot_kind kind, frame_node *position, const plan_type *type,
               PyObject *value, PyObject *source);
/* The same for a relationship of a row that comes from `origin`. */
int slot_leave_row(run_state *run, frame_node *position, PyObject *row, PyObject *origin);
/* The same for all rows of a list at once: `owner` is the position of the list, `type` that of its
 * items. */
int slot_leave_rows(run_state *run, frame_node *owner, const plan_type *type,
                    const plan_field *field, PyObject *list, PyObject *rows, PyObject *origin);
/* Positions from the response to the slot, its own included. */
static inline long
slot_depth(const slot_node *self)
{
    return self->above ? (long)self->above->depth + 1 : 1;
}
/* Whether a slot waits for a load of ours rather than for an awaitable. */
static inline int
slot_kind_is_load(slot_kind kind)
{
    return kind == SLOT_BATCH || kind == SLOT_ROWS || kind == SLOT_QUERY ||
           kind == SLOT_ATTRIBUTE || kind == SLOT_GUARD;
}
static inline int
slot_is_load(const slot_node *self)
{
    return slot_kind_is_load(self->kind);
}
/* Forget the awaitables that were left since `mark`: their object failed. */
void slots_forget(run_state *run, Py_ssize_t mark);
void slots_clear(slot_list *self);
void slot_release(slot_node *self);
/* ---- loads.c: loading for the slots of a level ----------------------------------------------- */

/* Load everything in `list` that can be loaded without awaiting. */
int slots_load(run_state *run, slot_list *list);
/* The next load of `list` that has to be awaited: a coroutine, None, or NULL. */
PyObject *slots_load_async(run_state *run, slot_list *list);
/* What that coroutine gave: the answers, or the exception it raised. */
int slots_take_loaded(run_state *run, slot_list *list, PyObject *values);

/* ---- settle.c: completing what came ---------------------------------------------------------- */

/* Complete a relationship that is loaded, or failed to load, or the connection over it. */
outcome complete_loaded(run_state *run, plan_field *field, PyObject *source, PyObject *loaded,
                        frame_node *position, PyObject **out);
/* Complete all slots of the list, and empty it. */
int slots_settle(run_state *run, slot_list *list);

/* ---- slots.c again --------------------------------------------------------------------------- */

/* What is to be awaited: a list of coroutines, None, or NULL. */
PyObject *slots_awaitables(run_state *run, slot_list *list);
int slots_take_awaited(slot_list *list, PyObject *values);
/* Move the slots that wait for a relationship from one list to the end of another, without those
 * whose parent has to be awaited unless `all`. */
int slots_move_batches(slot_list *from, slot_list *to, int all);
int slots_move_all(slot_list *from, slot_list *to);
/* Close the coroutines that nobody will await. */
void slots_close(const run_state *run, slot_list *list);
/* Forget the awaitables whose object failed in the walk that left them, and those that would settle
 * when the whole response is null already. */
void slots_forget_failed(run_state *run);


#endif
