/* Arrays whose dimensions have labels, and sums of products of two of them. All functions are for use in run.
 */
#ifndef TAP_OPS_COMMON_CONTRACT_H
#define TAP_OPS_COMMON_CONTRACT_H

#include "common/ops.h"

#define TAP_LABELS_MAX 64

typedef uint64_t tap_label_set;

#define TAP_LABEL(l) (UINT64_C(1) << (l))

/* Element (i0, i1, ...) lies step[0] * i0 + step[1] * i1 + ... elements from data. Each label is there once;
 * its extent is the same wherever it occurs, and more than 1. */
typedef struct tap_labelled {
    const void *data;
    int rank;
    int label[TAP_LABELS_MAX];
    int64_t step[TAP_LABELS_MAX];
} tap_labelled;

static inline int tap_label_find(const tap_labelled *o, int label) {
    for (int i = 0; i < o->rank; i++)
        if (o->label[i] == label) return i;
    return -1;
}

static inline tap_label_set tap_label_set_of(const tap_labelled *o) {
    tap_label_set set = 0;
    for (int i = 0; i < o->rank; i++) set |= TAP_LABEL(o->label[i]);
    return set;
}

static inline void tap_label_reverse(tap_labelled *o) {
    for (int i = 0, k = o->rank - 1; i < k; i++, k--) {
        int label = o->label[i];
        int64_t step = o->step[i];
        o->label[i] = o->label[k];
        o->step[i] = o->step[k];
        o->label[k] = label;
        o->step[k] = step;
    }
}

/* Sets labels (those of extent 1 are left out) and steps of a dense row-major array. */
static inline void tap_label_dense(tap_labelled *o, int n, const int *label, const int64_t *extent) {
    int64_t step = 1;
    o->rank = 0;
    for (int i = n - 1; i >= 0; i--) {
        if (extent[label[i]] == 1) continue;
        o->label[o->rank] = label[i];
        o->step[o->rank++] = step;
        step *= extent[label[i]];
    }
    tap_label_reverse(o);
}

#define tap_label_copy TAP_ISA_NAME(tap_label_copy)
#define tap_label_sum  TAP_ISA_NAME(tap_label_sum)
#define tap_contract   TAP_ISA_NAME(tap_contract)

/* dtype: FLOAT, DOUBLE, UINT32, UINT64. extent: by label; none is 0. */

/* to = from, which has the same labels. */
tap_status tap_label_copy(tap_ctx *ctx, tap_dtype dtype, const int64_t *extent, const tap_labelled *from,
                          const tap_labelled *to);

/* Sums *o over its labels that are not in keep; what is left lies in scratch. */
tap_status tap_label_sum(tap_ctx *ctx, tap_dtype dtype, const int64_t *extent, tap_labelled *o,
                         tap_label_set keep);

/* *c = a b, summed over the labels that are in both and not in keep. A label that only one has must be in
 * keep. The result lies in scratch, or in `out` (not NULL, with the result's labels) if the product can be
 * written there. */
tap_status tap_contract(tap_ctx *ctx, tap_dtype dtype, const int64_t *extent, const tap_labelled *a,
                        const tap_labelled *b, tap_label_set keep, const tap_labelled *out, tap_labelled *c);

#endif
