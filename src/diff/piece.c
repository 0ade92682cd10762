/* The piece in front of a point, run alone on the reference's values. */
#include <math.h>
#include <string.h>

#include "core/permute.h"
#include "diff/compare.h"
#include "diff/widen.h"
#include "onnxtap/record.h"

double tap_epsilon(tap_dtype t) {
    switch (t) {
    case TAP_FLOAT:
    case TAP_COMPLEX64: return 0x1p-23;
    case TAP_DOUBLE:
    case TAP_COMPLEX128: return 0x1p-52;
    case TAP_FLOAT16: return 0x1p-10;
    case TAP_BFLOAT16: return 0x1p-7;
    default: return 0;
    }
}

double tap_gap(const tap_value *a, const tap_value *b) {
    const tap_tensor *x = tap_value_tensor(a), *y = tap_value_tensor(b);
    tap_measure m = {.size = sizeof m};
    if (!x || !y || tap_measure_tensors(x, y, TAP_TOLERANCE_NUMPY, 0, 0, &m, NULL) != TAP_OK) return INFINITY;
    return m.nonfinite ? INFINITY : m.max_abs;
}

double tap_scale(const tap_value *v) {
    const tap_tensor *t = tap_value_tensor(v);
    tap_summary s = {.size = sizeof s};
    if (!t || t->dtype == TAP_STRING) return 0;
    tap_tensor_summary(t, &s);
    double a = fmax(fabs(s.min), fabs(s.max));
    return isfinite(a) ? a : 0;
}

/* ---- the reference's value, as the model lays it ---- */

static bool same_dims(const tap_tensor *t, const tap_tensor *like) {
    if (t->rank != like->rank) return false;
    for (int i = 0; i < t->rank; i++)
        if (t->dims[i] != like->dims[i]) return false;
    return true;
}

/* The same but for dimensions of extent 1: the elements lie in the same order. */
static bool same_without_ones(const tap_tensor *t, const tap_tensor *like) {
    int i = 0, k = 0;
    for (;;) {
        while (i < t->rank && t->dims[i] == 1) i++;
        while (k < like->rank && like->dims[k] == 1) k++;
        if (i == t->rank || k == like->rank) return i == t->rank && k == like->rank;
        if (t->dims[i++] != like->dims[k++]) return false;
    }
}

/* y = x where transpose(y, perm) = x. */
static tap_status undo(const tap_value *x, int rank, const int *perm, tap_value **y, tap_error *err) {
    const tap_tensor *t = tap_value_tensor(x);
    int back[TAP_RANK_MAX];
    int64_t dims[TAP_RANK_MAX];
    for (int i = 0; i < rank; i++) back[perm[i]] = i;
    for (int i = 0; i < rank; i++) dims[i] = t->dims[back[i]];
    tap_status st = tap_value_new(t->dtype, rank, dims, y, err);
    if (st == TAP_OK)
        tap_copy_permuted(tap_dtype_bytes(t->dtype), rank, t->dims, back, t->data, tap_value_data(*y));
    return st;
}

static tap_status reshaped(const tap_value *x, const tap_tensor *like, tap_value **y, tap_error *err) {
    const tap_tensor *t = tap_value_tensor(x);
    tap_status st = tap_value_new(t->dtype, like->rank, like->dims, y, err);
    if (st == TAP_OK) memcpy(tap_value_data(*y), t->data, tap_tensor_bytes(t));
    return st;
}

static bool is_identity(int rank, const int *perm) {
    for (int i = 0; i < rank; i++)
        if (perm[i] != i) return false;
    return true;
}

static void set_perm(tap_point *p, int rank, const int *perm) {
    p->pub.rank = rank;
    for (int i = 0; i < rank; i++) p->pub.perm[i] = perm ? perm[i] : i;
}

/* ---- layouts that nothing tells ---- */

/* Largest difference, as a share of the largest number, between ours and t laid so that transpose(ours, perm)
 * = t. Looks at some elements only. */
static double gap_under(const tap_tensor *t, const tap_tensor *ours, const int *perm) {
    int64_t step[TAP_RANK_MAX];
    double gap = 0, scale = 0;
    for (int i = 0; i < ours->rank; i++) {
        int axis = 0; /* of t, on which axis i of ours lies */
        while (perm[axis] != i) axis++;
        step[i] = 1;
        for (int k = axis + 1; k < t->rank; k++) step[i] *= t->dims[k];
    }
    int64_t stride = ours->count / 4096 + 1;
    for (int64_t n = 0; n < ours->count; n += stride) {
        int64_t at = 0, rest = n;
        double a, b;
        for (int i = ours->rank - 1; i >= 0; i--) {
            at += rest % ours->dims[i] * step[i];
            rest /= ours->dims[i];
        }
        if (!tap_tensor_doubles(ours, n, 1, &a) || !tap_tensor_doubles(t, at, 1, &b)) return INFINITY;
        if (fabs(b) > scale) scale = fabs(b);
        if (fabs(a - b) > gap) gap = fabs(a - b);
    }
    return scale > 0 ? gap / scale : gap;
}

typedef struct layout_search {
    const tap_tensor *t, *ours;
    int perm[TAP_RANK_MAX], best[TAP_RANK_MAX];
    double gap;
    bool found;
} layout_search;

/* Tries permutations whose shapes fit, the plain ones first. */
static void search_layout(layout_search *s, int at, unsigned used) {
    int rank = s->ours->rank;
    if (at == rank) {
        double gap = gap_under(s->t, s->ours, s->perm);
        if (s->found && !(gap < s->gap)) return;
        s->found = true;
        s->gap = gap;
        memcpy(s->best, s->perm, sizeof s->best);
        return;
    }
    for (int i = 0; i < rank; i++) {
        if (used >> i & 1 || s->ours->dims[i] != s->t->dims[at]) continue;
        s->perm[at] = i;
        search_layout(s, at + 1, used | 1u << i);
    }
}

#define SEARCHED_RANK 5
/* A permutation is believed for its numbers up to this share of the largest. */
#define LAYOUT_GAP 1e-3

static bool perm_fits(const tap_tensor *t, const tap_tensor *like, int rank, const int *perm);

/* Where the numbers do not tell, for they differ: as they are, or channels moved. */
static bool usual_layout(const tap_tensor *t, const tap_tensor *ours, int *perm) {
    for (int i = 0; i < t->rank; i++) perm[i] = i;
    if (perm_fits(t, ours, t->rank, perm)) return true;
    if (t->rank < 3) return false;
    tap_perm_to_channels_last(t->rank, perm);
    if (perm_fits(t, ours, t->rank, perm)) return true;
    tap_perm_to_channels_first(t->rank, perm);
    return perm_fits(t, ours, t->rank, perm);
}

static int found_layout(const tap_tensor *t, const tap_tensor *ours, int *perm) {
    layout_search s = {.t = t, .ours = ours};
    if (t->rank != ours->rank || t->rank > SEARCHED_RANK || t->dtype == TAP_STRING) return -1;
    search_layout(&s, 0, 0);
    if (!s.found) return -1;
    if (s.gap > LAYOUT_GAP && usual_layout(t, ours, perm)) return t->rank;
    memcpy(perm, s.best, sizeof s.best);
    return t->rank;
}

static bool perm_fits(const tap_tensor *t, const tap_tensor *like, int rank, const int *perm) {
    if (rank != t->rank || rank != like->rank) return false;
    for (int i = 0; i < rank; i++)
        if (like->dims[perm[i]] != t->dims[i]) return false;
    return true;
}

/* The permutation that the pair brings, else what provenance tells of the value, else what fits its numbers.
 * -1: none is needed, or none is known. */
static int perm_of(tap_diff *d, const tap_point *p, const tap_tensor *t, const tap_tensor *like, int *perm) {
    const tap_match *m = &p->match;
    if (m->rank >= 0) {
        memcpy(perm, m->perm, sizeof m->perm);
        if (!like || m->rank != t->rank || perm_fits(t, like, m->rank, perm)) return m->rank;
    }
    bool named = m->by == TAP_BY_NAME || m->by == TAP_BY_POSITION_OF_OUTPUT;
    if (!like || (same_dims(t, like) && (named || m->rank >= 0))) return -1;
    int32_t told[TAP_RANK_MAX];
    /* What the framework had says nothing of another model. */
    int32_t rank = d->ref->other ? -1 : tap_model_layout(d->parts.model, m->value, told);
    for (int i = 0; i < rank; i++) perm[i] = told[i];
    if (rank >= 0 && perm_fits(t, like, rank, perm)) return rank;
    /* A Transpose that another model has under the same name is meant to do the same. */
    bool meant = named && (!d->ref->other || strcmp(p->pub.op, "Transpose") == 0);
    int found = meant ? -1 : found_layout(t, like, perm);
    if (found >= 0) return found;
    /* Sizes differ, too: the layout that is known is still the one to compare in. */
    if (m->rank == t->rank) memcpy(perm, m->perm, sizeof m->perm);
    if (m->rank != t->rank)
        for (int i = 0; i < rank; i++) perm[i] = told[i];
    return m->rank == t->rank ? m->rank : !named && rank == t->rank ? rank : -1;
}

static const char *shape_note(tap_diff *d, const tap_tensor *t, const tap_tensor *like) {
    char x[128], y[128];
    tap_text tx = {x, sizeof x, 0}, ty = {y, sizeof y, 0};
    tap_text_dims(&tx, like->rank, like->dims);
    tap_text_dims(&ty, t->rank, t->dims);
    return tap_arena_printf(&d->arena, "its shape is %s, the reference has %s", x, y);
}

tap_status tap_point_load(tap_diff *d, tap_point *p, const tap_tensor *like, tap_error *err) {
    tap_value *v = NULL, *y = NULL;
    int perm[TAP_RANK_MAX];
    if (p->ref) return TAP_OK;
    tap_status st = tap_reference_load(d->ref, p->match.ref, &v, err);
    const tap_tensor *t = tap_value_tensor(v);
    if (st == TAP_OK && !t) p->pub.note = "the reference has no tensor there";
    if (st != TAP_OK || !t) {
        tap_value_release(v);
        return st;
    }
    int rank = perm_of(d, p, t, like, perm);
    if (rank == t->rank && rank >= 0) {
        set_perm(p, rank, perm);
        if (is_identity(rank, perm))
            y = v, v = NULL;
        else
            st = undo(v, rank, perm, &y, err);
    } else {
        set_perm(p, t->rank, NULL);
        y = v, v = NULL;
    }
    tap_value_release(v);
    t = tap_value_tensor(y);
    if (st == TAP_OK && like && !same_dims(t, like)) {
        v = y, y = NULL;
        if (same_without_ones(t, like)) {
            st = reshaped(v, like, &y, err);
        } else {
            y = v, v = NULL;
            p->pub.note = shape_note(d, t, like);
        }
        tap_value_release(v);
    }
    p->ref = y;
    return st;
}

/* ---- cutting ---- */

static size_t position_of(const tap_segment *s, tap_vid v) {
    for (size_t i = 0; i < s->n_out; i++)
        if (s->out[i] == v) return i;
    return SIZE_MAX;
}

/* The wide piece starts at held values; the plain one has to compute those that it starts at. */
static tap_status cut_both(tap_diff *d, tap_vid v, tap_piece *out, tap_error *err) {
    const tap_bound *b = d->parts.bound;
    size_t n = b->main->n_values;
    uint8_t *marks = tap_arena_array(&out->arena, n + 1, 1);
    if (!marks) return tap_error_no_memory(err, n);
    memcpy(marks, d->marks, n);
    marks[v] |= TAP_CUT_WANTED;
    tap_status st = TAP_OK;
    if (d->oracle && !d->held[v]) {
        for (size_t i = 0; i < n; i++) marks[i] |= d->held[i] ? TAP_CUT_GIVEN : 0;
        st = tap_segment_cut(b, &out->arena, marks, &out->wide, err);
        if (st != TAP_OK) return st;
        out->has_wide = true;
        out->want_wide = 0;
        memcpy(marks, d->marks, n);
        marks[v] |= TAP_CUT_WANTED;
        for (size_t i = 0; i < out->wide.n_in; i++)
            if (d->held[out->wide.in[i]] && !(d->marks[out->wide.in[i]] & TAP_CUT_GIVEN))
                marks[out->wide.in[i]] |= TAP_CUT_WANTED;
    }
    st = tap_segment_cut(b, &out->arena, marks, &out->plain, err);
    out->want = position_of(&out->plain, v);
    return st;
}

/* ---- running ---- */

static tap_point *point_of(const tap_diff *d, tap_vid v) {
    size_t at = d->at[d->parts.bound->main->values[v].global];
    return at == SIZE_MAX ? NULL : &d->points[at];
}

/* What the piece starts from: the reference's value, or the model's own where it has none that fits. */
static tap_status start_value(tap_diff *d, tap_vid v, tap_value **out, tap_error *err) {
    tap_point *p = point_of(d, v);
    tap_status st = TAP_OK;
    if (p && !p->ref) st = tap_point_load(d, p, d->own[v] ? tap_value_tensor(d->own[v]) : NULL, err);
    *out = p && p->ref && !(d->own[v] && p->pub.verdict == TAP_VERDICT_NOT_COMPARABLE) ? p->ref : d->own[v];
    return st;
}

/* The model takes one dtype only; a reference may have come in another (float64 of NumPy, float32 for
 * bfloat16). */
static tap_status fit_start(tap_diff *d, tap_vid v, tap_value **value, tap_piece *piece, size_t i,
                            tap_error *err) {
    const tap_type *t = &d->parts.bound->main->values[v].type;
    const tap_tensor *x = tap_value_tensor(*value);
    tap_status st = TAP_OK;
    if (x && t->kind == TAP_KIND_TENSOR && t->dtype != TAP_UNDEFINED && t->dtype != x->dtype)
        st = tap_value_cast(*value, t->dtype, &piece->in[i], err);
    else if ((piece->in[i] = *value))
        tap_value_retain(*value);
    return st;
}

static tap_status gather_inputs(tap_diff *d, tap_piece *piece, const char **why, tap_error *err) {
    size_t n = piece->plain.n_in;
    piece->in = tap_arena_array(&piece->arena, n + 1, sizeof *piece->in);
    piece->exact = tap_arena_array(&piece->arena, n + 1, sizeof *piece->exact);
    if (!piece->in || !piece->exact) return tap_error_no_memory(err, n);
    tap_status st = TAP_OK;
    for (size_t i = 0; i < n && st == TAP_OK && !*why; i++) {
        tap_value *v = NULL;
        st = start_value(d, piece->plain.in[i], &v, err);
        if ((piece->exact[i] = v)) tap_value_retain(v);
        if (st == TAP_OK) st = fit_start(d, piece->plain.in[i], &v, piece, i, err);
        if (st == TAP_DATA) *why = "a value that it starts from does not fit", st = TAP_OK;
    }
    return st;
}

/* Inputs of the wide piece: those of the plain one, and held values that the plain run has computed. */
static tap_value *wide_input(const tap_piece *p, tap_value *const *plain_out, tap_vid v) {
    for (size_t i = 0; i < p->plain.n_in; i++)
        if (p->plain.in[i] == v) return p->exact[i];
    size_t at = position_of(&p->plain, v);
    return at == SIZE_MAX ? NULL : plain_out[at];
}

/* The same from the double precision values that led here; false: one of them is not known. */
static bool true_inputs(const tap_diff *d, const tap_piece *p, const tap_value **in) {
    for (size_t i = 0; i < p->wide.n_in; i++) {
        tap_vid v = p->wide.in[i];
        const tap_point *from = point_of(d, v);
        in[i] = from && from->given && !d->held[v] ? from->truth : d->own[v];
        if (!in[i]) return false;
    }
    return true;
}

/* Runs the piece in double precision on the reference's values, and on the truth so far. Without a truth the
 * piece is judged as if there were no oracle. */
static tap_status run_wide(tap_diff *d, tap_point *point, tap_piece *p, tap_value *const *plain_out,
                           tap_error *err) {
    size_t n = p->wide.n_in;
    const tap_value **in = tap_arena_array(&p->arena, n + 1, sizeof *in);
    if (!in) return tap_error_no_memory(err, n);
    for (size_t i = 0; i < n; i++) in[i] = wide_input(p, plain_out, p->wide.in[i]);
    tap_rig rig;
    tap_status st = tap_rig_open(&d->parts.lab, &p->wide, true, in, &rig, err);
    if (st != TAP_OK) return st == TAP_MEMORY ? st : TAP_OK;
    st = tap_rig_run(&rig, in, &p->by_truth, err);
    if (st != TAP_MEMORY && !point->truth && true_inputs(d, p, in))
        st = tap_rig_run(&rig, in, &point->truth, err);
    tap_rig_close(&rig);
    return st == TAP_MEMORY ? st : TAP_OK;
}

tap_status tap_piece_run(tap_diff *d, tap_point *p, tap_piece *out, const char **why, tap_error *err) {
    *out = (tap_piece){.limit = NAN, .noise = NAN};
    *why = NULL;
    tap_arena_init(&out->arena, NULL);
    tap_error inner = TAP_ERROR_INIT;
    tap_status st = cut_both(d, p->vid, out, &inner);
    if (st == TAP_UNSUPPORTED) {
        *why = tap_arena_printf(&d->arena, "%s", inner.text);
        return TAP_OK;
    }
    if (st == TAP_OK) st = gather_inputs(d, out, why, &inner);
    if (st != TAP_OK || *why) {
        if (st != TAP_OK && err) *err = inner;
        return st;
    }
    size_t n = out->plain.n_out;
    tap_value **made = tap_arena_array(&out->arena, n + 1, sizeof *made);
    if (!made) return tap_error_no_memory(err, n);
    st = tap_lab_run(&d->parts.lab, &out->plain, false, (const tap_value *const *)out->in, made, &inner);
    if (st != TAP_OK && st != TAP_MEMORY) {
        *why = tap_arena_printf(&d->arena, "on the reference's values it fails: %.300s", inner.text);
        return TAP_OK;
    }
    if (st == TAP_OK && out->has_wide) st = run_wide(d, p, out, made, &inner);
    if (st == TAP_OK) {
        out->by_model = made[out->want];
        made[out->want] = NULL;
    } else if (err) {
        *err = inner;
    }
    tap_release_all(made, n);
    return st;
}

void tap_piece_free(tap_piece *p) {
    if (p->in) tap_release_all(p->in, p->plain.n_in);
    if (p->exact) tap_release_all(p->exact, p->plain.n_in);
    tap_value_release(p->by_model);
    tap_value_release(p->by_truth);
    tap_arena_clear(&p->arena);
}

/* ---- shaking ---- */

static uint64_t mix(uint64_t x) {
    x += 0x9E3779B97F4A7C15;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
    x = (x ^ x >> 27) * 0x94D049BB133111EB;
    return x ^ x >> 31;
}

static tap_status shake(const tap_value *v, uint64_t seed, double least, tap_value **out, tap_error *err) {
    const tap_tensor *t = tap_value_tensor(v);
    double eps = t ? fmax(tap_epsilon(t->dtype), least) : 0;
    if (!t || (t->dtype != TAP_FLOAT && t->dtype != TAP_DOUBLE)) {
        *out = (tap_value *)(uintptr_t)v;
        if (v) tap_value_retain(*out);
        return TAP_OK;
    }
    tap_status st = tap_value_copy(v, out, err);
    if (st != TAP_OK) return st;
    void *y = (void *)(uintptr_t)tap_value_tensor(*out)->data;
    for (int64_t i = 0; i < t->count; i++) {
        double by = mix(seed + (uint64_t)i) >> 63 ? 1 + 1.5 * eps : 1 - 1.5 * eps;
        if (t->dtype == TAP_FLOAT)
            ((float *)y)[i] = (float)((double)((float *)y)[i] * by);
        else
            ((double *)y)[i] *= by;
    }
    return TAP_OK;
}

tap_status tap_piece_shake(const tap_piece *piece, uint64_t seed, double eps, tap_value **in,
                           tap_error *err) {
    tap_status st = TAP_OK;
    size_t n = piece->plain.n_in;
    for (size_t i = 0; i < n; i++) in[i] = NULL;
    for (size_t i = 0; i < n && st == TAP_OK; i++) st = shake(piece->in[i], mix(seed + i), eps, &in[i], err);
    if (st != TAP_OK) tap_release_all(in, n);
    return st;
}
