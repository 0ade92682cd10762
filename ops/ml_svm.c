/* ai.onnx.ml: SVMClassifier, SVMRegressor. Where the standard is silent (votes, probabilities, the order of
 * coefficients): as libsvm, whose models these operators hold. */
#include "common/ml.h"

typedef enum svm_kernel { SVM_LINEAR, SVM_POLY, SVM_RBF, SVM_SIGMOID } svm_kernel;

enum { ROWS_AT_ONCE = 16 };

typedef struct svm_state {
    svm_kernel kernel;
    double gamma, coef0;
    int64_t degree;
    tap_post post;
    int64_t n_vectors; /* 0: linear, coefficients are the weights of features               */
    int64_t n_features;
    const float *vectors;      /* [n_vectors][n_features]                                           */
    const float *coefficients; /* classifier: [n_classes - 1][n_vectors], or [n_classes][n_features] */
    size_t n_coefficients;
    const float *rho;
    size_t n_rho;
    bool classifier, one_class;
    /* Classifier. */
    tap_classes classes;
    int64_t n_classes;
    const int64_t *per_class;     /* support vectors of each class, one after the other                */
    const float *prob_a, *prob_b; /* one a pair of classes; NULL: scores are no probabilities          */
} svm_state;

/* ---- prepare ------------------------------------------------------------------------------------------- */

static tap_status read_kernel(tap_ctx *ctx, svm_state *s) {
    static const char *const kernels[] = {"LINEAR", "POLY", "RBF", "SIGMOID", NULL};
    size_t n, n_vector_values;
    int kernel = tap_attr_choice(ctx, "kernel_type", "LINEAR", kernels);
    const float *p = tap_attr_floats(ctx, "kernel_params", &n);
    s->kernel = kernel < 0 ? SVM_LINEAR : (svm_kernel)kernel;
    s->post = tap_post_read(ctx);
    s->coefficients = tap_attr_floats(ctx, "coefficients", &s->n_coefficients);
    s->rho = tap_attr_floats(ctx, "rho", &s->n_rho);
    s->vectors = tap_attr_floats(ctx, "support_vectors", &n_vector_values);
    if (n != 0 && n != 3)
        return tap_fail(ctx, TAP_MODEL, "attribute kernel_params has %zu entries, not 3", n);
    if (n == 3) {
        s->gamma = (double)p[0];
        s->coef0 = (double)p[1];
        s->degree = (int64_t)p[2];
    }
    if (s->n_coefficients == 0 || s->n_rho == 0)
        return tap_fail(ctx, TAP_MODEL, "the attributes coefficients and rho are both needed");
    if (s->n_vectors == 0) return TAP_OK;
    if (n_vector_values == 0 || n_vector_values % (size_t)s->n_vectors != 0)
        return tap_fail(ctx, TAP_MODEL, "support_vectors has %zu numbers for %lld vectors", n_vector_values,
                        (long long)s->n_vectors);
    s->n_features = (int64_t)n_vector_values / s->n_vectors;
    return TAP_OK;
}

static tap_status count_vectors(tap_ctx *ctx, svm_state *s) {
    size_t n;
    s->per_class = tap_attr_ints(ctx, "vectors_per_class", &n);
    for (size_t i = 0; i < n; i++)
        if (s->per_class[i] < 0 || !tap_add64(s->n_vectors, s->per_class[i], &s->n_vectors) ||
            s->n_vectors > INT32_MAX)
            return tap_fail(ctx, TAP_MODEL, "vectors_per_class[%zu] is %lld", i, (long long)s->per_class[i]);
    s->n_classes = tap_max64(1, (int64_t)s->classes.n);
    if (s->n_vectors > 0 && (int64_t)n != s->n_classes)
        return tap_fail(ctx, TAP_MODEL, "vectors_per_class has %zu entries for %lld classes", n,
                        (long long)s->n_classes);
    return TAP_OK;
}

static int64_t pairs_of(const svm_state *s) {
    return s->n_classes * (s->n_classes - 1) / 2;
}

static tap_status check_classifier(tap_ctx *ctx, svm_state *s) {
    int64_t n = (int64_t)s->n_coefficients;
    if (s->n_vectors == 0) {
        s->kernel = SVM_LINEAR;
        s->n_features = n / s->n_classes;
        if (s->n_features * s->n_classes == n) return TAP_OK;
        return tap_fail(ctx, TAP_MODEL, "%lld coefficients for %lld classes", (long long)n,
                        (long long)s->n_classes);
    }
    if (s->n_classes < 2) return tap_fail(ctx, TAP_MODEL, "support vectors, but less than two classes");
    if (n != (s->n_classes - 1) * s->n_vectors)
        return tap_fail(ctx, TAP_MODEL, "%lld coefficients for %lld support vectors of %lld classes",
                        (long long)n, (long long)s->n_vectors, (long long)s->n_classes);
    if ((int64_t)s->n_rho != pairs_of(s))
        return tap_fail(ctx, TAP_MODEL, "rho has %zu entries for %lld pairs of classes", s->n_rho,
                        (long long)pairs_of(s));
    return TAP_OK;
}

static tap_status read_probabilities(tap_ctx *ctx, svm_state *s) {
    size_t n_a, n_b;
    s->prob_a = tap_attr_floats(ctx, "prob_a", &n_a);
    s->prob_b = tap_attr_floats(ctx, "prob_b", &n_b);
    if (n_a == 0 || s->n_vectors == 0) s->prob_a = NULL;
    if (n_a == n_b && (!s->prob_a || (int64_t)n_a == pairs_of(s))) return TAP_OK;
    return tap_fail(ctx, TAP_MODEL, "prob_a has %zu entries and prob_b %zu, for %lld pairs of classes", n_a,
                    n_b, (long long)pairs_of(s));
}

static tap_status classifier_prepare(tap_ctx *ctx, void **state) {
    svm_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->classifier = true;
    tap_status status = tap_classes_read(ctx, "classlabels_ints", &s->classes);
    if (status == TAP_OK) status = count_vectors(ctx, s);
    if (status == TAP_OK) status = read_kernel(ctx, s);
    if (status == TAP_OK) status = check_classifier(ctx, s);
    if (status == TAP_OK) status = read_probabilities(ctx, s);
    return status;
}

static tap_status regressor_prepare(tap_ctx *ctx, void **state) {
    svm_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->n_vectors = tap_attr_int(ctx, "n_supports", 0);
    s->one_class = tap_attr_int(ctx, "one_class", 0) != 0;
    if (s->n_vectors < 0)
        return tap_fail(ctx, TAP_MODEL, "attribute n_supports is %lld", (long long)s->n_vectors);
    tap_status status = read_kernel(ctx, s);
    if (status != TAP_OK) return status;
    if (s->n_vectors == 0) {
        s->kernel = SVM_LINEAR;
        s->n_features = (int64_t)s->n_coefficients;
    } else if ((int64_t)s->n_coefficients != s->n_vectors) {
        return tap_fail(ctx, TAP_MODEL, "%zu coefficients for %lld support vectors", s->n_coefficients,
                        (long long)s->n_vectors);
    }
    return TAP_OK;
}

/* ---- infer --------------------------------------------------------------------------------------------- */

/* What a row of the classifier's scores holds: a probability a class, a score a class (linear), or one a pair
 * of classes; a single score is written as two where there are two classes. */
static int64_t score_count(const svm_state *s) {
    return s->n_vectors == 0 || s->prob_a ? s->n_classes : pairs_of(s);
}

static int64_t column_count(const svm_state *s) {
    return score_count(s) == 1 && s->n_classes == 2 ? 2 : score_count(s);
}

static tap_status svm_infer(tap_ctx *ctx) {
    const svm_state *s = ctx->state;
    tap_rows r;
    tap_status status = tap_rows_in(ctx, &r);
    if (status == TAP_OK && r.features >= 0 && r.features != s->n_features)
        status = tap_fail(ctx, tap_misfit(ctx), "rows have %lld features, and the vectors %lld",
                          (long long)r.features, (long long)s->n_features);
    int64_t dims[2] = {r.rows, s->classifier ? column_count(s) : 1};
    if (status != TAP_OK || !s->classifier)
        return status == TAP_OK ? tap_out_type(ctx, 0, TAP_FLOAT, 2, dims) : status;
    status = tap_out_type(ctx, 0, tap_classes_dtype(&s->classes), 1, dims);
    return status == TAP_OK ? tap_out_type(ctx, 1, TAP_FLOAT, 2, dims) : status;
}

/* ---- run ----------------------------------------------------------------------------------------------- */

static double power(double x, int64_t n) {
    double y = 1;
    for (uint64_t k = n < 0 ? 0 - (uint64_t)n : (uint64_t)n; k; k >>= 1, x *= x)
        if (k & 1) y *= x;
    return n < 0 ? 1 / y : y;
}

static double kernel_of(const svm_state *s, const double *x, const float *v) {
    double sum = 0;
    for (int64_t i = 0; i < s->n_features; i++) {
        double d = s->kernel == SVM_RBF ? x[i] - (double)v[i] : x[i];
        sum += d * (s->kernel == SVM_RBF ? d : (double)v[i]);
    }
    switch (s->kernel) {
    case SVM_POLY: return power(s->gamma * sum + s->coef0, s->degree);
    case SVM_RBF: return exp(-s->gamma * sum);
    case SVM_SIGMOID: return tanh(s->gamma * sum + s->coef0);
    default: return sum;
    }
}

/* A worker's memory. k: pairs or classes, whichever are more. */
typedef struct svm_room {
    double *x, *kernel;    /* [n_features], [n_vectors]                         */
    double *score, *votes; /* [k], [n_classes]                                  */
    double *r, *q, *qp;    /* of probabilities: [n_classes][n_classes] twice, [n_classes] */
} svm_room;

static double dot(const float *w, const double *x, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)w[i] * x[i];
    return sum;
}

/* A score for each pair of classes, and votes for those that win. */
static void score_pairs(const svm_state *s, const svm_room *m) {
    for (int64_t v = 0; v < s->n_vectors; v++)
        m->kernel[v] = kernel_of(s, m->x, s->vectors + v * s->n_features);
    for (int64_t c = 0; c < s->n_classes; c++) m->votes[c] = 0;
    int64_t pair = 0, at_i = 0;
    for (int64_t i = 0; i < s->n_classes; at_i += s->per_class[i++]) {
        int64_t at_j = at_i + s->per_class[i];
        for (int64_t j = i + 1; j < s->n_classes; at_j += s->per_class[j++], pair++) {
            double sum = (double)s->rho[pair];
            sum += dot(s->coefficients + (j - 1) * s->n_vectors + at_i, m->kernel + at_i, s->per_class[i]);
            sum += dot(s->coefficients + i * s->n_vectors + at_j, m->kernel + at_j, s->per_class[j]);
            m->score[pair] = sum;
            m->votes[sum > 0 ? i : j] += 1;
        }
    }
}

/* r[i][j] = how likely class i is if it is i or j, from the pair's score (Platt). */
static void pair_probabilities(const svm_state *s, const svm_room *m) {
    int64_t n = s->n_classes, pair = 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = i + 1; j < n; j++, pair++) {
            double p = 1 - tap_logistic(m->score[pair] * (double)s->prob_a[pair] + (double)s->prob_b[pair]);
            p = p < 1e-7 ? 1e-7 : p > 1 - 1e-7 ? 1 - 1e-7 : p;
            m->r[i * n + j] = p;
            m->r[j * n + i] = 1 - p;
        }
}

/* The probabilities of classes that agree best with those of pairs: the second method of Wu, Lin and Weng,
 * "Probability estimates for multi-class classification by pairwise coupling" (2004), iterated as the paper
 * says. p[n_classes] */
static void couple(const svm_state *s, const svm_room *m, double *p) {
    int64_t n = s->n_classes;
    for (int64_t t = 0; t < n; t++) {
        p[t] = 1.0 / (double)n;
        m->q[t * n + t] = 0;
        for (int64_t j = 0; j < n; j++) {
            if (j == t) continue;
            m->q[t * n + t] += m->r[j * n + t] * m->r[j * n + t];
            m->q[t * n + j] = -m->r[j * n + t] * m->r[t * n + j];
        }
    }
    for (int64_t round = 0; round < tap_max64(100, n); round++) {
        double pqp = 0, worst = 0;
        for (int64_t t = 0; t < n; t++) {
            m->qp[t] = 0;
            for (int64_t j = 0; j < n; j++) m->qp[t] += m->q[t * n + j] * p[j];
            pqp += p[t] * m->qp[t];
        }
        for (int64_t t = 0; t < n; t++) worst = fmax(worst, fabs(m->qp[t] - pqp));
        if (worst < 0.005 / (double)n) return;
        for (int64_t t = 0; t < n; t++) {
            double d = (pqp - m->qp[t]) / m->q[t * n + t];
            p[t] += d;
            pqp = (pqp + d * (d * m->q[t * n + t] + 2 * m->qp[t])) / (1 + d) / (1 + d);
            for (int64_t j = 0; j < n; j++) {
                m->qp[j] = (m->qp[j] + d * m->q[t * n + j]) / (1 + d);
                p[j] /= 1 + d;
            }
        }
    }
}

static int64_t classify(const svm_state *s, const svm_room *m) {
    if (s->n_vectors == 0) {
        for (int64_t k = 0; k < s->n_classes; k++)
            m->score[k] = (double)s->rho[0] + dot(s->coefficients + k * s->n_features, m->x, s->n_features);
        /* Without labels the one score says yes or no. */
        return s->classes.n == 0 ? m->score[0] > 0 : tap_largest(m->score, s->n_classes);
    }
    score_pairs(s, m);
    if (s->prob_a) {
        pair_probabilities(s, m);
        couple(s, m, m->score);
    }
    return tap_largest(m->votes, s->n_classes);
}

/* Transforms the scores of a row in place; a single one of two classes becomes two. */
static void finish_scores(const svm_state *s, double *score) {
    int64_t n = score_count(s), columns = column_count(s);
    if (columns > n) {
        score[1] = score[0];
        score[0] = -score[0];
    }
    tap_post_apply(s->post, score, columns);
}

typedef struct svm_run {
    const svm_state *s;
    const tap_tensor *x;
    tap_tensor *label;
    float *z;
    int64_t columns;
    double *room;
    size_t each; /* doubles of a worker */
} svm_run;

static svm_room room_of(const svm_state *s, double *p) {
    svm_room m;
    m.x = p;
    m.kernel = m.x + s->n_features;
    m.score = m.kernel + s->n_vectors;
    m.votes = m.score + tap_max64(pairs_of(s), tap_max64(s->n_classes, 2));
    m.r = m.votes + s->n_classes;
    m.q = m.r + s->n_classes * s->n_classes;
    m.qp = m.q + s->n_classes * s->n_classes;
    return m;
}

static size_t room_size(const svm_state *s) {
    int64_t n = s->n_features + s->n_vectors + tap_max64(pairs_of(s), tap_max64(s->n_classes, 2));
    return (size_t)(n + 2 * s->n_classes * s->n_classes + 2 * s->n_classes);
}

static void classifier_rows(void *arg, int64_t begin, int64_t end, int worker) {
    const svm_run *r = arg;
    svm_room m = room_of(r->s, r->room + (size_t)worker * r->each);
    for (int64_t row = begin; row < end; row++) {
        tap_reals_of(r->x, row * r->s->n_features, r->s->n_features, m.x);
        tap_classes_put(&r->s->classes, r->label, row, classify(r->s, &m));
        finish_scores(r->s, m.score);
        for (int64_t k = 0; k < r->columns; k++) r->z[row * r->columns + k] = (float)m.score[k];
    }
}

static void regressor_rows(void *arg, int64_t begin, int64_t end, int worker) {
    const svm_run *r = arg;
    const svm_state *s = r->s;
    svm_room m = room_of(s, r->room + (size_t)worker * r->each);
    for (int64_t row = begin; row < end; row++) {
        tap_reals_of(r->x, row * s->n_features, s->n_features, m.x);
        double y = (double)s->rho[0];
        if (s->n_vectors == 0) y += dot(s->coefficients, m.x, s->n_features);
        for (int64_t v = 0; v < s->n_vectors; v++)
            y += (double)s->coefficients[v] * kernel_of(s, m.x, s->vectors + v * s->n_features);
        if (s->one_class)
            y = y > 0 ? 1 : -1;
        else
            tap_post_apply(s->post, &y, 1);
        r->z[row] = (float)y;
    }
}

static tap_status svm_run_all(tap_ctx *ctx) {
    svm_run r = {.s = ctx->state, .x = ctx->in[0], .columns = 1};
    tap_rows rows = tap_rows_of(r.x);
    r.each = room_size(r.s);
    r.room = tap_scratch(ctx, (size_t)tap_workers(ctx) * r.each * sizeof *r.room);
    if (!r.room) return TAP_MEMORY;
    if (!r.s->classifier) {
        r.z = ctx->out[0]->data;
        tap_parallel(ctx, rows.rows, ROWS_AT_ONCE, regressor_rows, &r);
        return TAP_OK;
    }
    r.columns = column_count(r.s);
    int64_t dims[2] = {rows.rows, r.columns};
    tap_tensor *z = tap_out(ctx, 1, TAP_FLOAT, 2, dims);
    r.label = tap_out(ctx, 0, tap_classes_dtype(&r.s->classes), 1, dims);
    if (!z || !r.label) return TAP_MEMORY;
    r.z = z->data;
    tap_parallel(ctx, rows.rows, ROWS_AT_ONCE, classifier_rows, &r);
    return TAP_OK;
}

/* clang-format off */
static const tap_op ops[] = {
    {.name = "SVMClassifier", .domain = TAP_ML, .since = 1, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 2,
     .dtypes = TAP_ML_TYPES, .prepare = classifier_prepare, .infer = svm_infer, .run = svm_run_all,
     .notes = "Votes, probabilities and the scores of two classes are as ONNX Runtime has them."},
    {.name = "SVMRegressor", .domain = TAP_ML, .since = 1, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
     .dtypes = TAP_ML_TYPES, .prepare = regressor_prepare, .infer = svm_infer, .run = svm_run_all},
    {0},
};
/* clang-format on */

TAP_DEFINE_FAMILY(ml_svm, ops);
