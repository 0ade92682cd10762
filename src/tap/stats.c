/* Statistics by value: which element counts for which set of figures. */
#include "tap/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/permute.h"

tap_status tap_stats_new(const tap_stats_options *options, tap_stats **out, tap_error *err) {
    tap_stats *s = *out = calloc(1, sizeof *s);
    if (!s) return tap_error_no_memory(err, sizeof *s);
    if (options)
        memcpy(&s->options, options, options->size < sizeof s->options ? options->size : sizeof s->options);
    tap_map_init(&s->index, NULL);
    return TAP_OK;
}

static void gathered_free(tap_gathered *g) {
    if (!g) return;
    for (size_t i = 0; g->cells && i < g->n_cells; i++) tap_sketch_free(g->cells[i].sketch);
    free(g->cells);
    free(g->sums);
    free(g->n_of);
    free(g->name);
    free(g->layer);
    free(g->node);
    free(g->op);
    free(g);
}

void tap_stats_free(tap_stats *s) {
    if (!s) return;
    for (size_t i = 0; i < s->n; i++) gathered_free(s->values[i]);
    free(s->values);
    free(s->scratch);
    for (int i = 0; i < s->n_tables; i++) free(s->tables[i]);
    free(s->tables);
    tap_map_free(&s->index);
    free(s);
}

/* ---- Values ---- */

tap_gathered *tap_stats_find(tap_stats *s, const char *name) {
    int32_t at = tap_map_get(&s->index, name, 0);
    return at > 0 ? s->values[at - 1] : NULL;
}

bool tap_gathered_set(char **to, const char *text) {
    *to = text ? strdup(text) : NULL;
    return !text || *to;
}

static bool make_cells(tap_gathered *g, size_t n, bool sketches) {
    g->n_cells = n;
    g->cells = calloc(n + 1, sizeof *g->cells);
    for (size_t i = 0; g->cells && i < n; i++) {
        tap_cell_init(&g->cells[i]);
        if (sketches && !(g->cells[i].sketch = tap_sketch_new())) return false;
    }
    return g->cells != NULL;
}

tap_gathered *tap_stats_append(tap_stats *s, const char *name, size_t n_cells) {
    if (s->n == s->room) {
        size_t room = s->room ? 2 * s->room : 32;
        tap_gathered **more = realloc(s->values, room * sizeof *more);
        if (!more) return NULL;
        s->values = more;
        s->room = room;
    }
    tap_gathered *g = calloc(1, sizeof *g);
    if (!g) return NULL;
    bool sketches = !s->options.plain && n_cells <= TAP_SKETCHES_MOST;
    if (!tap_gathered_set(&g->name, name) || !make_cells(g, n_cells, sketches) ||
        !tap_map_put(&s->index, g->name, (int32_t)s->n + 1)) {
        gathered_free(g);
        return NULL;
    }
    return s->values[s->n++] = g;
}

/* ---- Shapes ---- */

static int channel_axis(const tap_stats *s, const tap_stats_source *source, int rank) {
    int axis = s->options.channel_axis > 0 ? s->options.channel_axis : source->channel_axis;
    if (axis <= 0) axis = 1;
    return axis < rank ? axis : rank - 1;
}

/* Sets of figures that a value of that shape has. */
static int64_t cells_of(const tap_stats *s, int rank, const int64_t *dims, int axis) {
    int64_t n = 1;
    if (s->options.per == TAP_PER_TENSOR || rank < 1) return 1;
    if (s->options.per == TAP_PER_CHANNEL) return dims[axis];
    for (int i = 1; i < rank; i++) n *= dims[i];
    return n;
}

static tap_status shape_changed(const tap_gathered *g, const tap_given *x, tap_error *err) {
    char now[160] = "", before[160] = "";
    tap_text a = {now, sizeof now, 0}, b = {before, sizeof before, 0};
    tap_text_dims(&a, x->t->rank, x->dims);
    tap_text_dims(&b, g->rank, g->dims);
    tap_error_set(err, TAP_DATA,
                  "'%s' is %s now and was %s before: figures per channel, per unit and averages need the "
                  "same shape each "
                  "time",
                  g->name, now, before);
    tap_error_where(err, g->node, g->op, g->name);
    return TAP_DATA;
}

static tap_status check_axis(const tap_stats *s, const tap_stats_source *source, tap_error *err) {
    bool needs = s->options.per == TAP_PER_UNIT || s->options.average == TAP_AVERAGE_SAMPLES;
    if (!needs || source->axis == 0 || !source->batch) return TAP_OK;
    tap_error_set(
        err, TAP_DATA,
        "'%s': its first axis is not known to be the batch, which figures per unit and averages over samples "
        "need",
        source->name);
    tap_error_where(err, source->node, source->op, source->name);
    return TAP_DATA;
}

static tap_gathered *begin_value(tap_stats *s, const tap_stats_source *source, const tap_given *x,
                                 tap_error *err) {
    const tap_tensor *t = x->t;
    int64_t n = t->dtype == TAP_STRING ? 1 : cells_of(s, t->rank, x->dims, channel_axis(s, source, t->rank));
    tap_gathered *g = tap_stats_append(s, source->name, (size_t)n);
    if (!g || !tap_gathered_set(&g->layer, source->layer) || !tap_gathered_set(&g->node, source->node) ||
        !tap_gathered_set(&g->op, source->op)) {
        tap_error_no_memory(err, (uint64_t)n * sizeof *g->cells);
        return NULL;
    }
    g->is_output = source->is_output;
    g->is_double = t->dtype == TAP_DOUBLE;
    g->axis = source->axis;
    g->rank = t->rank;
    memcpy(g->dims, x->dims, sizeof g->dims);
    return g;
}

/* ---- Elements ---- */

/* All elements as doubles, for averages. */
static const double *all_doubles(tap_stats *s, const tap_tensor *t) {
    if ((size_t)t->count > s->scratch_room || !s->scratch) {
        double *p = realloc(s->scratch, ((size_t)t->count + 1) * sizeof *p);
        if (!p) return NULL;
        s->scratch = p;
        s->scratch_room = (size_t)t->count;
    }
    tap_tensor_doubles(t, 0, t->count, s->scratch);
    return s->scratch;
}

static tap_status gather(tap_stats *s, tap_gathered *g, const tap_stats_source *source, const tap_given *x,
                         tap_error *err) {
    int axis = channel_axis(s, source, x->t->rank);
    if ((size_t)cells_of(s, x->t->rank, x->dims, axis) != g->n_cells) return shape_changed(g, x, err);
    if (!tap_gather(s, g, source, x, axis))
        return tap_error_no_memory(err, TAP_SKETCH_PAGE * sizeof(int64_t));
    if (s->options.average == TAP_AVERAGE_NONE) return TAP_OK;
    const double *all = all_doubles(s, x->t);
    return all ? tap_average_add(s, g, x->t, all, err)
               : tap_error_no_memory(err, (uint64_t)x->t->count * sizeof *all);
}

void tap_stats_use(tap_stats *s, tap_stats_loop *loop, void *pool, int threads) {
    s->loop = threads > 1 ? loop : NULL;
    s->pool = pool;
    s->threads = s->loop ? threads : 1;
}

static tap_status add_given(tap_stats *s, const tap_stats_source *source, const tap_given *x,
                            tap_error *err) {
    tap_gathered *g = tap_stats_find(s, source->name);
    bool counts_only = x->t->dtype == TAP_STRING;
    if (g && x->t->rank != g->rank) return shape_changed(g, x, err);
    tap_status status = counts_only ? TAP_OK : check_axis(s, source, err);
    if (status != TAP_OK) return status;
    if (!g && !(g = begin_value(s, source, x, err))) return TAP_MEMORY;
    if (!counts_only) return gather(s, g, source, x, err);
    g->cells[0].count += x->t->count;
    return TAP_OK;
}

/* The value in its own order, new. */
static tap_status turn(const tap_given *x, tap_value **out, tap_error *err) {
    int perm[TAP_RANK_MAX];
    tap_status status = tap_value_new(x->t->dtype, x->t->rank, x->dims, out, err);
    for (int i = 0; i < x->t->rank; i++) perm[i] = x->perm[i];
    if (status == TAP_OK)
        tap_copy_permuted(tap_dtype_bytes(x->t->dtype), x->t->rank, x->t->dims, perm, x->t->data,
                          tap_value_data(*out));
    return status;
}

static tap_given as_it_is(const tap_tensor *t) {
    tap_given x = {.t = t};
    for (int i = 0; i < t->rank; i++) {
        x.perm[i] = i;
        x.dims[i] = t->dims[i];
    }
    return x;
}

/* false: perm is none. */
static bool set_order(tap_given *x, const int32_t *perm) {
    bool seen[TAP_RANK_MAX] = {false};
    for (int i = 0; i < x->t->rank; i++) {
        if (perm[i] < 0 || perm[i] >= x->t->rank || seen[perm[i]]) return false;
        seen[perm[i]] = true;
        x->perm[i] = perm[i];
        x->dims[i] = x->t->dims[perm[i]];
        x->turned |= perm[i] != i;
    }
    return true;
}

tap_status tap_stats_add(tap_stats *s, const tap_stats_source *given, const tap_tensor *t, tap_error *err) {
    tap_stats_source source = {.axis = TAP_BATCH_UNKNOWN};
    memcpy(&source, given, given->size < sizeof source ? given->size : sizeof source);
    tap_given x = as_it_is(tap_settle(t));
    tap_value *turned = NULL;
    if (source.perm && !set_order(&x, source.perm))
        return tap_error_set(err, TAP_USAGE, "'%s': perm is no permutation of its %d axes", source.name,
                             t->rank);
    bool takes = s->options.average == TAP_AVERAGE_NONE &&
                 tap_gather_takes(&x, s->options.per, channel_axis(s, &source, t->rank));
    if (x.turned && !takes && t->dtype != TAP_STRING) {
        tap_status status = turn(&x, &turned, err);
        if (status != TAP_OK) return status;
        x = as_it_is(tap_value_tensor(turned));
    }
    tap_status status = add_given(s, &source, &x, err);
    tap_value_release(turned);
    return status;
}

/* ---- Reading ---- */

size_t tap_stats_count(const tap_stats *s) {
    return s->n;
}
const char *tap_stats_name(const tap_stats *s, size_t i) {
    return i < s->n ? s->values[i]->name : NULL;
}
size_t tap_stats_units(const tap_stats *s, size_t i) {
    return i < s->n ? s->values[i]->n_cells : 0;
}

bool tap_stats_source_of(const tap_stats *s, size_t i, tap_stats_source *out) {
    if (i >= s->n) return false;
    const tap_gathered *g = s->values[i];
    tap_stats_source x = {
        .size = out->size, .name = g->name, .layer = g->layer, .node = g->node, .op = g->op};
    x.axis = g->axis;
    x.is_output = g->is_output;
    memcpy(out, &x, out->size < sizeof x ? out->size : sizeof x);
    return true;
}

bool tap_gathered_all(const tap_gathered *g, tap_cell *all, bool sketch) {
    tap_cell_init(all);
    if (sketch && g->n_cells > 0 && g->cells[0].sketch && !(all->sketch = tap_sketch_new())) return false;
    for (size_t k = 0; k < g->n_cells; k++)
        if (!tap_cell_merge(all, &g->cells[k])) return false;
    return true;
}

bool tap_stats_get(const tap_stats *s, size_t i, size_t unit, tap_stat *out) {
    tap_cell all;
    if (i >= s->n || (unit != SIZE_MAX && unit >= s->values[i]->n_cells)) return false;
    if (unit == SIZE_MAX) tap_gathered_all(s->values[i], &all, false);
    const tap_cell *c = unit == SIZE_MAX ? &all : &s->values[i]->cells[unit];
    double nan = (double)NAN, n = (double)c->finite;
    bool any = c->finite > 0;
    tap_stat x = {
        .size = out->size, .count = c->count, .nonfinite = c->nonfinite, .nan = c->nan, .zeros = c->zeros};
    x.negatives = c->negatives;
    x.mean = any ? c->mean : nan;
    x.variance = any ? c->m2 / n : nan;
    x.min = any ? c->min : nan;
    x.max = any ? c->max : nan;
    x.min_row = c->min_row, x.max_row = c->max_row;
    x.min_at = c->min_at, x.max_at = c->max_at;
    x.norm = any ? sqrt(c->m2 + n * c->mean * c->mean) : nan;
    memcpy(out, &x, out->size < sizeof x ? out->size : sizeof x);
    return true;
}

/* The cell asked for; `all` is filled where it is all of them. NULL: it has no sketch. */
static const tap_cell *cell_of(const tap_stats *s, size_t i, size_t unit, tap_cell *all) {
    if (i >= s->n || s->values[i]->n_cells == 0) return NULL;
    const tap_gathered *g = s->values[i];
    if (g->n_cells == 1 && unit == SIZE_MAX) unit = 0;
    if (unit != SIZE_MAX) return unit < g->n_cells && g->cells[unit].sketch ? &g->cells[unit] : NULL;
    bool good = tap_gathered_all(g, all, true);
    if (good && all->sketch) return all;
    tap_sketch_free(all->sketch);
    all->sketch = NULL;
    return NULL;
}

double tap_stats_quantile(const tap_stats *s, size_t i, size_t unit, double q) {
    tap_cell all = {.sketch = NULL};
    const tap_cell *c = cell_of(s, i, unit, &all);
    double x = c ? tap_sketch_quantile(c->sketch, q, c->min, c->max) : (double)NAN;
    tap_sketch_free(all.sketch);
    return x;
}

size_t tap_stats_histogram(const tap_stats *s, size_t i, size_t unit, size_t n, double *edges,
                           int64_t *counts) {
    tap_cell all = {.sketch = NULL};
    const tap_cell *c = cell_of(s, i, unit, &all);
    size_t bins = c ? tap_sketch_histogram(c->sketch, c->min, c->max, n, edges, counts) : 0;
    tap_sketch_free(all.sketch);
    return bins;
}

/* ---- Merging ---- */

static tap_status merge_value(tap_stats *s, const tap_gathered *o, tap_error *err) {
    tap_gathered *g = tap_stats_find(s, o->name);
    if (!g) {
        g = tap_stats_append(s, o->name, o->n_cells);
        if (!g || !tap_gathered_set(&g->layer, o->layer) || !tap_gathered_set(&g->node, o->node) ||
            !tap_gathered_set(&g->op, o->op))
            return tap_error_no_memory(err, o->n_cells * sizeof *o->cells);
        g->is_output = o->is_output;
        g->is_double = o->is_double;
        g->axis = o->axis;
        g->rank = o->rank;
        memcpy(g->dims, o->dims, sizeof g->dims);
    }
    if (g->n_cells != o->n_cells || g->rank != o->rank)
        return tap_error_set(err, TAP_DATA, "'%s' has %zu sets of figures in one part and %zu in another",
                             g->name, g->n_cells, o->n_cells);
    for (size_t k = 0; k < g->n_cells; k++)
        if (!tap_cell_merge(&g->cells[k], &o->cells[k])) return tap_error_no_memory(err, sizeof *g->cells);
    return o->sums ? tap_average_merge(g, o, err) : TAP_OK;
}

static bool has_score(const tap_score *s) {
    return s->n > 0 || s->n_predictions > 0;
}

void tap_stats_set_score(tap_stats *s, const tap_score *score) {
    s->score = (tap_score){.size = 0};
    memcpy(&s->score, score, score->size < sizeof s->score ? score->size : sizeof s->score);
}

bool tap_stats_get_score(const tap_stats *s, tap_score *out) {
    tap_score x = s->score;
    if (!has_score(&x)) return false;
    x.size = out->size;
    memcpy(out, &x, out->size < sizeof x ? out->size : sizeof x);
    return true;
}

static tap_status merge_score(tap_score *s, const tap_score *o, tap_error *err) {
    if (!has_score(o)) return TAP_OK;
    if (!has_score(s)) {
        *s = *o;
        return TAP_OK;
    }
    if (s->loss != o->loss || s->from_logits != o->from_logits)
        return tap_error_set(err, TAP_DATA, "one part has %s as its loss%s, another %s%s",
                             tap_loss_name(s->loss), s->from_logits ? " from logits" : "",
                             tap_loss_name(o->loss), o->from_logits ? " from logits" : "");
    s->loss_sum += o->loss_sum;
    s->n += o->n;
    s->correct += o->correct;
    s->n_predictions += o->n_predictions;
    return TAP_OK;
}

static tap_status check_options(const tap_stats_options *a, const tap_stats_options *b, tap_error *err) {
    if (a->per != b->per)
        return tap_error_set(err, TAP_DATA, "one part has figures per %s, another per %s",
                             tap_per_name(a->per), tap_per_name(b->per));
    if (a->average != b->average)
        return tap_error_set(err, TAP_DATA, "one part has averages over %s, another over %s",
                             tap_average_name(a->average), tap_average_name(b->average));
    return TAP_OK;
}

tap_status tap_stats_merge(tap_stats *s, const tap_stats *other, tap_error *err) {
    tap_status status = check_options(&s->options, &other->options, err);
    if (status == TAP_OK) status = merge_score(&s->score, &other->score, err);
    for (size_t i = 0; status == TAP_OK && i < other->n; i++) status = merge_value(s, other->values[i], err);
    return status;
}
