/* Small floats in elementwise loops, block by block through float32. */
#include "common/elementwise.h"

#include "common/floats.h"

enum { BLOCK = 256 };

/* Where operand k of a block lies for the float32 loop, and its step there. */
static char *widen(const tap_widening *w, int k, char *p, int64_t step, int64_t n, float *room,
                   int64_t *to_step) {
    if (!p || !(w->wide >> k & 1)) {
        *to_step = step;
        return p;
    }
    if (k < w->n_in) TAP_ISA_NAME(tap_floats_in)(w->dtype, step == 0 ? 1 : n, p, step, room);
    *to_step = step == 0 ? 0 : (int64_t)sizeof *room;
    return (char *)room;
}

void TAP_ISA_NAME(tap_widened)(int64_t n, char *const *p, const int64_t *step, const void *state,
                               const tap_widening *w) {
    float room[4][BLOCK];
    int64_t to_step[4];
    char *q[4];
    const int out = w->n_in;
    for (int64_t at = 0; at < n; at += BLOCK) {
        const int64_t m = tap_min64(BLOCK, n - at);
        for (int k = 0; k <= out; k++)
            q[k] = widen(w, k, p[k] ? p[k] + at * step[k] : NULL, step[k], m, room[k], &to_step[k]);
        w->loop(m, q, to_step, state);
        if (w->wide >> out & 1)
            TAP_ISA_NAME(tap_floats_out)(w->dtype, m, room[out], p[out] + at * step[out], step[out]);
    }
}
