/* Channels in front of the spatial axes, or behind them, in expansions. */
#ifndef TAP_OPS_MICROSOFT_LAYOUT_H
#define TAP_OPS_MICROSOFT_LAYOUT_H

#include "core/error.h"
#include "microsoft/microsoft.h"

/* Spatial axes, by the attribute that tells them; those of pictures where none does. */
static inline int tap_ms_spatial_axes(tap_expansion *e) {
    static const char *const names[] = {"kernel_shape", "strides", "dilations", "pads"};
    for (size_t i = 0; i < TAP_COUNT_OF(names); i++) {
        size_t n;
        if (!tap_expand_has(e, names[i])) continue;
        tap_expand_ints(e, names[i], &n);
        if (n && n < TAP_RANK_MAX) return (int)(i == 3 ? n / 2 : n);
    }
    return 2;
}

/* y = x with its channels last, or (to_last false) behind the batch again. */
static inline void tap_ms_transpose(tap_expansion *e, const char *y, const char *x, int axes, bool to_last) {
    char perm[8 * TAP_RANK_MAX] = "";
    tap_text t = {perm, sizeof perm, 0};
    for (int i = 0; i < axes; i++) tap_text_add(&t, ", %d", to_last ? i + 2 : i + 1);
    if (to_last)
        tap_expand_add(e, "%s = Transpose <perm=[0%s, 1]> (%s)", y, perm, x);
    else
        tap_expand_add(e, "%s = Transpose <perm=[0, %d%s]> (%s)", y, axes + 1, perm, x);
}

#endif
