/* RNN, GRU, LSTM: a recurrent layer over a batch of sequences, in one or both directions.
 *
 * Sequences do not depend on each other: ROWS of them, in one direction, are a task. A task goes through time
 * in blocks of steps: the input's part of all gates of a block is one product, each step adds its state's
 * part to it. What a row gives does not depend on the rows beside it. */
#include <math.h>
#include <strings.h>

#include "common/gemm.h"
#include "common/math.h"
#include "common/math64.h"
#include "common/math64_log.h"
#include "common/real.h"
#include "common/shape.h"
#include "common/widen.h"

/* Sequences of a task; rows of the product over a block of steps. */
#define ROWS       16
#define BLOCK_ROWS 128

typedef enum kind { KIND_RNN, KIND_GRU, KIND_LSTM } kind;

typedef enum activation_kind {
    ACT_RELU,
    ACT_TANH,
    ACT_SIGMOID,
    ACT_AFFINE,
    ACT_LEAKY_RELU,
    ACT_THRESHOLDED_RELU,
    ACT_SCALED_TANH,
    ACT_HARD_SIGMOID,
    ACT_ELU,
    ACT_SOFTSIGN,
    ACT_SOFTPLUS
} activation_kind;

typedef struct activation {
    activation_kind kind;
    float alpha, beta;
} activation;

/* The weights of a direction in packed form: R of all gates; of GRU: R of z and r, and R of h. */
typedef struct weights {
    const void *w, *r, *r_hidden;
} weights;

typedef struct recurrent_state {
    kind kind;
    int64_t gates, hidden; /* hidden: 0 = not given                */
    int n_directions;
    bool reverse; /* of the only direction                */
    bool batch_first;
    bool input_forget, linear_before_reset;
    bool rounds; /* of LSTM: the state goes into products in 8 bits */
    float clip;  /* 0: none                              */
    activation act[2][3];
    weights packed[2]; /* NULL where the input is not constant */
} recurrent_state;

/* ---- Attributes ---- */

/* Activations by name, with the defaults of alpha and beta, and whether they take them from the node. */
static const struct {
    const char *name;
    activation f;
    bool takes_alpha, takes_beta;
} activations[] = {
    {"Relu", {ACT_RELU, 0, 0}, false, false},
    {"Tanh", {ACT_TANH, 0, 0}, false, false},
    {"Sigmoid", {ACT_SIGMOID, 0, 0}, false, false},
    {"Affine", {ACT_AFFINE, 1, 0}, true, true},
    {"LeakyRelu", {ACT_LEAKY_RELU, 0.01f, 0}, true, false},
    {"ThresholdedRelu", {ACT_THRESHOLDED_RELU, 1, 0}, true, false},
    {"ScaledTanh", {ACT_SCALED_TANH, 1, 1}, true, true},
    {"HardSigmoid", {ACT_HARD_SIGMOID, 0.2f, 0.5f}, true, true},
    {"Elu", {ACT_ELU, 1, 0}, true, false},
    {"Softsign", {ACT_SOFTSIGN, 0, 0}, false, false},
    {"Softplus", {ACT_SOFTPLUS, 0, 0}, false, false},
};

static int find_activation(tap_string name) {
    for (size_t i = 0; i < TAP_COUNT_OF(activations); i++)
        if (strlen(activations[i].name) == name.n && strncasecmp(activations[i].name, name.s, name.n) == 0)
            return (int)i;
    return -1;
}

/* alpha and beta are taken from their lists by those activations that have them, in order, as long as the
 * lists last. */
static tap_status prepare_activations(tap_ctx *ctx, recurrent_state *s) {
    static const activation defaults[][3] = {
        [KIND_RNN] = {{ACT_TANH, 0, 0}},
        [KIND_GRU] = {{ACT_SIGMOID, 0, 0}, {ACT_TANH, 0, 0}},
        [KIND_LSTM] = {{ACT_SIGMOID, 0, 0}, {ACT_TANH, 0, 0}, {ACT_TANH, 0, 0}},
    };
    size_t n, n_alpha, n_beta, each = s->kind == KIND_RNN ? 1 : s->kind == KIND_GRU ? 2 : 3;
    size_t wanted = each * (size_t)s->n_directions;
    const tap_string *names = tap_attr_strings(ctx, "activations", &n);
    const float *alpha = tap_attr_floats(ctx, "activation_alpha", &n_alpha);
    const float *beta = tap_attr_floats(ctx, "activation_beta", &n_beta);
    memcpy(s->act[0], defaults[s->kind], sizeof s->act[0]);
    memcpy(s->act[1], defaults[s->kind], sizeof s->act[1]);
    if (n == 0) return TAP_OK;
    /* RNN's default names two, whatever the direction; exporters write it out. */
    if (n != wanted && !(s->kind == KIND_RNN && n == 2))
        return tap_fail(ctx, TAP_MODEL, "%zu activations are given; needed are %zu", n, wanted);
    for (size_t i = 0; i < wanted; i++) {
        int k = find_activation(names[i]);
        if (k < 0)
            return tap_fail(ctx, TAP_MODEL, "there is no activation \"%.*s\" for recurrent layers",
                            (int)tap_min64((int64_t)names[i].n, 64), names[i].s);
        activation f = activations[k].f;
        if (activations[k].takes_alpha && n_alpha > 0) n_alpha--, f.alpha = *alpha++;
        if (activations[k].takes_beta && n_beta > 0) n_beta--, f.beta = *beta++;
        s->act[i / each][i % each] = f;
    }
    return TAP_OK;
}

static tap_status prepare(tap_ctx *ctx, void **state) {
    static const char *const directions[] = {"forward", "reverse", "bidirectional", NULL};
    recurrent_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    int64_t opset = tap_opset(ctx);
    char first = tap_ctx_op(ctx)->name[0];
    s->kind = first == 'R' ? KIND_RNN : first == 'G' ? KIND_GRU : KIND_LSTM;
    s->rounds = tap_ctx_op(ctx)->data != NULL;
    s->gates = s->kind == KIND_RNN ? 1 : s->kind == KIND_GRU ? 3 : 4;
    int direction = tap_attr_choice(ctx, "direction", "forward", directions);
    s->n_directions = direction == 2 ? 2 : 1;
    s->reverse = direction == 1;
    s->hidden = tap_attr_int(ctx, "hidden_size", 0);
    s->clip = tap_attr_float(ctx, "clip", 0);
    if (opset < 7) tap_attr_int(ctx, "output_sequence", 0); /* Y is there where it is named */
    if (opset >= 14) s->batch_first = tap_attr_int(ctx, "layout", 0) != 0;
    if (s->kind == KIND_LSTM) s->input_forget = tap_attr_int(ctx, "input_forget", 0) != 0;
    if (s->kind == KIND_GRU && opset >= 3)
        s->linear_before_reset = tap_attr_int(ctx, "linear_before_reset", 0) != 0;
    if (s->hidden < 0 || !(s->clip >= 0))
        return tap_fail(ctx, TAP_MODEL, "hidden_size and clip may not be negative");
    return prepare_activations(ctx, s);
}

/* ---- Shapes ---- */

/* The sizes of the layer, -1 where unknown. */
typedef struct sizes {
    int64_t time, batch, input, hidden;
} sizes;

/* *size = dim unless dim is unknown; fails where both are known and differ. */
static tap_status agree(tap_ctx *ctx, int64_t *size, int64_t dim, const char *what) {
    if (dim < 0) return TAP_OK;
    if (*size >= 0 && *size != dim)
        return tap_fail(ctx, tap_misfit(ctx), "%s should be %lld here, but is %lld", what, (long long)*size,
                        (long long)dim);
    *size = dim;
    return TAP_OK;
}

static tap_status find_sizes(tap_ctx *ctx, sizes *z) {
    const recurrent_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0), *w = tap_in_type(ctx, 1), *r = tap_in_type(ctx, 2);
    tap_status status;
    *z = (sizes){-1, -1, -1, s->hidden > 0 ? s->hidden : -1};
    if ((status = tap_need_rank(ctx, 0, 3, 3, "X")) || (status = tap_need_rank(ctx, 1, 3, 3, "W")) ||
        (status = tap_need_rank(ctx, 2, 3, 3, "R")))
        return status;
    if (x->rank == 3) {
        z->time = x->dims[s->batch_first ? 1 : 0];
        z->batch = x->dims[s->batch_first ? 0 : 1];
        z->input = x->dims[2];
    }
    if (r->rank == 3 && (status = agree(ctx, &z->hidden, r->dims[2], "hidden_size, R's last dimension,")))
        return status;
    if (w->rank == 3 && w->dims[1] >= 0) {
        if (w->dims[1] % s->gates)
            return tap_fail(ctx, tap_misfit(ctx), "W's second dimension is not divisible by %d gates",
                            (int)s->gates);
        if ((status = agree(ctx, &z->hidden, w->dims[1] / s->gates, "hidden_size, by W's second dimension,")))
            return status;
    }
    return w->rank == 3 ? agree(ctx, &z->input, w->dims[2], "W's last dimension") : TAP_OK;
}

/* All inputs against the sizes. */
static tap_status check_inputs(tap_ctx *ctx, const sizes *z) {
    const recurrent_state *s = ctx->state;
    int64_t n = s->n_directions, h = z->hidden, gates = h < 0 ? -1 : s->gates * h;
    int64_t state[3] = {s->batch_first ? z->batch : n, s->batch_first ? n : z->batch, h};
    static const char *const names[] = {"X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"};
    tap_status status = TAP_OK;
    for (int i = 1; i < 8 && !status; i++)
        if (i != 4) status = tap_need_same_dtype(ctx, 0, i, names[i]);
    if (!status) status = tap_need_dtype(ctx, 4, TAP_BIT(TAP_INT32), "sequence_lens");
    if (!status) status = tap_need_shape(ctx, 1, 3, (int64_t[]){n, gates, z->input}, "W");
    if (!status) status = tap_need_shape(ctx, 2, 3, (int64_t[]){n, gates, h}, "R");
    if (!status) status = tap_need_shape(ctx, 3, 2, (int64_t[]){n, gates < 0 ? -1 : 2 * gates}, "B");
    if (!status) status = tap_need_shape(ctx, 4, 1, &z->batch, "sequence_lens");
    if (!status) status = tap_need_shape(ctx, 5, 3, state, "initial_h");
    if (!status) status = tap_need_shape(ctx, 6, 3, state, "initial_c");
    if (!status) status = tap_need_shape(ctx, 7, 2, (int64_t[]){n, h < 0 ? -1 : 3 * h}, "P");
    return status;
}

static tap_status infer(tap_ctx *ctx) {
    const recurrent_state *s = ctx->state;
    tap_dtype dtype = tap_in_type(ctx, 0)->dtype;
    sizes z;
    tap_status status = find_sizes(ctx, &z);
    if (!status) status = check_inputs(ctx, &z);
    if (status) return status;
    int64_t n = s->n_directions;
    int64_t y[4] = {z.time, n, z.batch, z.hidden}, last[3] = {n, z.batch, z.hidden};
    if (s->batch_first) {
        y[0] = last[0] = z.batch;
        y[1] = z.time;
        y[2] = last[1] = n;
    }
    if ((status = tap_out_type(ctx, 0, dtype, 4, y)) || (status = tap_out_type(ctx, 1, dtype, 3, last)))
        return status;
    return tap_out_type(ctx, 2, dtype, 3, last);
}

/* ---- Weights ---- */

/* Packs B[k][n] = rows `row` to row + n of direction d of a weight tensor [directions][rows][k], transposed,
 * into memory of the model (while packing) or scratch. NULL: failed. */
static void *pack_rows(tap_ctx *ctx, const tap_tensor *t, int d, int64_t row, int64_t n, bool ahead) {
    int64_t k = t->dims[2];
    tap_dtype wide = tap_wide(t->dtype);
    size_t bytes;
    if (!tap_gemm_packed_bytes(wide, k, n, &bytes)) {
        tap_fail(ctx, TAP_MEMORY, "weights of %lld x %lld do not fit in memory", (long long)n, (long long)k);
        return NULL;
    }
    bool ready = false;
    void *packed = ahead ? tap_packed(ctx, bytes, &ready) : tap_scratch(ctx, bytes);
    const char *from =
        (const char *)t->data + (size_t)((d * t->dims[1] + row) * k) * tap_dtype_bytes(t->dtype);
    if (packed && !ready) tap_gemm_pack(wide, t->dtype, k, n, from, k, true, packed);
    return packed;
}

/* Packs W (r NULL), or R (w NULL), of direction d. */
static tap_status pack_weights(tap_ctx *ctx, const recurrent_state *s, const tap_tensor *w,
                               const tap_tensor *r, int d, weights *to, bool ahead) {
    if (w && !(to->w = pack_rows(ctx, w, d, 0, w->dims[1], ahead))) return TAP_MEMORY;
    if (!r) return TAP_OK;
    int64_t rows = s->kind == KIND_GRU ? r->dims[1] / 3 * 2 : r->dims[1];
    if (!(to->r = pack_rows(ctx, r, d, 0, rows, ahead))) return TAP_MEMORY;
    if (s->kind != KIND_GRU) return TAP_OK;
    to->r_hidden = pack_rows(ctx, r, d, rows, r->dims[1] - rows, ahead);
    return to->r_hidden ? TAP_OK : TAP_MEMORY;
}

static bool weight_fits(const recurrent_state *s, const tap_tensor *t) {
    return t && t->rank == 3 && t->dims[0] == s->n_directions && t->dims[1] % s->gates == 0;
}

static tap_status pack(tap_ctx *ctx, void *state) {
    recurrent_state *s = state;
    const tap_tensor *w = tap_in_known(ctx, 1), *r = tap_in_known(ctx, 2);
    for (int d = 0; d < s->n_directions; d++) {
        tap_status status = pack_weights(ctx, s, weight_fits(s, w) ? w : NULL, weight_fits(s, r) ? r : NULL,
                                         d, &s->packed[d], true);
        if (status) return status;
    }
    return TAP_OK;
}

/* ---- Run ---- */

/* One direction: vectors and weights are of the type computed with. */
typedef struct direction {
    int index;
    bool reverse;
    const activation *act;
    const void *w, *r, *r_hidden;
    const void *bias, *bias_hidden; /* NULL: none; hidden: of GRU with linear_before_reset */
    const void *peephole;           /* i, o, f; NULL: none                                 */
} direction;

typedef struct job {
    const recurrent_state *s;
    tap_dtype dtype;
    size_t bytes; /* of an element                            */
    int64_t time, batch, input, hidden;
    const char *x, *h0, *c0;
    int64_t x_time, x_batch; /* elements from one step, or row, to the next */
    char *y, *yh, *yc;       /* NULL: nobody wants it                    */
    const int32_t *lengths;  /* NULL: all of them `time`                 */
    direction d[2];
    int64_t rows, block; /* rows of a task at most; steps of a block */
    int64_t chunks;      /* groups of rows                           */
    char *room;
    size_t room_bytes; /* of a worker                              */
} job;

static int64_t length_of(const job *j, int64_t b) {
    return j->lengths ? j->lengths[b] : j->time;
}

/* The time that step s of row b is at; -1: its sequence has ended. */
static int64_t time_of(const job *j, const direction *d, int64_t b, int64_t s) {
    int64_t n = length_of(j, b);
    if (s >= n) return -1;
    return d->reverse ? n - 1 - s : s;
}

/* Bytes to the state of row b. */
static size_t state_at(const job *j, const direction *d, int64_t b) {
    int64_t row = j->s->batch_first ? b * j->s->n_directions + d->index : d->index * j->batch + b;
    return (size_t)(row * j->hidden) * j->bytes;
}

static char *y_at(const job *j, const direction *d, int64_t b, int64_t t) {
    int64_t n = j->s->n_directions;
    int64_t row = j->s->batch_first ? (b * j->time + t) * n + d->index : (t * n + d->index) * j->batch + b;
    return j->y + (size_t)(row * j->hidden) * j->bytes;
}

/* The next n elements out of a task's memory. */
static void *carve(char **memory, int64_t n, size_t bytes) {
    void *p = *memory;
    *memory += tap_round_up((size_t)n * bytes, TAP_ALIGN);
    return p;
}

#define EACH          for (int64_t i = 0; i < n; i++)
#define PICK(c, a, b) ((c) ? (a) : (b))

#define T               float
#define F(name)         name##_f32
#define DTYPE           TAP_FLOAT
#define FROM            tap_from_f32
#define TO              tap_to_f32
#define EXP             tap_expf
#define EXPM1           tap_expm1f
#define LOG1P_UNIT      tap_log1p_unitf
#define TANH            tap_tanhf
#define SIGMOID         tap_sigmoidf
#define RINT            rintf
#define SELECT(c, a, b) tap_select(c, a, b)
#include "recurrent.inc"

#define T               double
#define F(name)         name##_f64
#define DTYPE           TAP_DOUBLE
#define FROM            tap_from_f64
#define TO              tap_to_f64
#define EXP             tap_exp64
#define EXPM1           tap_expm1_64
#define LOG1P_UNIT      tap_log1p64
#define TANH            tap_tanh64
#define SIGMOID         tap_sigmoid64
#define RINT            rint
#define SELECT(c, a, b) tap_select64(c, a, b)
#include "recurrent.inc"

static void task(void *arg, int64_t begin, int64_t end, int worker) {
    const job *j = arg;
    char *room = j->room + (size_t)worker * j->room_bytes;
    for (int64_t i = begin; i < end; i++) {
        const direction *d = &j->d[i / j->chunks];
        int64_t b = i % j->chunks * ROWS, rows = tap_min64(j->batch - b, ROWS);
        if (j->dtype == TAP_DOUBLE)
            sequences_f64(j, d, b, rows, room);
        else
            sequences_f32(j, d, b, rows, room);
    }
}

static tap_status check_lengths(tap_ctx *ctx, const job *j) {
    for (int64_t b = 0; j->lengths && b < j->batch; b++)
        if (j->lengths[b] < 0 || j->lengths[b] > j->time)
            return tap_fail(ctx, TAP_RUN, "sequence_lens[%lld] is %d; X has %lld steps", (long long)b,
                            j->lengths[b], (long long)j->time);
    return TAP_OK;
}

/* Memory of a task: see `sequences`. */
static bool room_bytes(const job *j, size_t *bytes) {
    tap_dtype wide = tap_wide(j->dtype);
    size_t each = tap_dtype_bytes(wide), work = 0, most = 0, n;
    int64_t width = j->s->gates * j->hidden, rows = j->block * j->rows;
    const tap_gemm products[] = {{.dtype = wide,
                                  .m = rows,
                                  .n = width,
                                  .k = j->input,
                                  .lda = j->input,
                                  .ldc = width,
                                  .packed = j->d[0].w},
                                 {.dtype = wide,
                                  .m = j->rows,
                                  .n = width,
                                  .k = j->hidden,
                                  .lda = j->hidden,
                                  .ldc = width,
                                  .packed = j->d[0].r}};
    for (size_t i = 0; i < TAP_COUNT_OF(products); i++) {
        if (!tap_gemm_work_bytes(&products[i], &work)) return false;
        most = work > most ? work : most;
    }
    int64_t parts[] = {rows * j->input, rows * width, j->rows * j->hidden, j->rows * j->hidden,
                       j->s->rounds ? j->rows * j->hidden : 0};
    *bytes = tap_round_up(most, TAP_ALIGN);
    for (size_t i = 0; i < TAP_COUNT_OF(parts); i++) {
        if (!tap_mul_size((size_t)parts[i], each, &n)) return false;
        if (!tap_add_size(*bytes, tap_round_up(n, TAP_ALIGN), bytes)) return false;
    }
    return true;
}

static tap_status set_direction(tap_ctx *ctx, job *j, int k, const tap_tensor *bias,
                                const tap_tensor *peephole) {
    const recurrent_state *s = j->s;
    direction *d = &j->d[k];
    weights w = s->packed[k];
    tap_status status = pack_weights(ctx, s, w.w ? NULL : ctx->in[1], w.r ? NULL : ctx->in[2], k, &w, false);
    if (status) return status;
    *d = (direction){.index = k,
                     .reverse = k == 1 || s->reverse,
                     .act = s->act[k],
                     .w = w.w,
                     .r = w.r,
                     .r_hidden = w.r_hidden};
    bool ok = j->dtype == TAP_DOUBLE ? take_vectors_f64(ctx, j, d, bias, peephole)
                                     : take_vectors_f32(ctx, j, d, bias, peephole);
    return ok ? TAP_OK : TAP_MEMORY;
}

static const tap_tensor *in(const tap_ctx *ctx, int i) {
    return i < ctx->n_in ? ctx->in[i] : NULL;
}
static char *out_data(const tap_ctx *ctx, int i) {
    return i < ctx->n_out && ctx->out[i] ? ctx->out[i]->data : NULL;
}

static job make_job(const tap_ctx *ctx) {
    const recurrent_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    job j = {.s = s,
             .dtype = x->dtype,
             .bytes = tap_dtype_bytes(x->dtype),
             .x = x->data,
             .input = x->dims[2],
             .hidden = ctx->in[2]->dims[2],
             .y = out_data(ctx, 0),
             .yh = out_data(ctx, 1),
             .yc = out_data(ctx, 2)};
    j.time = x->dims[s->batch_first ? 1 : 0];
    j.batch = x->dims[s->batch_first ? 0 : 1];
    j.x_time = s->batch_first ? j.input : j.batch * j.input;
    j.x_batch = s->batch_first ? j.time * j.input : j.input;
    j.rows = tap_max64(1, tap_min64(j.batch, ROWS));
    j.block = BLOCK_ROWS / j.rows;
    j.chunks = (j.batch + ROWS - 1) / ROWS;
    if (in(ctx, 4)) j.lengths = in(ctx, 4)->data;
    if (in(ctx, 5)) j.h0 = in(ctx, 5)->data;
    if (s->kind == KIND_LSTM && in(ctx, 6)) j.c0 = in(ctx, 6)->data;
    return j;
}

static tap_status run(tap_ctx *ctx) {
    const recurrent_state *s = ctx->state;
    job j = make_job(ctx);
    tap_status status = check_lengths(ctx, &j);
    if (status || j.batch == 0 || j.hidden == 0) return status;
    for (int k = 0; k < s->n_directions && !status; k++)
        status = set_direction(ctx, &j, k, in(ctx, 3), s->kind == KIND_LSTM ? in(ctx, 7) : NULL);
    if (status) return status;
    size_t bytes;
    if (!room_bytes(&j, &j.room_bytes) || !tap_mul_size(j.room_bytes, (size_t)tap_workers(ctx), &bytes))
        return tap_fail(ctx, TAP_MEMORY, "a layer of %lld units does not fit in memory", (long long)j.hidden);
    j.room = tap_scratch(ctx, bytes);
    if (!j.room) return TAP_MEMORY;
    if (j.y && j.lengths) memset(j.y, 0, (size_t)ctx->out[0]->count * j.bytes);
    tap_parallel(ctx, j.chunks * s->n_directions, 1, task, &j);
    return TAP_OK;
}

#define RECURRENT(op, ins, outs)                                                                           \
    .name = op, .since = 1, .in_min = 3, .in_max = ins, .out_min = 0, .out_max = outs, .flags = TAP_PACKS, \
    .packed_inputs = 1 << 1 | 1 << 2, .dtypes = TAP_TYPES_FLOAT, .prepare = prepare, .infer = infer,       \
    .pack = pack, .run = run

static const tap_op ops[] = {
    {RECURRENT("RNN", 6, 2)},
    {RECURRENT("GRU", 6, 2)},
    {RECURRENT("LSTM", 8, 3),
     .notes = "clip bounds what enters the gates, not the cell state in Ht = ot h(Ct)."},
    {RECURRENT("LSTMRounding", 8, 3), .domain = "onnxtap", .data = "rounds",
     .notes = "A piece of functions of com.microsoft: LSTM whose state goes into the products in 8 bits."},
    {0}};

TAP_DEFINE_FAMILY(recurrent, ops);
