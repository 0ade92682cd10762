/* Stand-ins for the executor's context, for tests that call kernels without it: pieces run backwards and on
 * three workers in turn; scratch is released with stub_free. */
#ifndef TAP_TESTS_UNIT_CONTEXT_H
#define TAP_TESTS_UNIT_CONTEXT_H

#include <stdlib.h>

#include "core/base.h"
#include "onnxtap/op.h"

static void *stub_blocks[64];
static int stub_n_blocks;

__attribute__((weak)) void tap_parallel(tap_ctx *ctx, int64_t n, int64_t grain, tap_task *fn, void *arg) {
    (void)ctx;
    if (n <= 0) return;
    for (int64_t b = n - 1 - (n - 1) % grain; b >= 0; b -= grain)
        fn(arg, b, tap_min64(b + grain, n), (int)(b / grain % 3));
}

__attribute__((weak)) int tap_workers(const tap_ctx *ctx) {
    (void)ctx;
    return 3;
}

__attribute__((weak)) void *tap_scratch(tap_ctx *ctx, size_t n) {
    (void)ctx;
    void *p = stub_n_blocks < 64 ? aligned_alloc(64, tap_round_up(n + 1, 64)) : NULL;
    if (p) stub_blocks[stub_n_blocks++] = p;
    return p;
}

__attribute__((weak)) tap_status tap_fail(tap_ctx *ctx, tap_status code, const char *fmt, ...) {
    (void)ctx, (void)fmt;
    return code;
}

static inline void stub_free(void) {
    while (stub_n_blocks > 0) free(stub_blocks[--stub_n_blocks]);
}

#endif
