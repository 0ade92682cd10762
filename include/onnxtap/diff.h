/* Comparing what a model computes with a reference, layer by layer: where they part, and why.
 *
 *     tap_reference *ref;  tap_reference_open("keras.npz", model, &ref, &err);
 *     tap_diff *diff;      tap_diff_run(model, inputs, n, ref, NULL, &diff, &err);
 *     const tap_diff_pair *first = tap_diff_first(diff);
 *
 * Three runs tell error that began in a place from error that was passed on: the model as it is; the same
 * graph in double precision, which says what rounding may do there; and each piece between two compared
 * values once more on the reference's own values. See docs/DIFF.md. */
#ifndef ONNXTAP_DIFF_H
#define ONNXTAP_DIFF_H

#include "onnxtap.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Measures ---- */

/* What is close enough for element a of a value and b of the reference. */
typedef enum tap_tolerance {
    TAP_TOLERANCE_NUMPY,     /* numpy.allclose: |a - b| <= atol + rtol |b|; rtol 1e-5, atol 1e-8    */
    TAP_TOLERANCE_ONNX,      /* the same formula, as ONNX's own tests: rtol 1e-3, atol 1e-7         */
    TAP_TOLERANCE_POLYGRAPHY /* |a - b| <= max(atol, rtol |b|); both 1e-5                           */
} tap_tolerance;

TAP_API bool tap_tolerance_from_name(const char *name,
                                     tap_tolerance *out); /* "numpy", "onnx", "polygraphy" */
TAP_API const char *tap_tolerance_name(tap_tolerance t);
TAP_API const char *tap_tolerance_formula(tap_tolerance t); /* "|a - b| <= atol + rtol * |b|" */
TAP_API void tap_tolerance_default(tap_tolerance t, double *rtol, double *atol);

/* How far a value is from its reference. Finite elements, unless said otherwise; integers, booleans and
 * strings are exact: every element that differs is outside. NaN equals NaN, an infinity itself. */
typedef struct tap_measure {
    size_t size;
    int64_t count;     /* elements                                                              */
    int64_t differing; /* that are not the same number                                          */
    int64_t outside;   /* outside the tolerance                                                 */
    int64_t nonfinite; /* non-finite on one side alone, or another non-finite number            */
    double max_abs, mean_abs, rms;
    double max_rel, mean_rel;    /* |a - b| / |b| where b is not 0                                       */
    double cosine;               /* of the two as vectors; NaN where one is 0                            */
    double snr_db;               /* 10 log10(sum b^2 / sum (a - b)^2); infinity where they are equal     */
    double max_ulp;              /* in units of float32's (float64's, float16's) last place of b         */
    double p50, p90, p99;        /* quantiles of |a - b|, to one part in sixteen                         */
    double ref_max, ref_rms;     /* of |b|                                                               */
    double pass_rtol, pass_atol; /* the smallest rtol with this atol, and atol with this rtol, that pass */
    int64_t worst; /* element with the largest |a - b|, or the first that is not finite; -1: none */
    double worst_a, worst_b;
    double top1, top5; /* class vectors (rank 2, 2 to 100000 columns): share of rows with the same largest
                          element; mean share of common ones among the five largest. NaN: not one      */
    int64_t rows, worst_row; /* along the first axis (samples): how many; the one with the largest |a - b| */
    double least_row, median_row; /* largest |a - b| of the best and of the middle row */
} tap_measure;

/* Both of one shape. Errors: TAP_DATA (shapes, or strings against numbers), TAP_MEMORY. */
TAP_API tap_status tap_measure_tensors(const tap_tensor *a, const tap_tensor *b, tap_tolerance profile,
                                       double rtol, double atol, tap_measure *out, tap_error *err);

/* ---- References ---- */

/* Named values to compare with. Read one by one, when each is needed. */
typedef struct tap_reference tap_reference;

/* path: an .npz; a folder of .npy and .pb files (index.json of a trace recorded by onnxtap names them; else
 * their names do); a test data set (input_0.pb, output_0.pb); a single .npy or .pb for a model with one
 * output. Errors: TAP_IO, TAP_DATA, TAP_MEMORY. */
TAP_API tap_status tap_reference_open(const char *path, const tap_model *m, tap_reference **out,
                                      tap_error *err);
/* Another model, run on these inputs: all its values, kept in an unnamed temporary file. The model must
 * outlive the reference. */
TAP_API tap_status tap_reference_run(tap_model *other, const tap_input *inputs, size_t n_inputs, int threads,
                                     tap_reference **out, tap_error *err);
TAP_API void tap_reference_free(tap_reference *r); /* NULL is fine */
TAP_API size_t tap_reference_count(const tap_reference *r);
TAP_API const char *tap_reference_name(const tap_reference *r, size_t i);
/* The value; ownership: the caller releases it. */
TAP_API tap_status tap_reference_load(const tap_reference *r, size_t i, tap_value **out, tap_error *err);
/* What a reference has for an input of the model: by its name, or, of a test data set, by its position.
 * SIZE_MAX: nothing. */
TAP_API size_t tap_reference_input(const tap_reference *r, const tap_model *m, size_t input);

/* ---- Comparing ---- */

typedef enum tap_verdict {
    TAP_VERDICT_SAME,          /* as close as rounding lets it be                                  */
    TAP_VERDICT_INTRODUCED,    /* on the reference's own values this place makes another result    */
    TAP_VERDICT_INHERITED,     /* it differs because what it is made from does                     */
    TAP_VERDICT_AMPLIFIED,     /* the same, and much more so than what it is made from             */
    TAP_VERDICT_HEALED,        /* what it is made from differs, it does not                        */
    TAP_VERDICT_NOT_COMPARABLE /* shapes, kinds or scales do not allow it; `note` says why         */
} tap_verdict;

TAP_API const char *tap_verdict_name(tap_verdict v); /* "introduced" */

/* How a pair was found. */
typedef enum tap_paired_by {
    TAP_BY_MAP,
    TAP_BY_NAME,
    TAP_BY_LAYER,
    TAP_BY_POSITION_OF_OUTPUT, /* output_N of a test data set */
    TAP_BY_STRUCTURE,          /* the same place in two graphs */
    TAP_BY_VALUES              /* the same numbers */
} tap_paired_by;

TAP_API const char *tap_paired_by_name(tap_paired_by by);

typedef struct tap_diff_pair {
    size_t size;
    const char *reference;  /* its name there                                                             */
    const char *tensor;     /* full name in the model                                                     */
    int32_t output;         /* which of the layer's outputs */
    const char *layer;      /* NULL: not known                                                            */
    const char *node, *op;  /* what makes it, or, where error is introduced, the node that is at fault      */
    const char *attributes; /* of that node, as text; ""                                                   */
    tap_paired_by by;
    int32_t rank, perm[TAP_RANK_MAX]; /* numpy.transpose(tensor, perm) lies as the reference does */
    tap_verdict verdict;
    tap_measure measure;     /* the model's value against the reference                                    */
    double isolated_max_abs; /* of the piece before it, run on the reference's values; NaN: not run         */
    double isolated_noise;   /* what float rounding does there                                            */
    double noise;            /* what it does up to here; NaN: no oracle                                   */
    double residual;         /* largest difference that is left under the explanation; NaN: none          */
    const char *from;        /* names of the values that the piece starts from, separated by ", "           */
    const char *fault;       /* a word of docs/DIFF.md; NULL unless introduced                             */
    const char *why;         /* a sentence; NULL unless introduced                                         */
    const char *note;        /* what else there is to say; NULL                                            */
    bool within;             /* inside the tolerance, whatever the verdict                                 */
} tap_diff_pair;

typedef struct tap_diff_unmatched {
    const char *name, *reason;
    bool of_model; /* else of the reference */
} tap_diff_unmatched;

/* rtol and atol for values whose name, layer or reference name a glob fits. The last one that fits holds; NaN
 * leaves what held before. */
typedef struct tap_diff_limit {
    const char *glob; /* NULL: all */
    double rtol, atol;
} tap_diff_limit;

typedef struct tap_diff_options {
    size_t size;
    tap_tolerance tolerance;
    const tap_diff_limit *limits;
    size_t n_limits;
    bool by_tolerance;            /* the tolerance alone decides what is the same: no oracle */
    bool no_why;                  /* do not look for reasons */
    const char *map;              /* a file of pairs (docs/DIFF.md), or NULL */
    const char *const *selectors; /* values of the model to look at; none: all that can be paired */
    size_t n_selectors;
    int threads;
    /* Each pair as soon as it is judged; NULL: none. Non-zero cancels. */
    int (*show)(const tap_diff_pair *pair, void *user);
    void *user;
} tap_diff_options;

typedef struct tap_diff tap_diff;

/* Errors: those of a run; TAP_NOT_FOUND (a map that names what is not there), TAP_DATA. That nothing could be
 * compared is no error here. */
TAP_API tap_status tap_diff_run(tap_model *m, const tap_input *inputs, size_t n_inputs,
                                const tap_reference *ref, const tap_diff_options *options, tap_diff **out,
                                tap_error *err);
TAP_API void tap_diff_free(tap_diff *d); /* NULL is fine */
TAP_API size_t tap_diff_count(const tap_diff *d);
TAP_API const tap_diff_pair *tap_diff_at(const tap_diff *d, size_t i);
/* The first pair, in the order of execution, where error is introduced; NULL: none. */
TAP_API const tap_diff_pair *tap_diff_first(const tap_diff *d);
/* Why the model's run ended early; NULL: it did not. What it did not come to was then judged piece by piece.
 */
TAP_API const char *tap_diff_failure(const tap_diff *d);
TAP_API size_t tap_diff_unmatched_count(const tap_diff *d);
TAP_API const tap_diff_unmatched *tap_diff_unmatched_at(const tap_diff *d, size_t i);
/* Whether a pair is neither the same nor healed. */
TAP_API bool tap_diff_differs(const tap_diff *d);

#ifdef __cplusplus
}
#endif
#endif
