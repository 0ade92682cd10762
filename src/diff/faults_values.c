/* Faults that the numbers tell: another activation, a factor or a shift for all or by channel. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "diff/faults.h"
#include "onnxtap/record.h"

/* ---- activations ---- */

typedef double activation_fn(double x, double p, double q);

static double identity(double x, double p, double q) {
    (void)p, (void)q;
    return x;
}
static double leaky(double x, double p, double q) {
    (void)q;
    return x < 0 ? p * x : x;
}
static double elu(double x, double p, double q) {
    return q * (x < 0 ? p * expm1(x) : x);
}
static double clipped(double x, double p, double q) {
    return fmin(fmax(x, p), q);
}
static double sigmoid(double x, double p, double q) {
    (void)q;
    return 1 / (1 + exp(-p * x));
}
static double hard_sigmoid(double x, double p, double q) {
    return fmin(fmax(p * x + q, 0), 1);
}
static double tanh_of(double x, double p, double q) {
    (void)p, (void)q;
    return tanh(x);
}
static double gelu(double x, double p, double q) {
    (void)q;
    return p > 0 ? 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)))
                 : 0.5 * x * (1 + erf(x / sqrt(2)));
}
static double swish(double x, double p, double q) {
    (void)q;
    return x / (1 + exp(-p * x));
}
static double hard_swish(double x, double p, double q) {
    return x * fmin(fmax(p * x + q, 0), 1);
}
static double softplus(double x, double p, double q) {
    (void)p, (void)q;
    return x > 30 ? x : log1p(exp(x));
}
static double softsign(double x, double p, double q) {
    (void)p, (void)q;
    return x / (1 + fabs(x));
}
static double mish(double x, double p, double q) {
    (void)p, (void)q;
    return x * tanh(x > 30 ? x : log1p(exp(x)));
}
static double exponential(double x, double p, double q) {
    (void)p, (void)q;
    return exp(x);
}
static double square(double x, double p, double q) {
    (void)p, (void)q;
    return x * x;
}
static double magnitude(double x, double p, double q) {
    (void)p, (void)q;
    return fabs(x);
}

/* Functions of one number; those of one family differ in parameters. */
static const struct {
    const char *name, *family;
    activation_fn *fn;
    double p, q;
} activations[] = {
    {"no activation", "none", identity, 0, 0},
    {"ReLU", "relu", leaky, 0, 0},
    {"ReLU6", "clip", clipped, 0, 6},
    {"a clip to [0, 1]", "clip", clipped, 0, 1},
    {"a clip to [-1, 1]", "clip", clipped, -1, 1},
    {"LeakyReLU of slope 0.01", "leaky", leaky, 0.01, 0},
    {"LeakyReLU of slope 0.1", "leaky", leaky, 0.1, 0},
    {"LeakyReLU of slope 0.2", "leaky", leaky, 0.2, 0},
    {"LeakyReLU of slope 0.3", "leaky", leaky, 0.3, 0},
    {"ELU", "elu", elu, 1, 1},
    {"SELU", "selu", elu, 1.6732632423543772, 1.0507009873554805},
    {"sigmoid", "sigmoid", sigmoid, 1, 0},
    {"hard sigmoid of 0.2, 0.5", "hard_sigmoid", hard_sigmoid, 0.2, 0.5},
    {"hard sigmoid of 1/6, 0.5", "hard_sigmoid", hard_sigmoid, 1.0 / 6, 0.5},
    {"tanh", "tanh", tanh_of, 0, 0},
    {"exact GELU", "gelu", gelu, 0, 0},
    {"GELU by tanh", "gelu", gelu, 1, 0},
    {"quick GELU, x sigmoid(1.702 x)", "gelu", swish, 1.702, 0},
    {"swish", "swish", swish, 1, 0},
    {"hard swish", "hard_swish", hard_swish, 1.0 / 6, 0.5},
    {"hard swish of 0.2", "hard_swish", hard_swish, 0.2, 0.5},
    {"softplus", "softplus", softplus, 0, 0},
    {"softsign", "softsign", softsign, 0, 0},
    {"mish", "mish", mish, 0, 0},
    {"exp", "exp", exponential, 0, 0},
    {"a square", "square", square, 0, 0},
    {"an absolute value", "abs", magnitude, 0, 0},
};

#define BLOCK 256

/* Largest |fn(x) - y|; stops where it is beyond `enough`. */
static double gap_of(const tap_tensor *x, const tap_tensor *y, activation_fn *fn, double p, double q,
                     double enough) {
    double a[BLOCK], b[BLOCK], gap = 0;
    for (int64_t i = 0; i < x->count; i += BLOCK) {
        int64_t n = tap_min64(BLOCK, x->count - i);
        tap_tensor_doubles(x, i, n, a);
        tap_tensor_doubles(y, i, n, b);
        for (int64_t k = 0; k < n; k++) {
            double e = fabs(fn(a[k], p, q) - b[k]);
            if (!(e <= gap)) gap = e;
        }
        if (!(gap <= enough)) return INFINITY;
    }
    return gap;
}

/* As many elements, perhaps in another shape: where they lie in another order, no function fits them. */
static bool same_count(const tap_tensor *a, const tap_tensor *b) {
    return a && a->count == b->count && tap_epsilon(a->dtype) > 0;
}

/* Slopes that no list has: of the numbers below 0. */
static double fitted_slope(const tap_tensor *x, const tap_tensor *y, activation_fn *fn) {
    double most = 0, slope = NAN, a, b;
    for (int64_t i = 0; i < x->count; i++) {
        if (!tap_tensor_doubles(x, i, 1, &a) || !tap_tensor_doubles(y, i, 1, &b)) return NAN;
        double base = fn == leaky ? a : expm1(a);
        if (a < 0 && -base > most) most = -base, slope = b / base;
    }
    return slope;
}

/* Which function makes y of x; its position, or -1. */
static int identify(const tap_tensor *x, const tap_tensor *y, double enough) {
    for (size_t i = 0; i < TAP_COUNT_OF(activations); i++)
        if (gap_of(x, y, activations[i].fn, activations[i].p, activations[i].q, enough) <= enough)
            return (int)i;
    return -1;
}

static const char *word_for(int ours, const char *family) {
    if (ours < 0 || strcmp(activations[ours].family, family) != 0) return "activation";
    return strcmp(family, "gelu") == 0 ? "gelu_kind" : "activation_parameter";
}

/* Whether the reference is a function of value x, and ours another. */
static bool try_from(tap_case *c, const tap_tensor *x, size_t node) {
    const tap_tensor *got = tap_value_tensor(c->piece->by_model);
    double enough = fmax(c->good, 4 * tap_epsilon(got->dtype) * tap_scale(c->p->ref));
    if (!(c->gap > 4 * enough)) enough = c->gap / 4;
    int ours = identify(x, got, enough), theirs = identify(x, c->want, enough);
    const char *name = ours >= 0 ? activations[ours].name : "another function";
    if (theirs > 0 || (theirs == 0 && ours > 0)) {
        double gap = gap_of(x, c->want, activations[theirs].fn, activations[theirs].p, activations[theirs].q,
                            INFINITY);
        c->good = fmax(c->good, enough);
        return tap_case_note(c, gap, node, word_for(ours, activations[theirs].family),
                             "the model has %s here, the reference %s", name, activations[theirs].name);
    }
    activation_fn *const fits[] = {leaky, elu};
    for (size_t i = 0; i < TAP_COUNT_OF(fits) && theirs < 0; i++) {
        double p = fitted_slope(x, c->want, fits[i]);
        if (!(fabs(p) < 0.999)) continue;
        double gap = gap_of(x, c->want, fits[i], p, 1, enough);
        const char *family = fits[i] == leaky ? "leaky" : "elu";
        if (gap <= enough &&
            tap_case_note(c, gap, node, word_for(ours, family),
                          "the model has %s here, the reference one of %s with %.4g", name, family, p))
            return true;
    }
    return false;
}

/* Operators of one input that can stand for one another in the middle of a piece. */
static bool try_instead(tap_case *c, size_t node) {
    static const struct {
        const char *op;
        double alpha, beta; /* NAN: it has none */
    } ops[] = {{"Identity", NAN, NAN},  {"Relu", NAN, NAN},        {"LeakyRelu", 0.01, NAN},
               {"LeakyRelu", 0.1, NAN}, {"LeakyRelu", 0.2, NAN},   {"LeakyRelu", 0.3, NAN},
               {"Elu", 1, NAN},         {"Selu", NAN, NAN},        {"Sigmoid", NAN, NAN},
               {"Tanh", NAN, NAN},      {"HardSigmoid", 0.2, 0.5}, {"HardSigmoid", 1.0 / 6, 0.5},
               {"Softplus", NAN, NAN},  {"Softsign", NAN, NAN},    {"Exp", NAN, NAN},
               {"Erf", NAN, NAN}};
    static const char *const others[] = {"HardSwish", "Clip", "PRelu", "ThresholdedRelu",
                                         "Celu",      "Gelu", "Mish",  "Swish"};
    bool one = false;
    for (size_t i = 0; i < TAP_COUNT_OF(ops); i++) one = one || tap_node_is(c->s, node, ops[i].op);
    for (size_t i = 0; i < TAP_COUNT_OF(others); i++) one = one || tap_node_is(c->s, node, others[i]);
    for (size_t i = 0; one && i < TAP_COUNT_OF(ops); i++) {
        if (!tap_case_begin(c)) return false;
        tap_src_node *n = &c->edit.nodes[node];
        n->op = ops[i].op;
        n->n_attrs = 0;
        n->n_inputs = 1;
        if (!isnan(ops[i].alpha) && !tap_set_float(&c->edit, node, "alpha", ops[i].alpha)) return false;
        if (!isnan(ops[i].beta) && !tap_set_float(&c->edit, node, "beta", ops[i].beta)) return false;
        bool same = tap_node_is(c->s, node, ops[i].op);
        if (tap_case_try(c, node, same ? "activation_parameter" : "activation",
                         "the model has %s here, the reference %s%s", c->s->nodes[node].op, ops[i].op,
                         same ? " with another parameter" : ""))
            return true;
    }
    return false;
}

static const char *const missing[] = {"Relu", "Sigmoid", "Tanh", "Elu", "Softplus"};

static bool is_float_tensor(const tap_value *v) {
    const tap_tensor *t = tap_value_tensor(v);
    return t && tap_epsilon(t->dtype) > 0;
}

/* An activation that is missing, behind node. */
static bool try_missing(tap_case *c, size_t node) {
    for (size_t i = 0; c->inner && is_float_tensor(c->inner[node]) && i < TAP_COUNT_OF(missing); i++) {
        if (!tap_case_begin(c)) return false;
        const char *x = c->s->nodes[node].outputs[0], *y = tap_segment_name(&c->edit, "activated");
        if (!y || !tap_segment_replace(&c->edit, node + 1, x, y) ||
            !tap_segment_node(&c->edit, node + 1, missing[i], &x, 1, y))
            return false;
        if (tap_case_try(c, node, "activation", "the reference is that of a %s behind it", missing[i]))
            return true;
    }
    return false;
}

/* The same in front of the piece. */
static bool try_missing_first(tap_case *c, size_t input) {
    for (size_t i = 0; is_float_tensor(c->piece->in[input]) && i < TAP_COUNT_OF(missing); i++) {
        if (!tap_case_begin(c)) return false;
        const char *x = c->s->model.graph.inputs[input].name, *y = tap_segment_name(&c->edit, "activated");
        if (!y || !tap_segment_rename_uses(&c->edit, 0, x, y) ||
            !tap_segment_node(&c->edit, 0, missing[i], &x, 1, y))
            return false;
        if (tap_case_try(c, SIZE_MAX, "activation",
                         "the reference is that of a %s on '%s' first: it is missing", missing[i], x)) {
            c->input = input;
            return true;
        }
    }
    return false;
}

/* The first node that reads an input of the piece. */
static size_t first_user(const tap_case *c, size_t input) {
    const char *name = c->s->model.graph.inputs[input].name;
    for (size_t i = 0; i < c->s->n_nodes; i++)
        for (size_t k = 0; k < c->s->nodes[i].n_inputs; k++)
            if (strcmp(c->s->nodes[i].inputs[k], name) == 0) return i;
    return SIZE_MAX;
}

bool tap_fault_activation(tap_case *c) {
    if (!isfinite(c->gap) || tap_epsilon(c->want->dtype) == 0) return false;
    for (size_t i = 0; i < c->s->n_in; i++) {
        const tap_tensor *x = tap_value_tensor(c->piece->in[i]);
        if (same_count(x, c->want) && try_from(c, x, first_user(c, i))) return true;
    }
    for (size_t i = 0; c->inner && i < c->s->n_nodes; i++) {
        const tap_tensor *x = tap_value_tensor(c->inner[i]);
        if (same_count(x, c->want) && try_from(c, x, i)) return true;
    }
    for (size_t i = 0; i < c->s->n_nodes; i++)
        if (try_instead(c, i) || (c->s->n_nodes <= 40 && try_missing(c, i))) return true;
    for (size_t i = 0; i < c->s->n_in; i++)
        if (try_missing_first(c, i)) return true;
    return false;
}

/* ---- factors and shifts ---- */

/* A value of the piece is to be a * value + b, with a and b for each index of an axis (or one for all, axis
 * -1). What they must be, so that the rest of the piece makes the reference, is found by Newton's method:
 * each element of the result is taken to depend on its own channel. */
typedef struct fit {
    tap_case *c;
    tap_rig rig;
    tap_value **in; /* the piece's, then a and b */
    size_t n_in;
    int axis;         /* of the value, and of the result */
    int64_t n, inner; /* channels; elements of the result behind the axis */
    double *a, *b, *da, *db;
    double *y0, *ya, *yb; /* the result, and with a or b moved; count elements */
    double *want;
    int64_t count;
} fit;

static double *doubles_of(tap_arena *a, const tap_tensor *t) {
    double *x = tap_arena_array(a, (size_t)t->count + 1, sizeof *x);
    return x && tap_tensor_doubles(t, 0, t->count, x) ? x : NULL;
}

static bool result_of(fit *f, const double *a, const double *b, double *y) {
    tap_case *c = f->c;
    tap_value **out = tap_arena_array(&c->arena, c->s->n_out + 1, sizeof *out);
    if (!out) return false;
    memcpy(tap_value_data(f->in[f->n_in - 2]), a, (size_t)f->n * sizeof *a);
    memcpy(tap_value_data(f->in[f->n_in - 1]), b, (size_t)f->n * sizeof *b);
    c->tries++;
    if (tap_rig_run(&f->rig, (const tap_value *const *)f->in, out, NULL) != TAP_OK) return false;
    const tap_tensor *t = tap_value_tensor(out[c->piece->want]);
    bool good = t && t->count == f->count && tap_tensor_doubles(t, 0, f->count, y);
    tap_release_all(out, c->s->n_out);
    return good;
}

static double largest_gap(const double *x, const double *y, int64_t n) {
    double gap = 0;
    for (int64_t i = 0; i < n; i++)
        if (!(fabs(x[i] - y[i]) <= gap)) gap = fabs(x[i] - y[i]);
    return gap;
}

static int64_t channel_at(const fit *f, int64_t i) {
    return f->n == 1 ? 0 : i / f->inner % f->n;
}

/* One step: for each channel the least squares of J (da, db) = want - y0. which: bit 0 a, bit 1 b. */
static bool step(fit *f, unsigned which, double ha, double hb) {
    double *sums = tap_arena_array(&f->c->arena, (size_t)f->n, 5 * sizeof *sums);
    double *a = tap_arena_array(&f->c->arena, (size_t)f->n, sizeof *a),
           *b = tap_arena_array(&f->c->arena, (size_t)f->n, sizeof *b);
    if (!sums || !a || !b) return false;
    for (int64_t k = 0; k < f->n; k++) a[k] = f->a[k] + ha, b[k] = f->b[k] + hb;
    if ((which & 1 && !result_of(f, a, f->b, f->ya)) || (which & 2 && !result_of(f, f->a, b, f->yb)))
        return false;
    for (int64_t i = 0; i < f->count; i++) {
        double *s = sums + 5 * channel_at(f, i), r = f->want[i] - f->y0[i];
        double ja = which & 1 ? (f->ya[i] - f->y0[i]) / ha : 0,
               jb = which & 2 ? (f->yb[i] - f->y0[i]) / hb : 0;
        s[0] += ja * ja, s[1] += ja * jb, s[2] += jb * jb, s[3] += ja * r, s[4] += jb * r;
    }
    for (int64_t k = 0; k < f->n; k++) {
        const double *s = sums + 5 * k;
        double det = s[0] * s[2] - s[1] * s[1];
        f->da[k] = f->db[k] = 0;
        if (which == 3 && det > 1e-12 * s[0] * s[2]) {
            f->da[k] = (s[3] * s[2] - s[4] * s[1]) / det;
            f->db[k] = (s[4] * s[0] - s[3] * s[1]) / det;
        } else if (which & 2 && s[2] > 0) {
            f->db[k] = s[4] / s[2];
        } else if (which & 1 && s[0] > 0) {
            f->da[k] = s[3] / s[0];
        }
        f->a[k] += f->da[k];
        f->b[k] += f->db[k];
        if (!isfinite(f->a[k]) || !isfinite(f->b[k])) return false;
    }
    return true;
}

#define STEPS 8

/* Residual of the best a and b. */
static double solve(fit *f, unsigned which, double scale) {
    double gap = INFINITY;
    for (int64_t k = 0; k < f->n; k++) f->a[k] = 1, f->b[k] = 0;
    if (!result_of(f, f->a, f->b, f->y0)) return INFINITY;
    for (int i = 0; i < STEPS; i++) {
        if (!step(f, which, 1e-3, 1e-3 * scale) || !result_of(f, f->a, f->b, f->y0)) return INFINITY;
        double now = largest_gap(f->y0, f->want, f->count);
        if (now <= f->c->good) return now;
        if (i > 2 && !(now < 0.7 * gap)) return fmin(now, gap);
        gap = now;
    }
    return gap;
}

/* The piece with value x, made by node, times a plus b. */
static bool make_affine(tap_case *c, size_t node, const char *x) {
    const char *in[2] = {x, tap_segment_name(&c->edit, "factor")};
    const char *y = tap_segment_name(&c->edit, "times"), *shift = tap_segment_name(&c->edit, "shift"),
               *z = NULL;
    if (!in[1] || !y || !shift) return false;
    z = tap_segment_name(&c->edit, "plus");
    if (!z || !tap_segment_replace(&c->edit, node + 1, x, z) ||
        !tap_segment_node(&c->edit, node + 1, "Mul", in, 2, y))
        return false;
    const char *sum[2] = {y, shift};
    return tap_segment_node(&c->edit, node + 2, "Add", sum, 2, z) && tap_segment_add_input(&c->edit, in[1]) &&
           tap_segment_add_input(&c->edit, shift);
}

static bool open_fit(fit *f, tap_case *c, size_t node, const tap_tensor *x, int axis) {
    *f = (fit){.c = c, .axis = axis, .n = axis < 0 ? 1 : x->dims[axis], .inner = 1, .n_in = c->s->n_in + 2};
    if (!tap_case_begin(c) || !make_affine(c, node, c->s->nodes[node].outputs[0])) return false;
    for (int k = axis + 1; axis >= 0 && k < c->want->rank; k++) f->inner *= c->want->dims[k];
    tap_arena *a = &c->arena;
    f->count = c->want->count;
    double **arrays[] = {&f->a, &f->b, &f->da, &f->db};
    double **results[] = {&f->y0, &f->ya, &f->yb};
    for (size_t i = 0; i < 4; i++)
        if (!(*arrays[i] = tap_arena_array(a, (size_t)f->n, sizeof(double)))) return false;
    for (size_t i = 0; i < 3; i++)
        if (!(*results[i] = tap_arena_array(a, (size_t)f->count + 1, sizeof(double)))) return false;
    f->want = doubles_of(a, c->want);
    f->in = tap_arena_array(a, f->n_in, sizeof *f->in);
    if (!f->want || !f->in) return false;
    memcpy(f->in, c->piece->in, c->s->n_in * sizeof *f->in);
    int64_t dims[TAP_RANK_MAX];
    for (int i = 0; i < x->rank; i++) dims[i] = i == axis ? x->dims[i] : 1;
    tap_value **pa = &f->in[f->n_in - 2], **pb = &f->in[f->n_in - 1];
    if (tap_value_new(TAP_DOUBLE, x->rank, dims, pa, NULL) != TAP_OK) return false;
    if (tap_value_new(TAP_DOUBLE, x->rank, dims, pb, NULL) != TAP_OK) return false;
    return tap_rig_open(&c->d->parts.lab, &c->edit, true, (const tap_value *const *)f->in, &f->rig, NULL) ==
           TAP_OK;
}

static void close_fit(fit *f) {
    if (f->rig.model) tap_rig_close(&f->rig);
    if (!f->in) return;
    tap_value_release(f->in[f->n_in - 1]);
    tap_value_release(f->in[f->n_in - 2]);
}

/* ---- what the factors and shifts mean ---- */

typedef struct affine {
    double a_least, a_most, b_least, b_most, b_size;
    int64_t n;
} affine;

static affine summary(const fit *f) {
    affine s = {INFINITY, -INFINITY, INFINITY, -INFINITY, 0, f->n};
    for (int64_t k = 0; k < f->n; k++) {
        s.a_least = fmin(s.a_least, f->a[k]);
        s.a_most = fmax(s.a_most, f->a[k]);
        s.b_least = fmin(s.b_least, f->b[k]);
        s.b_most = fmax(s.b_most, f->b[k]);
        s.b_size = fmax(s.b_size, fabs(f->b[k]));
    }
    return s;
}

/* sqrt((v + e) / (v + e')) has every factor on one side of 1. */
static bool looks_like_epsilon(const affine *s, double scale) {
    bool up = s->a_least >= 1 - 1e-6 && s->a_most < 40 && s->a_most > 1 + 1e-6;
    bool down = s->a_most <= 1 + 1e-6 && s->a_least > 0.025 && s->a_least < 1 - 1e-6;
    /* It moves the shift as well: that was made with the same root. */
    return s->n >= 4 && (up || down) && s->b_size > 1e-4 * scale * fmax(s->a_most - 1, 1 - s->a_least);
}

/* Whether a BatchNormalization is at work on the value: by name of its layer or nodes, or by its shape in the
 * graph. */
static bool is_batch_norm(const tap_case *c, size_t node) {
    const tap_src_node *n = &c->s->nodes[node];
    if (strstr(n->name, "batchnorm") || strstr(n->name, "BatchNorm") || strstr(n->op, "BatchNorm"))
        return true;
    const char *layer = c->p->pub.layer;
    if (layer && (strstr(layer, "bn") || strstr(layer, "norm"))) return true;
    return tap_node_is(c->s, node, "Conv") || tap_node_is(c->s, node, "ConvTranspose");
}

static bool tell(tap_case *c, const fit *f, size_t node, double residual, unsigned which, double scale) {
    affine s = summary(f);
    bool one_a = s.a_most - s.a_least < 1e-3 * fabs(s.a_most), one_b = s.b_most - s.b_least < 1e-3 * s.b_size;
    bool flat_a = s.a_most - s.a_least < 1e-4 && fabs(s.a_most - 1) < 1e-4;
    const char *what = c->s->nodes[node].outputs[0];
    if (f->n > 1 && (which == 2 || flat_a) && !one_b)
        return tap_case_note(c, residual, node, "bias",
                             "each channel of '%s' is off by a constant: the reference has another bias",
                             what);
    if (f->n > 1 && tap_has_initial_statistics(c, node))
        return tap_case_note(c, residual, node, "bn_statistics",
                             "mean 0 and variance 1 are initial statistics; the reference has others");
    if (f->n > 1 && looks_like_epsilon(&s, scale) && is_batch_norm(c, node))
        return tap_case_note(c, residual, node, "bn_epsilon",
                             "each channel of '%s' is scaled about a point of its own by %.6g to %.6g, all "
                             "on one side of 1, as "
                             "another epsilon of a BatchNormalization does",
                             what, s.a_least, s.a_most);
    if (f->n > 1 && !(one_a && one_b))
        return tap_case_note(c, residual, node, "bn_scale_shift",
                             "each channel of '%s' has another factor (%.6g to %.6g) and shift, as another "
                             "BatchNormalization does",
                             what, s.a_least, s.a_most);
    if (which == 2)
        return tap_case_note(c, residual, node, "offset", "'%s' is off by %.7g throughout", what, s.b_most);
    return tap_case_note(c, residual, node, "scale", "the reference is that of '%s' times %.7g%s", what,
                         s.a_most, s.b_size > 1e-6 * scale ? " with a shift" : "");
}

static bool try_fit(tap_case *c, size_t node, const tap_tensor *x, int axis, unsigned which) {
    fit f;
    tap_summary look = {.size = sizeof look};
    tap_tensor_summary(x, &look);
    double scale = fmax(fabs(look.min), fabs(look.max));
    bool found = false;
    if (!isfinite(scale) || scale == 0) scale = 1;
    if (open_fit(&f, c, node, x, axis)) {
        double residual = solve(&f, which, scale);
        /* So many numbers may be chosen that they could fit anything. */
        bool enough = f.count >= 4 * f.n;
        found = enough && tell(c, &f, node, residual, which, scale);
    }
    close_fit(&f);
    return found;
}

/* The axis of channels: behind the batch for images, else the last. */
static int channel_axes(const tap_case *c, const tap_tensor *x, int *axes) {
    int n = 0;
    bool fits = x->rank == c->want->rank;
    if (fits && x->rank >= 3 && x->dims[1] == c->want->dims[1] && x->dims[1] > 1) axes[n++] = 1;
    if (fits && x->rank >= 2 && x->dims[x->rank - 1] == c->want->dims[x->rank - 1] &&
        x->dims[x->rank - 1] > 1)
        axes[n++] = x->rank - 1;
    return n;
}

/* A factor or a summand that is one number. */
static bool has_constant(const tap_case *c, size_t node) {
    bool is = tap_node_is(c->s, node, "Mul") || tap_node_is(c->s, node, "Div") ||
              tap_node_is(c->s, node, "Add") || tap_node_is(c->s, node, "Sub");
    for (size_t k = 0; is && k < c->s->nodes[node].n_inputs; k++) {
        const tap_src_tensor *t = tap_constant_input(c->s, node, k);
        if (t && t->count == 1) return true;
    }
    return false;
}

bool tap_fault_affine(tap_case *c) {
    static const unsigned order[] = {2, 1, 3};
    if (!isfinite(c->gap) || tap_epsilon(c->want->dtype) == 0 || c->want->count > 1 << 22) return false;
    /* The simplest first: one shift, one factor, both; where a constant does that already, before all others.
     */
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < c->s->n_nodes && c->s->n_nodes <= 60; i++) {
            const tap_tensor *x = c->inner ? tap_value_tensor(c->inner[i]) : NULL;
            if (!x || tap_epsilon(x->dtype) == 0 || x->count < 2 || has_constant(c, i) != (pass == 0))
                continue;
            for (size_t k = 0; k < TAP_COUNT_OF(order); k++)
                if (try_fit(c, i, x, -1, order[k])) return true;
        }
    for (size_t i = 0; i < c->s->n_nodes && c->s->n_nodes <= 60; i++) {
        const tap_tensor *x = c->inner ? tap_value_tensor(c->inner[i]) : NULL;
        int axes[2], n = x && tap_epsilon(x->dtype) > 0 ? channel_axes(c, x, axes) : 0;
        for (int m = 0; m < n; m++)
            if (try_fit(c, i, x, axes[m], 2) || try_fit(c, i, x, axes[m], 3)) return true;
    }
    return false;
}
