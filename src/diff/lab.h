/* Where pieces of a model are run: on any values, in the model's precision or in double. */
#ifndef TAP_DIFF_LAB_H
#define TAP_DIFF_LAB_H

#include "diff/segment.h"

/* How a source becomes a model with the operators that `like` has; given by who joins the parts. Everything
 * src points at outlives the model.
 * Operators may have kernels beyond the standard's types. Unsupported nodes are no error. */
typedef tap_status tap_lab_open_fn(const tap_src_model *src, const tap_model *like,
                                   uint64_t memory_limit_bytes, tap_model **out, tap_error *err);

typedef struct tap_lab {
    tap_lab_open_fn *open;
    const tap_model *like; /* the model that is looked into */
    uint64_t memory_limit_bytes;
    int threads;
} tap_lab;

/* A segment ready to run. */
typedef struct tap_rig {
    const tap_segment *segment;
    tap_src_model source;
    tap_arena arena; /* of the widened source */
    tap_model *model;
    tap_session *session;
    bool wide;
} tap_rig;

/* like: values of the segment's inputs, for their types; other shapes may be given to a run. The segment
 * outlives the rig. On failure nothing is left to close. */
tap_status tap_rig_open(const tap_lab *lab, const tap_segment *s, bool wide, const tap_value *const *like,
                        tap_rig *out, tap_error *err);
/* in: n_in values, floats of any width; out: n_out new references, NULL for an absent optional; none where it
 * fails. */
tap_status tap_rig_run(tap_rig *r, const tap_value *const *in, tap_value **out, tap_error *err);
void tap_rig_close(tap_rig *r);

/* Opens, runs once, closes. */
tap_status tap_lab_run(const tap_lab *lab, const tap_segment *s, bool wide, const tap_value *const *in,
                       tap_value **out, tap_error *err);
void tap_release_all(tap_value **v, size_t n);

/* v with floats of its tensors as `to` where they are of another width; a new reference. */
tap_status tap_value_in(const tap_value *v, tap_dtype to, tap_value **out, tap_error *err);

#endif
