/* The verdict on a point: introduced here, or handed on. */
#include <math.h>
#include <string.h>

#include "diff/faults.h"
#include "onnxtap/record.h"

/* A difference is suspect beyond so many times what our own float run differs from the same piece in double
 * precision: another library adds in another order and rounds elsewhere. */
#define TIMES_NOISE 16
/* The least that is suspect, in units in the last place of the largest number: functions such as exp and tanh
 * are off by a few of them. */
#define LEAST_ULPS 24
/* Of half precision, whose rounding is not noise but the question: what is beyond is lost for good. */
#define LEAST_ULPS_HALF 8
/* Where it has come together over layers, so many. */
#define DRIFT_ULPS 10
/* Largest share of a layer's signal that quantisation may cost: 16 dB. */
#define QUANTISATION_SHARE 0.16
/* So many steps integers of a quantised model may be apart: ties are rounded either way. */
#define STEPS        2
#define AMPLIFIED_BY 8
#define SHAKES       4

/* ---- tolerance ---- */

static bool glob(const char *pattern, const char *s) {
    const char *star = NULL, *from = NULL;
    while (*s) {
        if (*pattern == '*') {
            star = pattern++;
            from = s;
        } else if (*pattern == *s || *pattern == '?') {
            pattern++;
            s++;
        } else if (star) {
            pattern = star + 1;
            s = ++from;
        } else {
            return false;
        }
    }
    while (*pattern == '*') pattern++;
    return *pattern == '\0';
}

static bool fits(const tap_point *p, const char *g) {
    return !g || glob(g, p->pub.tensor) || glob(g, p->pub.reference) ||
           (p->pub.layer && glob(g, p->pub.layer));
}

/* *said: the user has named a limit for this value. */
static void limits_of(const tap_diff *d, const tap_point *p, double *rtol, double *atol, bool *said) {
    tap_tolerance_default(d->options.tolerance, rtol, atol);
    *said = false;
    for (size_t i = 0; i < d->options.n_limits; i++) {
        const tap_diff_limit *l = &d->options.limits[i];
        if (!fits(p, l->glob)) continue;
        if (!isnan(l->rtol)) *rtol = l->rtol;
        if (!isnan(l->atol)) *atol = l->atol;
        *said = true;
    }
}

static tap_status measure(const tap_diff *d, const tap_point *p, const tap_value *a, tap_measure *m,
                          bool *within, bool *said, tap_error *err) {
    double rtol, atol;
    limits_of(d, p, &rtol, &atol, said);
    *m = (tap_measure){.size = sizeof *m};
    tap_status st = tap_measure_tensors(tap_value_tensor(a), tap_value_tensor(p->ref), d->options.tolerance,
                                        rtol, atol, m, err);
    *within = st == TAP_OK && m->outside == 0;
    return st;
}

/* ---- what precision a piece has ---- */

static bool is_small_float(tap_dtype t) {
    return t == TAP_FLOAT16 || t == TAP_BFLOAT16;
}

static void coarser(double *eps, tap_dtype t) {
    double e = tap_epsilon(t);
    if (e > *eps) *eps = e;
}

/* The coarsest float that is the piece's own: of its values and weights, not of Casts in between. */
static double epsilon_of(const tap_diff *d, const tap_point *p, const tap_piece *piece,
                         const tap_value *ours) {
    const tap_tensor *t = tap_value_tensor(ours), *r = tap_value_tensor(p->ref);
    double eps = tap_epsilon(t->dtype);
    if (is_small_float(r->dtype)) coarser(&eps, r->dtype);
    for (size_t i = 0; piece && piece->exact && i < piece->plain.n_in; i++) {
        const tap_tensor *x = tap_value_tensor(piece->exact[i]);
        if (x && is_small_float(x->dtype)) coarser(&eps, x->dtype);
    }
    const tap_src_graph *g = piece ? &piece->plain.model.graph : NULL;
    for (size_t i = 0; g && i < g->n_inits; i++)
        if (is_small_float(g->inits[i].dtype)) coarser(&eps, g->inits[i].dtype);
    bool rounded = piece && d->weights_epsilon > 0 && tap_is_weighted(&piece->plain);
    return rounded ? fmax(eps, d->weights_epsilon) : eps;
}

/* Integers stand for floats in it. */
static bool is_quantised(const tap_piece *piece) {
    for (size_t i = 0; piece && i < piece->plain.n_nodes; i++) {
        const char *op = piece->plain.nodes[i].op;
        if (strstr(op, "Quantize") || strstr(op, "QLinear") || strstr(op, "Integer") || strstr(op, "NBits"))
            return true;
    }
    return false;
}

/* ---- limits ---- */

/* Largest difference between runs of the piece on values that were moved in the last place: what else
 * rounding can do there, where it is amplified or decides between steps. `spread` (may be NULL): by element.
 */
static tap_status shaken_noise(tap_diff *d, tap_piece *piece, double *spread, double *noise, tap_error *err) {
    size_t n = piece->plain.n_in, n_out = piece->plain.n_out;
    tap_value **in = tap_arena_array(&piece->arena, n + 1, sizeof *in);
    tap_value **out = tap_arena_array(&piece->arena, n_out + 1, sizeof *out);
    const tap_tensor *base = tap_value_tensor(piece->by_model);
    if (!in || !out) return tap_error_no_memory(err, n);
    tap_rig rig;
    tap_status st =
        tap_rig_open(&d->parts.lab, &piece->plain, false, (const tap_value *const *)piece->in, &rig, err);
    for (uint64_t k = 0; k < SHAKES && st == TAP_OK; k++) {
        st = tap_piece_shake(piece, k + 1, 0, in, err);
        if (st == TAP_OK) st = tap_rig_run(&rig, (const tap_value *const *)in, out, err);
        if (st == TAP_OK) {
            const tap_tensor *t = tap_value_tensor(out[piece->want]);
            double gap = tap_gap(out[piece->want], piece->by_model), a, b;
            if (gap > *noise && isfinite(gap)) *noise = gap;
            for (int64_t i = 0; t && i < t->count && t->count == base->count; i++)
                if (tap_tensor_doubles(t, i, 1, &a) && tap_tensor_doubles(base, i, 1, &b) &&
                    fabs(a - b) > spread[i])
                    spread[i] = fabs(a - b);
        }
        tap_release_all(out, n_out);
        tap_release_all(in, n);
    }
    if (st == TAP_OK || rig.session) tap_rig_close(&rig);
    return st == TAP_MEMORY ? st : TAP_OK;
}

/* Whether what differs is beyond the limit once elements that rounding decides are left out. */
static bool beyond_spread(const tap_tensor *got, const tap_tensor *want, const double *spread, double limit) {
    double a, b;
    for (int64_t i = 0; i < got->count; i++) {
        if (!tap_tensor_doubles(got, i, 1, &a) || !tap_tensor_doubles(want, i, 1, &b)) return true;
        if ((isnan(a) && isnan(b)) || a == b) continue;
        double e = fabs(a - b);
        if (!(e <= limit) && !(spread[i] >= e / 4)) return true;
    }
    return false;
}

/* A closer look at a piece that seems to be at fault. */
static tap_status look_again(tap_diff *d, tap_point *p, tap_piece *piece, double *limit, bool *suspect,
                             tap_error *err) {
    const tap_tensor *got = tap_value_tensor(piece->by_model), *want = tap_value_tensor(p->ref);
    if (!got || got->dtype == TAP_STRING || is_small_float(got->dtype) || got->count != want->count)
        return TAP_OK;
    double *spread = tap_arena_array(&piece->arena, (size_t)got->count + 1, sizeof *spread), noise = 0;
    if (!spread) return tap_error_no_memory(err, (uint64_t)got->count);
    tap_status st = shaken_noise(d, piece, spread, &noise, err);
    if (st != TAP_OK) return st;
    bool exact = tap_epsilon(got->dtype) == 0;
    if (!exact && TIMES_NOISE * noise > *limit) *limit = TIMES_NOISE * noise;
    *suspect = beyond_spread(got, want, spread, exact ? 0 : *limit);
    return TAP_OK;
}

/* ---- isolated ---- */

static bool same_shape(const tap_value *a, const tap_value *b) {
    const tap_tensor *x = tap_value_tensor(a), *y = tap_value_tensor(b);
    if (!x || !y || x->rank != y->rank) return false;
    for (int i = 0; i < x->rank; i++)
        if (x->dims[i] != y->dims[i]) return false;
    return true;
}

static double share(const tap_measure *m) {
    return m->ref_rms > 0 ? m->rms / m->ref_rms : m->rms;
}

/* Whether the piece alone, on the reference's values, makes another result than the reference. */
static tap_status is_introduced(tap_diff *d, tap_point *p, tap_piece *piece, bool *introduced,
                                tap_error *err) {
    tap_measure m;
    bool within, said;
    *introduced = true;
    p->pub.isolated_max_abs = tap_gap(piece->by_model, p->ref);
    if (!same_shape(piece->by_model, p->ref)) return TAP_OK;
    tap_status st = measure(d, p, piece->by_model, &m, &within, &said, err);
    if (st != TAP_OK) return st;
    double eps = epsilon_of(d, p, piece, piece->by_model), scale = tap_scale(p->ref);
    bool half = eps > 0x1p-20;
    piece->noise = piece->by_truth ? tap_gap(piece->by_model, piece->by_truth) : NAN;
    p->pub.isolated_noise = piece->noise;
    piece->limit = (half ? LEAST_ULPS_HALF : eps < 0x1p-40 ? 64 * LEAST_ULPS : LEAST_ULPS) * eps * scale;
    bool narrowed = !half && piece->by_truth && tap_narrowing_cast(&piece->plain) != SIZE_MAX;
    if (!half && !narrowed && piece->noise * TIMES_NOISE > piece->limit)
        piece->limit = piece->noise * TIMES_NOISE;
    if (d->options.by_tolerance || (said && within))
        *introduced = !within;
    else if (is_quantised(piece) || (d->integer_weights && tap_is_weighted(&piece->plain)))
        *introduced =
            m.nonfinite || (tap_epsilon(tap_value_tensor(p->ref)->dtype) > 0 ? share(&m) > QUANTISATION_SHARE
                                                                             : m.max_abs > STEPS);
    else if (eps == 0)
        *introduced = m.outside > 0;
    else
        *introduced = m.nonfinite || m.max_abs > piece->limit;
    /* A Cast to a small float is at fault where the reference has the digits that it drops. */
    if (narrowed && *introduced && !d->options.by_tolerance) {
        *introduced = tap_gap(piece->by_truth, p->ref) < 0.2 * m.max_abs;
        return TAP_OK;
    }
    if (*introduced && !d->options.by_tolerance) st = look_again(d, p, piece, &piece->limit, introduced, err);
    return st;
}

/* ---- accumulated ---- */

static bool differs(const tap_point *p) {
    return p->done && p->pub.verdict != TAP_VERDICT_SAME && p->pub.verdict != TAP_VERDICT_HEALED &&
           p->pub.verdict != TAP_VERDICT_NOT_COMPARABLE;
}

/* Whether something that the piece starts from differs; *most: by how much. */
static bool starts_differ(const tap_diff *d, const tap_piece *piece, double *most) {
    bool any = false;
    *most = 0;
    for (size_t i = 0; i < piece->plain.n_in; i++) {
        size_t at = d->at[d->parts.bound->main->values[piece->plain.in[i]].global];
        if (at == SIZE_MAX || !differs(&d->points[at])) continue;
        any = true;
        if (d->points[at].gap > *most) *most = d->points[at].gap;
    }
    return any;
}

static tap_verdict handed_on(tap_diff *d, tap_point *p, const tap_piece *piece, const tap_value *ours,
                             bool within, bool said) {
    double most, gap = p->pub.measure.nonfinite ? INFINITY : p->pub.measure.max_abs;
    if (!starts_differ(d, piece, &most)) return TAP_VERDICT_SAME;
    double limit = isnan(piece->limit) ? 0 : piece->limit;
    if (!isnan(p->pub.noise)) limit = fmax(limit, TIMES_NOISE * p->pub.noise);
    bool same = d->options.by_tolerance || (said && within) ? within : gap <= limit;
    (void)ours;
    if (same) return TAP_VERDICT_HEALED;
    return p->gap > AMPLIFIED_BY * most ? TAP_VERDICT_AMPLIFIED : TAP_VERDICT_INHERITED;
}

/* Half precision on one side: the drift that has come together is beyond ten units in the last place. */
static bool drifts(const tap_diff *d, const tap_point *p, const tap_piece *piece, const tap_value *ours,
                   bool within, bool said) {
    double most, eps = epsilon_of(d, p, piece, ours);
    if (eps < 0x1p-20 || d->options.by_tolerance || (said && within) || is_quantised(piece)) return false;
    return p->pub.verdict == TAP_VERDICT_SAME && !starts_differ(d, piece, &most) && p->gap > DRIFT_ULPS * eps;
}

/* Names of what the piece starts from. */
static const char *start_names(tap_diff *d, const tap_piece *piece) {
    char text[1024] = "";
    tap_text t = {text, sizeof text, 0};
    for (size_t i = 0; i < piece->plain.n_in; i++)
        tap_text_add(&t, "%s%s", i ? ", " : "", d->parts.bound->main->values[piece->plain.in[i]].full);
    return tap_arena_string(&d->arena, text, strlen(text));
}

/* ---- values without a piece: inputs, initializers, values in bodies ---- */

static void judge_alone(tap_diff *d, tap_point *p, bool within) {
    double eps = tap_epsilon(tap_value_tensor(p->ref)->dtype);
    bool same = d->options.by_tolerance || eps == 0 ? within : p->gap <= LEAST_ULPS * eps;
    p->pub.verdict = same || within ? TAP_VERDICT_SAME : TAP_VERDICT_INTRODUCED;
    if (p->pub.verdict != TAP_VERDICT_INTRODUCED) return;
    bool body = p->vid == TAP_NO_VALUE;
    if (body) {
        p->pub.verdict = TAP_VERDICT_INHERITED;
        p->pub.note = "a value in a body: it is compared, but not run alone";
    } else {
        p->pub.fault = d->parts.bound->main->values[p->vid].init ? "other_weights" : "other_input";
        p->pub.why = d->parts.bound->main->values[p->vid].init
                         ? "the initializer's values are not those of the reference"
                         : "the model was given another input than the reference has";
    }
}

static tap_status judge_piece(tap_diff *d, tap_point *p, const tap_value *ours, bool within, bool said,
                              tap_error *err) {
    tap_piece piece;
    const char *why;
    bool introduced = false;
    tap_status st = tap_piece_run(d, p, &piece, &why, err);
    if (st == TAP_OK && p->truth && same_shape(p->truth, ours)) p->pub.noise = tap_gap(ours, p->truth);
    if (st == TAP_OK && piece.by_model) {
        p->pub.from = start_names(d, &piece);
        p->weighted = tap_is_weighted(&piece.plain);
        st = is_introduced(d, p, &piece, &introduced, err);
        p->pub.verdict = introduced ? TAP_VERDICT_INTRODUCED : handed_on(d, p, &piece, ours, within, said);
    } else if (st == TAP_OK) {
        double most;
        double limit = fmax(TIMES_NOISE * p->pub.noise,
                            LEAST_ULPS * tap_epsilon(tap_value_tensor(ours)->dtype) * tap_scale(p->ref));
        bool same = within || p->pub.measure.max_abs <= limit;
        p->pub.verdict = same                              ? TAP_VERDICT_SAME
                         : starts_differ(d, &piece, &most) ? TAP_VERDICT_INHERITED
                                                           : TAP_VERDICT_INTRODUCED;
        p->pub.note = why;
    }
    if (st == TAP_OK && piece.by_model && !introduced && drifts(d, p, &piece, ours, within, said)) {
        p->pub.verdict = TAP_VERDICT_INTRODUCED;
        p->pub.fault = "rounding";
        p->pub.why = "from here on what half precision has rounded away is more than a hundredth of the "
                     "largest number";
    }
    if (st == TAP_OK && introduced) st = tap_explain(d, p, &piece, err);
    tap_piece_free(&piece);
    return st;
}

static void let_go(tap_diff *d, const tap_point *p) {
    (void)p;
    for (size_t i = 0; i < d->n_points; i++) {
        tap_point *x = &d->points[i];
        if (!x->done || x->uses > 0) continue;
        tap_value_release(x->ref);
        tap_value_release(x->truth);
        x->ref = x->truth = NULL;
    }
}

/* Another pair for a value that was judged: a layer that hands on what it gets. */
static void judge_again(tap_diff *d, tap_point *p, const tap_value *ours) {
    const tap_point *first = &d->points[d->at[p->match.value]];
    p->pub.verdict = same_shape(ours, p->ref) ? first->pub.verdict : TAP_VERDICT_NOT_COMPARABLE;
    if (p->pub.verdict == TAP_VERDICT_INTRODUCED) p->pub.verdict = TAP_VERDICT_INHERITED;
    p->pub.note = tap_arena_printf(&d->arena, "the same tensor as of '%s'", first->pub.reference);
}

/* ---- integers of a quantised model ---- */

/* The one number that an input is; NAN. */
static double scalar_of(const tap_diff *d, tap_vid v) {
    const tap_gvalue *x = v == TAP_NO_VALUE ? NULL : &d->parts.bound->main->values[v];
    const tap_src_tensor *t = x ? x->init : NULL;
    tap_tensor one;
    double y = NAN;
    char aligned[16] = "";
    if (!t || t->count != 1 || t->n_bytes > sizeof aligned || !tap_tensor_shape(&one, t->dtype, 0, NULL))
        return NAN;
    memcpy(aligned, t->data, t->n_bytes);
    one.data = aligned;
    return tap_tensor_doubles(&one, 0, 1, &y) ? y : NAN;
}

/* Scale and zero point by which a node makes or reads value v. */
static bool scale_of(const tap_diff *d, tap_vid v, double *scale, double *zero) {
    const tap_graph *g = d->parts.bound->main;
    for (size_t i = 0; i < g->n_nodes; i++) {
        const tap_node *n = g->nodes[i];
        bool makes = strcmp(n->src->op, "QuantizeLinear") == 0 && n->out[0] == v;
        bool reads = strcmp(n->src->op, "DequantizeLinear") == 0 && n->in[0] == v;
        bool sums = strncmp(n->src->op, "QLinear", 7) == 0 && n->out[0] == v && n->n_in >= 8;
        if (!makes && !reads && !sums) continue;
        *scale = scalar_of(d, n->in[sums ? 6 : 1]);
        *zero = sums ? scalar_of(d, n->in[7]) : n->n_in > 2 ? scalar_of(d, n->in[2]) : 0;
        return isfinite(*scale) && isfinite(*zero);
    }
    return false;
}

/* Our integers as the floats that they stand for. *out is NULL: the graph does not tell. */
static tap_status dequantised(const tap_diff *d, const tap_point *p, const tap_tensor *t, tap_value **out,
                              tap_error *err) {
    double scale, zero, x;
    *out = NULL;
    if (p->vid == TAP_NO_VALUE || !scale_of(d, p->vid, &scale, &zero)) return TAP_OK;
    tap_status st = tap_value_new(TAP_FLOAT, t->rank, t->dims, out, err);
    float *y = st == TAP_OK ? tap_value_data(*out) : NULL;
    for (int64_t i = 0; y && i < t->count; i++)
        if (tap_tensor_doubles(t, i, 1, &x)) y[i] = (float)((x - zero) * scale);
    return st;
}

/* Integers against floats, through the graph's own scale. They start no piece: the reference has no such
 * integers. */
static tap_status judge_integers(tap_diff *d, tap_point *p, const tap_tensor *t, tap_error *err) {
    tap_value *y = NULL;
    bool within, said;
    tap_status st = dequantised(d, p, t, &y, err);
    if (st == TAP_OK && y && same_shape(y, p->ref)) {
        st = measure(d, p, y, &p->pub.measure, &within, &said, err);
        p->pub.within = within;
        p->pub.note = "integers, compared through the graph's own scale";
        bool same = d->options.by_tolerance || (said && within)
                        ? within
                        : share(&p->pub.measure) <= QUANTISATION_SHARE;
        p->pub.verdict = same ? TAP_VERDICT_SAME : TAP_VERDICT_INTRODUCED;
        for (size_t i = 0; !same && i < d->n_points; i++)
            if (differs(&d->points[i])) p->pub.verdict = TAP_VERDICT_INHERITED;
        if (p->pub.verdict == TAP_VERDICT_INTRODUCED) {
            p->pub.fault = "quantization";
            p->pub.why = "up to here quantisation has cost more than 16 % of the signal";
        }
    }
    tap_value_release(y);
    return st;
}

/* ---- all ---- */

/* Both can be measured; else the pair's note says why not. */
static bool comparable(tap_point *p, const tap_value *ours) {
    const tap_tensor *a = tap_value_tensor(ours), *b = tap_value_tensor(p->ref);
    if (!a) p->pub.note = "the model has no tensor there";
    if (!a || !b) return false;
    if ((a->dtype == TAP_STRING) != (b->dtype == TAP_STRING)) {
        p->pub.note = "one is text, the other numbers";
        return false;
    }
    bool a_float = tap_epsilon(a->dtype) > 0, b_float = tap_epsilon(b->dtype) > 0;
    bool small =
        a->dtype == TAP_INT8 || a->dtype == TAP_UINT8 || b->dtype == TAP_INT8 || b->dtype == TAP_UINT8;
    if (a_float != b_float && small && a->dtype != b->dtype) {
        p->pub.note = "integers of a quantised model against floats";
        return false;
    }
    return true;
}

/* Paired for its numbers, which lie otherwise in the other model (a Flatten of another order of axes). */
static bool is_reordered(const tap_point *p, const tap_value *ours) {
    if (p->match.by != TAP_BY_VALUES || !p->ref) return false;
    double gap = tap_gap(ours, p->ref), scale = tap_scale(p->ref);
    return gap > 1e-2 * scale;
}

tap_status tap_judge(tap_diff *d, tap_point *p, const tap_value *ours, tap_error *err) {
    bool within = false, said = false;
    const tap_tensor *t = tap_value_tensor(ours);
    p->done = true;
    p->pub.note = NULL;
    tap_status st = tap_point_load(d, p, t, err);
    if (st != TAP_OK) return st;
    p->pub.verdict = TAP_VERDICT_NOT_COMPARABLE;
    if (st == TAP_OK && is_reordered(p, ours)) {
        p->pub.note = "the same numbers in another order: the models flatten in other orders";
        tap_value_release(p->ref);
        p->ref = NULL;
    }
    bool piece = p->given && p->vid != TAP_NO_VALUE && d->parts.bound->main->values[p->vid].producer;
    if (!comparable(p, ours)) {
        bool integers =
            t && p->ref && tap_epsilon(tap_value_tensor(p->ref)->dtype) > 0 && tap_epsilon(t->dtype) == 0;
        if (integers) st = judge_integers(d, p, t, err);
        p->given = false;
        if (p->vid != TAP_NO_VALUE && p->primary && piece) d->marks[p->vid] = 0;
    } else {
        if (same_shape(ours, p->ref)) {
            st = measure(d, p, ours, &p->pub.measure, &within, &said, err);
            double scale = p->pub.measure.ref_max;
            p->gap = p->pub.measure.nonfinite ? INFINITY : p->pub.measure.max_abs / (scale > 0 ? scale : 1);
        } else {
            p->gap = p->pub.measure.max_abs = INFINITY;
        }
        p->pub.within = within;
        if (st == TAP_OK && piece)
            st = judge_piece(d, p, ours, within, said, err);
        else if (st == TAP_OK && same_shape(ours, p->ref) && p->primary)
            judge_alone(d, p, within);
        else if (st == TAP_OK && !p->primary)
            judge_again(d, p, ours);
    }
    if (st == TAP_OK && p->vid != TAP_NO_VALUE && d->held[p->vid] && !p->truth && p->uses > 0)
        st = tap_value_copy(ours, &p->truth, err);
    if (st == TAP_OK && d->options.show && d->options.show(&p->pub, d->options.user)) st = TAP_CANCELLED;
    let_go(d, p);
    return st;
}
