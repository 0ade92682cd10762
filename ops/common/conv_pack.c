/* Packing of a convolution's weights: for each group the panels of B[k][m], k = tap * c + channel. */
#include <string.h>

#include "common/conv_lanes.h"
#include "common/floats.h"
#include "common/gemm_internal.h"

bool tap_conv_packed_bytes(tap_tile_kind kind, int64_t groups, int64_t k, int64_t m, size_t *n_bytes) {
    const tap_tile_set *set = tap_tiles(kind, m);
    size_t panels, bytes;
    if (groups < 0 || k < 0 || m < 0) return false;
    panels = ((size_t)m + (size_t)set->columns - 1) / (size_t)set->columns;
    return tap_mul_size(panels, (size_t)(set->columns * set->elem), &bytes) &&
           tap_mul_size(bytes, (size_t)k, &bytes) && tap_mul_size(bytes, (size_t)groups, n_bytes) &&
           *n_bytes <= PTRDIFF_MAX;
}

int64_t tap_conv_taps(const tap_conv_weights *w) {
    int64_t n = 1;
    for (int i = 0; i < w->n_axes; i++) n *= w->axes[i].n;
    return n;
}

/* The place of tap t, counted in the packed order, among the taps of w. */
static int64_t place_of_tap(const tap_conv_weights *w, int64_t t) {
    int64_t place = 0, extent = 1;
    for (int i = w->n_axes - 1; i >= 0; i--) {
        place += (w->axes[i].first + t % w->axes[i].n * w->axes[i].step) * extent;
        t /= w->axes[i].n;
        extent *= w->axes[i].extent;
    }
    return place;
}

char *tap_conv_take_weights(const tap_conv_weights *w, int64_t g, int64_t j, int64_t n, int64_t i, int64_t t,
                            char *to) {
    int64_t elem = (int64_t)tap_dtype_bytes(w->from), extent = 1;
    for (int a = 0; a < w->n_axes; a++) extent *= w->axes[a].extent;
    int64_t step = (w->transposed ? extent : w->c * extent) * elem;
    int64_t pair = w->transposed ? (g * w->c + i) * w->m + j : (g * w->m + j) * w->c + i;
    const char *from = (const char *)w->w + (pair * extent + place_of_tap(w, t)) * elem;
    if (w->from != w->dtype) {
        TAP_ISA_NAME(tap_floats_in)(w->from, n, from, step, (float *)(void *)to);
        return to + n * (int64_t)sizeof(float);
    }
    for (; n > 0; n--, from += step, to += elem) {
        if (elem == 4)
            memcpy(to, from, 4);
        else
            memcpy(to, from, 8);
    }
    return to;
}

void tap_conv_pack(const tap_conv_weights *w, void *packed) {
    if (tap_conv_is_narrow(tap_gemm_kind(w->dtype), w->groups, w->m))
        tap_conv_lanes_pack(w, packed);
    else
        tap_conv_pack_panels(w, packed);
}

void tap_conv_pack_panels(const tap_conv_weights *w, void *packed) {
    const tap_tile_set *set = tap_tiles(tap_gemm_kind(w->dtype), w->m);
    char *to = packed;
    int64_t taps = tap_conv_taps(w);
    for (int64_t g = 0; g < w->groups; g++)
        for (int64_t col = 0; col < w->m; col += set->columns) {
            int64_t cols = tap_min64(set->columns, w->m - col), pad = (set->columns - cols) * set->elem;
            for (int64_t t = 0; t < taps; t++)
                for (int64_t i = 0; i < w->c; i++) {
                    to = tap_conv_take_weights(w, g, col, cols, i, t, to);
                    memset(to, 0, (size_t)pad);
                    to += pad;
                }
        }
}
