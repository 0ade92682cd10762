/* Hypotheses about a fault: each changes the piece in some way and looks whether the difference vanishes. */
#ifndef TAP_DIFF_FAULTS_H
#define TAP_DIFF_FAULTS_H

#include "diff/compare.h"

/* A piece that is at fault, and the best explanation so far. */
typedef struct tap_case {
    tap_diff *d;
    tap_point *p;
    const tap_piece *piece;
    const tap_segment *s;   /* the piece as the model has it */
    const tap_tensor *want; /* what the reference has */
    double gap;             /* without a change; infinity where even the shape differs */
    double good;            /* a difference that rounding explains: the hypothesis is taken */
    tap_arena arena;        /* of the change that is being tried */
    tap_segment edit;       /* the piece changed */
    tap_value *
        *inner; /* what each node's first output is on the reference's values (s->n_nodes; NULL: none) */
    const char *fault, *why; /* of the best; texts live in d->arena */
    size_t input;            /* of s, behind which something is missing; SIZE_MAX: none */
    size_t node;             /* in s, that is changed; SIZE_MAX: none */
    double residual;
    int tries;
    tap_status status; /* of what is no failure of a hypothesis: no memory */
} tap_case;

/* Looks for a fault of its kind; true: found, the rest need not be tried. */
typedef bool tap_hypothesis(tap_case *c);

/* Hypotheses in the order in which they are tried: those with the clearest proof first. X(function). */
#define TAP_HYPOTHESES(X)      \
    X(tap_fault_nonfinite)     \
    X(tap_fault_precision)     \
    X(tap_fault_concat)        \
    X(tap_fault_padding)       \
    X(tap_fault_padding_value) \
    X(tap_fault_pool)          \
    X(tap_fault_axis)          \
    X(tap_fault_epsilon)       \
    X(tap_fault_statistics)    \
    X(tap_fault_activation)    \
    X(tap_fault_operator)      \
    X(tap_fault_resize)        \
    X(tap_fault_kernel)        \
    X(tap_fault_gates)         \
    X(tap_fault_recurrent)     \
    X(tap_fault_order)         \
    X(tap_fault_channels)      \
    X(tap_fault_window)        \
    X(tap_fault_rounding)      \
    X(tap_fault_quantization)  \
    X(tap_fault_affine)        \
    X(tap_fault_rounded)       \
    X(tap_fault_weights)

#define TAP_X(function) tap_hypothesis function;
TAP_HYPOTHESES(TAP_X)
#undef TAP_X

/* Whether a piece weighs by constants (Conv, MatMul, LSTM, ...). */
bool tap_is_weighted(const tap_segment *s);

/* A BatchNormalization that never saw data: mean 0, variance 1. */
bool tap_has_initial_statistics(tap_case *c, size_t node);
/* A Cast of floats to a small float in a piece; SIZE_MAX: none. */
size_t tap_narrowing_cast(const tap_segment *s);

/* ---- what hypotheses are made of ---- */

/* Starts a change: c->edit is a fresh copy of the piece. false: no memory, or enough was tried. */
bool tap_case_begin(tap_case *c);
/* Runs c->edit on the reference's values. node: which node of c->s was changed. fmt says what is the case, as
 * the why of the report. true: the difference has vanished. */
bool tap_case_try(tap_case *c, size_t node, const char *fault, const char *fmt, ...) TAP_PRINTF(4, 5);
/* The same with a residual that was found otherwise. */
bool tap_case_note(tap_case *c, double residual, size_t node, const char *fault, const char *fmt, ...)
    TAP_PRINTF(5, 6);
/* The largest difference of c->edit's result from the reference; infinity where it cannot be run. more:
 * values of inputs that were added. */
double tap_case_gap(tap_case *c, tap_value *const *more, size_t n_more);

static inline bool tap_node_is(const tap_segment *s, size_t i, const char *op) {
    const char *a = s->nodes[i].op;
    while (*a && *a == *op) a++, op++;
    return *a == *op && *s->nodes[i].domain == '\0';
}

int64_t tap_int_attr(const tap_segment *s, size_t node, const char *name, int64_t otherwise);
double tap_float_attr(const tap_segment *s, size_t node, const char *name, double otherwise);
bool tap_set_int(tap_segment *s, size_t node, const char *name, int64_t v);
bool tap_set_float(tap_segment *s, size_t node, const char *name, double v);
bool tap_set_text(tap_segment *s, size_t node, const char *name, const char *v);
bool tap_set_ints(tap_segment *s, size_t node, const char *name, const int64_t *v, size_t n);

/* Input k of a node where it is a constant: an initializer, or made by a Constant in the piece. NULL: it is
 * not. */
const tap_src_tensor *tap_constant_input(const tap_segment *s, size_t node, size_t k);
/* Elements of a stored number tensor as float64, in arena. NULL: not such a tensor, or no memory. */
double *tap_stored_doubles(tap_arena *a, const tap_src_tensor *t);
/* Gives input k of a node of c->edit other elements, float32 or of t's type where it is int64, and t's shape
 * or dims. */
bool tap_set_constant(tap_case *c, size_t node, size_t k, const tap_src_tensor *t, const double *x, int rank,
                      const int64_t *dims);
/* Names input k of a node of c->edit anew. */
bool tap_set_input(tap_case *c, size_t node, size_t k, const char *name);

/* The next permutation of 0 .. n - 1 in lexical order; false after the last. */
bool tap_next_permutation(int *p, int n);
/* What node `node`'s output k is on the reference's values; NULL. */
const tap_tensor *tap_inner(const tap_case *c, const char *name);

#endif
