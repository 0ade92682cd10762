/* Packing of a convolution's weights: for each group the panels of B[k][m], k = tap * c + channel. */
#include <string.h>

#include "common/conv_lanes.h"
#include "common/floats.h"
#include "common/gemm_internal.h"

bool tap_conv_packed_bytes(tap_tile_kind kind, int64_t groups, int64_t k, int64_t m, size_t *n_bytes) {
    const tap_tile_set *set = tap_tiles(kind, m);
    int64_t wide = set->columns, sliding = tap_tiles_sliding(kind, m)->columns;
    size_t bytes;
    if (groups < 0 || k < 0 || m < 0 || m > INT64_MAX / 2) return false;
    int64_t columns = tap_max64((m + wide - 1) / wide * wide, (m + sliding - 1) / sliding * sliding);
    if (tap_conv_is_narrow(kind, groups, m)) columns = m; /* no panels: all groups lie side by side */
    return tap_mul_size((size_t)columns, (size_t)set->elem, &bytes) &&
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

/* As many taps as the set slides over are inside the channels. */
static void pack_panels(const tap_conv_weights *w, const tap_tile_set *set, char *to) {
    int64_t taps = tap_conv_taps(w);
    for (int64_t g = 0; g < w->groups; g++)
        for (int64_t col = 0; col < w->m; col += set->columns) {
            int64_t cols = tap_min64(set->columns, w->m - col), pad = (set->columns - cols) * set->elem;
            for (int64_t i = 0; i < taps * w->c; i++) {
                int64_t inner = i % set->taps, channel = i / set->taps % w->c, outer = i / set->taps / w->c;
                to = tap_conv_take_weights(w, g, col, cols, channel, outer * set->taps + inner, to);
                memset(to, 0, (size_t)pad);
                to += pad;
            }
        }
}

void tap_conv_pack(const tap_conv_weights *w, void *packed) {
    tap_tile_kind kind = tap_gemm_kind(w->dtype);
    if (tap_conv_is_narrow(kind, w->groups, w->m))
        tap_conv_lanes_pack(w, packed);
    else
        pack_panels(w, w->slides ? tap_tiles_sliding(kind, w->m) : tap_tiles(kind, w->m), packed);
}

void tap_conv_pack_panels(const tap_conv_weights *w, void *packed) {
    pack_panels(w, tap_tiles(tap_gemm_kind(w->dtype), w->m), packed);
}
