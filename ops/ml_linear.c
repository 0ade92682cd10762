/* ai.onnx.ml: LinearClassifier, LinearRegressor. */
#include "common/ml.h"
#include "common/tile.h"

/* Rows of a task, and elements that are widened at once, where a row is not longer; fewer rows than ROWS_FEW
 * fill no vector. */
enum { ROWS_AT_ONCE = 256, BLOCK = 1024, ROWS_FEW = 4 };

/* scores[n] = coefficients[n][features] . x[features] + intercepts[n] */
typedef struct linear_state {
    tap_post post;
    bool classifier;
    tap_classes classes;
    int64_t n; /* scores; of the classifier -1: as many as the coefficients are for */
    size_t n_coefficients;
    const float *coefficients;
    const float *intercepts; /* NULL: 0 */
} linear_state;

static tap_status linear_prepare(tap_ctx *ctx, linear_state *s) {
    size_t n_intercepts;
    s->post = tap_post_read(ctx);
    s->coefficients = tap_attr_floats(ctx, "coefficients", &s->n_coefficients);
    s->intercepts = tap_attr_floats(ctx, "intercepts", &n_intercepts);
    if (s->n_coefficients == 0) return tap_fail(ctx, TAP_MODEL, "attribute coefficients is missing");
    if (n_intercepts == 0)
        s->intercepts = NULL;
    else if (s->classifier)
        s->n = (int64_t)n_intercepts;
    if (s->intercepts && (int64_t)n_intercepts != s->n)
        return tap_fail(ctx, TAP_MODEL, "%zu intercepts for %lld targets", n_intercepts, (long long)s->n);
    if (s->n > 0 && (int64_t)s->n_coefficients % s->n != 0)
        return tap_fail(ctx, TAP_MODEL, "%zu coefficients do not divide by %lld scores", s->n_coefficients,
                        (long long)s->n);
    return TAP_OK;
}

static tap_status classifier_prepare(tap_ctx *ctx, void **state) {
    linear_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->classifier = true;
    s->n = -1;
    tap_attr_int(ctx, "multi_class", 0);
    tap_status status = tap_classes_read(ctx, "classlabels_ints", &s->classes);
    return status == TAP_OK ? linear_prepare(ctx, s) : status;
}

static tap_status regressor_prepare(tap_ctx *ctx, void **state) {
    linear_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->n = tap_attr_int(ctx, "targets", 1);
    if (s->n < 1) return tap_fail(ctx, TAP_MODEL, "attribute targets is %lld", (long long)s->n);
    return linear_prepare(ctx, s);
}

/* The number of scores for so many features; -1 = unknown. */
static tap_status score_count(tap_ctx *ctx, const linear_state *s, int64_t features, int64_t *n) {
    int64_t all = (int64_t)s->n_coefficients;
    *n = s->n > 0 || features < 1 ? s->n : all / features;
    if (features >= 0 && (*n < 1 || *n * features != all))
        return tap_fail(ctx, tap_misfit(ctx), "%lld coefficients do not fit rows of %lld features",
                        (long long)all, (long long)features);
    if (s->classes.n > 0 && *n > 0 && (*n == 1 ? s->classes.n != 2 : (int64_t)s->classes.n < *n))
        return tap_fail(ctx, tap_misfit(ctx), "%zu class labels for %lld scores", s->classes.n,
                        (long long)*n);
    return TAP_OK;
}

/* One score for two classes becomes two. */
static bool is_binary(const linear_state *s, int64_t n) {
    return n == 1 && s->classes.n == 2;
}

static tap_status classifier_infer(tap_ctx *ctx) {
    const linear_state *s = ctx->state;
    tap_rows r;
    int64_t n;
    tap_status status = tap_rows_in(ctx, &r);
    if (status == TAP_OK) status = score_count(ctx, s, r.features, &n);
    if (status != TAP_OK) return status;
    int64_t dims[2] = {r.rows, is_binary(s, n) ? 2 : n};
    status = tap_out_type(ctx, 0, tap_classes_dtype(&s->classes), 1, dims);
    return status == TAP_OK ? tap_out_type(ctx, 1, TAP_FLOAT, 2, dims) : status;
}

static tap_status regressor_infer(tap_ctx *ctx) {
    const linear_state *s = ctx->state;
    tap_rows r;
    int64_t n;
    tap_status status = tap_rows_in(ctx, &r);
    if (status == TAP_OK) status = score_count(ctx, s, r.features, &n);
    int64_t dims[2] = {r.rows, s->n};
    return status == TAP_OK ? tap_out_type(ctx, 0, TAP_FLOAT, 2, dims) : status;
}

typedef struct linear {
    const linear_state *s;
    const tap_tensor *x;
    tap_tensor *label; /* NULL: none      */
    float *z;
    tap_rows rows;
    int64_t n, columns, block; /* block: rows that are taken at once */
    char *room;                /* for each worker: [block][features] twice, [n][block], [columns] */
    size_t room_bytes;
} linear;

/* scores[n][rows], of x[features][rows]. */
static void score_rows(const linear *l, int64_t rows, const double *restrict x, double *restrict scores) {
    const int64_t features = l->rows.features;
    for (int64_t k = 0; k < l->n; k++, scores += rows) {
        const float *w = l->s->coefficients + k * features;
        const double first = l->s->intercepts ? (double)l->s->intercepts[k] : 0;
        for (int64_t r = 0; r < rows; r++) scores[r] = first;
        for (int64_t i = 0; i < features; i++) {
            const double weight = (double)w[i];
            for (int64_t r = 0; r < rows; r++) scores[r] += weight * x[i * rows + r];
        }
    }
}

/* The same of rows that are too few for a vector: sums of some scores run side by side. */
static void score_few_rows(const linear *l, int64_t rows, const double *x, double *scores) {
    enum { TOGETHER = 4 };
    const int64_t features = l->rows.features;
    for (int64_t k = 0; k < l->n; k += TOGETHER)
        for (int64_t r = 0; r < rows; r++) {
            const float *w[TOGETHER];
            double sum[TOGETHER];
            for (int64_t j = 0; j < TOGETHER; j++) {
                const int64_t at = tap_min64(k + j, l->n - 1);
                w[j] = l->s->coefficients + at * features;
                sum[j] = l->s->intercepts ? (double)l->s->intercepts[at] : 0;
            }
            for (int64_t i = 0; i < features; i++)
                for (int j = 0; j < TOGETHER; j++) sum[j] += (double)w[j][i] * x[i * rows + r];
            for (int64_t j = 0; j < TOGETHER && k + j < l->n; j++) scores[(k + j) * rows + r] = sum[j];
        }
}

/* Two scores for one, as ONNX Runtime makes them where the standard is silent: 1 - s and s, or a
 * transformation of -s and s. */
static void two_for_one(tap_post post, double *score) {
    double s = score[0];
    score[1] = s;
    score[0] = post == TAP_POST_NONE || post == TAP_POST_PROBIT ? 1 - s : -s;
    tap_post_apply(post, score, 2);
}

static void linear_row(const linear *l, int64_t row, double *score) {
    int64_t best = l->n == 1 ? score[0] > 0 : tap_largest(score, l->n);
    if (l->label) tap_classes_put(&l->s->classes, l->label, row, best);
    if (l->columns > l->n)
        two_for_one(l->s->post, score);
    else
        tap_post_apply(l->s->post, score, l->n);
    for (int64_t k = 0; k < l->columns; k++) l->z[row * l->columns + k] = (float)score[k];
}

/* Scores of rows from `row` on, scores[n][rows], are the output where nothing is to be done to them. */
static void finish_rows(const linear *l, int64_t row, int64_t rows, const double *scores, double *score) {
    if (!l->label && l->s->post == TAP_POST_NONE && l->columns == l->n) {
        float *z = l->z + row * l->n;
        for (int64_t k = 0; k < l->n; k++, scores += rows)
            for (int64_t r = 0; r < rows; r++) z[r * l->n + k] = (float)scores[r];
        return;
    }
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t k = 0; k < l->n; k++) score[k] = scores[k * rows + r];
        linear_row(l, row + r, score);
    }
}

static void linear_rows(void *arg, int64_t begin, int64_t end, int worker) {
    const linear *l = arg;
    const int64_t features = l->rows.features;
    double *x = (double *)(void *)(l->room + (size_t)worker * l->room_bytes);
    double *turned = x + l->block * features, *scores = turned + l->block * features,
           *score = scores + l->block * l->n;
    for (int64_t row = begin; row < end; row += l->block) {
        const int64_t rows = tap_min64(l->block, end - row);
        tap_reals_of(l->x, row * features, rows * features, x);
        if (features > 0) tap_tile_apart(sizeof *x, rows, features, x, turned);
        (rows < ROWS_FEW ? score_few_rows : score_rows)(l, rows, turned, scores);
        finish_rows(l, row, rows, scores, score);
    }
}

static tap_status linear_run(tap_ctx *ctx) {
    linear l = {.s = ctx->state, .x = ctx->in[0], .rows = tap_rows_of(ctx->in[0])};
    tap_status status = score_count(ctx, l.s, l.rows.features, &l.n);
    if (status != TAP_OK) return status;
    l.columns = is_binary(l.s, l.n) ? 2 : l.n;
    int64_t dims[2] = {l.rows.rows, l.columns};
    tap_tensor *z = l.s->classifier ? tap_out(ctx, 1, TAP_FLOAT, 2, dims) : ctx->out[0];
    l.label = l.s->classifier ? tap_out(ctx, 0, tap_classes_dtype(&l.s->classes), 1, dims) : NULL;
    l.block = tap_max64(1, tap_min64(TAP_TILE_ROWS, BLOCK / tap_max64(1, l.rows.features)));
    l.room_bytes =
        tap_round_up((size_t)(l.block * (2 * l.rows.features + l.n) + l.columns) * sizeof(double), TAP_ALIGN);
    l.room = tap_scratch(ctx, (size_t)tap_workers(ctx) * l.room_bytes);
    if (!z || !l.room || (l.s->classifier && !l.label)) return TAP_MEMORY;
    l.z = z->data;
    tap_parallel(ctx, l.rows.rows, ROWS_AT_ONCE, linear_rows, &l);
    return TAP_OK;
}

/* clang-format off */
static const tap_op ops[] = {
    {.name = "LinearClassifier", .domain = TAP_ML, .since = 1, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 2,
     .dtypes = TAP_ML_TYPES, .prepare = classifier_prepare, .infer = classifier_infer, .run = linear_run,
     .notes = "One score for two classes becomes two as in ONNX Runtime."},
    {.name = "LinearRegressor", .domain = TAP_ML, .since = 1, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
     .dtypes = TAP_ML_TYPES, .prepare = regressor_prepare, .infer = regressor_infer, .run = linear_run},
    {0},
};
/* clang-format on */

TAP_DEFINE_FAMILY(ml_linear, ops);
