/* NegativeLogLikelihoodLoss, SoftmaxCrossEntropyLoss: x[N][C][D], target[N][D], D the product of all
 * dimensions from the third on. The loss of a target is -log-probability x weight of its class; an ignored
 * one counts nothing. */
#include "common/real.h"
#include "common/reduce.h"
#include "common/shape.h"
#include "common/softmax.h"

/* Elements that a task should have. */
#define TASK_ELEMENTS 16384

typedef enum reduction { REDUCE_NONE, REDUCE_SUM, REDUCE_MEAN } reduction;

typedef struct loss_state {
    int reduction;
    bool softmax; /* x are scores, not log-probabilities */
    bool ignores;
    int64_t ignored;
} loss_state;

typedef struct job {
    const loss_state *state;
    const tap_tensor *x, *target;
    char *log_prob;       /* NULL: nobody wants it             */
    const double *weight; /* of each class; NULL: all 1        */
    double *loss;         /* [N][D]                            */
    double *share;        /* [N][D], the weight that it had    */
    int64_t n, c, d;
    const void *sums; /* of tap_softmax_sums               */
} job;

static tap_status prepare(tap_ctx *ctx, void **state) {
    static const char *const names[] = {"none", "sum", "mean", NULL};
    loss_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->softmax = tap_ctx_op(ctx)->name[0] == 'S';
    s->reduction = tap_attr_choice(ctx, "reduction", "mean", names);
    s->ignores = tap_attr_has(ctx, "ignore_index");
    s->ignored = tap_attr_int(ctx, "ignore_index", 0);
    return TAP_OK;
}

static tap_status infer_target(tap_ctx *ctx, const tap_type *x, const tap_type *t) {
    tap_dims_text a, b;
    tap_status status = tap_need_dtype(ctx, 1, TAP_TYPES_INDEX, "target");
    if (status || x->rank < 0 || t->rank < 0) return status;
    bool fits = t->rank == x->rank - 1;
    for (int i = 0; fits && i < t->rank; i++) {
        int64_t n = x->dims[i == 0 ? 0 : i + 1];
        fits = t->dims[i] < 0 || n < 0 || t->dims[i] == n;
    }
    if (fits) return TAP_OK;
    return tap_fail(ctx, tap_misfit(ctx),
                    "the target %s must have the shape of %s without its second dimension",
                    tap_show_dims(&a, t->rank, t->dims), tap_show_dims(&b, x->rank, x->dims));
}

static tap_status infer_weight(tap_ctx *ctx, const tap_type *x, const tap_type *w) {
    tap_status status = tap_need_same_dtype(ctx, 0, 2, "weight");
    if (!status) status = tap_need_rank(ctx, 2, 1, 1, "weight");
    if (status || !w || w->rank < 0 || x->rank < 0 || w->dims[0] < 0 || x->dims[1] < 0 ||
        w->dims[0] == x->dims[1])
        return status;
    return tap_fail(ctx, tap_misfit(ctx), "weight has %lld elements for %lld classes", (long long)w->dims[0],
                    (long long)x->dims[1]);
}

/* The target's shape: of t as far as it is known, else of x without its second dimension. */
static tap_status out_unreduced(tap_ctx *ctx, const tap_type *x, const tap_type *t) {
    int64_t dims[TAP_RANK_MAX];
    int rank = t->rank >= 0 ? t->rank : x->rank - 1;
    if (t->rank < 0 && x->rank < 0) return tap_out_type(ctx, 0, x->dtype, -1, NULL);
    for (int i = 0; i < rank; i++) {
        dims[i] = t->rank >= 0 ? t->dims[i] : -1;
        if (dims[i] < 0 && x->rank >= 0) dims[i] = x->dims[i == 0 ? 0 : i + 1];
    }
    return tap_out_type(ctx, 0, x->dtype, rank, dims);
}

static tap_status infer(tap_ctx *ctx) {
    const loss_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0), *t = tap_in_type(ctx, 1), *w = tap_in_type(ctx, 2);
    tap_status status = tap_need_rank(ctx, 0, 2, TAP_RANK_MAX, s->softmax ? "scores" : "input");
    if (!status) status = infer_target(ctx, x, t);
    if (!status) status = infer_weight(ctx, x, w);
    if (!status)
        status =
            s->reduction == REDUCE_NONE ? out_unreduced(ctx, x, t) : tap_out_type(ctx, 0, x->dtype, 0, NULL);
    if (!status && ctx->n_out > 1) status = tap_out_like(ctx, 1, x);
    return status;
}

static const char *x_at(const job *j, int64_t n, int64_t c, int64_t d) {
    return (const char *)j->x->data + (size_t)((n * j->c + c) * j->d + d) * tap_dtype_bytes(j->x->dtype);
}

/* Enters the loss of target i, whose log-probability is p. */
static void enter(const job *j, int64_t i, int64_t class, double p) {
    bool ignored = j->state->ignores && tap_int_at(j->target, i) == j->state->ignored;
    double w = ignored ? 0 : j->weight ? j->weight[class] : 1;
    j->share[i] = w;
    j->loss[i] = ignored ? 0 : -p * w;
}

/* The class of target i; 0 for an ignored one. */
static int64_t class_of(const job *j, int64_t i) {
    int64_t class = tap_int_at(j->target, i);
    return j->state->ignores && class == j->state->ignored ? 0 : class;
}

static void likelihood_task(void *arg, int64_t begin, int64_t end, int worker) {
    const job *j = arg;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        double p;
        int64_t class = class_of(j, i);
        tap_to_f64(j->x->dtype, 1, x_at(j, i / j->d, class, i % j->d), &p);
        enter(j, i, class, p);
    }
}

/* The log-probability of a class is its score, less the maximum and the logarithm of the sum of all. */
static void softmax_task(void *arg, int64_t begin, int64_t end, int worker) {
    const job *j = arg;
    int64_t all = j->n * j->d;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        int64_t class = class_of(j, i);
        const char *x = x_at(j, i / j->d, class, i % j->d);
        if (j->x->dtype == TAP_DOUBLE) {
            const double *sums = j->sums;
            enter(j, i, class, (*(const double *)(const void *)x - sums[i]) - sums[all + i]);
        } else {
            const float *sums = j->sums;
            float score;
            tap_to_f32(j->x->dtype, 1, x, &score);
            enter(j, i, class, (double)((score - sums[i]) - sums[all + i]));
        }
    }
}

static tap_status check_targets(tap_ctx *ctx, const job *j) {
    for (int64_t i = 0; i < j->target->count; i++) {
        int64_t class = class_of(j, i);
        if (class < 0 || class >= j->c)
            return tap_fail(ctx, TAP_RUN, "target %lld is class %lld; there are %lld classes%s", (long long)i,
                            (long long)class, (long long)j->c,
                            j->state->ignores ? ", and it is not ignore_index" : "");
    }
    return TAP_OK;
}

static tap_status take_weight(tap_ctx *ctx, job *j, const tap_tensor *weight) {
    if (!weight) return TAP_OK;
    double *w = tap_scratch(ctx, (size_t)j->c * sizeof *w);
    if (!w) return TAP_MEMORY;
    tap_to_f64(weight->dtype, j->c, weight->data, w);
    j->weight = w;
    return TAP_OK;
}

static tap_status all_losses(tap_ctx *ctx, job *j) {
    int64_t n = j->n * j->d;
    if (n == 0) return TAP_OK;
    if (!j->state->softmax) {
        tap_parallel(ctx, n, TASK_ELEMENTS, likelihood_task, j);
        return TAP_OK;
    }
    tap_slices of = {j->x->dtype, j->n, j->c, j->d};
    if (!(j->sums = tap_softmax_sums(ctx, &of, j->x->data, true))) return TAP_MEMORY;
    tap_parallel(ctx, n, TASK_ELEMENTS, softmax_task, j);
    return j->log_prob ? tap_softmax_all(ctx, &of, j->x->data, j->log_prob, true) : TAP_OK;
}

static void reduce_losses(const job *j, tap_tensor *y) {
    int64_t n = j->n * j->d;
    double sum = 0, share = 0;
    if (j->state->reduction == REDUCE_NONE) {
        tap_from_f64(y->dtype, n, j->loss, y->data);
        return;
    }
    tap_loops_sum_f64.run(&sum, (const char *)j->loss, n, NULL, sizeof(double), NULL);
    tap_loops_sum_f64.run(&share, (const char *)j->share, n, NULL, sizeof(double), NULL);
    if (j->state->reduction == REDUCE_MEAN) sum /= share;
    tap_from_f64(y->dtype, 1, &sum, y->data);
}

static tap_status run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0];
    job j = {.state = ctx->state,
             .x = x,
             .target = ctx->in[1],
             .n = x->dims[0],
             .c = x->dims[1],
             .d = tap_product(x->dims + 2, x->rank - 2)};
    if (ctx->n_out > 1 && ctx->out[1]) j.log_prob = ctx->out[1]->data;
    tap_status status = check_targets(ctx, &j);
    if (!status) status = take_weight(ctx, &j, ctx->n_in > 2 ? ctx->in[2] : NULL);
    if (status) return status;
    j.loss = tap_scratch(ctx, (size_t)(j.n * j.d) * sizeof *j.loss);
    j.share = tap_scratch(ctx, (size_t)(j.n * j.d) * sizeof *j.share);
    if (!j.loss || !j.share) return TAP_MEMORY;
    status = all_losses(ctx, &j);
    if (!status) reduce_losses(&j, ctx->out[0]);
    return status;
}

static const tap_op ops[] = {
    {.name = "NegativeLogLikelihoodLoss",
     .since = 12,
     .in_min = 2,
     .in_max = 3,
     .out_min = 1,
     .out_max = 1,
     .dtypes = TAP_TYPES_FLOAT,
     .prepare = prepare,
     .infer = infer,
     .run = run},
    {.name = "SoftmaxCrossEntropyLoss",
     .since = 12,
     .in_min = 2,
     .in_max = 3,
     .out_min = 1,
     .out_max = 2,
     .dtypes = TAP_TYPES_FLOAT,
     .prepare = prepare,
     .infer = infer,
     .run = run},
    {0},
};

TAP_DEFINE_FAMILY(loss, ops);
