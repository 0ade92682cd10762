/* Data sets: the rows of arrays, tables and pictures, a batch at a time, so that memory does not grow with
 * them.
 *
 *     tap_dataset_new(model, &options, &data, &err);
 *     tap_dataset_add_file(data, "x", "images.npy", &err);
 *     tap_dataset_start(data, &err);
 *     tap_batch b = {sizeof b};
 *     while (tap_dataset_next(data, &b, &err) == TAP_OK && b.n_rows > 0)
 *         tap_session_run(session, b.inputs, b.n_inputs, &err);
 *
 * The first axis of what a file holds is the data set. */
#ifndef ONNXTAP_DATASET_H
#define ONNXTAP_DATASET_H

#include "onnxtap.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How the bytes of a picture become floats. Integers get the bytes as they are. */
typedef enum tap_image_scale {
    TAP_IMAGE_0_255, /* as they are       */
    TAP_IMAGE_0_1,   /* x / 255           */
    TAP_IMAGE_M1_1   /* x / 127.5 - 1     */
} tap_image_scale;

typedef struct tap_dataset_options {
    size_t size;
    int64_t batch;  /* rows at a time; 0: the model's own batch if that is fixed, else 32            */
    int64_t limit;  /* the first rows only; 0: all                                                   */
    int64_t sample; /* so many of them, drawn without replacement, in the file's order; 0: all       */
    uint64_t seed;  /* of the sample                                                                 */
    int64_t shard, n_shards; /* part `shard` (from 0) of n_shards, in whole batches where there are enough */
    int64_t every; /* each K-th batch; 0: all                                                       */
    bool no_map;   /* files are read, not mapped                                                    */
    bool cast;     /* numbers of another dtype than the model's are converted                       */
    tap_image_scale image_scale;
    uint64_t limit_bytes; /* of memory for what has to be there as a whole; 0: half of the machine's */
} tap_dataset_options;

typedef struct tap_dataset tap_dataset;

/* The rows of one step. Pointers are borrowed until the next tap_dataset_next or tap_dataset_free. */
typedef struct tap_batch {
    size_t size;
    int64_t index;           /* of the batch, from 0, counted over all that the file has          */
    int64_t n_rows;          /* 0: there are no more                                              */
    const int64_t *rows;     /* where they are in the file, from 0                                */
    int64_t first, total;    /* rows given before these, and rows that will be given in all       */
    const tap_value *labels; /* n_rows of them; NULL where there are none                         */
    const tap_input *inputs; /* for tap_session_run                                               */
    size_t n_inputs;
} tap_batch;

/* Nothing in it yet. m has to outlive it. NULL options: the defaults. Errors: TAP_MEMORY, TAP_USAGE. */
TAP_API tap_status tap_dataset_new(const tap_model *m, const tap_dataset_options *options, tap_dataset **out,
                                   tap_error *err);
TAP_API void tap_dataset_free(tap_dataset *d); /* NULL is fine */

/* Rows for that input of the model from a file: .npy, FILE.npz:KEY, .csv (RFC 4180, with or without a header;
 * columns NAME_0, NAME_1, ... where the header has them, else all), .pb, a .png or .jpg, or a folder of
 * pictures in the order of their names. Errors: TAP_IO, TAP_DATA, TAP_UNSUPPORTED (a picture, and the build
 * has no libpng or libjpeg), TAP_MEMORY, TAP_USAGE. */
TAP_API tap_status tap_dataset_add_file(tap_dataset *d, const char *input, const char *path, tap_error *err);
/* The same from memory; v is retained. `whole`: it is given to each run as it is. */
TAP_API tap_status tap_dataset_add_value(tap_dataset *d, const char *input, tap_value *v, bool whole,
                                         tap_error *err);
/* A row a sample: .npy, FILE.npz:KEY, .csv (one column, or the one called `label`), .pb. */
TAP_API tap_status tap_dataset_add_labels(tap_dataset *d, const char *path, tap_error *err);
TAP_API bool tap_dataset_has_labels(const tap_dataset *d);

/* Whether a file of that name is one that only a data set reads: .csv, pictures, a folder. */
TAP_API bool tap_dataset_only(const char *path);

/* Checks that all have the same number of rows, chooses those that the options ask for, and goes to the
 * first. May be called again: once more from the start. Errors: TAP_DATA, TAP_USAGE, TAP_MEMORY. */
TAP_API tap_status tap_dataset_start(tap_dataset *d, tap_error *err);
TAP_API int64_t tap_dataset_rows(const tap_dataset *d); /* that will be given */
TAP_API int64_t
tap_dataset_file_rows(const tap_dataset *d); /* that the files have: tap_batch.rows counts these */
TAP_API int64_t tap_dataset_batches(const tap_dataset *d); /* likewise */
TAP_API int64_t tap_dataset_batch(const tap_dataset *d);   /* rows a batch */
/* The next batch; its inputs are alive until the call after it. Errors: TAP_DATA, TAP_IO, TAP_MEMORY. */
TAP_API tap_status tap_dataset_next(tap_dataset *d, tap_batch *batch, tap_error *err);

/* ---- Where the batch is in a value ---- */

#define TAP_BATCH_NONE    (-1) /* the value is the same for every batch size                                */
#define TAP_BATCH_UNKNOWN (-2) /* known only while running, or it grows with the batch in some other way */

/* For each value of tap_model_value_count: the axis that grows with the batch, found by inferring every shape
 * twice, for this batch and for a larger one (where a model fixes its batch and cannot be inferred with
 * another: the first axis, if that is as long as the batch). Tapped values whose
 * shape only a run tells are found by running the batch's first row, and two rows. Values in bodies:
 * TAP_BATCH_UNKNOWN. Errors: as the nodes' inference has them. */
TAP_API tap_status tap_session_batch_axes(tap_session *s, const tap_batch *batch, const tap_dataset *d,
                                          int *axes, tap_error *err);

#ifdef __cplusplus
}
#endif
#endif
