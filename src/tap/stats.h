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

/* Runs fn over pieces of 0 .. n, of at least `grain`; worker counts from 0. */
typedef void tap_stats_loop(void *pool, int64_t n, int64_t grain,
                            void (*fn)(void *arg, int64_t begin, int64_t end, int worker), void *arg);

struct tap_stats {
    tap_stats_options options;
    tap_stats_loop *loop; /* NULL: one thread. Results do not hang on it */
    void *pool;
    int threads;
    uint32_t **tables; /* of a thread each, for codes */
    int n_tables;
    tap_gathered **values;
    size_t n, room;
    tap_map index; /* name -> position + 1 */
    double *scratch;
    size_t scratch_room;
    tap_score score; /* n and n_predictions are 0 where there is none */
};

/* Takes tensors apart in the threads of that loop; NULL: in the caller's alone. */
void tap_stats_use(tap_stats *s, tap_stats_loop *loop, void *pool, int threads);

/* A value as it is given: numpy.transpose(t, perm). */
typedef struct tap_given {
    const tap_tensor *t;
    int32_t perm[TAP_RANK_MAX];
    bool turned;                /* perm is not the identity */
    int64_t dims[TAP_RANK_MAX]; /* the value's */
} tap_given;

/* How a value's elements fall into cells (gather.c): as [outer][n][inner], n along the axis that figures are
 * told apart by. */
typedef struct tap_view {
    int64_t outer, n, inner;
} tap_view;

/* Whether tap_gather takes the value as it lies; `axis`: of n. Else it has to be turned before. */
bool tap_gather_takes(const tap_given *x, tap_per per, int axis);
/* Adds all elements to g's cells, and puts right what the cells say of rows. axis: of n. false: no memory. */
bool tap_gather(tap_stats *s, tap_gathered *g, const tap_stats_source *source, const tap_given *x, int axis);

/* The value of that name, made where it is new: with cells for its shape. */
tap_gathered *tap_stats_find(tap_stats *s, const char *name);
tap_gathered *tap_stats_append(tap_stats *s, const char *name, size_t n_cells);
bool tap_gathered_set(char **to, const char *text);

/* Adds a tensor whose elements are x[count], in C order, to the average (average.c). */
tap_status tap_average_add(tap_stats *s, tap_gathered *g, const tap_tensor *t, const double *x,
                           tap_error *err);
tap_status tap_average_merge(tap_gathered *g, const tap_gathered *o, tap_error *err);
const char *tap_per_name(tap_per per);             /* "channel" */
const char *tap_average_name(tap_average average); /* "samples", "none" */
/* All cells of g as one; `sketch`: the caller frees it. false: no memory. */
bool tap_gathered_all(const tap_gathered *g, tap_cell *all, bool sketch);

#endif
