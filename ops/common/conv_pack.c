/* Packing of a convolution's weights: for each group the panels of B[k][m], k = tap * c + channel. */
#include <string.h>

#include "common/conv.h"
#include "common/floats.h"
#include "common/gemm_internal.h"

bool tap_conv_packed_bytes(tap_tile_kind kind, int64_t groups, int64_t k, int64_t m, size_t *n_bytes) {
    const tap_tile_set *set = tap_tiles(kind);
    size_t panels, bytes;
    if (groups < 0 || k < 0 || m < 0) return false;
    panels = ((size_t)m + (size_t)set->columns - 1) / (size_t)set->columns;
    return tap_mul_size(panels, (size_t)(set->columns * set->elem), &bytes) &&
           tap_mul_size(bytes, (size_t)k, &bytes) && tap_mul_size(bytes, (size_t)groups, n_bytes) &&
           *n_bytes <= PTRDIFF_MAX;
}

/* The place of tap t, counted in the packed order, among the taps of w. */
static int64_t place_of_tap(const tap_conv_weights *w, int64_t t) {
    int64_t place = 0, stride = 1;
    for (int i = w->n_axes - 1; i >= 0; i--) {
        place += (w->axes[i].first + t % w->axes[i].n * w->axes[i].step) * stride;
        t /= w->axes[i].n;
        stride *= w->axes[i].extent;
    }
    return place;
}

static void store(const tap_conv_weights *w, const char *from, char *to) {
    if (w->from != w->dtype)
        TAP_ISA_NAME(tap_floats_in)(w->from, 1, from, 2, (float *)(void *)to);
    else if (w->dtype == TAP_DOUBLE)
        memcpy(to, from, 8);
    else
        memcpy(to, from, 4);
}

void tap_conv_pack(const tap_conv_weights *w, void *packed) {
    const tap_tile_set *set = tap_tiles(tap_gemm_kind(w->dtype));
    int64_t columns = set->columns, elem = set->elem, taps = 1, extent = 1;
    int64_t from_elem = (int64_t)tap_dtype_bytes(w->from);
    for (int i = 0; i < w->n_axes; i++) taps *= w->axes[i].n, extent *= w->axes[i].extent;
    int64_t c_stride = w->transposed ? w->m * extent : extent,
            m_stride = w->transposed ? extent : w->c * extent;
    char *to = packed;
    for (int64_t g = 0; g < w->groups; g++) {
        const char *group = (const char *)w->w + g * w->m * w->c * extent * from_elem;
        for (int64_t col = 0; col < w->m; col += columns) {
            int64_t cols = tap_min64(columns, w->m - col);
            for (int64_t t = 0; t < taps; t++) {
                const char *tap = group + (place_of_tap(w, t) + col * m_stride) * from_elem;
                for (int64_t i = 0; i < w->c; i++, to += columns * elem) {
                    const char *from = tap + i * c_stride * from_elem;
                    for (int64_t j = 0; j < cols; j++)
                        store(w, from + j * m_stride * from_elem, to + j * elem);
                    memset(to + cols * elem, 0, (size_t)((columns - cols) * elem));
                }
            }
        }
    }
}
