/* Statistics of values over any number of runs, without keeping a tensor: counts, mean, variance, extremes,
 * shares, quantiles, histogram, averages; and how well outputs agree with labels.
 *
 *     tap_stats_new(NULL, &stats, &err);
 *     tap_observer o = {.size = sizeof o, .stats = stats, .model = model};
 *     tap_session_listen(session, tap_observe, &o);
 *     ... runs ...
 *     tap_stat s = {sizeof s};  tap_stats_get(stats, 0, 0, &s);
 *
 * What was gathered in parts can be merged: counts, extremes, quantiles and histograms are then those of the
 * whole, means and variances up to rounding. Nothing depends on threads. Means and variances are summed up in
 * the order in which elements lie: the same value given in another order of memory (`perm`) has the same
 * figures, but for the last digits of these two. */
#ifndef ONNXTAP_STATS_H
#define ONNXTAP_STATS_H

#include "dataset.h"
#include "json.h"
#include "onnxtap.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Statistics ---- */

/* What one set of figures is about. CHANNEL: each index of the channel axis (the second one, of vectors the
 * last; tap_observe knows which one it is of layers whose framework has channels last). UNIT: each element of
 * a sample. */
typedef enum tap_per { TAP_PER_TENSOR, TAP_PER_CHANNEL, TAP_PER_UNIT } tap_per;
/* SAMPLES: each element of a sample, averaged over all samples. BATCHES: each element of a batch, averaged
 * over all batches; where the last one is shorter, its missing rows do not count. */
typedef enum tap_average { TAP_AVERAGE_NONE, TAP_AVERAGE_SAMPLES, TAP_AVERAGE_BATCHES } tap_average;

typedef struct tap_stats_options {
    size_t size;
    tap_per per;
    tap_average average;
    int channel_axis; /* for TAP_PER_CHANNEL; 0: as the source says, else the second axis */
    bool plain;       /* no quantiles, no histogram: faster                          */
} tap_stats_options;

typedef struct tap_stats tap_stats;

TAP_API tap_status tap_stats_new(const tap_stats_options *options, tap_stats **out, tap_error *err);
TAP_API void tap_stats_free(tap_stats *s); /* NULL is fine */

/* Where a tensor comes from; strings are copied, NULL where they do not apply. */
typedef struct tap_stats_source {
    size_t size;
    const char *name, *layer, *node, *op;
    const tap_batch *batch; /* of a data set: its rows' numbers are what extremes are found by; or NULL */
    int axis;               /* the tensor's batch axis; TAP_BATCH_NONE, TAP_BATCH_UNKNOWN               */
    bool is_output;
    int channel_axis; /* for TAP_PER_CHANNEL, unless the options say; 0: the second */
    const int32_t
        *perm; /* NULL, or the value is numpy.transpose(t, perm) of the tensor t that is given: such as a
                  tap_event's `lying` and `perm`. Axes, rows and places of elements are the value's */
} tap_stats_source;

/* Takes a tensor in. Strings are counted only. Errors: TAP_MEMORY, TAP_DATA (per channel, per unit and
 * averages need the same shape each time, and a batch axis that is the first). */
TAP_API tap_status tap_stats_add(tap_stats *s, const tap_stats_source *source, const tap_tensor *t,
                                 tap_error *err);

/* Figures of one set. Over finite elements, but for `count` (all) and `nonfinite`. Complex numbers:
 * magnitudes. */
typedef struct tap_stat {
    size_t size;
    int64_t count, nonfinite, nan, zeros, negatives;
    double mean, variance; /* of the population; NaN where there is no finite element */
    double min, max;
    int64_t min_row, max_row; /* where first: the row (in the file, where there is a batch), and the      */
    int64_t min_at, max_at;   /* element of that row; -1 where there is none                              */
    double norm;              /* root of the sum of squares                                               */
} tap_stat;

TAP_API size_t tap_stats_count(const tap_stats *s);               /* values */
TAP_API const char *tap_stats_name(const tap_stats *s, size_t i); /* in the order in which they came */
TAP_API bool tap_stats_source_of(const tap_stats *s, size_t i, tap_stats_source *out); /* strings borrowed */
TAP_API size_t tap_stats_units(const tap_stats *s, size_t i); /* sets of figures of value i */
/* Of a unit; SIZE_MAX: of all of them together. */
TAP_API bool tap_stats_get(const tap_stats *s, size_t i, size_t unit, tap_stat *out);
/* The q-quantile (0 to 1) of the finite elements: one that lies within 0.4 % of the exact one's size, or
 * within 1.2e-38 of it. NaN where there is none. Not per unit where a value has more than 4096. */
TAP_API double tap_stats_quantile(const tap_stats *s, size_t i, size_t unit, double q);
/* At most n bins between edges[0 .. result]: counts[k] elements from edges[k] up to edges[k + 1]; exact.
 * Returns how many. */
TAP_API size_t tap_stats_histogram(const tap_stats *s, size_t i, size_t unit, size_t n, double *edges,
                                   int64_t *counts);
/* The average as a float32 tensor (float64 of float64), new. Errors: TAP_USAGE (none was asked for),
 * TAP_MEMORY. */
TAP_API tap_status tap_stats_average(const tap_stats *s, size_t i, tap_value **out, tap_error *err);

/* Takes in what other has, its score too. Errors: TAP_DATA (other options, values of other shapes, a loss of
 * another kind), TAP_MEMORY. */
TAP_API tap_status tap_stats_merge(tap_stats *s, const tap_stats *other, tap_error *err);
/* "values": [...] into an open object: what a reader wants to know, and with `state` what tap_stats_read
 * needs. */
TAP_API void tap_stats_write(const tap_stats *s, tap_json *j, bool state);
/* From the document of tap_stats_write with `state`. Errors: TAP_DATA, TAP_MEMORY. */
TAP_API tap_status tap_stats_read(const tap_json_value *document, tap_stats **out, tap_error *err);
/* A file with such a document, whole or not at all. */
TAP_API tap_status tap_stats_save(const tap_stats *s, const char *path, tap_error *err);
TAP_API tap_status tap_stats_load(const char *path, tap_stats **out, tap_error *err);

/* The user data of tap_observe, a tap_listener that takes each tapped tensor in. */
typedef struct tap_observer {
    size_t size;
    tap_stats *stats;
    const tap_model *model;
    const tap_batch *batch; /* NULL, or the batch that the run is for                  */
    const int *axes;        /* with batch: of tap_session_batch_axes                   */
    tap_status status;      /* of the first failure: the run then ends, TAP_CANCELLED  */
    tap_error *err;
    bool original_layout;       /* tensors in the framework's order of axes, where that is known */
    const tap_session *session; /* whose threads gather, between its nodes; NULL: the caller's alone. What
                                   comes out is the same                                                   */
} tap_observer;

TAP_API int tap_observe(const tap_event *event, void *observer);

/* ---- Health ---- */

/* What is wrong with a value, as far as its figures tell. */
typedef enum tap_ailment {
    TAP_WELL,
    TAP_NONFINITE, /* NaN or infinite elements                                              */
    TAP_DEAD,      /* units (channels, of pictures) that are 0 on every sample              */
    TAP_CONSTANT,  /* every element is the same                                             */
    TAP_SATURATED, /* a bounded activation (Sigmoid, Tanh, ...) is at its ends mostly       */
    TAP_VANISHING, /* its scale is below a thousandth of the one that came in               */
    TAP_EXPLODING  /* above a thousand times that                                           */
} tap_ailment;

typedef struct tap_health {
    size_t size;
    tap_ailment ailment; /* the worst */
    double dead;         /* share of units that are 0 on every sample                              */
    double saturated;    /* share of elements at the ends of a bounded activation                  */
    double scale;        /* root of the mean square                                                */
    char text[400];      /* a sentence                                                             */
} tap_health;

/* Of a value gathered per channel or per unit. The first value gives the scale that others are compared with.
 */
TAP_API bool tap_stats_health(const tap_stats *s, size_t i, tap_health *out);
TAP_API const char *tap_ailment_name(tap_ailment a); /* "dead" */

/* ---- Outputs against labels ---- */

typedef enum tap_loss {
    TAP_LOSS_AUTO,
    TAP_LOSS_MSE,
    TAP_LOSS_CROSS_ENTROPY,
    TAP_LOSS_SPARSE_CROSS_ENTROPY
} tap_loss;

TAP_API tap_loss tap_loss_from_name(const char *name); /* "mse", ...; AUTO where there is none */
TAP_API const char *tap_loss_name(tap_loss l);

/* Sums over samples, to be set to zero (but size, loss and from_logits) at the start; may be added up. */
typedef struct tap_score {
    size_t size;
    tap_loss loss;    /* AUTO becomes: class numbers: sparse_cross_entropy; rows of 0 and 1 with one 1:
                         cross_entropy; */
    bool from_logits; /* else mse */
    double loss_sum;  /* mean loss: loss_sum / n  */
    int64_t n;
    int64_t correct,
        n_predictions; /* accuracy: correct / n_predictions; 0 predictions: nothing to be right about */
} tap_score;

/* Puts the score beside the figures: it goes to the file with them, and is added up when parts are merged. */
TAP_API void tap_stats_set_score(tap_stats *s, const tap_score *score);
TAP_API bool tap_stats_get_score(const tap_stats *s, tap_score *out); /* false: there is none */

/* Loss and accuracy of a batch, as Keras 3 computes them (losses of probabilities: clipped at 1e-7 after the
 * classes are made to sum to 1). y[n][...][classes], labels [n][...] class numbers or like y. One class:
 * binary. Errors: TAP_DATA (shapes that do not fit, a label that is no class). */
TAP_API tap_status tap_score_add(tap_score *s, const tap_tensor *y, const tap_tensor *labels, tap_error *err);
/* The class that row r of y[n][classes] predicts, and that its label is: -1 where there are no classes. */
TAP_API int64_t tap_predicted(const tap_tensor *y, int64_t row, bool from_logits);
TAP_API int64_t tap_labelled(const tap_tensor *labels, int64_t row);

#ifdef __cplusplus
}
#endif
#endif
