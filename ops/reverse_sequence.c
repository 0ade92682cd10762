/* ReverseSequence: the first elements of each sequence of a batch, back to front. */
#include "common/move.h"
#include "common/shape.h"

#define TAP_WORD_LOOPS "reverse_sequence.inc"
#include "common/words.inc"

typedef void back_loop(int64_t n, int64_t len, const char *x, char *y);

static back_loop *const back[] = {back_w1, back_w2, back_w4, back_w8, back_w16};

typedef struct reverse_state {
    bool time_first; /* axes are [time][batch], else [batch][time] */
} reverse_state;

static tap_status reverse_prepare(tap_ctx *ctx, void **state) {
    reverse_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    int64_t batch = tap_attr_int(ctx, "batch_axis", 1), time = tap_attr_int(ctx, "time_axis", 0);
    if (batch < 0 || batch > 1 || time != 1 - batch)
        return tap_fail(ctx, TAP_MODEL, "batch_axis %lld and time_axis %lld must be 0 and 1, or 1 and 0",
                        (long long)batch, (long long)time);
    s->time_first = time == 0;
    return TAP_OK;
}

static tap_status reverse_infer(tap_ctx *ctx) {
    const reverse_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0), *len = tap_in_type(ctx, 1);
    tap_status status = tap_need_rank(ctx, 0, 2, TAP_RANK_MAX, "the input");
    if (!status) status = tap_need_dtype(ctx, 1, TAP_BIT(TAP_INT64), "sequence_lens");
    if (!status) status = tap_need_rank(ctx, 1, 1, 1, "sequence_lens");
    if (status) return status;
    int64_t batch = x->rank < 0 ? -1 : x->dims[s->time_first ? 1 : 0];
    if (len->rank == 1 && len->dims[0] >= 0 && batch >= 0 && len->dims[0] != batch)
        return tap_fail(ctx, tap_misfit(ctx), "%lld lengths for %lld sequences", (long long)len->dims[0],
                        (long long)batch);
    return tap_out_like(ctx, 0, x);
}

typedef struct reverse {
    const char *x;
    char *y;
    const int64_t *len;
    int64_t time, batch, time_step, batch_step, row_bytes;
    int64_t columns; /* that are turned at once; */
    char *room;      /* memory for that: room_bytes twice for each worker */
    int64_t room_bytes;
} reverse;

/* Each sequence by itself: steps of any size. */
static void reverse_task(void *arg, int64_t begin, int64_t end, int worker) {
    const reverse *r = arg;
    (void)worker;
    for (int64_t b = begin; b < end; b++) {
        const char *x = r->x + b * r->batch_step;
        char *y = r->y + b * r->batch_step;
        for (int64_t t = 0; t < r->time; t++)
            tap_copy_row(x + (t < r->len[b] ? r->len[b] - 1 - t : t) * r->time_step, y + t * r->time_step,
                         (size_t)r->row_bytes);
    }
}

/* The same where a step is a word, and the next one its neighbour. */
static void back_task(void *arg, int64_t begin, int64_t end, int worker) {
    const reverse *r = arg;
    back_loop *loop = back[__builtin_ctzll((uint64_t)r->row_bytes)];
    (void)worker;
    for (int64_t b = begin; b < end; b++)
        loop(r->time, r->len[b], r->x + b * r->batch_step, r->y + b * r->batch_step);
}

/* Columns that are turned at once: whole lines of each step, and all of it stays in the cache. */
static int64_t columns_at_once(const reverse *r) {
    const int64_t line = 64 / r->row_bytes, fit = 262144 / (r->time * r->row_bytes) / line * line;
    return tap_min64(r->batch, tap_max64(fit, line));
}

/* to[i][j] = from[i][j], or from[j][i], for n rows of m words; rows begin this many bytes apart. */
static void copy_words(const reverse *r, bool turned, int64_t n, int64_t m, const char *from,
                       int64_t from_row, char *to, int64_t to_row) {
    const int64_t word = r->row_bytes, dims[2] = {n, m}, dst[2] = {to_row, word},
                  src[2] = {turned ? word : from_row, turned ? from_row : word};
    tap_move move;
    tap_move_plan(&move, (size_t)word, 2, dims, src, dst);
    tap_move_run(&move, from, to, 0, move.n_units);
}

/* Bytes of a row of n words in memory of our own: a line more than it needs, so that rows do not share sets
 * of the cache. */
static int64_t pitch_for(const reverse *r, int64_t n) {
    return ((n * r->row_bytes + 63) / 64 + 1) * 64;
}

/* A step is a word, and its neighbour that of the next sequence: some columns of all steps are fetched,
 * turned, so that the steps of a sequence are neighbours, and brought back the same way. */
static void columns_task(void *arg, int64_t begin, int64_t end, int worker) {
    const reverse *r = arg;
    back_loop *loop = back[__builtin_ctzll((uint64_t)r->row_bytes)];
    const int64_t step = pitch_for(r, r->columns), sequence = pitch_for(r, r->time);
    char *a = r->room + 2 * worker * r->room_bytes, *b = a + r->room_bytes;
    for (int64_t unit = begin; unit < end; unit++) {
        const int64_t first = unit * r->columns, n = tap_min64(r->columns, r->batch - first);
        copy_words(r, false, r->time, n, r->x + first * r->batch_step, r->time_step, a, step);
        copy_words(r, true, n, r->time, a, step, b, sequence);
        for (int64_t i = 0; i < n; i++) loop(r->time, r->len[first + i], b + i * sequence, a + i * sequence);
        copy_words(r, true, r->time, n, a, sequence, b, step);
        copy_words(r, false, r->time, n, b, step, r->y + first * r->batch_step, r->time_step);
    }
}

static tap_status reverse_columns(tap_ctx *ctx, reverse *r) {
    r->columns = columns_at_once(r);
    r->room_bytes = tap_max64(r->time * pitch_for(r, r->columns), r->columns * pitch_for(r, r->time));
    r->room = tap_scratch(ctx, (size_t)(2 * r->room_bytes * tap_workers(ctx)));
    if (!r->room) return TAP_MEMORY;
    tap_parallel(ctx, (r->batch + r->columns - 1) / r->columns, 1, columns_task, r);
    return TAP_OK;
}

static tap_status reverse_all(tap_ctx *ctx, reverse *r) {
    const bool word = r->row_bytes <= 16 && (r->row_bytes & (r->row_bytes - 1)) == 0;
    const int64_t grain = tap_max64(1, 131072 / (r->time * r->row_bytes));
    if (word && r->batch_step == r->row_bytes && r->batch > 1 && r->time > 1) return reverse_columns(ctx, r);
    tap_parallel(ctx, r->batch, grain, word && r->time_step == r->row_bytes ? back_task : reverse_task, r);
    return TAP_OK;
}

static tap_status reverse_run(tap_ctx *ctx) {
    const reverse_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    reverse r = {.x = x->data, .y = ctx->out[0]->data, .len = ctx->in[1]->data};
    int time = s->time_first ? 0 : 1;
    r.time = x->dims[time];
    r.batch = x->dims[1 - time];
    for (int64_t b = 0; b < r.batch; b++)
        if (r.len[b] < 0 || r.len[b] > r.time)
            return tap_fail(ctx, TAP_RUN, "sequence %lld has length %lld; there are %lld steps", (long long)b,
                            (long long)r.len[b], (long long)r.time);
    if (x->count == 0) return TAP_OK;
    r.row_bytes = x->count / x->dims[0] / x->dims[1] * (int64_t)tap_dtype_bytes(x->dtype);
    r.time_step = r.row_bytes * (s->time_first ? r.batch : 1);
    r.batch_step = r.row_bytes * (s->time_first ? 1 : r.time);
    return reverse_all(ctx, &r);
}

static const tap_op ops[] = {
    {.name = "ReverseSequence",
     .since = 10,
     .in_min = 2,
     .in_max = 2,
     .out_min = 1,
     .out_max = 1,
     .dtypes = TAP_TYPES_ALL,
     .prepare = reverse_prepare,
     .infer = reverse_infer,
     .run = reverse_run},
    {0},
};

TAP_DEFINE_FAMILY(reverse_sequence, ops);
