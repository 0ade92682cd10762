/* Elements picked along one axis by a tensor of indices (GatherElements, ScatterElements): index i of row r
 * means the element of the data at the same place, but for the axis, where it is the index. */
#ifndef TAP_OPS_COMMON_ELEMENTS_H
#define TAP_OPS_COMMON_ELEMENTS_H

#include "common/indices.h"
#include "common/walk.h"
#include "core/move.h"

/* n indices, from element `from` of the index tensor on, name the elements at[0..n) of the data. */
typedef void tap_elements_fn(void *arg, int64_t n, const int64_t *at, int64_t from);

/* Rows are those of the indices, along the last axis. Those that may meet in one element, which differ in the
 * axis, are one unit's: a unit is some places in front of the axis or, where the axis is not the last one,
 * some columns. */
typedef struct tap_elements {
    tap_elements_fn *fn;
    void *arg;
    const tap_tensor *indices;
    tap_walk rows;              /* steps in the data, in elements; 0 along the axis */
    int64_t n, d, step, across; /* of a row; elements of the axis; its step; 1: it is not the last */
    int64_t n_rows, unit_rows, columns, n_columns;
    atomic_bool outside; /* an index was out of range */
} tap_elements;

/* Data that is picked from at random should stay in the cache. */
#define TAP_ELEMENTS_BYTES 262144
#define TAP_ELEMENTS_UNIT  4096

/* at[0..n): positions along the axis, from column `column` on of the row where e->rows stands -> elements. */
static inline void tap_elements_row(const tap_elements *e, int64_t offset, int64_t column, int64_t n,
                                    int64_t *at) {
    if (e->across) {
        const int64_t step = e->step, first = offset + column;
        for (int64_t i = 0; i < n; i++) at[i] = at[i] * step + first + i;
    } else if (offset) {
        for (int64_t i = 0; i < n; i++) at[i] += offset;
    }
}

/* Whole rows from row on, a block of indices at a time. */
static inline bool tap_elements_whole(const tap_elements *e, tap_walk *rows, int64_t row, int64_t n_rows) {
    int64_t at[TAP_INDEX_BLOCK], from = row * e->n, end = (row + n_rows) * e->n, column = 0;
    while (from < end) {
        const int64_t n = tap_min64(TAP_INDEX_BLOCK, end - from);
        if (!tap_read_indices(e->indices, from, n, e->d, at)) return false;
        for (int64_t i = 0; i < n;) {
            const int64_t k = tap_min64(n - i, e->n - column);
            tap_elements_row(e, rows->offset, column, k, at + i);
            i += k;
            column += k;
            if (column < e->n) break;
            column = 0;
            tap_walk_next(rows);
        }
        e->fn(e->arg, n, at, from);
        from += n;
    }
    return true;
}

static inline bool tap_elements_columns(const tap_elements *e, tap_walk *rows, int64_t row, int64_t n_rows,
                                        int64_t column, int64_t end) {
    int64_t at[TAP_INDEX_BLOCK];
    for (int64_t r = row; r < row + n_rows; r++, tap_walk_next(rows))
        for (int64_t c = column; c < end; c += TAP_INDEX_BLOCK) {
            const int64_t n = tap_min64(TAP_INDEX_BLOCK, end - c), from = r * e->n + c;
            if (!tap_read_indices(e->indices, from, n, e->d, at)) return false;
            tap_elements_row(e, rows->offset, c, n, at);
            e->fn(e->arg, n, at, from);
        }
    return true;
}

static inline void tap_elements_task(void *arg, int64_t begin, int64_t end, int worker) {
    tap_elements *e = arg;
    (void)worker;
    for (int64_t unit = begin; unit < end; unit++) {
        tap_walk rows = e->rows;
        const int64_t row = unit / e->n_columns * e->unit_rows, column = unit % e->n_columns * e->columns;
        const int64_t n_rows = tap_min64(e->unit_rows, e->n_rows - row);
        tap_walk_to(&rows, row);
        if (!(e->n_columns == 1 ? tap_elements_whole(e, &rows, row, n_rows)
                                : tap_elements_columns(e, &rows, row, n_rows, column,
                                                       tap_min64(column + e->columns, e->n))))
            atomic_store_explicit(&e->outside, true, memory_order_relaxed);
    }
}

/* Units of the rows: unit_rows of `group` rows that belong together. width: bytes of an element of the data.
 */
static inline void tap_elements_units(tap_elements *e, int64_t group, int64_t group_data, int64_t width) {
    const int64_t line = 64 / width;
    e->columns = e->n;
    if (e->across) {
        const int64_t fit = TAP_ELEMENTS_BYTES / (group_data * width) / line * line;
        e->columns = tap_min64(e->n, tap_max64(fit, line));
    }
    e->n_columns = (e->n + e->columns - 1) / e->columns;
    e->unit_rows = group;
    if (e->n_columns == 1) e->unit_rows *= tap_max64(1, TAP_ELEMENTS_UNIT / (group * e->n));
}

/* Calls fn for all indices, of which there are some, of input 1 along the axis of data: not at the same time
 * for two that mean one element, and for those in their order. Fails where one is out of range; what fn has
 * done until then is done. */
static inline tap_status tap_elements_run(tap_ctx *ctx, const tap_tensor *data, int axis, int64_t width,
                                          tap_elements_fn *fn, void *arg) {
    const tap_tensor *at = ctx->in[1];
    const int last = data->rank - 1;
    int64_t step[TAP_RANK_MAX];
    tap_elements e = {.fn = fn, .arg = arg, .indices = at, .n = at->dims[last], .d = data->dims[axis]};
    tap_dense_steps(1, data->rank, data->dims, step);
    e.n_rows = at->count / e.n;
    e.step = step[axis];
    e.across = axis != last;
    e.rows.rank = last;
    for (int i = 0; i < last; i++) {
        e.rows.dims[i] = at->dims[i];
        e.rows.step[i] = i == axis ? 0 : step[i];
    }
    atomic_init(&e.outside, false);
    tap_elements_units(&e, axis == last ? 1 : tap_product(at->dims + axis, last - axis),
                       tap_max64(1, tap_product(data->dims + axis, last - axis)), width);
    const int64_t units = (e.n_rows + e.unit_rows - 1) / e.unit_rows * e.n_columns;
    tap_parallel(ctx, units, tap_max64(1, 16384 / (e.unit_rows * e.columns)), tap_elements_task, &e);
    return atomic_load(&e.outside) ? tap_index_fail(ctx, 1, e.d) : TAP_OK;
}

#endif
