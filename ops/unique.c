/* NonZero and Unique: results whose size only the data tells. */
#include "common/move.h"
#include "common/order.h"
#include "common/shape.h"

/* ---- NonZero ---- */

#define BLOCK 16384 /* elements of a task */

/* An element is zero where no bit of its word under the mask is set: the sign of a float does not count, the
 * length of a string alone does. */
static tap_w16 mask_of(tap_dtype t) {
    uint64_t half = UINT64_C(0x7FFF), single = UINT64_C(0x7FFFFFFF), wide = UINT64_C(0x7FFFFFFFFFFFFFFF);
    switch (t) {
    case TAP_FLOAT16:
    case TAP_BFLOAT16: return (tap_w16){half, 0};
    case TAP_FLOAT: return (tap_w16){single, 0};
    case TAP_COMPLEX64: return (tap_w16){single << 32 | single, 0};
    case TAP_DOUBLE: return (tap_w16){wide, 0};
    case TAP_COMPLEX128: return (tap_w16){wide, wide};
    case TAP_STRING: return (tap_w16){0, UINT64_MAX};
    default: return (tap_w16){UINT64_MAX, 0};
    }
}

/* flags[i] = element i is not zero; returns how many are not. */
static int64_t flag_nonzero(tap_dtype t, int64_t n, const char *x, uint8_t *flags) {
    tap_w16 mask = mask_of(t);
    int64_t found = 0;
    switch (tap_dtype_bytes(t)) {
    case 1:
        for (int64_t i = 0; i < n; i++) flags[i] = x[i] != 0;
        break;
    case 2:
        for (int64_t i = 0; i < n; i++) flags[i] = (((const tap_w2 *)x)[i] & (uint16_t)mask.lo) != 0;
        break;
    case 4:
        for (int64_t i = 0; i < n; i++) flags[i] = (((const tap_w4 *)x)[i] & (uint32_t)mask.lo) != 0;
        break;
    case 8:
        for (int64_t i = 0; i < n; i++) flags[i] = (((const tap_w8 *)x)[i] & mask.lo) != 0;
        break;
    default:
        for (int64_t i = 0; i < n; i++) {
            tap_w16 v = ((const tap_w16 *)x)[i];
            flags[i] = ((v.lo & mask.lo) | (v.hi & mask.hi)) != 0;
        }
    }
    for (int64_t i = 0; i < n; i++) found += flags[i];
    return found;
}

typedef struct nonzero {
    const tap_tensor *x;
    uint8_t *flags;
    int64_t *found; /* per block; then: where the block's places begin in y */
    int64_t *y, n;  /* y[rank][n] */
} nonzero;

static void count_task(void *arg, int64_t begin, int64_t end, int worker) {
    const nonzero *z = arg;
    int64_t width = (int64_t)tap_dtype_bytes(z->x->dtype);
    (void)worker;
    for (int64_t b = begin; b < end; b++) {
        int64_t from = b * BLOCK, n = tap_min64(BLOCK, z->x->count - from);
        z->found[b] = flag_nonzero(z->x->dtype, n, (const char *)z->x->data + from * width, z->flags + from);
    }
}

static void place_block(const nonzero *z, int64_t from, int64_t end, int64_t to) {
    const tap_tensor *x = z->x;
    int64_t index[TAP_RANK_MAX], last = x->rank - 1, rest = from;
    for (int i = x->rank - 1; i >= 0; i--) {
        index[i] = rest % x->dims[i];
        rest /= x->dims[i];
    }
    for (int64_t p = from; p < end;) {
        const int64_t n = tap_min64(end - p, x->dims[last] - index[last]);
        int64_t place[BLOCK], found = 0;
        for (int64_t q = 0; q < n; q++) { /* without a branch that nobody can foresee */
            place[found] = index[last] + q;
            found += z->flags[p + q];
        }
        for (int i = 0; i < last; i++)
            for (int64_t k = 0; k < found; k++) z->y[i * z->n + to + k] = index[i];
        memcpy(z->y + last * z->n + to, place, (size_t)found * sizeof *place);
        to += found;
        p += n;
        index[last] += n;
        for (int64_t i = last; i > 0 && index[i] == x->dims[i]; i--) index[i] = 0, index[i - 1]++;
    }
}

static void place_task(void *arg, int64_t begin, int64_t end, int worker) {
    const nonzero *z = arg;
    (void)worker;
    for (int64_t b = begin; b < end; b++)
        place_block(z, b * BLOCK, tap_min64((b + 1) * BLOCK, z->x->count), z->found[b]);
}

static tap_status nonzero_infer(tap_ctx *ctx) {
    return tap_out_type(ctx, 0, TAP_INT64, 2, (int64_t[]){tap_in_type(ctx, 0)->rank, -1});
}

static tap_status nonzero_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0];
    int64_t blocks = (x->count + BLOCK - 1) / BLOCK;
    nonzero z = {.x = x};
    z.flags = tap_scratch(ctx, (size_t)x->count);
    z.found = tap_scratch(ctx, (size_t)blocks * sizeof *z.found);
    if (!z.flags || !z.found) return TAP_MEMORY;
    tap_parallel(ctx, blocks, 4, count_task, &z);
    for (int64_t b = 0; b < blocks; b++) {
        int64_t found = z.found[b];
        z.found[b] = z.n;
        z.n += found;
    }
    tap_tensor *y = tap_out(ctx, 0, TAP_INT64, 2, (int64_t[]){x->rank, z.n});
    if (!y) return TAP_MEMORY;
    z.y = y->data;
    if (x->rank > 0) tap_parallel(ctx, blocks, 4, place_task, &z);
    return TAP_OK;
}

/* ---- Unique ---- */

typedef struct unique_state {
    bool flat, sorted;
    int64_t axis;
} unique_state;

static tap_status unique_prepare(tap_ctx *ctx, void **state) {
    unique_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->flat = !tap_attr_has(ctx, "axis");
    s->axis = tap_attr_int(ctx, "axis", 0);
    s->sorted = tap_attr_int(ctx, "sorted", 1) != 0;
    return TAP_OK;
}

static tap_status unique_infer(tap_ctx *ctx) {
    const unique_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0);
    tap_type y = *x;
    int axis = 0;
    int64_t n = -1;
    tap_status status = TAP_OK;
    if (s->flat)
        y.rank = 1;
    else if (x->rank >= 0 && !tap_axis(s->axis, x->rank, &axis))
        return tap_fail(ctx, tap_misfit(ctx), "axis %lld is out of range for rank %d", (long long)s->axis,
                        x->rank);
    if (y.rank >= 0) y.dims[axis] = -1;
    status = tap_out_type(ctx, 0, x->dtype, y.rank, y.dims);
    for (int i = 1; i < 4 && !status; i++) status = tap_out_type(ctx, i, TAP_INT64, 1, &n);
    return status;
}

/* The items: x[pre][n][post] along the axis (flat: pre = post = 1), as rows of m keys or strings. */
typedef struct items {
    int64_t n, m, pre, post;
    const uint64_t *keys;      /* keys[n][m]                      */
    const tap_string *strings; /* x itself, for strings           */
} items;

static int compare_keys(const void *arg, int64_t a, int64_t b) {
    const items *s = arg;
    const uint64_t *x = s->keys + a * s->m, *y = s->keys + b * s->m;
    for (int64_t i = 0; i < s->m; i++)
        if (x[i] != y[i]) return x[i] < y[i] ? -1 : 1;
    return 0;
}

static int compare_strings(const void *arg, int64_t a, int64_t b) {
    const items *s = arg;
    for (int64_t p = 0; p < s->pre; p++)
        for (int64_t q = 0; q < s->post; q++) {
            tap_string x = s->strings[(p * s->n + a) * s->post + q],
                       y = s->strings[(p * s->n + b) * s->post + q];
            size_t n = x.n < y.n ? x.n : y.n;
            int c = n ? memcmp(x.s, y.s, n) : 0;
            if (c != 0 || x.n != y.n) return c ? c : x.n < y.n ? -1 : 1;
        }
    return 0;
}

static tap_compare *comparison(const items *s) {
    return s->strings ? compare_strings : compare_keys;
}

/* keys[n][m], in the order of the elements of each item. */
static tap_status make_keys(tap_ctx *ctx, const tap_tensor *x, items *s) {
    int parts = tap_key_parts(x->dtype);
    size_t width = tap_dtype_bytes(x->dtype);
    uint64_t *keys = tap_scratch(ctx, (size_t)x->count * (size_t)parts * sizeof *keys);
    if (!keys) return TAP_MEMORY;
    s->keys = keys;
    s->m = s->pre * s->post * parts;
    if (s->pre == 1) { /* the items lie as their keys do */
        tap_order_keys(x->dtype, x->count * parts, x->data, 1, keys);
        return TAP_OK;
    }
    for (int64_t p = 0; p < s->pre; p++)
        for (int64_t i = 0; i < s->n; i++)
            tap_order_keys(x->dtype, s->post * parts,
                           (const char *)x->data + (size_t)((p * s->n + i) * s->post) * width, 1,
                           keys + i * s->m + p * s->post * parts);
    return TAP_OK;
}

/* The items in order, equals by position. */
typedef struct sorted_items {
    const int64_t *at;
    uint8_t *same; /* whether the k-th equals the one before it */
} sorted_items;

/* By keys of one number each, which lie side by side when they are sorted. */
static tap_status sort_keyed(tap_ctx *ctx, const items *s, int64_t *p, uint8_t *same) {
    tap_keyed *k = tap_scratch(ctx, 2 * (size_t)s->n * sizeof *k);
    if (!k) return TAP_MEMORY;
    for (int64_t i = 0; i < s->n; i++) k[i] = (tap_keyed){s->keys[i], i};
    const tap_keyed *sorted = tap_sort_keyed(k, k + s->n, s->n);
    for (int64_t i = 0; i < s->n; i++) {
        p[i] = sorted[i].at;
        same[i] = i > 0 && sorted[i].key == sorted[i - 1].key;
    }
    return TAP_OK;
}

static tap_status sort_items(tap_ctx *ctx, const items *s, sorted_items *out) {
    int64_t *p = tap_scratch(ctx, 2 * (size_t)s->n * sizeof *p);
    out->same = tap_scratch(ctx, (size_t)s->n);
    out->at = p;
    if (!p || !out->same) return TAP_MEMORY;
    if (!s->strings && s->m == 1) return sort_keyed(ctx, s, p, out->same);
    out->at = tap_sort_items(p, p + s->n, s->n, comparison(s), s);
    for (int64_t i = 0; i < s->n; i++)
        out->same[i] = i > 0 && comparison(s)(s, out->at[i - 1], out->at[i]) == 0;
    return TAP_OK;
}

/* Equal items are a group. */
typedef struct groups {
    int64_t n;
    int64_t *first, *count; /* of group g, in the order of the output */
    int64_t *of;            /* the group of item i                    */
} groups;

/* Groups in the order of their items' values. */
static void number_groups(const items *s, const sorted_items *order, groups *g) {
    g->n = 0;
    for (int64_t k = 0; k < s->n; k++) {
        if (!order->same[k]) {
            g->first[g->n] = order->at[k];
            g->count[g->n++] = 0;
        }
        g->count[g->n - 1]++;
        g->of[order->at[k]] = g->n - 1;
    }
}

/* The same groups in the order in which they first appear. to: room for a number of each. */
static void renumber_groups(const items *s, groups *g, int64_t *to, int64_t *count) {
    int64_t n = 0;
    for (int64_t i = 0; i < g->n; i++) {
        to[i] = -1;
        count[i] = g->count[i];
    }
    for (int64_t i = 0; i < s->n; i++) {
        const int64_t old = g->of[i];
        if (to[old] < 0) {
            g->first[n] = i;
            g->count[n] = count[old];
            to[old] = n++;
        }
        g->of[i] = to[old];
    }
}

static tap_status find_groups(tap_ctx *ctx, const items *s, bool sorted, groups *g) {
    sorted_items order;
    int64_t *room = tap_scratch(ctx, 5 * (size_t)s->n * sizeof *room);
    tap_status status = sort_items(ctx, s, &order);
    if (status || !room) return TAP_MEMORY;
    *g = (groups){0, room, room + s->n, room + 2 * s->n};
    number_groups(s, &order, g);
    if (!sorted) renumber_groups(s, g, room + 3 * s->n, room + 4 * s->n);
    return TAP_OK;
}

static tap_status put_numbers(tap_ctx *ctx, int out, int64_t n, const int64_t *v) {
    if (!tap_has_out(ctx, out)) return TAP_OK;
    tap_tensor *y = tap_out(ctx, out, TAP_INT64, 1, &n);
    if (!y) return TAP_MEMORY;
    memcpy(y->data, v, (size_t)n * sizeof *v);
    return TAP_OK;
}

static tap_status put_items(tap_ctx *ctx, const items *s, const groups *g, int rank, const int64_t *dims) {
    const tap_tensor *x = ctx->in[0];
    tap_tensor *y = tap_out(ctx, 0, x->dtype, rank, dims);
    int64_t row = s->post * (int64_t)tap_dtype_bytes(x->dtype);
    if (!y) return TAP_MEMORY;
    for (int64_t p = 0; p < s->pre; p++)
        for (int64_t i = 0; i < g->n; i++)
            tap_copy_row((const char *)x->data + (p * s->n + g->first[i]) * row,
                         (char *)y->data + (p * g->n + i) * row, (size_t)row);
    return TAP_OK;
}

static tap_status unique_run(tap_ctx *ctx) {
    const unique_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    items a = {.n = x->count, .pre = 1, .post = 1};
    groups g;
    int64_t dims[TAP_RANK_MAX] = {0};
    int axis = 0, rank = s->flat ? 1 : x->rank;
    tap_status status = TAP_OK;
    if (!s->flat) {
        if (!tap_axis(s->axis, x->rank, &axis)) return tap_fail(ctx, TAP_RUN, "axis out of range");
        memcpy(dims, x->dims, sizeof dims);
        a.n = x->dims[axis];
        a.pre = tap_product(x->dims, axis);
        a.post = tap_product(x->dims + axis + 1, x->rank - axis - 1);
    }
    if (x->dtype == TAP_STRING)
        a.strings = x->data;
    else
        status = make_keys(ctx, x, &a);
    if (!status) status = find_groups(ctx, &a, s->sorted, &g);
    if (status) return status;
    dims[axis] = g.n;
    if (!status) status = put_items(ctx, &a, &g, rank, dims);
    if (!status) status = put_numbers(ctx, 1, g.n, g.first);
    if (!status) status = put_numbers(ctx, 2, a.n, g.of);
    if (!status) status = put_numbers(ctx, 3, g.n, g.count);
    return status;
}

/* The standard's "all types" before the 8-bit floats. */
#define PLAIN_TYPES                                                                         \
    (TAP_TYPES_NUMERIC | TAP_BIT(TAP_BOOL) | TAP_BIT(TAP_STRING) | TAP_BIT(TAP_COMPLEX64) | \
     TAP_BIT(TAP_COMPLEX128))
#define UNIQUE .prepare = unique_prepare, .infer = unique_infer, .run = unique_run

static const tap_op ops[] = {
    {.name = "NonZero",
     .since = 9,
     .in_min = 1,
     .in_max = 1,
     .out_min = 1,
     .out_max = 1,
     .dtypes = PLAIN_TYPES,
     .infer = nonzero_infer,
     .run = nonzero_run},
    {.name = "Unique",
     .since = 11,
     .in_min = 1,
     .in_max = 1,
     .out_min = 1,
     .out_max = 4,
     .dtypes = PLAIN_TYPES,
     UNIQUE},
    {0},
};

TAP_DEFINE_FAMILY(unique, ops);
