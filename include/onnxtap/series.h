/* Series: checkpoints of one model, epochs of its training, and what the same values are in each.
 *
 *     tap_series_options o = {.size = sizeof o, .folder = "epochs", .selectors = taps, .n_selectors = 1,
 *                             .feed = my_data};
 *     tap_series_new(&o, &series, &err);
 *     for (int i = 1; i < argc; i++) tap_series_add(series, argv[i], &err);
 *     tap_series_free(series);
 *
 * Into the folder go, N counting the checkpoints from 0: epoch_N.npy of the tapped value, or
 * epoch_N_LAYER.npy of each of several; epoch_N_predictions.npy (and epoch_N_predictions_1.npy, ... of
 * further outputs); epoch_N_labels.npy, where the data has labels; series.csv and series.json with figures of
 * each epoch and value and how far it moved since the epoch before. Files appear whole or not at all; the
 * tables are written anew after each epoch. */
#ifndef ONNXTAP_SERIES_H
#define ONNXTAP_SERIES_H

#include "dataset.h"
#include "onnxtap.h"
#include "stats.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tap_series tap_series;

/* What a checkpoint is run on. */
typedef struct tap_series_feed {
    size_t size;
    tap_dataset *data;       /* started; NULL: one run on `inputs` as they are */
    const tap_input *inputs; /* borrowed until tap_series_options.done         */
    size_t n_inputs;
} tap_series_feed;

/* One checkpoint, as it went. Strings are borrowed from the series. */
typedef struct tap_series_epoch {
    size_t size;
    int64_t number;
    const char *model; /* the path                                          */
    const char *error; /* NULL: all went well; else nothing of it was kept  */
    tap_status status;
    size_t n_values;       /* tapped values and outputs, for tap_series_get_value */
    tap_score score;       /* n is 0 without labels                             */
    double ms;             /* spent in runs                                     */
    bool same_model;       /* the file is the one before, byte for byte         */
    uint64_t weight_bytes; /* of the checkpoint's weights; 0: it did not load   */
    uint64_t shared_bytes; /* of these: the same as before, and not held again  */
} tap_series_epoch;

/* A value in an epoch. Drift is over all samples, beside the last epoch that went well. */
typedef struct tap_series_value {
    size_t size;
    const char *tensor, *layer; /* layer: NULL where it is none's output             */
    const char *path;           /* of its .npy; NULL: there are only figures         */
    bool is_output;
    tap_stat stat;
    double median;
    bool has_drift;
    double drift_mean_abs, drift_rms;
    double drift_relative; /* root of the squares of the difference, by that of the older */
    double drift_cosine;
} tap_series_value;

typedef struct tap_series_options {
    size_t size;
    const char *folder;           /* made where it is missing                                  */
    const char *const *selectors; /* of the tapped values; outputs are recorded in any case    */
    size_t n_selectors;
    /* Makes what a checkpoint is run on. The data set is freed by the series, before the model. */
    tap_status (*feed)(void *user, tap_model *m, tap_series_feed *out, tap_error *err);
    void (*done)(void *user); /* may be NULL: called before a model that was fed is let go of   */
    /* Each may be NULL. */
    void (*told)(void *user, const tap_series *s, const tap_series_epoch *e); /* after each checkpoint */
    void (*progress)(void *user, int64_t rows, int64_t total);                /* within one            */
    bool (*stop)(void *user);                                                 /* as tap_pass_options   */
    void *user;
    const tap_model_options *model; /* both NULL: the defaults */
    const tap_session_options *session;
    tap_loss loss; /* of labels, where the data has them */
    bool from_logits;
    bool original_layout, raw_types; /* of the .npy, as tap_recorder and tap_sink_options have them */
    const char *tensorboard;         /* a folder: an event file an epoch, a step an epoch; NULL: none */
    int64_t every;                   /* each K-th checkpoint; 0: all                                  */
} tap_series_options;

/* Strings and options are borrowed until tap_series_free. Errors: TAP_IO (the folder), TAP_MEMORY. */
TAP_API tap_status tap_series_new(const tap_series_options *options, tap_series **out, tap_error *err);
/* What is in the folder stays. NULL is fine. */
TAP_API void tap_series_free(tap_series *s);

/* Records the checkpoint as the next epoch (or passes it over, as options.every says). Weights that are equal
 * to those of the epoch before are used as they are, packed forms too. One that fails is told and noted, its
 * files are removed, and that is no error here, unless the next one would fail as well: TAP_USAGE,
 * TAP_NOT_FOUND (a selector), TAP_CANCELLED, TAP_IO (the tables). */
TAP_API tap_status tap_series_add(tap_series *s, const char *path, tap_error *err);

/* Records .onnx files as they appear in a folder, in the order in which they were last written, each once it
 * has stopped growing; one that is written again later is a checkpoint again. Ends when there were `until`
 * (0: never), when none came for idle_s seconds (0: never), or when options.stop says so, which is no error.
 * Errors: TAP_IO (the folder), those of tap_series_add. */
TAP_API tap_status tap_series_watch(tap_series *s, const char *folder, int64_t until, double idle_s,
                                    tap_error *err);

TAP_API size_t tap_series_count(const tap_series *s); /* epochs recorded, those that failed among them */
TAP_API bool tap_series_get_epoch(const tap_series *s, size_t i, tap_series_epoch *out);
TAP_API bool tap_series_get_value(const tap_series *s, size_t epoch, size_t i, tap_series_value *out);

#ifdef __cplusplus
}
#endif
#endif
