/* A plan: the steps that run a graph for given types of its inputs, and where each value lies. */
#ifndef TAP_RUN_PLAN_H
#define TAP_RUN_PLAN_H

#include "core/move.h"
#include "run/session.h"
#include "run/work.h"

typedef enum tap_place {
    TAP_AT_NONE,  /* nobody needs it */
    TAP_AT_CONST, /* known before the run: memory of the model or of the plan */
    TAP_AT_INPUT, /* given to the run: an input, or captured from the graph around it */
    TAP_AT_ARENA, /* in the frame's arena, at an offset by lifetime */
    TAP_AT_RUN,   /* memory of its own, made while running */
} tap_place;

/* A value in one form. Each value of the graph has one as ONNX has it; where somebody wants them, one that is
 * channels-last and, of a value that holds a number for each channel, a vector along the last axis. */
typedef struct tap_slot {
    tap_tensor tensor;    /* dims in the order of the layout */
    const tap_type *type; /* as planned, in ONNX's order; the graph's own where that is the same */
    tap_kind kind;        /* now: NONE = not there */
    tap_value *value;     /* reference held, for what is no tensor or was handed over */
    tap_buffer *held;     /* reference held on tensor.buffer */
    tap_place place;
    bool channels_last, is_static;
    bool made_channels_last;               /* plain slot: its node fills the other one */
    bool made_absent;                      /* AT_RUN: an empty optional was made */
    bool of_model;                         /* CONST: the same in every plan */
    tap_vid value_id;                      /* of which value */
    int32_t number;                        /* in the plan's list of slots */
    int32_t first, last;                   /* steps from which to which its memory is needed (roots) */
    struct tap_slot *root;                 /* slot whose memory this is; itself where it has its own */
    size_t offset;                         /* in the arena (roots) */
    struct tap_slot *images_last, *vector; /* plain slot: the other forms, NULL where nobody wanted them */
    struct tap_slot *next;                 /* in the plan's list */
} tap_slot;

/* A tapped value as it is shown: what is told of it is the same in every run, but for where its elements lie
 * and, in bodies, the iteration. */
typedef struct tap_show {
    tap_vid v;
    tap_slot *slot; /* plain */
    tap_event event;
    tap_value around; /* of a tensor: what event.value points at */
} tap_show;

typedef enum tap_step_kind {
    TAP_STEP_RUN,
    TAP_STEP_VIEW,    /* out[0] = in[0] under another shape */
    TAP_STEP_PERMUTE, /* out[0] = in[0] in the other layout */
} tap_step_kind;

typedef struct tap_step {
    tap_work work;
    tap_step_kind kind;
    tap_run_fn *run;
    tap_slot **in, **out; /* n_in, n_out; NULL where absent */
    const tap_tensor **in_tensors;
    tap_tensor **out_tensors;
    const tap_type **in_types;
    tap_stage *stages;
    tap_node **fused;       /* nodes that became stages */
    tap_slot **stage_slots; /* 4 per stage: where its operands lie */
    tap_slot **extra;       /* operands of the stages, ended by NULL */
    int32_t n_stages;
    bool infer, gather, alloc; /* while running: infer; look at kinds of inputs; make outputs */
    tap_show *shows;           /* tapped values that it makes */
    tap_slot **drops;          /* AT_RUN slots that nobody needs afterwards */
    int32_t n_shows, n_drops;
    tap_move *move; /* PERMUTE of known shape */
    bool own_state; /* prepared for this plan: a default that it reads was replaced */
} tap_step;

typedef struct tap_plan {
    struct tap_plan *next;  /* most recently used first */
    tap_arena memory;       /* of the plan itself */
    tap_type *key;          /* types of inputs, captures, values given on the way */
    bool generic;           /* dims of inputs are unknown in it */
    bool overridden;        /* values that the model alone makes constant may be others */
    bool around_overridden; /* so are those of the plan around it */
    size_t n_values;        /* the graph's, then one for what a node computes where its output is given */
    tap_slot *plain;        /* n_values */
    tap_slot *slots, *last_slot; /* list of all: the plain ones first */
    size_t n_slots;
    tap_step **steps;
    size_t n_steps, room_steps;
    tap_show *preface; /* tapped values that no step makes */
    size_t n_preface;
    size_t arena_bytes;
    tap_slot **inputs_views; /* views of inputs: data to be set at each run */
    size_t n_inputs_views;
    size_t n_fused;
    tap_slot **run_slots; /* AT_RUN: cleared when the run's results are let go */
    size_t n_run_slots;
    char *bound_to; /* arena base that pointers are set for */
} tap_plan;

struct tap_frame {
    tap_session *session;
    tap_graph *graph;
    tap_frame *parent;
    tap_plan *plans;
    size_t n_plans, n_misses;
    tap_plan *plan; /* of the run under way, or the last */
    char *arena;
    size_t arena_bytes;
    const tap_value *const *inputs; /* n_inputs of the run, NULL where absent */
};

static inline tap_slot *tap_plan_slot(tap_plan *p, tap_vid v) {
    return &p->plain[v];
}
/* The value's other forms, made where they are not there yet. NULL: no memory. (slot.c) */
tap_slot *tap_plan_slot_last(tap_plan *p, tap_vid v);
tap_slot *tap_plan_slot_vector(tap_plan *p, tap_vid v);
/* Slots for n_values values, each in its plain form. false: no memory. */
bool tap_plan_make_slots(tap_plan *p);
static inline tap_slot *tap_slot_root(tap_slot *s) {
    while (s->root != s) s = s->root;
    return s;
}

/* Types in a key of the frame's graph. */
size_t tap_plan_key_size(const tap_frame *f);
/* A plan for frame->inputs. Errors as those of the nodes' infer. */
tap_status tap_plan_build(tap_frame *f, const tap_type *key, bool generic, tap_plan **out, tap_error *err);
void tap_plan_free(tap_plan *p, tap_budget *b);

/* The passes, in their order: layout and fusion never look at taps to decide how something is computed. */
tap_status tap_plan_zeros(tap_frame *f, tap_plan *p, tap_error *err);
tap_status tap_plan_layout(tap_frame *f, tap_plan *p, tap_error *err);
tap_status tap_plan_fuse(tap_frame *f, tap_plan *p, tap_error *err);
tap_status tap_plan_memory(tap_frame *f, tap_plan *p, tap_error *err);

/* Adds a step for node n with these slots; types and tensors are bound later. NULL: no memory. */
tap_step *tap_plan_add_step(tap_plan *p, tap_frame *f, tap_step_kind kind, tap_node *n, int32_t n_in,
                            int32_t n_out);

/* Running (frame.c) */
tap_frame *tap_frame_get(tap_session *s, tap_graph *g, tap_frame *parent);
void tap_frame_free(tap_frame *f);
void tap_frame_drop_plans(tap_frame *f);
/* Runs the frame's graph for inputs (NULL: absent). Results are in the slots of f->plan until
 * tap_frame_reset. */
tap_status tap_frame_run(tap_frame *f, const tap_value *const *inputs, tap_error *err);
void tap_frame_reset(tap_frame *f);
/* One step, its slots bound. */
tap_status tap_step_run(tap_frame *f, tap_step *step, tap_error *err);
tap_status tap_step_permute(tap_frame *f, tap_step *step);
/* Elements moved by all of the session's threads. */
void tap_frame_move(tap_frame *f, const tap_move *m, const void *src, void *dst);
/* Gives slot memory of its own for this type. false: no memory. */
/* CONST: brings the constant's memory in, for v of the frame's graph. false: no memory. */
bool tap_slot_load(tap_frame *f, tap_vid v, tap_slot *slot);
/* A counted value with what lies in a slot: shares memory that is counted, copies what is the arena's. NULL:
 * no memory. */
tap_value *tap_slot_keep(tap_session *se, tap_slot *s);
/* A tensor value with memory of the session's, uninitialised but for strings. NULL: no memory. */
tap_value *tap_session_make(tap_session *s, tap_dtype dtype, int rank, const int64_t *dims);
bool tap_slot_make(tap_session *s, tap_slot *slot, const tap_type *type);
void tap_slot_clear(tap_slot *slot);
/* Dims of a tensor type in the order of the slot's layout. */
bool tap_slot_shape(tap_slot *slot, const tap_type *type);
/* As planned: `like` itself (NULL: none), which outlives the plan, where it says the same, else a copy.
 * false: no memory. */
bool tap_slot_set_type(tap_plan *p, tap_slot *slot, const tap_type *type, const tap_type *like);
/* Of what is there now, in ONNX's order; kind NONE where nothing is. */
tap_type tap_slot_now(const tap_slot *slot);

/* What is the same each time that value v of the frame's graph is shown; the plan's slots are there.
 * (events.c) */
void tap_show_init(tap_show *w, tap_frame *f, tap_plan *p, tap_vid v);
/* Tells listeners about the value, or keeps it. */
tap_status tap_show_value(tap_frame *f, tap_show *w, tap_error *err);

#endif
