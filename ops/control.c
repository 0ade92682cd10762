/* If and Loop: operators that run the graphs in their attributes. */
#include <string.h>

#include "common/bodies.h"
#include "common/shape.h"

/* A bool or int64 operand that must have one element; what infer can see of it is checked. */
static tap_status check_one(tap_ctx *ctx, int i, tap_dtype dtype, const char *what) {
    const tap_type *t = tap_in_type(ctx, i);
    if (!t || t->kind == TAP_KIND_NONE) return TAP_OK;
    if (t->kind != TAP_KIND_TENSOR || (t->dtype != dtype && t->dtype != TAP_UNDEFINED))
        return tap_fail(ctx, TAP_MODEL, "%s has to be a tensor of %s", what, tap_dtype_name(dtype));
    int64_t n = tap_type_count(t);
    if (n == 1 || n == -1) return TAP_OK;
    return tap_fail(ctx, TAP_MODEL, "%s has to have one element, and has %lld", what, (long long)n);
}

static tap_status check_one_run(tap_ctx *ctx, const tap_tensor *t, tap_dtype dtype, const char *what) {
    if (t && t->dtype == dtype && t->count == 1) return TAP_OK;
    return tap_fail(ctx, TAP_RUN, "%s has to be one %s", what, tap_dtype_name(dtype));
}

/* ---- If ------------------------------------------------------------------------------------------------ */

typedef struct if_state {
    tap_body *branch[2]; /* [0] else, [1] then */
} if_state;

static tap_status if_prepare(tap_ctx *ctx, void **state) {
    if_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    s->branch[0] = tap_required_body(ctx, "else_branch", 0, (size_t)ctx->n_out);
    s->branch[1] = tap_required_body(ctx, "then_branch", 0, (size_t)ctx->n_out);
    *state = s;
    return s->branch[0] && s->branch[1] ? TAP_OK : TAP_MODEL;
}

static tap_status branch_types(tap_ctx *ctx, tap_body *body, tap_type **out) {
    size_t n = tap_body_n_out(body);
    *out = tap_scratch(ctx, n * sizeof **out);
    return *out ? tap_body_infer(ctx, body, NULL, 0, n, *out) : TAP_MEMORY;
}

/* Output i where either branch may run. */
static tap_status either_type(tap_ctx *ctx, int i, const tap_type *a, const tap_type *b) {
    const tap_type *x = tap_type_tensor(a), *y = tap_type_tensor(b);
    if (x && y && x->dtype != y->dtype && x->dtype != TAP_UNDEFINED && y->dtype != TAP_UNDEFINED)
        return tap_fail(ctx, TAP_MODEL, "output %d is %s after else_branch and %s after then_branch", i,
                        tap_dtype_name(x->dtype), tap_dtype_name(y->dtype));
    tap_type_chain c;
    tap_type_take(&c, a);
    tap_type_widen(&c, b);
    return tap_out_like(ctx, i, tap_type_given(&c));
}

static tap_status if_infer(tap_ctx *ctx) {
    const if_state *s = ctx->state;
    const tap_tensor *cond = tap_in_known(ctx, 0);
    tap_type *out[2];
    tap_status status = check_one(ctx, 0, TAP_BOOL, "the condition");
    if (status != TAP_OK) return status;
    int known = cond && cond->count == 1 ? *(const bool *)cond->data : -1;
    for (int b = 0; b < 2 && status == TAP_OK; b++)
        if (known != !b) status = branch_types(ctx, s->branch[b], &out[b]);
    for (int i = 0; i < ctx->n_out && status == TAP_OK; i++)
        status =
            known >= 0 ? tap_out_like(ctx, i, &out[known][i]) : either_type(ctx, i, &out[0][i], &out[1][i]);
    return status;
}

static tap_status if_run(tap_ctx *ctx) {
    const if_state *s = ctx->state;
    tap_status status = check_one_run(ctx, ctx->in[0], TAP_BOOL, "the condition");
    if (status != TAP_OK) return status;
    tap_body *body = s->branch[*(const bool *)ctx->in[0]->data];
    size_t n = tap_body_n_out(body);
    tap_value **out = tap_scratch(ctx, n * sizeof *out);
    if (!out) return TAP_MEMORY;
    status = tap_body_run(ctx, body, -1, NULL, 0, out, n);
    if (status != TAP_OK) return status;
    for (size_t i = 0; i < n; i++) {
        if (status == TAP_OK && i < (size_t)ctx->n_out)
            status = tap_set_out(ctx, (int)i, out[i]);
        else
            tap_value_release(out[i]);
    }
    return status;
}

/* ---- Loop: what its scan outputs are gathered in ------------------------------------------------------- */

/* Tensors of equal shape, one an iteration, that become one tensor. Their number is not known before the end:
 * they are copied into blocks, each as large as all before it, so that no element moves more than twice. */
enum { MAX_BLOCKS = 48, FIRST_BLOCK_BYTES = 1 << 16, WHOLE_BLOCK_BYTES = 1 << 24 };

typedef struct gather {
    tap_dtype dtype;
    int rank; /* of a tensor of one iteration */
    int64_t dims[TAP_RANK_MAX];
    size_t item_bytes;
    int n_blocks;
    tap_value *block[MAX_BLOCKS];
    char *data;            /* of the last block */
    int64_t room, used, n; /* items: of the last block, in it, in all blocks before it */
} gather;

static tap_status gather_start(tap_ctx *ctx, gather *g, const tap_tensor *x) {
    if (x->rank >= TAP_RANK_MAX)
        return tap_fail(ctx, TAP_UNSUPPORTED, "a scan output of rank %d; the limit is %d", x->rank + 1,
                        TAP_RANK_MAX);
    g->dtype = x->dtype;
    g->rank = x->rank;
    memcpy(g->dims, x->dims, sizeof g->dims);
    g->item_bytes = (size_t)x->count * tap_dtype_bytes(x->dtype);
    return TAP_OK;
}

static tap_status shape_changed(tap_ctx *ctx, size_t k, int64_t iteration, const gather *g,
                                const tap_tensor *x) {
    char was[256] = "", is[256] = "";
    tap_text a = {was, sizeof was, 0}, b = {is, sizeof is, 0};
    tap_text_dims(&a, g->rank, g->dims);
    tap_text_dims(&b, x->rank, x->dims);
    return tap_fail(ctx, TAP_RUN,
                    "scan output %zu is %s%s at iteration %lld and was %s%s before; they cannot be stacked",
                    k, tap_dtype_name(x->dtype), is, (long long)iteration, tap_dtype_name(g->dtype), was);
}

/* A first block of all that the trip count promises, if that is little or certain; else blocks that double.
 */
static int64_t next_room(const gather *g, int64_t trips, bool certain) {
    size_t each = g->item_bytes ? g->item_bytes : 1;
    if (g->n_blocks > 0) return g->n + g->used;
    if (certain || trips <= (int64_t)(WHOLE_BLOCK_BYTES / each)) return trips;
    return tap_min64(trips, tap_max64(1, (int64_t)(FIRST_BLOCK_BYTES / each)));
}

static tap_status gather_grow(tap_ctx *ctx, gather *g, int64_t trips, bool certain) {
    int64_t dims[TAP_RANK_MAX];
    dims[0] = next_room(g, trips, certain);
    memcpy(dims + 1, g->dims, (size_t)g->rank * sizeof *dims);
    if (g->n_blocks == MAX_BLOCKS) return tap_fail(ctx, TAP_MEMORY, "a scan output is too large");
    tap_tensor *t;
    tap_value *v = tap_make(ctx, g->dtype, g->rank + 1, dims, &t);
    if (!v) return TAP_MEMORY;
    g->block[g->n_blocks++] = v;
    g->data = t->data;
    g->n += g->used;
    g->used = 0;
    g->room = dims[0];
    return TAP_OK;
}

static tap_status gather_add(tap_ctx *ctx, gather *g, size_t k, int64_t iteration, const tap_tensor *x,
                             int64_t trips, bool certain) {
    if (!x) return tap_fail(ctx, TAP_RUN, "scan output %zu is no tensor", k);
    tap_status s = iteration == 0 ? gather_start(ctx, g, x) : TAP_OK;
    if (s != TAP_OK) return s;
    if (x->dtype != g->dtype || x->rank != g->rank ||
        memcmp(x->dims, g->dims, (size_t)g->rank * sizeof *g->dims) != 0)
        return shape_changed(ctx, k, iteration, g, x);
    if (g->used == g->room) s = gather_grow(ctx, g, trips, certain);
    if (s != TAP_OK) return s;
    if (g->item_bytes) memcpy(g->data + (size_t)g->used * g->item_bytes, x->data, g->item_bytes);
    g->used++;
    return TAP_OK;
}

static void gather_free(gather *g) {
    for (int b = 0; b < g->n_blocks; b++) tap_value_release(g->block[b]);
    g->n_blocks = 0;
}

/* Output i = what was gathered, which is at least one item. */
static tap_status gather_finish(tap_ctx *ctx, gather *g, int i) {
    if (g->n_blocks == 1 && g->used == g->room) {
        g->n_blocks = 0;
        return tap_set_out(ctx, i, g->block[0]);
    }
    int64_t dims[TAP_RANK_MAX];
    dims[0] = g->n + g->used;
    memcpy(dims + 1, g->dims, (size_t)g->rank * sizeof *dims);
    tap_tensor *y = tap_out(ctx, i, g->dtype, g->rank + 1, dims);
    if (!y) return TAP_MEMORY;
    char *p = y->data;
    for (int b = 0; b < g->n_blocks && g->item_bytes; b++) {
        const tap_tensor *x = tap_value_tensor(g->block[b]);
        size_t n_bytes = (size_t)(b + 1 < g->n_blocks ? x->dims[0] : g->used) * g->item_bytes;
        memcpy(p, x->data, n_bytes);
        p += n_bytes;
    }
    return TAP_OK;
}

/* ---- Loop ---------------------------------------------------------------------------------------------- */

/* The node:  trip count, condition, carried...  -> carried..., scan...
 * The body:  iteration, condition, carried...   -> condition, carried..., scan... */
typedef struct loop_state {
    tap_body *body;
    size_t n_carried, n_scan; /* n_scan as the body has them; a node may leave out the last */
} loop_state;

static tap_status loop_prepare(tap_ctx *ctx, void **state) {
    loop_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->n_carried = (size_t)ctx->n_in - 2;
    s->body = tap_required_body(ctx, "body", (size_t)ctx->n_in, s->n_carried + 1);
    if (!s->body) return TAP_MODEL;
    s->n_scan = tap_body_n_out(s->body) - 1 - s->n_carried;
    if ((size_t)ctx->n_out > s->n_carried + s->n_scan)
        return tap_fail(ctx, TAP_MODEL,
                        "the node has %d outputs; its body gives %zu carried values and %zu scan outputs",
                        ctx->n_out, s->n_carried, s->n_scan);
    /* Without a condition at the node, what the body says of it is ignored, as the standard's table of modes
     * has it. */
    if (!tap_has_in(ctx, 0) && !tap_has_in(ctx, 1))
        return tap_fail(ctx, TAP_MODEL, "neither a trip count nor a condition: the loop would never end");
    return TAP_OK;
}

/* The body's type of a scalar that Loop makes: a scalar, or [1] where the body declares that. */
static tap_type scalar_type(const tap_body *body, size_t i, tap_dtype dtype) {
    const tap_type *declared = tap_body_in_type(body, i);
    tap_type t = {.kind = TAP_KIND_TENSOR, .dtype = dtype, .rank = 0};
    if (declared && declared->kind == TAP_KIND_TENSOR && declared->rank == 1) {
        t.rank = 1;
        t.dims[0] = 1;
    }
    return t;
}

static tap_value *make_scalar(tap_ctx *ctx, const tap_body *body, size_t i, tap_dtype dtype,
                              tap_tensor **tensor) {
    tap_type t = scalar_type(body, i, dtype);
    return tap_make(ctx, dtype, t.rank, t.dims, tensor);
}

/* How often the body runs, as far as inputs tell: exactly (where no condition can end it), or -1. */
static int64_t known_trips(tap_ctx *ctx) {
    const tap_tensor *m = tap_in_known(ctx, 0), *cond = tap_in_known(ctx, 1);
    if (cond && cond->dtype == TAP_BOOL && cond->count == 1 && !*(const bool *)cond->data) return 0;
    if (!m || m->dtype != TAP_INT64 || m->count != 1) return -1;
    int64_t trips = tap_max64(0, tap_int_at(m, 0));
    return trips == 0 || !tap_has_in(ctx, 1) ? trips : -1;
}

/* Output i, stacked from tensors of type `item`. */
static tap_status stacked_type(tap_ctx *ctx, int i, const tap_type *item, int64_t trips) {
    if (item->kind != TAP_KIND_TENSOR && item->kind != TAP_KIND_NONE)
        return tap_fail(ctx, TAP_MODEL, "output %d stacks what is no tensor", i);
    if (item->rank >= TAP_RANK_MAX)
        return tap_fail(ctx, TAP_UNSUPPORTED, "output %d has rank %d; the limit is %d", i, item->rank + 1,
                        TAP_RANK_MAX);
    if (item->kind == TAP_KIND_NONE || item->rank < 0) return tap_out_type(ctx, i, item->dtype, -1, NULL);
    int64_t dims[TAP_RANK_MAX] = {trips};
    memcpy(dims + 1, item->dims, (size_t)item->rank * sizeof *dims);
    return tap_out_type(ctx, i, item->dtype, item->rank + 1, dims);
}

static tap_status loop_outputs(tap_ctx *ctx, const tap_carry *c, int64_t trips) {
    tap_status status = TAP_OK;
    for (int i = 0; i < ctx->n_out && status == TAP_OK; i++) {
        size_t k = (size_t)i;
        if (k >= c->n)
            status = stacked_type(ctx, i, &c->out[1 + k], trips);
        else if (trips == 0)
            status = tap_out_like(ctx, i, tap_in_type(ctx, 2 + i));
        else
            status = tap_out_like(ctx, i, tap_type_given(&c->carried[k]));
    }
    return status;
}

static tap_status loop_infer(tap_ctx *ctx) {
    const loop_state *s = ctx->state;
    tap_carry c = {s->body, 2 + s->n_carried, 1 + s->n_carried + s->n_scan, 2, 1, s->n_carried, NULL, NULL,
                   NULL};
    tap_type scalar[2] = {scalar_type(s->body, 0, TAP_INT64), scalar_type(s->body, 1, TAP_BOOL)};
    tap_status status = check_one(ctx, 0, TAP_INT64, "the trip count");
    if (status == TAP_OK) status = check_one(ctx, 1, TAP_BOOL, "the condition");
    if (status == TAP_OK) status = tap_carry_make(ctx, &c);
    if (status != TAP_OK) return status;
    for (int k = 0; k < 2; k++) c.in[k] = &scalar[k];
    for (size_t k = 0; k < c.n; k++) tap_type_take(&c.carried[k], tap_in_type(ctx, 2 + (int)k));
    status = tap_carry_infer(ctx, &c);
    return status == TAP_OK ? loop_outputs(ctx, &c, known_trips(ctx)) : status;
}

typedef struct loop {
    tap_ctx *ctx;
    const loop_state *s;
    int64_t trips; /* at most                                                  */
    bool has_cond;
    bool more;            /* what the condition said last                             */
    const tap_value **in; /* of the body                                              */
    tap_value **held;     /* carried values after the first iteration, owned          */
    tap_value **out;      /* of the body                                              */
    gather *scans;
} loop;

static tap_status loop_start(loop *l) {
    tap_ctx *ctx = l->ctx;
    size_t n_carried = l->s->n_carried, n_scan = l->s->n_scan;
    l->in = tap_scratch(ctx, (2 + n_carried) * sizeof *l->in);
    l->held = tap_scratch(ctx, n_carried * sizeof *l->held);
    l->out = tap_scratch(ctx, (1 + n_carried + n_scan) * sizeof *l->out);
    l->scans = tap_scratch(ctx, n_scan * sizeof *l->scans);
    if (!l->in || !l->held || !l->out || !l->scans) return TAP_MEMORY;
    memset(l->scans, 0, n_scan * sizeof *l->scans);
    for (size_t k = 0; k < n_carried; k++) {
        l->in[2 + k] = tap_in_value(ctx, 2 + (int)k);
        l->held[k] = NULL;
    }
    l->trips = INT64_MAX;
    l->more = true;
    l->has_cond = tap_has_in(ctx, 1);
    tap_status s = TAP_OK;
    if (tap_has_in(ctx, 0)) {
        s = check_one_run(ctx, ctx->in[0], TAP_INT64, "the trip count");
        if (s == TAP_OK) l->trips = *(const int64_t *)ctx->in[0]->data;
    }
    if (l->has_cond && s == TAP_OK) {
        s = check_one_run(ctx, ctx->in[1], TAP_BOOL, "the condition");
        if (s == TAP_OK) l->more = *(const bool *)ctx->in[1]->data;
    }
    return s;
}

/* Takes what the body gave: out[0] the condition, then carried values, then scan outputs. All references are
 * used up. */
static tap_status loop_take(loop *l, int64_t iteration) {
    size_t n_carried = l->s->n_carried;
    const tap_tensor *cond = tap_value_tensor(l->out[0]);
    tap_status s = TAP_OK;
    if (l->has_cond) {
        s = check_one_run(l->ctx, cond, TAP_BOOL, "the body's condition");
        if (s == TAP_OK) l->more = *(const bool *)cond->data;
    }
    tap_value_release(l->out[0]);
    for (size_t k = 0; k < n_carried; k++) {
        tap_value_release(l->held[k]);
        l->in[2 + k] = l->held[k] = l->out[1 + k];
    }
    for (size_t k = 0; k < l->s->n_scan; k++) {
        tap_value *v = l->out[1 + n_carried + k];
        bool wanted = s == TAP_OK && tap_has_out(l->ctx, (int)(n_carried + k));
        if (wanted)
            s = gather_add(l->ctx, &l->scans[k], k, iteration, tap_value_tensor(v), l->trips, !l->has_cond);
        tap_value_release(v);
    }
    return s;
}

static tap_status loop_iterations(loop *l, int64_t *n) {
    size_t n_in = 2 + l->s->n_carried, n_out = 1 + l->s->n_carried + l->s->n_scan;
    tap_tensor *t;
    tap_value *yes = make_scalar(l->ctx, l->s->body, 1, TAP_BOOL, &t);
    tap_status s = yes ? TAP_OK : TAP_MEMORY;
    /* The body never starts with a false condition. */
    if (yes) *(bool *)t->data = true;
    l->in[1] = yes;
    for (*n = 0; s == TAP_OK && l->more && *n < l->trips; ++*n) {
        tap_value *iteration = make_scalar(l->ctx, l->s->body, 0, TAP_INT64, &t);
        if (!iteration)
            s = TAP_MEMORY;
        else
            *(int64_t *)t->data = *n;
        l->in[0] = iteration;
        if (s == TAP_OK) s = tap_body_run(l->ctx, l->s->body, *n, l->in, n_in, l->out, n_out);
        tap_value_release(iteration);
        if (s == TAP_OK) s = loop_take(l, *n);
    }
    tap_value_release(yes);
    return s;
}

/* A stack of no tensors: dimensions that only a run would have told are 0. */
static tap_status empty_stack(loop *l, int i) {
    const tap_type *t = tap_out_inferred(l->ctx, i);
    int64_t dims[TAP_RANK_MAX] = {0};
    if (!t || t->kind != TAP_KIND_TENSOR || t->dtype == TAP_UNDEFINED)
        return tap_fail(l->ctx, TAP_RUN,
                        "no iteration ran, and the body does not tell the dtype of output %d", i);
    for (int d = 1; d < t->rank; d++) dims[d] = tap_max64(0, t->dims[d]);
    return tap_out(l->ctx, i, t->dtype, t->rank < 1 ? 1 : t->rank, dims) ? TAP_OK : TAP_MEMORY;
}

/* Output i of a loop without iterations: its carried value as it came in, or an empty stack. */
static tap_status untouched(loop *l, int i) {
    if ((size_t)i >= l->s->n_carried) return empty_stack(l, i);
    if (!tap_in_value(l->ctx, 2 + i)) return tap_set_out(l->ctx, i, NULL);
    tap_value *v = tap_keep_in(l->ctx, 2 + i);
    return v ? tap_set_out(l->ctx, i, v) : TAP_MEMORY;
}

static tap_status loop_finish(loop *l, int64_t n) {
    tap_status s = TAP_OK;
    for (int i = 0; i < l->ctx->n_out && s == TAP_OK; i++) {
        size_t k = (size_t)i;
        if (!tap_has_out(l->ctx, i)) continue;
        if (n == 0) {
            s = untouched(l, i);
        } else if (k < l->s->n_carried) {
            s = tap_set_out(l->ctx, i, l->held[k]);
            l->held[k] = NULL;
        } else {
            s = gather_finish(l->ctx, &l->scans[k - l->s->n_carried], i);
        }
    }
    return s;
}

static tap_status loop_run(tap_ctx *ctx) {
    loop l = {.ctx = ctx, .s = ctx->state};
    int64_t n = 0;
    tap_status s = loop_start(&l);
    if (s != TAP_OK) return s;
    s = loop_iterations(&l, &n);
    if (s == TAP_OK) s = loop_finish(&l, n);
    for (size_t k = 0; k < l.s->n_carried; k++) tap_value_release(l.held[k]);
    for (size_t k = 0; k < l.s->n_scan; k++) gather_free(&l.scans[k]);
    return s;
}

/* clang-format off */
static const tap_op ops[] = {
    {.name = "If", .since = 1, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = -1,
     .flags = TAP_HAS_BODY | TAP_BRANCHES | TAP_ANY_KIND, .dtypes = TAP_BIT(TAP_BOOL),
     .prepare = if_prepare, .infer = if_infer, .run = if_run},
    /* Until opset 10 one carried value is demanded, later none: the meaning is the same. */
    {.name = "Loop", .since = 1, .in_min = 2, .in_max = -1, .out_min = 1, .out_max = -1,
     .flags = TAP_HAS_BODY | TAP_ANY_KIND, .typed_by = 2, .dtypes = TAP_TYPES_ALL,
     .prepare = loop_prepare, .infer = loop_infer, .run = loop_run},
    {0},
};
/* clang-format on */

TAP_DEFINE_FAMILY(control, ops);
