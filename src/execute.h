/* Executing a plan: positions, slots and the run, shared by the rooms of the walk.
 *
 *   frame (C stack)   a position that is being filled         ─┐ frame_place() makes the second
 *   place (heap)      a position that is filled later         ◄┘ from the first
 *   slot              a place and what it waits for
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
    Py_ssize_t index;        /* in a list, or -1 */
    Py_ssize_t references;
    Py_ssize_t depth; /* positions from the response to here, this one included */
    long tick;        /* of the walk that left it */
    long failed_tick; /* of the walk in which the value here failed, or -1 */
} place_node;

typedef struct frame_node {
    struct frame_node *parent;    /* borrowed: C stack; NULL at the response and at a slot */
    const plan_field *field; /* borrowed: plan */
    const plan_type *type;   /* borrowed: plan */
    PyObject *container;     /* borrowed: C stack */
    Py_ssize_t index;
    place_node *place;   /* owned; NULL until somebody asks, preset at a slot */
    PyObject *path; /* owned; NULL until somebody asks */
    PyObject *info; /* owned: GraphQLResolveInfo; of a field's frame_node */
} frame_node;

typedef enum {
    SLOT_VALUE,        /* the value of a field or an item */
    SLOT_LIST,         /* the items of an asynchronous iterable */
    SLOT_TYPE_OF,      /* the answer of is_type_of */
    SLOT_RUNTIME_TYPE, /* the answer of resolve_type */
    SLOT_BATCH,        /* a relationship of `source` */
} slot_kind;

typedef struct {
    slot_kind kind;
    int is_detached;       /* its object failed already: only its errors count */
    int needs_await;       /* SLOT_BATCH: its parent cannot be loaded for synchronously */
    place_node *place;          /* owned */
    const plan_type *type; /* borrowed: plan; what completes the value; NULL: nothing has to */
    PyObject *value;       /* owned: the awaitable, then what it gave; NULL before a batch */
    PyObject *source;      /* owned: the object that is asked about, or the parent; may be NULL */
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
    PyObject *parents;          /* owned: list of the lists of parents that were loaded for; NULL at
                                 * first. A lazy load finds them in the identity map, too */
    PyObject *origin;           /* owned: document position of the error that is in flight */
    slot_list slots;            /* left by the walk that is going on */
    slot_list level;            /* being drained */
    slot_list *roots;           /* owned: of a mutation, one for each root field */
    Py_ssize_t root_count;
    Py_ssize_t next_root;
    Py_ssize_t depth; /* objects and lists open on the C stack */
    Py_ssize_t depth_limit;
    unsigned long long number;
    long tick;      /* of the walk that is going on */
    long base_tick; /* of the root field that is drained, in a mutation */
    long null_tick; /* when the whole response became null, or -1 */
    const plan_field *loading; /* borrowed: plan; the relationship that is being awaited */
    run_phase phase;
    int is_sync;           /* nothing counts as awaitable */
    int default_awaitable; /* is_awaitable is graphql-core's own */
    int is_detached;       /* completing a slot whose object failed already */
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
int place_set(const place_node *self, PyObject *value);
void frame_finish(frame_node *self);

/* An exception came out of a position. 0 when the position is null now, -1 when the exception is
 * set and goes on (it is located then, or is not an Exception). */
int position_failed(run_state *run, frame_node *self);
/* The exception that position_failed() passed on reaches the places above a settled slot. */
int place_climb(run_state *run, place_node *self);
/* Hand the events to graphql-core's CollectedErrors, in order. */
int replay_events(run_state *run);

/* ---- resolve.c: values of fields ---------------------------------------------------------- */

typedef struct {
    PyObject *object; /* borrowed: the caller's */
    PyObject *dict;   /* owned: its __dict__; NULL until a resolver asks */
} source_view;

/* The value of a field, NULL with an exception. */
PyObject *resolve_field(run_state *run, plan_field *field, source_view *source,
                        frame_node *position);
/* The arguments of a field as a new dict, or NULL; an empty field gives NULL without exception. */
PyObject *resolve_arguments(run_state *run, plan_field *field);
/* 1 when the value is to be awaited, 0, or -1. */
int run_is_awaitable(run_state *run, PyObject *value);

/* ---- execute.c: the walk ------------------------------------------------------------------- */

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

/* ---- slots.c: slots and levels -------------------------------------------------------------- */

int slot_leave(run_state *run, slot_kind kind, frame_node *position, const plan_type *type,
               PyObject *value, PyObject *source);
/* Forget the awaitables that were left since `mark`: their object failed. */
void slots_forget(run_state *run, Py_ssize_t mark);
void slots_clear(slot_list *self);
void slot_release(slot_node *self);
/* Load every relationship in `list` that can be loaded without awaiting. */
int slots_load(run_state *run, slot_list *list);
/* The next relationship of `list` that has to be awaited: a coroutine, None, or NULL. */
PyObject *slots_load_async(run_state *run, slot_list *list);
/* What that coroutine gave: the values in order, or the exception it raised. */
int slots_take_loaded(run_state *run, slot_list *list, PyObject *values);
/* What is to be awaited: a list of coroutines, None, or NULL. */
PyObject *slots_awaitables(run_state *run, slot_list *list);
int slots_take_awaited(slot_list *list, PyObject *values);
/* Complete a relationship that is loaded, or failed to load, or the connection over it. */
outcome complete_loaded(run_state *run, plan_field *field, PyObject *source, PyObject *loaded,
                        frame_node *position, PyObject **out);
/* Complete all slots of the list, and empty it. */
int slots_settle(run_state *run, slot_list *list);
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
