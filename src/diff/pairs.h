/* Which value of the model belongs to which value of the reference. */
#ifndef TAP_DIFF_PAIRS_H
#define TAP_DIFF_PAIRS_H

#include "diff/reference.h"
#include "graph/graph.h"

typedef struct tap_match {
    size_t ref, value; /* positions in the reference, and among the model's values */
    tap_paired_by by;
    const char *layer;      /* NULL: not known */
    int32_t output;         /* which output of the layer */
    bool alias;             /* the layer hands on what another has computed */
    int rank;               /* of perm; -1: not known */
    int perm[TAP_RANK_MAX]; /* numpy.transpose(value, perm) lies as the reference does */
} tap_match;

typedef struct tap_match_list {
    tap_arena *arena;
    tap_match *items; /* in the order of execution of the values */
    size_t n, room;
    tap_diff_unmatched *unmatched;
    size_t n_unmatched, room_unmatched;
    uint8_t *used; /* by position in the reference */
} tap_match_list;

bool tap_match_add(tap_match_list *l, tap_match m);
bool tap_unmatched_add(tap_match_list *l, const char *name, const char *reason, bool of_model);

/* By the file of pairs, names, positions of outputs, and layers; then, where the reference is a model, by
 * structure and values (align.h). chosen: by value, which to look at; NULL: all. Errors: TAP_NOT_FOUND,
 * TAP_DATA and TAP_IO (the file of pairs), TAP_MEMORY. */
tap_status tap_match_all(tap_model *m, const tap_input *inputs, size_t n_inputs, const tap_reference *r,
                         const tap_diff_options *o, const bool *chosen, tap_match_list *l, tap_error *err);
/* The file of pairs: JSON (layers.json, or {"reference": "tensor" or {"tensor", "perm"}}) or lines
 * "reference tensor [perm]", perm as 0,2,3,1. */
tap_status tap_match_file(const tap_model *m, const tap_reference *r, const char *path, tap_match_list *l,
                          tap_error *err);
/* Position of the value with that full name; SIZE_MAX: none. */
size_t tap_value_named(const tap_model *m, const char *name);

#endif
