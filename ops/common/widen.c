/* Halves as storage. */
#include "common/widen.h"

#include "common/floats.h"

typedef struct widening {
    tap_dtype dtype;
    const char *from;
    float *to;
} widening;

static void widen_task(void *arg, int64_t begin, int64_t end, int worker) {
    const widening *w = arg;
    (void)worker;
    TAP_ISA_NAME(tap_floats_in)(w->dtype, end - begin, w->from + begin * 2, 2, w->to + begin);
}

const void *tap_widen(tap_ctx *ctx, const tap_tensor *t) {
    if (!tap_is_half(t->dtype)) return t->data;
    size_t bytes;
    if (!tap_mul_size((size_t)t->count, sizeof(float), &bytes)) {
        tap_fail(ctx, TAP_MEMORY, "%lld elements do not fit into memory as float32", (long long)t->count);
        return NULL;
    }
    widening w = {t->dtype, t->data, tap_scratch(ctx, bytes)};
    if (w.to) tap_parallel(ctx, t->count, 1 << 16, widen_task, &w);
    return w.to;
}

bool tap_widen_tensor(tap_ctx *ctx, const tap_tensor *t, tap_tensor *wide) {
    *wide = *t;
    wide->dtype = tap_wide(t->dtype);
    wide->data = (void *)(uintptr_t)tap_widen(ctx, t);
    return wide->data != NULL;
}

bool tap_widen_output(tap_ctx *ctx, const tap_tensor *t, tap_tensor *wide) {
    *wide = *t;
    wide->dtype = tap_wide(t->dtype);
    if (tap_is_half(t->dtype)) wide->data = tap_scratch(ctx, (size_t)t->count * sizeof(float));
    return wide->data != NULL;
}

static void narrow_task(void *arg, int64_t begin, int64_t end, int worker) {
    tap_tensor *const *t = arg;
    (void)worker;
    tap_narrow_rows(t[1]->dtype, t[0]->data, t[1]->data, 1, begin, end - begin, 0, 1);
}

void tap_narrow_output(tap_ctx *ctx, const tap_tensor *wide, const tap_tensor *t) {
    const tap_tensor *both[2] = {wide, t};
    if (wide->data != t->data) tap_parallel(ctx, t->count, 1 << 16, narrow_task, both);
}

void tap_narrow_rows(tap_dtype t, const float *from, void *to, int64_t stride, int64_t row, int64_t n_rows,
                     int64_t col, int64_t n_cols) {
    if (n_cols == stride) {
        n_cols *= n_rows;
        n_rows = 1;
    }
    for (int64_t i = row; i < row + n_rows; i++) {
        int64_t at = i * stride + col;
        TAP_ISA_NAME(tap_floats_out)(t, n_cols, from + at, (char *)to + at * 2, 2);
    }
}
