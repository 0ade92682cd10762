/* ai.onnx.preview.training: Adam, Adagrad, Momentum. One step of an optimiser for any number of variables.
 *
 * Inputs: rate, count of updates, then for each kind (variable, gradient, moments) one tensor per variable.
 * Outputs: the same without the gradients. */
#include <math.h>

#include "common/shape.h"

enum { MOST_KINDS = 4, GRAIN = 1 << 14 };

typedef struct parameters {
    double alpha, beta, epsilon, norm, norm_post, decay;
    bool nesterov;
} parameters;

/* A piece of one variable. */
typedef struct step {
    parameters p;
    double rate;
    int64_t count;
    const void *in[MOST_KINDS];
    void *out[MOST_KINDS];
} step;

#define REAL float
#define SQRT sqrtf
#include "training.inc"
#undef REAL
#undef SQRT
#define REAL double
#define SQRT sqrt
#include "training.inc"
#undef REAL
#undef SQRT

typedef struct optimiser {
    int n_kinds; /* of inputs a variable                                            */
    void (*step32)(const step *s, int64_t n);
    void (*step64)(const step *s, int64_t n);
    double (*rate)(const parameters *p, double rate, double count);
} optimiser;

/* ---- prepare ------------------------------------------------------------------------------------------- */

static double optional_float(tap_ctx *ctx, const char *name, float otherwise) {
    return (double)tap_attr_float(ctx, name, otherwise);
}

static double required_float(tap_ctx *ctx, const char *name, tap_status *s) {
    if (!tap_attr_has(ctx, name) && *s == TAP_OK)
        *s = tap_fail(ctx, TAP_MODEL, "attribute %s is missing", name);
    return (double)tap_attr_float(ctx, name, 0);
}

static tap_status check_counts(tap_ctx *ctx) {
    const optimiser *o = tap_ctx_op(ctx)->data;
    int n = (ctx->n_in - 2) / o->n_kinds;
    if (n > 0 && ctx->n_in == 2 + n * o->n_kinds && ctx->n_out == n * (o->n_kinds - 1)) return TAP_OK;
    return tap_fail(
        ctx, TAP_MODEL,
        "%d inputs and %d outputs; after rate and count each variable has %d inputs and %d outputs",
        ctx->n_in, ctx->n_out, o->n_kinds, o->n_kinds - 1);
}

static tap_status adam_prepare(tap_ctx *ctx, void **state) {
    parameters *p = tap_state(ctx, sizeof *p);
    if (!p) return TAP_MEMORY;
    *state = p;
    p->alpha = optional_float(ctx, "alpha", 0.9f);
    p->beta = optional_float(ctx, "beta", 0.999f);
    p->epsilon = optional_float(ctx, "epsilon", 1e-6f);
    p->norm = optional_float(ctx, "norm_coefficient", 0);
    p->norm_post = optional_float(ctx, "norm_coefficient_post", 0);
    return check_counts(ctx);
}

static tap_status adagrad_prepare(tap_ctx *ctx, void **state) {
    parameters *p = tap_state(ctx, sizeof *p);
    if (!p) return TAP_MEMORY;
    *state = p;
    p->decay = optional_float(ctx, "decay_factor", 0);
    p->epsilon = optional_float(ctx, "epsilon", 1e-6f);
    p->norm = optional_float(ctx, "norm_coefficient", 0);
    return check_counts(ctx);
}

static tap_status momentum_prepare(tap_ctx *ctx, void **state) {
    static const char *const modes[] = {"standard", "nesterov", NULL};
    parameters *p = tap_state(ctx, sizeof *p);
    tap_status s = TAP_OK;
    if (!p) return TAP_MEMORY;
    *state = p;
    p->alpha = required_float(ctx, "alpha", &s);
    p->beta = required_float(ctx, "beta", &s);
    p->norm = required_float(ctx, "norm_coefficient", &s);
    p->nesterov = tap_attr_choice(ctx, "mode", "", modes) == 1;
    return s == TAP_OK ? check_counts(ctx) : s;
}

/* ---- infer --------------------------------------------------------------------------------------------- */

#define REAL_TYPES (TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_DOUBLE))

static tap_status same_shape(tap_ctx *ctx, int i, int k) {
    const tap_type *x = tap_in_type(ctx, i), *y = tap_in_type(ctx, k);
    tap_dims_text a, b;
    if (!x || !y || x->rank < 0 || y->rank < 0) return TAP_OK;
    bool same = x->rank == y->rank;
    for (int d = 0; same && d < x->rank; d++)
        same = x->dims[d] == y->dims[d] || x->dims[d] < 0 || y->dims[d] < 0;
    if (same) return TAP_OK;
    return tap_fail(ctx, tap_misfit(ctx), "input %d has the shape %s, and input %d, of the same variable, %s",
                    i, tap_show_dims(&a, x->rank, x->dims), k, tap_show_dims(&b, y->rank, y->dims));
}

static tap_status one_element(tap_ctx *ctx, int i, const char *what) {
    const tap_type *t = tap_in_type(ctx, i);
    int64_t n = t && t->rank >= 0 ? tap_product(t->dims, t->rank) : -1;
    return n == 1 || n == -1 ? TAP_OK : tap_fail(ctx, tap_misfit(ctx), "%s has to be one number", what);
}

static tap_status training_infer(tap_ctx *ctx) {
    const optimiser *o = tap_ctx_op(ctx)->data;
    int n = (ctx->n_in - 2) / o->n_kinds;
    tap_status s = tap_need_dtype(ctx, 1, TAP_BIT(TAP_INT64), "the count of updates");
    if (s == TAP_OK) s = one_element(ctx, 0, "the rate");
    if (s == TAP_OK) s = one_element(ctx, 1, "the count of updates");
    for (int k = 0; k < o->n_kinds * n && s == TAP_OK; k++) {
        s = tap_need_dtype(ctx, 2 + k, REAL_TYPES, "a variable or its moments");
        if (s == TAP_OK) s = tap_need_same_dtype(ctx, 2 + k % n, 2 + k, "what belongs to one variable");
        if (s == TAP_OK) s = same_shape(ctx, 2 + k % n, 2 + k);
    }
    for (int k = 0; k < ctx->n_out && s == TAP_OK; k++) s = tap_out_like(ctx, k, tap_in_type(ctx, 2 + k % n));
    return s;
}

/* ---- run ----------------------------------------------------------------------------------------------- */

static double adam_rate(const parameters *p, double rate, double count) {
    return count > 0 ? rate * sqrt(1 - pow(p->beta, count)) / (1 - pow(p->alpha, count)) : rate;
}

static double adagrad_rate(const parameters *p, double rate, double count) {
    return rate / (1 + count * p->decay);
}

static double momentum_rate(const parameters *p, double rate, double count) {
    (void)p;
    (void)count;
    return rate;
}

typedef struct variable {
    const optimiser *o;
    step whole;
    tap_dtype dtype;
} variable;

static void variable_piece(void *arg, int64_t begin, int64_t end, int worker) {
    const variable *v = arg;
    step s = v->whole;
    size_t skip = (size_t)begin * tap_dtype_bytes(v->dtype);
    (void)worker;
    for (int k = 0; k < v->o->n_kinds; k++) s.in[k] = (const char *)s.in[k] + skip;
    for (int k = 0; k < v->o->n_kinds - 1; k++) s.out[k] = (char *)s.out[k] + skip;
    (v->dtype == TAP_DOUBLE ? v->o->step64 : v->o->step32)(&s, end - begin);
}

static tap_status training_run(tap_ctx *ctx) {
    const optimiser *o = tap_ctx_op(ctx)->data;
    const tap_tensor *rate = ctx->in[0];
    int n = (ctx->n_in - 2) / o->n_kinds;
    variable v = {.o = o, .whole = {.p = *(const parameters *)ctx->state}};
    v.whole.count = *(const int64_t *)ctx->in[1]->data;
    double r = rate->dtype == TAP_DOUBLE ? *(const double *)rate->data : (double)*(const float *)rate->data;
    v.whole.rate = o->rate(&v.whole.p, r, (double)v.whole.count);
    for (int i = 0; i < n; i++) {
        const tap_tensor *x = ctx->in[2 + i];
        v.dtype = x->dtype;
        for (int k = 0; k < o->n_kinds; k++) v.whole.in[k] = ctx->in[2 + k * n + i]->data;
        for (int k = 0; k < o->n_kinds - 1; k++) {
            tap_tensor *y = ctx->out[k * n + i];
            if (!y) y = tap_out(ctx, k * n + i, x->dtype, x->rank, x->dims);
            if (!y) return TAP_MEMORY;
            v.whole.out[k] = y->data;
        }
        tap_parallel(ctx, x->count, GRAIN, variable_piece, &v);
    }
    return TAP_OK;
}

static const optimiser adam = {4, adam_float, adam_double, adam_rate};
static const optimiser adagrad = {3, adagrad_float, adagrad_double, adagrad_rate};
static const optimiser momentum = {3, momentum_float, momentum_double, momentum_rate};

#define DOMAIN "ai.onnx.preview.training"

/* clang-format off */
static const tap_op ops[] = {
    {.name = "Adam", .domain = DOMAIN, .since = 1, .in_min = 3, .in_max = -1, .out_min = 1, .out_max = -1,
     .dtypes = REAL_TYPES, .prepare = adam_prepare, .infer = training_infer, .run = training_run, .data = &adam},
    {.name = "Adagrad", .domain = DOMAIN, .since = 1, .in_min = 3, .in_max = -1, .out_min = 1, .out_max = -1,
     .dtypes = REAL_TYPES, .prepare = adagrad_prepare, .infer = training_infer, .run = training_run, .data = &adagrad},
    {.name = "Momentum", .domain = DOMAIN, .since = 1, .in_min = 3, .in_max = -1, .out_min = 1, .out_max = -1,
     .dtypes = REAL_TYPES, .prepare = momentum_prepare, .infer = training_infer, .run = training_run, .data = &momentum},
    {0},
};
/* clang-format on */

TAP_DEFINE_FAMILY(training, ops);
