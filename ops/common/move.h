/* Strided copies (core/move.h) over the workers of a node. */
#ifndef TAP_OPS_COMMON_MOVE_H
#define TAP_OPS_COMMON_MOVE_H

#include "common/ops.h"
#include "core/move.h"

typedef struct tap_move_job {
    const tap_move *m;
    const void *src;
    void *dst;
} tap_move_job;

static inline void tap_move_task(void *arg, int64_t begin, int64_t end, int worker) {
    const tap_move_job *job = arg;
    (void)worker;
    tap_move_run(job->m, job->src, job->dst, begin, end);
}

/* Does all of a planned copy. */
static inline void tap_move_all(tap_ctx *ctx, const tap_move *m, const void *src, void *dst) {
    tap_move_job job = {m, src, dst};
    tap_parallel(ctx, m->n_units, tap_move_grain(m), tap_move_task, &job);
}

/* Plans and does a copy between arrays given by their steps in bytes. */
static inline void tap_move_steps(tap_ctx *ctx, size_t width, int rank, const int64_t *dims,
                                  const int64_t *src_step, const int64_t *dst_step, const void *src,
                                  void *dst) {
    tap_move m;
    tap_move_plan(&m, width, rank, dims, src_step, dst_step);
    tap_move_all(ctx, &m, src, dst);
}

/* Copies n bytes. */
static inline void tap_move_bytes(tap_ctx *ctx, int64_t n_bytes, const void *src, void *dst) {
    tap_move_steps(ctx, 1, 1, &n_bytes, (const int64_t[]){1}, (const int64_t[]){1}, src, dst);
}

#endif
