/* Scan: runs its body over the slices of its inputs, with states, and stacks what it gives. */
#include <string.h>

#include "common/bodies.h"
#include "common/rows.h"
#include "core/error.h"

/* The node:  states..., scanned...   (Scan-8: sequence lengths in front of them)  -> states..., stacked...
 * The body:  states..., slices...    -> states..., slices...
 * In Scan-8 all but the lengths have a batch axis in front, and each row of the batch is scanned by itself.
 */
typedef struct scan_state {
    tap_body *body;
    bool batched;
    int first;                                 /* the node's input where the states begin                   */
    size_t n_states, n_in, n_out;              /* n_in scanned inputs, n_out stacked outputs of the body    */
    const int64_t *in_axes, *out_axes;         /* NULL: all 0                                               */
    const int64_t *in_backward, *out_backward; /* directions; NULL: all forward                             */
} scan_state;

static const int64_t *list_of(tap_ctx *ctx, const char *name, size_t n_wanted, tap_status *s) {
    size_t n;
    const int64_t *v = tap_attr_ints(ctx, name, &n);
    if (v && n != n_wanted && *s == TAP_OK)
        *s = tap_fail(ctx, TAP_MODEL, "attribute %s has %zu entries, not %zu", name, n, n_wanted);
    return v;
}

static const int64_t *directions(tap_ctx *ctx, const char *name, size_t n, tap_status *s) {
    const int64_t *v = list_of(ctx, name, n, s);
    for (size_t i = 0; v && i < n && *s == TAP_OK; i++)
        if (v[i] != 0 && v[i] != 1)
            *s = tap_fail(ctx, TAP_MODEL, "attribute %s has an entry %lld; it is 0, forward, or 1, backward",
                          name, (long long)v[i]);
    return v;
}

static tap_status scan_prepare(tap_ctx *ctx, void **state) {
    scan_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->batched = tap_ctx_op(ctx)->until == 8;
    s->first = s->batched ? 1 : 0;
    int64_t n_in = tap_attr_int(ctx, "num_scan_inputs", 0), n_all = ctx->n_in - s->first;
    if (n_in < 1 || n_in > n_all)
        return tap_fail(
            ctx, TAP_MODEL,
            "attribute num_scan_inputs is %lld, and the node has %lld inputs for states and scans",
            (long long)n_in, (long long)n_all);
    s->n_in = (size_t)n_in;
    s->n_states = (size_t)(n_all - n_in);
    s->body = tap_required_body(ctx, "body", (size_t)n_all, s->n_states);
    if (!s->body) return TAP_MODEL;
    s->n_out = tap_body_n_out(s->body) - s->n_states;
    if ((size_t)ctx->n_out > s->n_states + s->n_out)
        return tap_fail(ctx, TAP_MODEL, "the node has %d outputs; its body gives %zu states and %zu slices",
                        ctx->n_out, s->n_states, s->n_out);
    tap_status status = TAP_OK;
    s->in_backward = directions(ctx, s->batched ? "directions" : "scan_input_directions", s->n_in, &status);
    if (s->batched) return status;
    s->out_backward = directions(ctx, "scan_output_directions", s->n_out, &status);
    s->in_axes = list_of(ctx, "scan_input_axes", s->n_in, &status);
    s->out_axes = list_of(ctx, "scan_output_axes", s->n_out, &status);
    return status;
}

/* ---- infer --------------------------------------------------------------------------------------------- */

/* Sizes that all operands share; -1 = unknown. */
typedef struct scan_sizes {
    int64_t batch, length;
    bool now; /* of the tensors that run has, not of the types that infer knows */
} scan_sizes;

static tap_type input_type(const tap_ctx *ctx, int i, const scan_sizes *sizes) {
    tap_type t = {.kind = TAP_KIND_NONE, .rank = -1};
    if (!sizes->now) return tap_in_type(ctx, i) ? *tap_in_type(ctx, i) : t;
    const tap_tensor *x = ctx->in[i];
    if (!x) return t;
    t = (tap_type){.kind = TAP_KIND_TENSOR, .dtype = x->dtype, .rank = x->rank};
    memcpy(t.dims, x->dims, (size_t)x->rank * sizeof *t.dims);
    return t;
}

static tap_status agree(tap_ctx *ctx, int64_t *known, int64_t dim, int input, const char *what) {
    if (dim < 0) return TAP_OK;
    if (*known >= 0 && *known != dim)
        return tap_fail(ctx, TAP_MODEL, "input %d has %s %lld; the inputs before it have %lld", input, what,
                        (long long)dim, (long long)*known);
    *known = dim;
    return TAP_OK;
}

/* *t, dims[axis] of it removed. */
static void drop_axis(tap_type *t, int axis) {
    t->rank--;
    for (int i = axis; i < t->rank; i++) t->dims[i] = t->dims[i + 1];
}

/* The type that input i has for one row of the batch, which is itself without a batch axis. */
static tap_status row_type(tap_ctx *ctx, const scan_state *s, int i, scan_sizes *sizes, tap_type *t) {
    *t = input_type(ctx, i, sizes);
    if (t->kind != TAP_KIND_TENSOR && t->kind != TAP_KIND_NONE)
        return tap_fail(ctx, TAP_MODEL, "input %d has to be a tensor", i);
    if (!s->batched || t->rank < 0) return TAP_OK;
    if (t->rank == 0)
        return tap_fail(ctx, TAP_MODEL, "input %d is a scalar; its first axis has to be the batch", i);
    tap_status status = agree(ctx, &sizes->batch, t->dims[0], i, "a batch of");
    drop_axis(t, 0);
    return status;
}

/* The type of a slice of scanned input k: *t as row_type has it, then without the scanned axis. */
static tap_status slice_type(tap_ctx *ctx, const scan_state *s, size_t k, scan_sizes *sizes, tap_type *t) {
    int input = s->first + (int)(s->n_states + k), axis;
    tap_status status = row_type(ctx, s, input, sizes, t);
    if (status != TAP_OK || t->rank < 0) return status;
    if (!tap_axis(s->in_axes ? s->in_axes[k] : 0, t->rank, &axis))
        return tap_fail(ctx, TAP_MODEL, "input %d cannot be scanned along axis %lld", input,
                        (long long)(s->in_axes ? s->in_axes[k] : 0));
    status = agree(ctx, &sizes->length, t->dims[axis], input, "a scan length of");
    drop_axis(t, axis);
    return status;
}

/* dims of a stack of `length` tensors t, with the batch in front where there is one. */
static tap_status stack_dims(tap_ctx *ctx, const scan_state *s, size_t k, const tap_type *t,
                             const scan_sizes *sizes, int64_t *dims, int *rank) {
    int axis, n = 0;
    if (t->rank + 2 > TAP_RANK_MAX)
        return tap_fail(ctx, TAP_UNSUPPORTED, "scan output %zu would have more than %d dimensions", k,
                        TAP_RANK_MAX);
    if (!tap_axis(s->out_axes ? s->out_axes[k] : 0, t->rank + 1, &axis))
        return tap_fail(ctx, TAP_MODEL,
                        "scan output %zu cannot be stacked along axis %lld: its slices have %d dimensions", k,
                        (long long)s->out_axes[k], t->rank);
    if (s->batched) dims[n++] = sizes->batch;
    for (int i = 0; i <= t->rank; i++) dims[n++] = i == axis ? sizes->length : t->dims[i - (i > axis)];
    *rank = n;
    return TAP_OK;
}

static tap_status stacked_type(tap_ctx *ctx, const scan_state *s, size_t k, const tap_type *t,
                               const scan_sizes *sizes) {
    int i = (int)(s->n_states + k), rank;
    int64_t dims[TAP_RANK_MAX];
    if (t->kind != TAP_KIND_TENSOR || t->rank < 0) return tap_out_type(ctx, i, t->dtype, -1, NULL);
    tap_status status = stack_dims(ctx, s, k, t, sizes, dims, &rank);
    if (status != TAP_OK) return status;
    return tap_out_type(ctx, i, t->dtype, rank, dims);
}

static tap_status state_out_type(tap_ctx *ctx, const scan_state *s, size_t k, const tap_type *t,
                                 const scan_sizes *sizes) {
    if (sizes->length == 0 || sizes->batch == 0)
        return tap_out_like(ctx, (int)k, tap_in_type(ctx, s->first + (int)k));
    if (!s->batched || !t || t->rank < 0) return tap_out_like(ctx, (int)k, s->batched ? NULL : t);
    int64_t dims[TAP_RANK_MAX] = {sizes->batch};
    memcpy(dims + 1, t->dims, (size_t)t->rank * sizeof *dims);
    return tap_out_type(ctx, (int)k, t->dtype, t->rank + 1, dims);
}

/* Scan-8: lengths, one a row of the batch. */
static tap_status check_lengths(tap_ctx *ctx, scan_sizes *sizes) {
    tap_type t = input_type(ctx, 0, sizes);
    if (t.kind == TAP_KIND_NONE) return TAP_OK;
    if ((t.dtype != TAP_INT64 && t.dtype != TAP_UNDEFINED) || (t.rank != 1 && t.rank != -1))
        return tap_fail(ctx, TAP_MODEL, "sequence_lens has to be int64[batch]");
    return t.rank == 1 ? agree(ctx, &sizes->batch, t.dims[0], 0, "a batch of") : TAP_OK;
}

static tap_status scan_infer(tap_ctx *ctx) {
    const scan_state *s = ctx->state;
    scan_sizes sizes = {-1, -1, false};
    tap_carry c = {s->body, s->n_states + s->n_in, s->n_states + s->n_out, 0, 0, s->n_states, NULL, NULL,
                   NULL};
    tap_type *slice = tap_scratch(ctx, s->n_in * sizeof *slice), t;
    tap_status status = slice ? tap_carry_make(ctx, &c) : TAP_MEMORY;
    if (status == TAP_OK && s->batched) status = check_lengths(ctx, &sizes);
    for (size_t k = 0; k < s->n_states && status == TAP_OK; k++) {
        status = row_type(ctx, s, s->first + (int)k, &sizes, &t);
        tap_type_take(&c.carried[k], &t);
    }
    for (size_t k = 0; k < s->n_in && status == TAP_OK; k++) {
        status = slice_type(ctx, s, k, &sizes, &slice[k]);
        c.in[s->n_states + k] = slice[k].kind == TAP_KIND_NONE ? NULL : &slice[k];
    }
    if (status == TAP_OK) status = tap_carry_infer(ctx, &c);
    for (int i = 0; i < ctx->n_out && status == TAP_OK; i++) {
        size_t k = (size_t)i;
        status = k < s->n_states ? state_out_type(ctx, s, k, tap_type_given(&c.carried[k]), &sizes)
                                 : stacked_type(ctx, s, k - s->n_states, &c.out[k], &sizes);
    }
    return status;
}

/* ---- run ----------------------------------------------------------------------------------------------- */

typedef struct scan {
    tap_ctx *ctx;
    const scan_state *s;
    scan_sizes sizes;
    int64_t row;          /* of the batch; 0 without one                                            */
    const tap_value **in; /* of the body                                                            */
    tap_value **held;     /* those of `in` that are owned, else NULL                                */
    tap_value **out;      /* of the body                                                            */
    tap_tensor **y;       /* the node's outputs that are put together; NULL until a shape is told   */
} scan;

/* x as row c->row of the batch has it. */
static void *row_of(const scan *c, const tap_tensor *x, int *rank, const int64_t **dims) {
    int skip = c->s->batched ? 1 : 0;
    *rank = x->rank - skip;
    *dims = x->dims + skip;
    if (!skip || x->count == 0) return x->data;
    return (char *)x->data + (size_t)c->row * (size_t)(x->count / x->dims[0]) * tap_dtype_bytes(x->dtype);
}

/* The slice of scanned input k at position is the body's next input. */
static tap_status take_slice(scan *c, size_t k, int64_t position) {
    size_t i = c->s->n_states + k;
    const tap_tensor *x = c->ctx->in[c->s->first + (int)i];
    const int64_t *dims;
    int rank, axis = 0;
    void *data = row_of(c, x, &rank, &dims);
    tap_axis(c->s->in_axes ? c->s->in_axes[k] : 0, rank, &axis);
    tap_slab slab = tap_slab_of(data, x->dtype, rank, dims, axis);
    tap_type t = {.rank = rank};
    tap_tensor *y;
    memcpy(t.dims, dims, (size_t)rank * sizeof *dims);
    drop_axis(&t, axis);
    tap_value_release(c->held[i]);
    c->in[i] = c->held[i] = tap_make(c->ctx, x->dtype, t.rank, t.dims, &y);
    if (!c->held[i]) return TAP_MEMORY;
    tap_slab_get(&slab, position, 1, y->data);
    return TAP_OK;
}

/* The initial states of this row are the body's next inputs. */
static tap_status take_states(scan *c) {
    for (size_t k = 0; k < c->s->n_states; k++) {
        tap_value_release(c->held[k]);
        c->held[k] = NULL;
        c->in[k] = tap_in_value(c->ctx, c->s->first + (int)k);
        if (!c->s->batched) continue;
        const tap_tensor *x = c->ctx->in[c->s->first + (int)k];
        const int64_t *dims;
        int rank;
        const void *data = row_of(c, x, &rank, &dims);
        tap_tensor *y;
        c->in[k] = c->held[k] = tap_make(c->ctx, x->dtype, rank, dims, &y);
        if (!c->held[k]) return TAP_MEMORY;
        if (y->count) memcpy(y->data, data, (size_t)y->count * tap_dtype_bytes(y->dtype));
    }
    return TAP_OK;
}

static tap_status shape_changed(tap_ctx *ctx, size_t k, const tap_tensor *x) {
    char text[256] = "";
    tap_text at = {text, sizeof text, 0};
    tap_text_dims(&at, x->rank, x->dims);
    return tap_fail(
        ctx, TAP_RUN,
        "output %zu of the body is %s%s and had another shape or dtype before: it cannot be stacked", k,
        tap_dtype_name(x->dtype), text);
}

/* Output i, made for the first x that goes into it; later ones must have the same shape. */
static tap_tensor *output_for(scan *c, size_t i, const tap_tensor *x, int rank, const int64_t *dims) {
    tap_tensor *y = c->y[i];
    if (!y) {
        y = c->y[i] = tap_out(c->ctx, (int)i, x->dtype, rank, dims);
        /* Scan-8: what lies behind the end of a shorter row is 0. */
        if (y && c->s->batched) memset(y->data, 0, (size_t)y->count * tap_dtype_bytes(y->dtype));
    } else if (y->dtype != x->dtype || y->rank != rank ||
               memcmp(y->dims, dims, (size_t)rank * sizeof *dims) != 0) {
        shape_changed(c->ctx, i, x);
        return NULL;
    }
    return y;
}

/* y[position] = x, along the axis of stacked output k. */
static tap_status put_slice(scan *c, size_t k, int64_t position, const tap_tensor *x) {
    const scan_state *s = c->s;
    int i = (int)(s->n_states + k), rank, axis = 0;
    int64_t dims[TAP_RANK_MAX];
    const int64_t *row_dims;
    if (!tap_has_out(c->ctx, i)) return TAP_OK;
    if (!x) return tap_fail(c->ctx, TAP_RUN, "output %d of the body is no tensor: it cannot be stacked", i);
    tap_type t = {.rank = x->rank};
    memcpy(t.dims, x->dims, sizeof t.dims);
    tap_status status = stack_dims(c->ctx, s, k, &t, &c->sizes, dims, &rank);
    if (status != TAP_OK) return status;
    tap_tensor *y = output_for(c, (size_t)i, x, rank, dims);
    if (!y) return TAP_RUN;
    void *data = row_of(c, y, &rank, &row_dims);
    tap_axis(s->out_axes ? s->out_axes[k] : 0, rank, &axis);
    tap_slab slab = tap_slab_of(data, y->dtype, rank, row_dims, axis);
    tap_slab_put(&slab, position, 1, x->data);
    return TAP_OK;
}

/* Scan-8: row c->row of output k = its final state. */
static tap_status put_state(scan *c, size_t k) {
    const tap_tensor *x = tap_value_tensor(c->in[k]);
    if (!x) return tap_fail(c->ctx, TAP_RUN, "state %zu is no tensor", k);
    if (x->rank == TAP_RANK_MAX)
        return tap_fail(c->ctx, TAP_UNSUPPORTED, "state %zu has too many dimensions", k);
    int64_t dims[TAP_RANK_MAX] = {c->sizes.batch};
    memcpy(dims + 1, x->dims, (size_t)x->rank * sizeof *dims);
    tap_tensor *y = output_for(c, k, x, x->rank + 1, dims);
    if (!y) return TAP_RUN;
    size_t n_bytes = (size_t)x->count * tap_dtype_bytes(x->dtype);
    if (n_bytes) memcpy((char *)y->data + (size_t)c->row * n_bytes, x->data, n_bytes);
    return TAP_OK;
}

/* Takes what the body gave; all references are used up. */
static tap_status take_outputs(scan *c, int64_t step, int64_t length) {
    size_t n_states = c->s->n_states;
    tap_status s = TAP_OK;
    for (size_t k = 0; k < n_states; k++) {
        tap_value_release(c->held[k]);
        c->in[k] = c->held[k] = c->out[k];
    }
    for (size_t k = 0; k < c->s->n_out; k++) {
        bool backward = c->s->out_backward && c->s->out_backward[k];
        tap_value *v = c->out[n_states + k];
        if (s == TAP_OK) s = put_slice(c, k, backward ? length - 1 - step : step, tap_value_tensor(v));
        tap_value_release(v);
    }
    return s;
}

static tap_status scan_step(scan *c, int64_t step, int64_t length) {
    const scan_state *s = c->s;
    tap_status status = TAP_OK;
    for (size_t k = 0; k < s->n_in && status == TAP_OK; k++) {
        bool backward = s->in_backward && s->in_backward[k];
        status = take_slice(c, k, backward ? length - 1 - step : step);
    }
    if (status == TAP_OK)
        status = tap_body_run(c->ctx, s->body, c->row * c->sizes.length + step, c->in, s->n_states + s->n_in,
                              c->out, s->n_states + s->n_out);
    return status == TAP_OK ? take_outputs(c, step, length) : status;
}

/* The number of steps of this row. */
static tap_status row_length(const scan *c, int64_t *length) {
    *length = c->sizes.length;
    if (!c->s->batched || !c->ctx->in[0]) return TAP_OK;
    *length = ((const int64_t *)c->ctx->in[0]->data)[c->row];
    if (*length >= 0 && *length <= c->sizes.length) return TAP_OK;
    return tap_fail(c->ctx, TAP_RUN, "sequence_lens[%lld] is %lld; the scanned inputs have %lld steps",
                    (long long)c->row, (long long)*length, (long long)c->sizes.length);
}

static tap_status scan_row(scan *c) {
    int64_t length = 0;
    tap_status s = row_length(c, &length);
    if (s == TAP_OK) s = take_states(c);
    for (int64_t t = 0; t < length && s == TAP_OK; t++) s = scan_step(c, t, length);
    for (size_t k = 0; c->s->batched && k < c->s->n_states && s == TAP_OK; k++)
        if (tap_has_out(c->ctx, (int)k)) s = put_state(c, k);
    return s;
}

/* Output i where no step ran. What the sizes of the inputs do not tell, and inference did not find, is 0. */
static tap_status empty_output(scan *c, int i) {
    const tap_type *t = tap_out_inferred(c->ctx, i);
    int skip = c->s->batched ? 1 : 0, axis = 0;
    size_t k = (size_t)i - c->s->n_states;
    bool is_state = (size_t)i < c->s->n_states;
    if (!t || t->kind != TAP_KIND_TENSOR || t->dtype == TAP_UNDEFINED)
        return tap_fail(c->ctx, TAP_RUN, "no step ran, and the body does not tell the dtype of output %d", i);
    int rank = t->rank < 0 ? skip + !is_state : t->rank;
    int64_t dims[TAP_RANK_MAX] = {0};
    for (int d = 0; d < t->rank; d++) dims[d] = tap_max64(0, t->dims[d]);
    if (skip) dims[0] = c->sizes.batch;
    if (!is_state && tap_axis(c->s->out_axes ? c->s->out_axes[k] : 0, rank - skip, &axis))
        dims[skip + axis] = c->sizes.length;
    tap_tensor *y = tap_out(c->ctx, i, t->dtype, rank, dims);
    if (!y) return TAP_MEMORY;
    memset(y->data, 0, (size_t)y->count * tap_dtype_bytes(y->dtype));
    return TAP_OK;
}

/* States of a Scan without a batch are handed on; what no step has filled is made. */
static tap_status scan_finish(scan *c) {
    tap_ctx *ctx = c->ctx;
    tap_status s = TAP_OK;
    for (int i = 0; i < ctx->n_out && s == TAP_OK; i++) {
        size_t k = (size_t)i;
        if (!tap_has_out(ctx, i)) continue;
        if (k < c->s->n_states && !c->s->batched) {
            tap_value *v = c->held[k] ? c->held[k] : tap_keep_in(ctx, c->s->first + i);
            c->held[k] = NULL;
            s = v ? tap_set_out(ctx, i, v) : TAP_MEMORY;
        } else if (!c->y[k]) {
            s = empty_output(c, i);
        }
    }
    return s;
}

static tap_status scan_lists(scan *c) {
    size_t n_in = c->s->n_states + c->s->n_in, n_out = c->s->n_states + c->s->n_out;
    c->in = tap_scratch(c->ctx, n_in * sizeof *c->in);
    c->held = tap_scratch(c->ctx, n_in * sizeof *c->held);
    c->out = tap_scratch(c->ctx, n_out * sizeof *c->out);
    c->y = tap_scratch(c->ctx, n_out * sizeof *c->y);
    if (!c->in || !c->held || !c->out || !c->y) return TAP_MEMORY;
    memset(c->held, 0, n_in * sizeof *c->held);
    memset(c->y, 0, n_out * sizeof *c->y);
    return TAP_OK;
}

/* What infer checks as far as it is known then, of the inputs that are there now. */
static tap_status check_inputs(scan *c) {
    const scan_state *s = c->s;
    tap_type t;
    tap_status status = s->batched ? check_lengths(c->ctx, &c->sizes) : TAP_OK;
    for (int i = s->first; i < c->ctx->n_in && status == TAP_OK; i++)
        if (!c->ctx->in[i]) status = tap_fail(c->ctx, TAP_MODEL, "input %d has to be a tensor", i);
    for (size_t k = 0; k < s->n_states && status == TAP_OK; k++)
        status = row_type(c->ctx, s, s->first + (int)k, &c->sizes, &t);
    for (size_t k = 0; k < s->n_in && status == TAP_OK; k++) status = slice_type(c->ctx, s, k, &c->sizes, &t);
    if (!s->batched) c->sizes.batch = 1;
    return status;
}

static tap_status scan_run(tap_ctx *ctx) {
    scan c = {.ctx = ctx, .s = ctx->state, .sizes = {-1, -1, true}};
    tap_status s = scan_lists(&c);
    if (s == TAP_OK) s = check_inputs(&c);
    if (s != TAP_OK) return s;
    for (c.row = 0; c.row < c.sizes.batch && s == TAP_OK; c.row++) s = scan_row(&c);
    if (s == TAP_OK) s = scan_finish(&c);
    for (size_t k = 0; k < c.s->n_states + c.s->n_in; k++) tap_value_release(c.held[k]);
    return s;
}

/* The rows tell the two meanings apart by `until`. */
/* clang-format off */
static const tap_op ops[] = {
    {.name = "Scan", .since = 8, .until = 8, .in_min = 2, .in_max = -1, .out_min = 1, .out_max = -1,
     .flags = TAP_HAS_BODY, .typed_by = 1, .dtypes = TAP_TYPES_ALL,
     .prepare = scan_prepare, .infer = scan_infer, .run = scan_run},
    {.name = "Scan", .since = 9, .in_min = 1, .in_max = -1, .out_min = 1, .out_max = -1,
     .flags = TAP_HAS_BODY, .typed_by = 0, .dtypes = TAP_TYPES_ALL,
     .prepare = scan_prepare, .infer = scan_infer, .run = scan_run},
    {0},
};
/* clang-format on */

TAP_DEFINE_FAMILY(scan, ops);
