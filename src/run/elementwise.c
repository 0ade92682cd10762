/* The shared driver of elementwise operators: shapes are reduced to extents and steps, the work is cut into
 * pieces that the count of elements fixes, and the epilogue gets each block while it is in cache. */
#include "run/elementwise.h"

#include "core/error.h"
#include "core/nd.h"

enum {
    FEW = 8,
    MANY = 64,       /* operands, workers that need no scratch memory */
    PIECE = 1 << 14, /* elements a worker takes at a time */
    BLOCK = 1 << 12, /* elements that go from the loop to the epilogue at a time */
};

typedef struct work {
    const tap_ctx *ctx;
    tap_nd nd;
    char **base; /* n */
    char **p;    /* n for each worker */
    tap_loop *loop;
    const void *state;
    int64_t row; /* elements of the last axis of output 0; 0: no epilogue */
} work;

/* Elements begin .. end of output 0 as at most three rectangles of whole or partial rows. */
static void epilogue(const work *w, int64_t begin, int64_t end) {
    int64_t row = begin / w->row, col = begin % w->row, last = end / w->row;
    if (row == last) {
        tap_epilogue(w->ctx, row, 1, col, end - begin);
        return;
    }
    if (col > 0) tap_epilogue(w->ctx, row++, 1, col, w->row - col);
    if (row < last) tap_epilogue(w->ctx, row, last - row, 0, w->row);
    if (end % w->row > 0) tap_epilogue(w->ctx, last, 1, 0, end % w->row);
}

static void piece(void *arg, int64_t begin, int64_t end, int worker) {
    const work *w = arg;
    char **p = w->p + (ptrdiff_t)worker * w->nd.n;
    if (w->row == 0) {
        tap_nd_run(&w->nd, begin, end, w->base, p, w->loop, w->state);
        return;
    }
    for (int64_t b = begin; b < end; b += BLOCK) {
        int64_t e = tap_min64(b + BLOCK, end);
        tap_nd_run(&w->nd, b, e, w->base, p, w->loop, w->state);
        epilogue(w, b, e);
    }
}

static tap_status no_broadcast(tap_ctx *ctx, const tap_tensor *in, const tap_tensor *out) {
    char room[512];
    tap_text t = {room, sizeof room, 0};
    tap_text_add(&t, "shape ");
    tap_text_dims(&t, in->rank, in->dims);
    tap_text_add(&t, " does not broadcast to ");
    tap_text_dims(&t, out->rank, out->dims);
    return tap_fail(ctx, TAP_RUN, "%s", room);
}

/* Operands: n_in inputs (NULL: absent), n_out outputs. */
typedef struct operands {
    const tap_tensor *const *in;
    tap_tensor *const *out;
    int n_in, n_out;
} operands;

static const tap_tensor *operand(const operands *o, int k) {
    return k < o->n_in ? o->in[k] : o->out[k - o->n_in];
}

/* One call of the loop where all operands have the output's count of elements, or one. False where that is
 * not so. */
static bool run_flat(const operands *o, tap_loop *loop, const void *state) {
    const int n = o->n_in + o->n_out;
    const int64_t count = o->out[0]->count;
    char *p[FEW];
    int64_t step[FEW];
    for (int k = 0; k < n; k++) {
        const tap_tensor *t = operand(o, k);
        if (t && t->count != count && t->count != 1) return false;
        p[k] = t ? t->data : NULL;
        step[k] = t && t->count == count ? (int64_t)tap_dtype_bytes(t->dtype) : 0;
    }
    loop(count, p, step, state);
    return true;
}

/* Any shapes, any count. room: TAP_ND_ROOM * n; base: n; w->p: n for each worker. */
static tap_status run_pieces(tap_ctx *ctx, const operands *o, work *w, int64_t *room, char **base) {
    const tap_tensor *y = o->out[0];
    const int n = o->n_in + o->n_out;
    tap_nd_init(&w->nd, y->rank, y->dims, n, room);
    for (int k = 0; k < n; k++) {
        const tap_tensor *t = operand(o, k);
        base[k] = t ? t->data : NULL;
        if (!t)
            tap_nd_scalar(&w->nd, k);
        else if (!tap_nd_operand(&w->nd, k, tap_dtype_bytes(t->dtype), t->rank, t->dims))
            return no_broadcast(ctx, t, y);
    }
    tap_nd_merge(&w->nd);
    w->base = base;
    if (y->count <= PIECE)
        piece(w, 0, y->count, 0);
    else
        tap_parallel(ctx, y->count, PIECE, piece, w);
    return TAP_OK;
}

static tap_status run(tap_ctx *ctx, const operands *o, tap_loop *loop, const void *state,
                      bool with_epilogue) {
    const tap_tensor *y = o->out[0];
    const int n = o->n_in + o->n_out;
    if (y->count == 0) return TAP_OK;
    if (n <= FEW && y->count <= PIECE && !with_epilogue && run_flat(o, loop, state)) return TAP_OK;

    work w = {.ctx = ctx, .loop = loop, .state = state};
    const int workers = y->count <= PIECE ? 1 : tap_workers(ctx);
    if (with_epilogue) w.row = y->rank > 0 ? y->dims[y->rank - 1] : 1;
    if (n <= FEW && workers <= MANY) {
        int64_t room[TAP_ND_ROOM * FEW];
        char *base[FEW], *p[FEW * MANY];
        w.p = p;
        return run_pieces(ctx, o, &w, room, base);
    }
    size_t each = (size_t)n * (TAP_ND_ROOM * sizeof(int64_t) + (size_t)(workers + 1) * sizeof(char *));
    int64_t *room = tap_scratch(ctx, each);
    if (!room) return TAP_MEMORY;
    char **base = (char **)(room + (ptrdiff_t)TAP_ND_ROOM * n);
    w.p = base + n;
    return run_pieces(ctx, o, &w, room, base);
}

tap_status tap_broadcast(tap_ctx *ctx, tap_loop *loop, const void *state, const tap_tensor *const *in,
                         int n_in, tap_tensor *const *out, int n_out) {
    operands o = {in, out, n_in, n_out};
    return run(ctx, &o, loop, state, false);
}

tap_status tap_elementwise_run(tap_ctx *ctx) {
    const tap_op *op = tap_ctx_op(ctx);
    tap_loop *loop = op->loops[ctx->in[op->typed_by]->dtype];
    const tap_tensor *in[INT8_MAX];
    if (!ctx->out[0]) return TAP_OK;
    operands o = {ctx->in, ctx->out, op->in_max < 0 ? ctx->n_in : op->in_max, 1};
    if (ctx->n_in < o.n_in) { /* trailing inputs that the node does not write */
        for (int i = 0; i < o.n_in; i++) in[i] = i < ctx->n_in ? ctx->in[i] : NULL;
        o.in = in;
    }
    return run(ctx, &o, loop, ctx->state, ctx->has_epilogue);
}

/* ---- infer ----------------------------------------------------------------------------------------- */

/* Two dims of a broadcast; false where they clash. -1: unknown. */
static bool broadcast_dim(int64_t a, int64_t *b) {
    if (a == *b || a == 1) return true;
    if (*b == 1) {
        *b = a;
        return true;
    }
    if (a >= 0 && *b >= 0) return false;
    *b = tap_max64(a, *b);
    return true;
}

static tap_status clash(tap_ctx *ctx, int first, int last) {
    char room[1024];
    tap_text t = {room, sizeof room, 0};
    for (int i = first; i <= last; i++) {
        const tap_type *type = tap_in_type(ctx, i);
        if (!type) continue;
        if (t.n > 0) tap_text_add(&t, i == last ? " and " : ", ");
        tap_text_dims(&t, type->rank, type->dims);
    }
    return tap_fail(ctx, TAP_MODEL,
                    "shapes %s do not broadcast: dims, aligned at the last, must be equal or 1", room);
}

tap_status tap_out_broadcast(tap_ctx *ctx, int i, tap_dtype dtype, int first, int last) {
    int rank = 0;
    int64_t dims[TAP_RANK_MAX];
    for (int k = first; k <= last; k++) {
        const tap_type *t = tap_in_type(ctx, k);
        if (!t) continue;
        if (t->rank < 0) return tap_out_type(ctx, i, dtype, -1, NULL);
        if (t->rank > rank) rank = t->rank;
    }
    for (int d = 0; d < rank; d++) dims[d] = 1;
    for (int k = first; k <= last; k++) {
        const tap_type *t = tap_in_type(ctx, k);
        for (int d = 0; t && d < t->rank; d++)
            if (!broadcast_dim(t->dims[d], &dims[rank - t->rank + d])) return clash(ctx, first, last);
    }
    return tap_out_type(ctx, i, dtype, rank, dims);
}
