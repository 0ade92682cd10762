/* Sequences of tensors: making them, taking them apart, mapping a body over them. */
#include <string.h>

#include "common/bodies.h"
#include "common/rows.h"
#include "common/shape.h"

/* ---- What they share ----------------------------------------------------------------------------------- */

static tap_status fail_not_sequence(tap_ctx *ctx, int i) {
    return tap_fail(ctx, TAP_MODEL, "input %d has to be a sequence", i);
}

/* The element type of input i, a sequence; *elem NULL where nothing is known. */
static tap_status elem_type(tap_ctx *ctx, int i, const tap_type **elem) {
    const tap_type *t = tap_in_type(ctx, i);
    *elem = NULL;
    if (!t || t->kind == TAP_KIND_NONE) return TAP_OK;
    if (t->kind != TAP_KIND_SEQUENCE) return fail_not_sequence(ctx, i);
    *elem = t->elem;
    return TAP_OK;
}

/* Output i is a sequence of these. */
static tap_status sequence_of(tap_ctx *ctx, int i, const tap_type *elem) {
    tap_type t = {.kind = TAP_KIND_SEQUENCE, .rank = -1, .elem = elem};
    return tap_out_like(ctx, i, &t);
}

static tap_status sequence_in(tap_ctx *ctx, int i, const tap_value **v) {
    *v = tap_in_value(ctx, i);
    return tap_value_kind(*v) == TAP_KIND_SEQUENCE ? TAP_OK : fail_not_sequence(ctx, i);
}

/* An input of int32 or int64 with one element, which only run reads. */
static tap_status check_position(tap_ctx *ctx, int i) {
    const tap_type *t = tap_in_type(ctx, i);
    if (!t || t->kind == TAP_KIND_NONE) return TAP_OK;
    int64_t n = tap_type_count(t);
    bool dtype_fits = t->dtype == TAP_INT32 || t->dtype == TAP_INT64 || t->dtype == TAP_UNDEFINED;
    if (t->kind == TAP_KIND_TENSOR && dtype_fits && (n == 1 || n == -1)) return TAP_OK;
    return tap_fail(ctx, TAP_MODEL, "the position has to be one int32 or int64");
}

/* Input i as a position in [0, n); negative ones count from the end, n. Absent: otherwise. */
static tap_status position_in(tap_ctx *ctx, int i, size_t length, int64_t n, int64_t otherwise, size_t *at) {
    int64_t p = tap_has_in(ctx, i) ? tap_int_at(ctx->in[i], 0) : otherwise;
    if (p < -(int64_t)length || p >= n)
        return tap_fail(ctx, TAP_RUN, "position %lld in a sequence of %zu", (long long)p, length);
    *at = (size_t)(p < 0 ? p + (int64_t)length : p);
    return TAP_OK;
}

/* A reference to an item. Items are counted values by themselves, never memory of a run's arena. */
static tap_value *item_of(const tap_value *sequence, size_t i) {
    tap_value *v = (tap_value *)(uintptr_t)tap_value_item(sequence, i);
    tap_value_retain(v);
    return v;
}

static void release_all(tap_value **items, size_t n) {
    for (size_t i = 0; i < n; i++) tap_value_release(items[i]);
}

/* Output i = a sequence of these, whose references are used up. */
static tap_status give_sequence(tap_ctx *ctx, int i, tap_value **items, size_t n, tap_dtype dtype) {
    tap_value *v = tap_make_sequence(ctx, items, n, dtype);
    return v ? tap_set_out(ctx, i, v) : TAP_MEMORY;
}

/* ---- SequenceConstruct, SequenceEmpty ------------------------------------------------------------------ */

static tap_status same_dtype(tap_ctx *ctx, int i, const tap_type *elem, const tap_type *t) {
    if (t && t->kind != TAP_KIND_TENSOR && t->kind != TAP_KIND_NONE)
        return tap_fail(ctx, TAP_MODEL, "input %d has to be a tensor", i);
    if (!elem || !t || t->dtype == elem->dtype || t->dtype == TAP_UNDEFINED || elem->dtype == TAP_UNDEFINED)
        return TAP_OK;
    return tap_fail(ctx, TAP_MODEL, "input %d is %s; the sequence has %s", i, tap_dtype_name(t->dtype),
                    tap_dtype_name(elem->dtype));
}

static tap_status construct_infer(tap_ctx *ctx) {
    const tap_type *first = tap_in_type(ctx, 0);
    tap_type_chain c;
    tap_status s = same_dtype(ctx, 0, NULL, first);
    tap_type_take(&c, first);
    for (int i = 1; i < ctx->n_in && s == TAP_OK; i++) {
        s = same_dtype(ctx, i, first, tap_in_type(ctx, i));
        tap_type_widen(&c, tap_in_type(ctx, i));
    }
    return s == TAP_OK ? sequence_of(ctx, 0, tap_type_given(&c)) : s;
}

static tap_status construct_run(tap_ctx *ctx) {
    size_t n = (size_t)ctx->n_in;
    tap_value **items = tap_scratch(ctx, n * sizeof *items);
    if (!items) return TAP_MEMORY;
    for (size_t i = 0; i < n; i++) {
        items[i] = ctx->in[i] ? tap_keep_in(ctx, (int)i) : NULL;
        if (items[i]) continue;
        release_all(items, i);
        return ctx->in[i] ? TAP_MEMORY : tap_fail(ctx, TAP_MODEL, "input %zu has to be a tensor", i);
    }
    return give_sequence(ctx, 0, items, n, ctx->in[0]->dtype);
}

typedef struct empty_state {
    tap_dtype dtype;
} empty_state;

static tap_status empty_prepare(tap_ctx *ctx, void **state) {
    empty_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    int64_t dtype = tap_attr_int(ctx, "dtype", TAP_FLOAT);
    if (dtype <= TAP_UNDEFINED || dtype >= TAP_DTYPE_COUNT)
        return tap_fail(ctx, TAP_MODEL, "attribute dtype is %lld, which is no dtype", (long long)dtype);
    s->dtype = (tap_dtype)dtype;
    return TAP_OK;
}

static tap_status empty_infer(tap_ctx *ctx) {
    const empty_state *s = ctx->state;
    tap_type elem = {.kind = TAP_KIND_TENSOR, .dtype = s->dtype, .rank = -1};
    return sequence_of(ctx, 0, &elem);
}

static tap_status empty_run(tap_ctx *ctx) {
    const empty_state *s = ctx->state;
    return give_sequence(ctx, 0, NULL, 0, s->dtype);
}

/* ---- SequenceLength, SequenceAt, SequenceInsert, SequenceErase ----------------------------------------- */

static tap_status length_infer(tap_ctx *ctx) {
    const tap_type *elem;
    tap_status s = elem_type(ctx, 0, &elem);
    return s == TAP_OK ? tap_out_type(ctx, 0, TAP_INT64, 0, NULL) : s;
}

static tap_status length_run(tap_ctx *ctx) {
    const tap_value *x;
    tap_status s = sequence_in(ctx, 0, &x);
    if (s == TAP_OK) *(int64_t *)ctx->out[0]->data = (int64_t)tap_value_length(x);
    return s;
}

static tap_status at_infer(tap_ctx *ctx) {
    const tap_type *elem;
    tap_status s = elem_type(ctx, 0, &elem);
    if (s == TAP_OK) s = check_position(ctx, 1);
    return s == TAP_OK ? tap_out_like(ctx, 0, elem) : s;
}

static tap_status at_run(tap_ctx *ctx) {
    const tap_value *x;
    size_t at = 0;
    tap_status s = sequence_in(ctx, 0, &x);
    if (s == TAP_OK) s = position_in(ctx, 1, tap_value_length(x), (int64_t)tap_value_length(x), 0, &at);
    return s == TAP_OK ? tap_set_out(ctx, 0, item_of(x, at)) : s;
}

static tap_status insert_infer(tap_ctx *ctx) {
    const tap_type *elem, *t = tap_in_type(ctx, 1);
    tap_type_chain c;
    tap_status s = elem_type(ctx, 0, &elem);
    if (s == TAP_OK) s = same_dtype(ctx, 1, elem, t);
    if (s == TAP_OK) s = check_position(ctx, 2);
    if (s != TAP_OK) return s;
    tap_type_take(&c, elem);
    tap_type_widen(&c, t);
    return sequence_of(ctx, 0, tap_type_given(&c));
}

/* As loops build sequences: a time that does not grow with them. */
static tap_status insert_last(tap_ctx *ctx, const tap_value *x) {
    tap_value *item = tap_keep_in(ctx, 1), *v = item ? tap_append(ctx, x, item) : NULL;
    return v ? tap_set_out(ctx, 0, v) : TAP_MEMORY;
}

static tap_status insert_run(tap_ctx *ctx) {
    const tap_value *x;
    size_t at = 0;
    tap_status s = sequence_in(ctx, 0, &x);
    if (s != TAP_OK) return s;
    size_t n = tap_value_length(x);
    s = position_in(ctx, 2, n, (int64_t)n + 1, (int64_t)n, &at);
    if (s != TAP_OK) return s;
    if (at == n) return insert_last(ctx, x);
    tap_value **items = tap_scratch(ctx, (n + 1) * sizeof *items);
    tap_value *v = items ? tap_keep_in(ctx, 1) : NULL;
    if (!v) return TAP_MEMORY;
    for (size_t i = 0; i < n; i++) items[i + (i >= at)] = item_of(x, i);
    items[at] = v;
    return give_sequence(ctx, 0, items, n + 1, ctx->in[1]->dtype);
}

static tap_status erase_infer(tap_ctx *ctx) {
    const tap_type *elem;
    tap_status s = elem_type(ctx, 0, &elem);
    if (s == TAP_OK) s = check_position(ctx, 1);
    return s == TAP_OK ? sequence_of(ctx, 0, elem) : s;
}

static tap_status erase_run(tap_ctx *ctx) {
    const tap_value *x;
    size_t at = 0;
    tap_status s = sequence_in(ctx, 0, &x);
    if (s != TAP_OK) return s;
    size_t n = tap_value_length(x);
    s = position_in(ctx, 1, n, (int64_t)n, -1, &at);
    if (s != TAP_OK) return s;
    tap_value **items = tap_scratch(ctx, n * sizeof *items);
    if (!items) return TAP_MEMORY;
    for (size_t i = 0; i < n; i++)
        if (i != at) items[i - (i > at)] = item_of(x, i);
    return give_sequence(ctx, 0, items, n - 1, tap_sequence_dtype(x));
}

/* ---- SplitToSequence ----------------------------------------------------------------------------------- */

typedef struct axis_state {
    int64_t axis;
    bool keepdims, new_axis;
} axis_state;

static tap_status split_prepare(tap_ctx *ctx, void **state) {
    axis_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->axis = tap_attr_int(ctx, "axis", 0);
    /* With lengths given the axis always stays. */
    s->keepdims = tap_attr_int(ctx, "keepdims", 1) != 0 || tap_has_in(ctx, 1);
    return TAP_OK;
}

/* The axis of state s in tensors of this rank. */
static tap_status axis_in(tap_ctx *ctx, const axis_state *s, int rank, int *axis) {
    if (tap_axis(s->axis, rank, axis)) return TAP_OK;
    return tap_fail(ctx, TAP_MODEL, "axis %lld; the rank allows %d to %d", (long long)s->axis, -rank,
                    rank - 1);
}

static tap_status check_split(tap_ctx *ctx) {
    const tap_type *t = tap_in_type(ctx, 1);
    if (!t || t->kind == TAP_KIND_NONE) return TAP_OK;
    bool dtype_fits = t->dtype == TAP_INT32 || t->dtype == TAP_INT64 || t->dtype == TAP_UNDEFINED;
    if (t->kind == TAP_KIND_TENSOR && dtype_fits && t->rank <= 1) return TAP_OK;
    return tap_fail(ctx, TAP_MODEL, "split has to be a scalar or a list of int32 or int64");
}

/* What all parts have in common along the axis; -1 = unknown, or they differ. */
static int64_t common_length(tap_ctx *ctx, int64_t dim) {
    if (!tap_has_in(ctx, 1)) return 1;
    const tap_tensor *split = tap_in_known(ctx, 1);
    if (!split || split->count == 0 || (split->dtype != TAP_INT32 && split->dtype != TAP_INT64)) return -1;
    int64_t first = tap_int_at(split, 0);
    if (split->rank == 0) return first > 0 && dim > 0 && dim % first == 0 ? first : -1;
    for (int64_t i = 1; i < split->count; i++)
        if (tap_int_at(split, i) != first) return -1;
    return first < 0 ? -1 : first;
}

static tap_status split_infer(tap_ctx *ctx) {
    const axis_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0);
    tap_status status = check_split(ctx);
    if (status == TAP_OK) status = same_dtype(ctx, 0, NULL, x);
    if (status != TAP_OK) return status;
    if (!x || x->kind == TAP_KIND_NONE || x->rank < 0) {
        tap_type elem = {.kind = TAP_KIND_TENSOR, .dtype = x ? x->dtype : TAP_UNDEFINED, .rank = -1};
        return sequence_of(ctx, 0, &elem);
    }
    int axis;
    tap_type elem = *x;
    status = axis_in(ctx, s, x->rank, &axis);
    if (status != TAP_OK) return status;
    elem.dims[axis] = common_length(ctx, x->dims[axis]);
    if (!s->keepdims) {
        elem.rank--;
        for (int i = axis; i < elem.rank; i++) elem.dims[i] = elem.dims[i + 1];
    }
    return sequence_of(ctx, 0, &elem);
}

/* How many parts there are, and the length of each: lengths in a list, or all `each` but the last. */
static tap_status split_lengths(tap_ctx *ctx, int64_t dim, int64_t *n, int64_t *each) {
    const tap_tensor *split = tap_has_in(ctx, 1) ? ctx->in[1] : NULL;
    *each = split && split->rank == 0 ? tap_int_at(split, 0) : 1;
    if (*each < 1) return tap_fail(ctx, TAP_RUN, "split is %lld", (long long)*each);
    *n = dim / *each + (dim % *each != 0);
    if (!split || split->rank == 0) return TAP_OK;
    int64_t sum = 0;
    *n = split->count;
    for (int64_t i = 0; i < *n; i++) {
        int64_t part = tap_int_at(split, i);
        if (part < 0 || !tap_add64(sum, part, &sum) || sum > dim)
            return tap_fail(ctx, TAP_RUN, "split[%lld] is %lld, and the axis has %lld", (long long)i,
                            (long long)part, (long long)dim);
    }
    if (sum != dim)
        return tap_fail(ctx, TAP_RUN, "the lengths in split are %lld in all, and the axis has %lld",
                        (long long)sum, (long long)dim);
    return TAP_OK;
}

static tap_value *split_part(tap_ctx *ctx, const axis_state *s, int axis, int64_t begin, int64_t n) {
    const tap_tensor *x = ctx->in[0];
    tap_slab slab = tap_slab_of(x->data, x->dtype, x->rank, x->dims, axis);
    int64_t dims[TAP_RANK_MAX];
    tap_tensor *y;
    memcpy(dims, x->dims, sizeof dims);
    dims[axis] = n;
    if (!s->keepdims) memmove(dims + axis, dims + axis + 1, (size_t)(x->rank - axis - 1) * sizeof *dims);
    tap_value *v = tap_make(ctx, x->dtype, x->rank - !s->keepdims, dims, &y);
    if (v) tap_slab_get(&slab, begin, n, y->data);
    return v;
}

static tap_status split_run(tap_ctx *ctx) {
    const axis_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0], *split = tap_has_in(ctx, 1) ? ctx->in[1] : NULL;
    int axis;
    int64_t n = 0, each = 1, begin = 0;
    tap_status status = axis_in(ctx, s, x->rank, &axis);
    if (status == TAP_OK) status = split_lengths(ctx, x->dims[axis], &n, &each);
    if (status != TAP_OK) return status;
    tap_value **items = tap_scratch(ctx, (size_t)n * sizeof *items);
    if (!items) return TAP_MEMORY;
    for (int64_t i = 0; i < n; i++) {
        int64_t part =
            split && split->rank == 1 ? tap_int_at(split, i) : tap_min64(each, x->dims[axis] - begin);
        items[i] = split_part(ctx, s, axis, begin, part);
        begin += part;
        if (items[i]) continue;
        release_all(items, (size_t)i);
        return TAP_MEMORY;
    }
    return give_sequence(ctx, 0, items, (size_t)n, x->dtype);
}

/* ---- ConcatFromSequence -------------------------------------------------------------------------------- */

static tap_status concat_prepare(tap_ctx *ctx, void **state) {
    axis_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    if (!tap_attr_has(ctx, "axis")) return tap_fail(ctx, TAP_MODEL, "attribute axis is missing");
    s->axis = tap_attr_int(ctx, "axis", 0);
    int64_t new_axis = tap_attr_int(ctx, "new_axis", 0);
    if (new_axis != 0 && new_axis != 1)
        return tap_fail(ctx, TAP_MODEL, "attribute new_axis is %lld; it is 0 or 1", (long long)new_axis);
    s->new_axis = new_axis == 1;
    return TAP_OK;
}

/* dims of a tensor put together from tensors of dims x; `n` along the axis. */
static tap_status concat_dims(tap_ctx *ctx, const axis_state *s, int rank, const int64_t *x, int64_t n,
                              int64_t *dims, int *out_rank, int *axis) {
    *out_rank = rank + s->new_axis;
    if (*out_rank > TAP_RANK_MAX)
        return tap_fail(ctx, TAP_UNSUPPORTED, "rank %d; the limit is %d", *out_rank, TAP_RANK_MAX);
    tap_status status = axis_in(ctx, s, *out_rank, axis);
    if (status != TAP_OK) return status;
    for (int i = 0; i < *out_rank; i++) dims[i] = i == *axis ? n : x[i - (s->new_axis && i > *axis)];
    return TAP_OK;
}

static tap_status concat_infer(tap_ctx *ctx) {
    const axis_state *s = ctx->state;
    const tap_type *elem;
    tap_status status = elem_type(ctx, 0, &elem);
    if (status != TAP_OK) return status;
    if (!elem || elem->kind != TAP_KIND_TENSOR || elem->rank < 0)
        return tap_out_type(ctx, 0, elem ? elem->dtype : TAP_UNDEFINED, -1, NULL);
    int64_t dims[TAP_RANK_MAX];
    int rank, axis;
    status = concat_dims(ctx, s, elem->rank, elem->dims, -1, dims, &rank, &axis);
    return status == TAP_OK ? tap_out_type(ctx, 0, elem->dtype, rank, dims) : status;
}

static tap_status fail_concat(tap_ctx *ctx, size_t i, const tap_tensor *first, const tap_tensor *x) {
    char a[256] = "", b[256] = "";
    tap_text at = {a, sizeof a, 0}, bt = {b, sizeof b, 0};
    tap_text_dims(&at, first->rank, first->dims);
    tap_text_dims(&bt, x->rank, x->dims);
    return tap_fail(
        ctx, TAP_RUN,
        "the first tensor of the sequence is %s%s, and tensor %zu is %s%s: they do not fit together",
        tap_dtype_name(first->dtype), a, i, tap_dtype_name(x->dtype), b);
}

/* Whether x can follow `first` along axis (of the first where no axis is new). */
static bool concat_fits(const tap_tensor *first, const tap_tensor *x, bool new_axis, int axis) {
    if (x->dtype != first->dtype || x->rank != first->rank) return false;
    for (int i = 0; i < x->rank; i++)
        if (x->dims[i] != first->dims[i] && (new_axis || i != axis)) return false;
    return true;
}

/* The size along the axis, all tensors checked. */
static tap_status concat_length(tap_ctx *ctx, const axis_state *s, const tap_value *x, int axis,
                                int64_t *length) {
    const tap_tensor *first = tap_value_tensor(tap_value_item(x, 0));
    *length = 0;
    for (size_t i = 0; i < tap_value_length(x); i++) {
        const tap_tensor *t = tap_value_tensor(tap_value_item(x, i));
        if (!t) return tap_fail(ctx, TAP_RUN, "element %zu of the sequence is no tensor", i);
        if (!concat_fits(first, t, s->new_axis, axis)) return fail_concat(ctx, i, first, t);
        if (!tap_add64(*length, s->new_axis ? 1 : t->dims[axis], length))
            return fail_concat(ctx, i, first, t);
    }
    return TAP_OK;
}

static tap_status concat_run(tap_ctx *ctx) {
    const axis_state *s = ctx->state;
    const tap_value *x;
    int64_t dims[TAP_RANK_MAX], length, begin = 0;
    int rank, axis = 0;
    tap_status status = sequence_in(ctx, 0, &x);
    if (status != TAP_OK) return status;
    const tap_tensor *first = tap_value_length(x) ? tap_value_tensor(tap_value_item(x, 0)) : NULL;
    if (!first)
        return tap_fail(ctx, TAP_RUN, "the sequence is empty: what its tensors would look like is not known");
    status = concat_dims(ctx, s, first->rank, first->dims, 0, dims, &rank, &axis);
    if (status == TAP_OK) status = concat_length(ctx, s, x, axis, &length);
    if (status != TAP_OK) return status;
    dims[axis] = length;
    tap_tensor *y = tap_out(ctx, 0, first->dtype, rank, dims);
    if (!y) return TAP_MEMORY;
    tap_slab slab = tap_slab_of(y->data, y->dtype, rank, dims, axis);
    for (size_t i = 0; i < tap_value_length(x); i++) {
        const tap_tensor *t = tap_value_tensor(tap_value_item(x, i));
        int64_t n = s->new_axis ? 1 : t->dims[axis];
        tap_slab_put(&slab, begin, n, t->data);
        begin += n;
    }
    return TAP_OK;
}

/* ---- SequenceMap --------------------------------------------------------------------------------------- */

typedef struct map_state {
    tap_body *body;
    size_t n_in, n_out;
} map_state;

static tap_status map_prepare(tap_ctx *ctx, void **state) {
    map_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->n_in = (size_t)ctx->n_in;
    s->body = tap_required_body(ctx, "body", s->n_in, (size_t)ctx->n_out);
    if (!s->body) return TAP_MODEL;
    s->n_out = tap_body_n_out(s->body);
    return TAP_OK;
}

static tap_status map_infer(tap_ctx *ctx) {
    const map_state *s = ctx->state;
    const tap_type **in = tap_scratch(ctx, s->n_in * sizeof *in), *elem;
    tap_type *out = tap_scratch(ctx, s->n_out * sizeof *out);
    if (!in || !out) return TAP_MEMORY;
    tap_status status = elem_type(ctx, 0, &elem);
    for (size_t i = 0; i < s->n_in; i++) {
        const tap_type *t = tap_in_type(ctx, (int)i);
        in[i] = t && t->kind == TAP_KIND_SEQUENCE ? t->elem : t;
        if (in[i] && in[i]->kind == TAP_KIND_NONE) in[i] = NULL;
    }
    if (status == TAP_OK) status = tap_body_infer(ctx, s->body, in, s->n_in, s->n_out, out);
    for (int i = 0; i < ctx->n_out && status == TAP_OK; i++) status = sequence_of(ctx, i, &out[i]);
    return status;
}

static tap_status map_lengths(tap_ctx *ctx, size_t n) {
    for (int i = 1; i < ctx->n_in; i++) {
        const tap_value *v = tap_in_value(ctx, i);
        if (tap_value_kind(v) == TAP_KIND_SEQUENCE && tap_value_length(v) != n)
            return tap_fail(ctx, TAP_RUN, "input %d has %zu elements; the first sequence has %zu", i,
                            tap_value_length(v), n);
    }
    return TAP_OK;
}

/* Runs the body on elements i: its outputs go to item[o * n + i]. */
static tap_status map_element(tap_ctx *ctx, size_t i, size_t n, const tap_value **in, tap_value **out,
                              tap_value **item) {
    const map_state *s = ctx->state;
    for (size_t k = 0; k < s->n_in; k++) {
        const tap_value *v = tap_in_value(ctx, (int)k);
        in[k] = tap_value_kind(v) == TAP_KIND_SEQUENCE ? tap_value_item(v, i) : v;
    }
    tap_status status = tap_body_run(ctx, s->body, (int64_t)i, in, s->n_in, out, s->n_out);
    if (status != TAP_OK) return status;
    for (size_t o = 0; o < s->n_out; o++) {
        item[o * n + i] = out[o];
        if (!tap_value_tensor(out[o]))
            status = tap_fail(ctx, TAP_RUN, "output %zu of the body is no tensor", o);
    }
    return status;
}

/* The dtype of output i's elements: that of the first, or what is known of the body. */
static tap_dtype map_dtype(tap_ctx *ctx, int i, const tap_value *first) {
    if (first) return tap_value_tensor(first)->dtype;
    const tap_type *t = tap_type_tensor(tap_out_inferred(ctx, i));
    return t ? t->dtype : TAP_UNDEFINED;
}

static tap_status map_run(tap_ctx *ctx) {
    const map_state *s = ctx->state;
    const tap_value *x;
    size_t n_bytes;
    tap_status status = sequence_in(ctx, 0, &x);
    if (status != TAP_OK) return status;
    size_t n = tap_value_length(x);
    status = map_lengths(ctx, n);
    if (status != TAP_OK) return status;
    if (!tap_mul_size(n, s->n_out * sizeof(tap_value *), &n_bytes))
        return tap_fail(ctx, TAP_MEMORY, "too many elements");
    const tap_value **in = tap_scratch(ctx, s->n_in * sizeof *in);
    tap_value **out = tap_scratch(ctx, s->n_out * sizeof *out), **item = tap_scratch(ctx, n_bytes);
    if (!in || !out || !item) return TAP_MEMORY;
    if (n_bytes) memset(item, 0, n_bytes);
    for (size_t i = 0; i < n && status == TAP_OK; i++) status = map_element(ctx, i, n, in, out, item);
    for (size_t o = 0; o < s->n_out; o++) {
        tap_value **first = item + o * n;
        if (status == TAP_OK && tap_has_out(ctx, (int)o))
            status = give_sequence(ctx, (int)o, first, n, map_dtype(ctx, (int)o, n ? first[0] : NULL));
        else
            release_all(first, n);
    }
    return status;
}

/* clang-format off */
static const tap_op ops[] = {
    {.name = "SequenceConstruct", .since = 11, .in_min = 1, .in_max = -1, .out_min = 1, .out_max = 1,
     .flags = TAP_ANY_KIND, .dtypes = TAP_TYPES_ALL, .infer = construct_infer, .run = construct_run},
    {.name = "SequenceEmpty", .since = 11, .in_min = 0, .in_max = 0, .out_min = 1, .out_max = 1,
     .flags = TAP_ANY_KIND, .typed_by = -1, .dtypes = TAP_TYPES_ALL,
     .prepare = empty_prepare, .infer = empty_infer, .run = empty_run},
    {.name = "SequenceLength", .since = 11, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
     .flags = TAP_ANY_KIND, .dtypes = TAP_TYPES_ALL, .infer = length_infer, .run = length_run},
    {.name = "SequenceAt", .since = 11, .in_min = 2, .in_max = 2, .out_min = 1, .out_max = 1,
     .flags = TAP_ANY_KIND, .dtypes = TAP_TYPES_ALL, .infer = at_infer, .run = at_run},
    {.name = "SequenceInsert", .since = 11, .in_min = 2, .in_max = 3, .out_min = 1, .out_max = 1,
     .flags = TAP_ANY_KIND, .dtypes = TAP_TYPES_ALL, .infer = insert_infer, .run = insert_run},
    {.name = "SequenceErase", .since = 11, .in_min = 1, .in_max = 2, .out_min = 1, .out_max = 1,
     .flags = TAP_ANY_KIND, .dtypes = TAP_TYPES_ALL, .infer = erase_infer, .run = erase_run},
    {.name = "SplitToSequence", .since = 11, .in_min = 1, .in_max = 2, .out_min = 1, .out_max = 1,
     .flags = TAP_ANY_KIND, .dtypes = TAP_TYPES_ALL, .prepare = split_prepare, .infer = split_infer, .run = split_run},
    {.name = "ConcatFromSequence", .since = 11, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
     .flags = TAP_ANY_KIND, .dtypes = TAP_TYPES_ALL, .prepare = concat_prepare, .infer = concat_infer, .run = concat_run},
    {.name = "SequenceMap", .since = 17, .in_min = 1, .in_max = -1, .out_min = 1, .out_max = -1,
     .flags = TAP_HAS_BODY | TAP_ANY_KIND, .dtypes = TAP_TYPES_ALL,
     .prepare = map_prepare, .infer = map_infer, .run = map_run},
    {0},
};
/* clang-format on */

TAP_DEFINE_FAMILY(sequence, ops);
