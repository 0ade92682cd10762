/* Pairs of a head's elements turned by the angle of the token's position. */
#include "common/rotary.h"

#include "common/real.h"
#include "common/shape.h"

/* Elements that a task should have. */
#define TASK_ELEMENTS 16384

typedef struct job {
    const tap_rotary *r;
    float *room; /* of each worker: cos, sin, a head and its result */
} job;

static void rotate(const tap_rotary *r, const float *cos, const float *sin, const float *restrict x,
                   float *restrict y) {
    int64_t half = r->rotated / 2;
    for (int64_t i = 0; i < half; i++) {
        int64_t a = r->interleaved ? 2 * i : i, b = r->interleaved ? 2 * i + 1 : i + half;
        y[a] = cos[i] * x[a] - sin[i] * x[b];
        y[b] = sin[i] * x[a] + cos[i] * x[b];
    }
    for (int64_t i = r->rotated; i < r->d; i++) y[i] = x[i];
}

/* Token t, counted over the batch. */
static int64_t position_of(const tap_rotary *r, int64_t t) {
    if (!r->position) return t;
    return r->one_offset ? r->position[0] + t % r->length : r->position[t];
}

/* All heads of tokens begin to end. */
static void tokens(void *arg, int64_t begin, int64_t end, int worker) {
    const job *j = arg;
    const tap_rotary *r = j->r;
    size_t each = tap_dtype_bytes(r->dtype);
    int64_t half = r->rotated / 2, d = r->d;
    float *cos = j->room + worker * (r->rotated + 2 * d), *sin = cos + half, *x = sin + half, *y = x + d;
    for (int64_t t = begin; t < end; t++) {
        size_t row = (size_t)(position_of(r, t) * half) * each;
        tap_to_f32(r->dtype, half, (const char *)r->cos + row, cos);
        tap_to_f32(r->dtype, half, (const char *)r->sin + row, sin);
        for (int64_t h = 0; h < r->heads; h++) {
            size_t at =
                (size_t)(t / r->length * r->x_batch + h * r->x_head + t % r->length * r->x_row) * each;
            tap_to_f32(r->dtype, d, (const char *)r->x + at, x);
            rotate(r, cos, sin, x, y);
            tap_from_f32(r->dtype, d, y, (char *)r->y + at);
        }
    }
}

static tap_status check_positions(tap_ctx *ctx, const tap_rotary *r, int64_t n) {
    for (int64_t t = 0; r->position && t < r->batch * r->length; t++) {
        const int64_t first = r->position[r->one_offset ? 0 : t], more = r->one_offset ? t % r->length : 0;
        if (first < 0 || first >= n || more >= n - first)
            return tap_fail(ctx, TAP_RUN,
                            "position_ids has %lld for token %lld; the caches have %lld positions",
                            (long long)first, (long long)t, (long long)n);
    }
    return TAP_OK;
}

tap_status tap_rotary_run(tap_ctx *ctx, const tap_rotary *r, int64_t n_positions) {
    job j = {.r = r};
    tap_status status = check_positions(ctx, r, n_positions);
    if (status) return status;
    j.room = tap_scratch(ctx, (size_t)tap_workers(ctx) * (size_t)(r->rotated + 2 * r->d) * sizeof(float));
    if (!j.room) return TAP_MEMORY;
    tap_parallel(ctx, r->batch * r->length, tap_max64(1, TASK_ELEMENTS / tap_max64(1, r->heads * r->d)),
                 tokens, &j);
    return TAP_OK;
}
