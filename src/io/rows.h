/* Rows of one file or value, read in ascending order: what data sets are made of. */
#ifndef TAP_IO_ROWS_H
#define TAP_IO_ROWS_H

#include "core/memory.h"
#include "core/tensor.h"
#include "io/load.h"
#include "onnxtap/dataset.h"

typedef struct tap_rows tap_rows;

/* What a kind of file does. */
typedef struct tap_rows_kind {
    /* A value of n rows: numbers ascend, also over calls, since the last rewind. */
    tap_status (*read)(tap_rows *r, const int64_t *rows, int64_t n, tap_value **out, tap_error *err);
    tap_status (*rewind)(tap_rows *r, tap_error *err);
    void (*free)(void *state);
} tap_rows_kind;

struct tap_rows {
    const tap_rows_kind *kind;
    void *state;
    const char *path; /* for messages; of the arena                                                 */
    tap_type type;    /* what the rows are for: a tensor, dims[0] the batch; undefined: as they are */
    const char *input;
    const tap_dataset_options *options;
    tap_arena *arena;
    int64_t n;
};

/* Each fills r->kind, r->state, r->n; the rest is set. They take nothing over. */
tap_status tap_rows_of_file(tap_rows *r, tap_pb_decode *decode, tap_error *err); /* any file */
tap_status tap_rows_of_value(tap_rows *r, tap_value *v, tap_error *err);         /* retained */
tap_status tap_rows_of_csv(tap_rows *r, tap_error *err);
tap_status tap_rows_of_images(tap_rows *r, tap_error *err);
/* FILE.npy, or the member of FILE.npz that r->path's key, or r->input, or its being the only one, tells. */
tap_status tap_rows_of_array(tap_rows *r, tap_error *err);

static inline bool tap_rows_are_next(const int64_t *rows, int64_t n) {
    return n == 0 || rows[n - 1] - rows[0] == n - 1;
}

bool tap_path_ends(const char *path, const char *suffix); /* letters in either case */

/* tap_dataset_new and tap_dataset_add_*. */
tap_status tap_dataset_make_file(tap_dataset *d, const char *input, const char *path, tap_pb_decode *decode,
                                 tap_error *err);
tap_status tap_dataset_make_labels(tap_dataset *d, const char *path, tap_pb_decode *decode, tap_error *err);
/* Position of the input, among the model's, that grows with the batch. */
bool tap_dataset_is_batched(const tap_dataset *d, const char *input);

#endif
