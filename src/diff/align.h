/* Pairing the values of two models: the same network by another exporter, another opset, simplified or
 * optimised, in another width, or another checkpoint. */
#ifndef TAP_DIFF_ALIGN_H
#define TAP_DIFF_ALIGN_H

#include "diff/pairs.h"

/* What pairing needs to know of a value: where it stands, and its numbers in any order of axes. */
typedef struct tap_trait {
    size_t at; /* position among the model's values, or in the reference */
    const char *name, *op;
    bool is_output;
    uint32_t around; /* of the operators that make the inputs of its node */
    bool number;     /* a tensor of numbers that was computed in this run */
    int rank;        /* dims without those of extent 1, sorted */
    int64_t dims[TAP_RANK_MAX];
    int64_t count;
    double mean, rms, least, most; /* of its elements; NaN: not finite */
} tap_trait;

/* Fills in what a tensor says. */
void tap_trait_measure(tap_trait *t, const tap_tensor *x);

/* Pairs mine[n] with theirs[m], both in the order of execution: names that no exporter made up, outputs, and
 * an alignment of what is between. m tells their layers; NULL: nobody. Errors: TAP_MEMORY. */
tap_status tap_align(const tap_model *m, const tap_trait *mine, size_t n, const tap_trait *theirs,
                     size_t n_theirs, tap_match_list *l, tap_error *err);

/* The same for a model that is run once to see its values, and a reference that was run. */
tap_status tap_match_models(tap_model *m, const tap_input *inputs, size_t n_inputs, const tap_reference *r,
                            int threads, tap_match_list *l, tap_error *err);

#endif
