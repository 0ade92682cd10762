/* Images with the channels of a pixel together, for kernels that do the same at some places of all channels:
 * the inner loop is then along channels, without a gap. */
#ifndef TAP_OPS_COMMON_CHANNELS_H
#define TAP_OPS_COMMON_CHANNELS_H

#include "common/move.h"

/* Fewer channels are taken one after the other. */
#define TAP_CHANNELS_FEW 8

/* x[images][pixels][channels] in scratch, of x[images][channels][pixels] with elements of `width` bytes.
 * NULL: no memory (already recorded). From run. */
static inline void *tap_channels_together(tap_ctx *ctx, size_t width, int64_t images, int64_t channels,
                                          int64_t pixels, const void *x) {
    const int64_t w = (int64_t)width, dims[3] = {images, pixels, channels};
    const int64_t src[3] = {channels * pixels * w, w, pixels * w},
                  dst[3] = {channels * pixels * w, channels * w, w};
    void *y = tap_scratch(ctx, (size_t)(images * channels * pixels) * width);
    if (y) tap_move_steps(ctx, width, 3, dims, src, dst, x, y);
    return y;
}

/* y[channels][n], its rows `row` elements apart, of x[n][channels]. By the calling thread alone. */
static inline void tap_channels_apart(size_t width, int64_t n, int64_t channels, const void *x, int64_t row,
                                      void *y) {
    const int64_t w = (int64_t)width, dims[2] = {channels, n}, src[2] = {w, channels * w},
                  dst[2] = {row * w, w};
    tap_move m;
    tap_move_plan(&m, width, 2, dims, src, dst);
    tap_move_run(&m, x, y, 0, m.n_units);
}

#endif
