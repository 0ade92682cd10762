/* A session: what one thread needs to run a model. */
#ifndef TAP_RUN_SESSION_H
#define TAP_RUN_SESSION_H

#include "run/buffers.h"
#include "run/model.h"
#include "run/pool.h"
#include "run/scratch.h"
#include "run/trace.h"

typedef struct tap_frame tap_frame;
typedef struct tap_reach tap_reach;
struct tap_set;

/* A tapped value kept for tap_session_tapped. */
typedef struct tap_kept {
    char *name;
    size_t index;
    tap_value *value;
} tap_kept;

struct tap_session {
    tap_model *model;
    tap_session_options options;
    tap_pool *pool;
    tap_scratch_stack scratch;
    tap_buffers buffers;
    bool ahead;           /* what is made now goes to the model or a plan: it outlives the session's blocks */
    tap_arena strings;    /* bytes of the run's strings */
    bool *tapped;         /* by global value number */
    struct tap_set *sets; /* values that are given on the way (reach.h) */
    size_t n_sets, room_sets;
    bool *stops;      /* by value: runs end where these are there; NULL: they run to the end */
    tap_reach *reach; /* what follows from sets, stops and partial; NULL: not known yet, or everything runs */
    tap_listener *listener;
    void *listener_user;
    tap_kept *kept;
    size_t n_kept, room_kept;
    tap_frame **frames;      /* by graph number, made when first run */
    int64_t iterations[128]; /* of the bodies that are running */
    size_t n_iterations;
    tap_value *around;         /* of the last run: around what lies in the main frame's slots */
    tap_value **copies;        /* of outputs that are the caller's own memory */
    const tap_value **outputs; /* either of them; NULL: absent */
    bool has_run;
    uint64_t runs; /* begun so far: random numbers go on from run to run */
    tap_trace trace;
};

#endif
