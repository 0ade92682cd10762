/* The comparison while it goes on: points, and what each is judged by. */
#ifndef TAP_DIFF_COMPARE_H
#define TAP_DIFF_COMPARE_H

#include "diff/lab.h"
#include "diff/pairs.h"

/* What the comparison is given by who joins the parts. */
typedef struct tap_diff_parts {
    tap_model *model;
    const tap_bound *bound;
    const struct tap_vref *values; /* by global number */
    size_t n_values;
    tap_lab lab;
} tap_diff_parts;

/* A pair, and what is known of it so far. */
typedef struct tap_point {
    tap_diff_pair pub;
    tap_match match;
    tap_vid vid;  /* in the main graph; TAP_NO_VALUE: in a body */
    bool primary; /* of several pairs for one value: the one whose reference later pieces start from */
    bool given;   /* pieces start from it: primary, a number, made by a node of the main graph */
    bool done;
    tap_value *ref;   /* the reference's value in the model's order of axes; NULL: not loaded, or let go */
    tap_value *truth; /* in double precision, from the model's own inputs; NULL likewise */
    int uses;         /* points still to come that need ref and truth */
    bool weighted;    /* its piece weighs by constants */
    double gap;       /* largest difference from the reference, as a share of its largest number */
} tap_point;

struct tap_diff {
    tap_arena arena;
    tap_diff_parts parts;
    tap_diff_options options;
    const tap_reference *ref;
    const tap_input *inputs;
    size_t n_inputs;
    tap_match_list matches;
    tap_point *points;
    size_t n_points;
    size_t *at;      /* by global number of a value: its primary point; SIZE_MAX: none */
    uint8_t *marks;  /* by value of the main graph: TAP_CUT_GIVEN where a point or a graph input is */
    uint8_t *held;   /* by value of the main graph (hold.h) */
    tap_value **own; /* by value of the main graph: held ones and inputs, as the model has them */
    bool oracle;
    double weights_epsilon; /* all weights are numbers of a small float: its last place near 1; 0: they are
                               not */
    bool integer_weights;   /* all weights are integers times a scale */
    const char *failure;    /* what ended the run of the model early; NULL */
    tap_status status;      /* of what went wrong inside the listener */
    tap_error *err;
    size_t n_shown, n_explained;
};

/* A piece in front of a point, and its runs. */
typedef struct tap_piece {
    tap_arena arena;
    tap_segment plain, wide; /* the same piece; wide starts at held values, too */
    bool has_wide;
    size_t want, want_wide; /* position of the point's value among the outputs of each */
    tap_value *
        *in; /* plain.n_in values: the reference's, or the model's where it has none, in the model's types */
    tap_value **exact;   /* the same as they came */
    tap_value *by_model; /* the piece on these values as the model computes it */
    tap_value *by_truth; /* in double precision; NULL: no oracle */
    double limit;        /* what difference from the reference rounding explains */
    double noise;
} tap_piece;

/* Largest |a - b|; infinity where they differ in a number that is not finite, or in shape. */
double tap_gap(const tap_value *a, const tap_value *b);
/* Largest finite magnitude. */
double tap_scale(const tap_value *v);
/* One in the last place of a number near 1: 2^-23 for float32. 0: no float. */
double tap_epsilon(tap_dtype t);

/* Loads the reference of a point in the model's order of axes, shaped as `like` (NULL: unknown). p->ref stays
 * NULL, and the pair gets a note, where that is not possible. Errors: those of loading. */
tap_status tap_point_load(tap_diff *d, tap_point *p, const tap_tensor *like, tap_error *err);

/* Cuts and runs the piece in front of p on the reference's values. TAP_OK with by_model NULL: it cannot be
 * run alone, *why tells the reason. */
tap_status tap_piece_run(tap_diff *d, tap_point *p, tap_piece *out, const char **why, tap_error *err);
void tap_piece_free(tap_piece *piece);
/* Values of the plain piece's inputs with all floats moved by about one in the last place, or by the share
 * eps where that is more; `seed` tells which way. */
tap_status tap_piece_shake(const tap_piece *piece, uint64_t seed, double eps, tap_value **in, tap_error *err);

/* Judges a point whose value the model has just computed. */
tap_status tap_judge(tap_diff *d, tap_point *p, const tap_value *ours, tap_error *err);

/* The whole comparison: fills d->points in the order of execution. */
tap_status tap_compare(tap_diff *d, tap_error *err);
/* Frees what the comparison holds, not d itself. */
void tap_compare_clear(tap_diff *d);

/* Whether all weights of a model lie on the lattice of a small float (its epsilon; else 0), or of integers:
 * then it is a twin in a narrower type, and rounding them is what to expect. */
double tap_weights_epsilon(const tap_bound *b, bool *integers);

/* Why the piece in front of p gives another result than the reference (faults.c): fills fault, why, node,
 * residual of the pair. Errors: TAP_MEMORY. */
tap_status tap_explain(tap_diff *d, tap_point *p, const tap_piece *piece, tap_error *err);

#endif
