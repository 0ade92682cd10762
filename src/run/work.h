/* A node at work: what stands behind a tap_ctx in each phase. */
#ifndef TAP_RUN_WORK_H
#define TAP_RUN_WORK_H

#include "run/model.h"

typedef enum tap_phase { TAP_PREPARE, TAP_INFER, TAP_PACK, TAP_RUN_PHASE } tap_phase;

struct tap_frame;
struct tap_slot;

typedef struct tap_work {
    tap_ctx pub; /* first: a tap_ctx is the address of its tap_work */
    tap_phase phase;
    tap_node *node;
    tap_model *model;
    tap_error *err;
    tap_status failed;         /* the first failure recorded */
    const tap_type **in_types; /* n_in, NULL where absent; in infer and run */
    tap_type *out_types;       /* n_out */
    bool final;                /* infer while running */
    struct tap_slot **planned; /* prepare for one plan: its inputs, of which the constants are known */
    tap_arena *arena;          /* for element types of sequences */
    struct tap_frame *frame;   /* run */
    struct tap_slot **in_slots, **out_slots;
    const tap_stage *stages;
    int32_t n_stages;
} tap_work;

static inline tap_work *tap_work_of(const tap_ctx *ctx) {
    return (tap_work *)(uintptr_t)ctx;
}

/* Zeroes w and sets what all phases need. */
void tap_work_init(tap_work *w, tap_phase phase, tap_model *m, tap_node *n, tap_error *err);

/* Calls the row's infer, or what stands for it. in_types: n_in; out_types: n_out, filled. */
tap_status tap_work_infer(tap_work *w);

/* A deep copy of a type's elem chain into arena. false: no memory. */
bool tap_type_copy(tap_arena *a, tap_type *to, const tap_type *from);
tap_type tap_type_of_tensor(const tap_tensor *t);
tap_type tap_type_of_stored(const tap_src_tensor *t);
bool tap_type_is_static(const tap_type *t); /* a tensor with all dims known */

#endif
