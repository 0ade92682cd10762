/* What statistics are made of, for the files of src/tap that gather, average, write and judge them. */
#ifndef TAP_TAP_STATS_H
#define TAP_TAP_STATS_H

#include "core/map.h"
#include "core/tensor.h"
#include "onnxtap/record.h"
#include "onnxtap/stats.h"
#include "tap/cell.h"

#define TAP_SKETCHES_MOST 4096 /* units of a value that still get quantiles */

typedef struct tap_gathered {
    char *name, *layer, *node, *op;
    bool is_output, is_double;
    int axis;                   /* of the batch; 0, or there is none that matters */
    int rank;                   /* as it came first                               */
    int64_t dims[TAP_RANK_MAX]; /* likewise                                       */
    size_t n_cells;
    tap_cell *cells;
    double *sums; /* average: by element of a sample or of a batch */
    int64_t n_sums;
    int64_t *n_of; /* SAMPLES: one, the samples; BATCHES: by row of a batch, the batches that had it */
    size_t n_n_of;
} tap_gathered;

struct tap_stats {
    tap_stats_options options;
    tap_gathered **values;
    size_t n, room;
    tap_map index; /* name -> position + 1 */
    double *scratch;
    size_t scratch_room;
};

/* The value of that name, made where it is new: with cells for its shape. */
tap_gathered *tap_stats_find(tap_stats *s, const char *name);
tap_gathered *tap_stats_append(tap_stats *s, const char *name, size_t n_cells);
bool tap_gathered_set(char **to, const char *text);

/* Adds a tensor whose elements are x[count], in C order, to the average (average.c). */
tap_status tap_average_add(tap_stats *s, tap_gathered *g, const tap_tensor *t, const double *x,
                           tap_error *err);
tap_status tap_average_merge(tap_gathered *g, const tap_gathered *o, tap_error *err);
/* All cells of g as one; `sketch`: the caller frees it. false: no memory. */
bool tap_gathered_all(const tap_gathered *g, tap_cell *all, bool sketch);

#endif
