/* What figures say about a value: dead units, saturation, a scale that vanishes or explodes. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tap/stats.h"

#define DEAD_MANY   0.1  /* of the units */
#define SATURATED   0.5  /* of the elements */
#define SCALE_RANGE 1000 /* times the scale that came in */

const char *tap_ailment_name(tap_ailment a) {
    static const char *const names[] = {"well",      "nonfinite", "dead",     "constant",
                                        "saturated", "vanishing", "exploding"};
    return a >= TAP_WELL && a <= TAP_EXPLODING ? names[a] : NULL;
}

/* The ends of a bounded activation; false for all others. */
static bool ends_of(const char *op, double *lo, double *hi) {
    if (!op) return false;
    bool both = strcmp(op, "Tanh") == 0 || strcmp(op, "Softsign") == 0;
    *lo = both ? -1 : 0;
    *hi = 1;
    return both || strcmp(op, "Sigmoid") == 0 || strcmp(op, "HardSigmoid") == 0;
}

/* Share of elements within a hundredth of the range from its ends, as the sketch has them. */
static double share_at_ends(const tap_cell *c, double lo, double hi) {
    double near = (hi - lo) / 100;
    int64_t n = 0;
    if (!c->sketch || c->sketch->n == 0) return 0;
    for (uint32_t code = 0; code < 65536; code++) {
        double a, b;
        int64_t k = tap_sketch_count(c->sketch, code);
        if (!k) continue;
        tap_sketch_ends(code, &a, &b);
        double x = code == 0 ? 0 : a / 2 + b / 2;
        if (x <= lo + near || x >= hi - near) n += k;
    }
    return (double)n / (double)c->sketch->n;
}

static double scale_of(const tap_cell *c) {
    return c->finite > 0 ? sqrt(c->m2 / (double)c->finite + c->mean * c->mean) : (double)NAN;
}

static double dead_share(const tap_gathered *g) {
    size_t dead = 0;
    if (g->n_cells < 2) return 0;
    for (size_t k = 0; k < g->n_cells; k++)
        dead += g->cells[k].count > 0 && g->cells[k].zeros == g->cells[k].count;
    return (double)dead / (double)g->n_cells;
}

static bool is_constant(const tap_cell *c) {
    return c->finite > 1 && c->min == c->max;
}

static void judge(const tap_gathered *g, const tap_cell *c, double first, double lo, double hi,
                  tap_health *h) {
    char *text = h->text;
    size_t room = sizeof h->text;
    if (c->nonfinite > 0) {
        h->ailment = TAP_NONFINITE;
        snprintf(text, room, "%" PRId64 " of %" PRId64 " elements are NaN or infinite", c->nonfinite,
                 c->count);
    } else if (is_constant(c)) {
        h->ailment = c->min == 0 ? TAP_DEAD : TAP_CONSTANT;
        snprintf(text, room, "every element is %g", c->min);
    } else if (h->dead >= DEAD_MANY) {
        h->ailment = TAP_DEAD;
        snprintf(text, room, "%.0f %% of its %zu units are 0 on every sample", 100 * h->dead, g->n_cells);
    } else if (h->saturated >= SATURATED) {
        h->ailment = TAP_SATURATED;
        snprintf(text, room, "%.0f %% of the elements are at %g or %g", 100 * h->saturated, lo, hi);
    } else if (first > 0 && h->scale < first / SCALE_RANGE) {
        h->ailment = TAP_VANISHING;
        snprintf(text, room, "its scale is %.2g, %.2g of the first value's", h->scale, h->scale / first);
    } else if (first > 0 && h->scale > first * SCALE_RANGE) {
        h->ailment = TAP_EXPLODING;
        snprintf(text, room, "its scale is %.2g, %.2g times the first value's", h->scale, h->scale / first);
    } else if (h->dead > 0) {
        snprintf(text, room, "well; %.1f %% of its %zu units are 0 on every sample", 100 * h->dead,
                 g->n_cells);
    } else {
        snprintf(text, room, "well");
    }
}

bool tap_stats_health(const tap_stats *s, size_t i, tap_health *out) {
    tap_cell all, first;
    double lo = 0, hi = 0;
    if (i >= s->n) return false;
    const tap_gathered *g = s->values[i];
    tap_health h = {.size = out->size, .ailment = TAP_WELL};
    tap_gathered_all(g, &all, true);
    tap_gathered_all(s->values[0], &first, false);
    h.dead = dead_share(g);
    h.scale = scale_of(&all);
    if (ends_of(g->op, &lo, &hi)) h.saturated = share_at_ends(&all, lo, hi);
    judge(g, &all, scale_of(&first), lo, hi, &h);
    tap_sketch_free(all.sketch);
    memcpy(out, &h, out->size < sizeof h ? out->size : sizeof h);
    return true;
}
