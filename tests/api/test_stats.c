/* Statistics as a program sees them: exact where they promise to be, close where they say how close. */
#include "fixture.h"

#include <math.h>
#include <onnxtap/record.h>
#include <onnxtap/stats.h>
#include <stdlib.h>

#define N 20000

static float data[N];

/* Numbers of many sizes, some zeros, from a fixed generator. */
static void fill(void) {
    uint64_t state = 7;
    for (int i = 0; i < N; i++) {
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
        double u = (double)(state >> 11) * 0x1p-53;
        data[i] = i % 50 == 0 ? 0.0F : (float)((u - 0.3) * pow(10, (double)(i % 7) - 3));
    }
}

static tap_stats *stats_of(tap_per per, tap_average average) {
    tap_stats_options o = {.size = sizeof o, .per = per, .average = average};
    tap_stats *s = NULL;
    CHECK_EQ(tap_stats_new(&o, &s, NULL), TAP_OK);
    return s;
}

/* Rows first to first + n of data as [n][cols], of a data set. */
static tap_status add(tap_stats *s, int64_t first, int64_t n, int64_t cols) {
    int64_t rows[N];
    for (int64_t i = 0; i < n; i++) rows[i] = first + i;
    tap_batch batch = {.size = sizeof batch, .n_rows = n, .rows = rows};
    tap_stats_source source = {.size = sizeof source, .name = "x", .batch = &batch, .axis = 0};
    tap_value *v = NULL;
    CHECK_EQ(tap_value_wrap(TAP_FLOAT, 2, (int64_t[]){n, cols}, data + first * cols, &v, NULL), TAP_OK);
    tap_status status = tap_stats_add(s, &source, tap_value_tensor(v), NULL);
    tap_value_release(v);
    return status;
}

static int by_size(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void figures_of_known_numbers(void) {
    double sum = 0, squares = 0, min = data[0], max = data[0];
    int64_t zeros = 0, negatives = 0, max_at = 0;
    for (int i = 0; i < N; i++) sum += data[i];
    for (int i = 0; i < N; i++) {
        double d = data[i] - sum / N;
        squares += d * d;
        if (data[i] < min) min = data[i];
        if (data[i] > max) max = data[i], max_at = i;
        zeros += data[i] == 0;
        negatives += data[i] < 0;
    }
    tap_stats *s = stats_of(TAP_PER_TENSOR, TAP_AVERAGE_NONE);
    for (int64_t row = 0; row < N / 20; row += 30)
        CHECK_EQ(add(s, row, N / 20 - row < 30 ? N / 20 - row : 30, 20), TAP_OK);
    tap_stat x = {.size = sizeof x};
    CHECK(tap_stats_get(s, 0, SIZE_MAX, &x));
    CHECK_EQ(x.count, N);
    CHECK_EQ(x.zeros, zeros);
    CHECK_EQ(x.negatives, negatives);
    CHECK(x.min == min && x.max == max);
    CHECK(x.max_row == max_at / 20 && x.max_at == max_at % 20);
    CHECK(fabs(x.mean - sum / N) < 1e-12 * fabs(max));
    CHECK(fabs(x.variance / (squares / N) - 1) < 1e-12);
    tap_stats_free(s);
}

static void quantiles_within_their_error(void) {
    float *sorted = malloc(sizeof data);
    memcpy(sorted, data, sizeof data);
    qsort(sorted, N, sizeof *sorted, by_size);
    tap_stats *s = stats_of(TAP_PER_TENSOR, TAP_AVERAGE_NONE);
    CHECK_EQ(add(s, 0, N / 20, 20), TAP_OK);
    for (double q = 0; q <= 1; q += 0.01) {
        double want = sorted[(int)(q * (N - 1) + 0.5)], got = tap_stats_quantile(s, 0, 0, q);
        CHECK(fabs(got - want) <= 0.004 * fabs(want));
    }
    double edges[31];
    int64_t counts[30], total = 0;
    size_t bins = tap_stats_histogram(s, 0, 0, 30, edges, counts);
    CHECK(bins > 5 && bins <= 30);
    for (size_t k = 0; k < bins; k++) {
        int64_t inside = 0;
        for (int i = 0; i < N; i++)
            inside += sorted[i] >= edges[k] && (sorted[i] < edges[k + 1] || k + 1 == bins);
        if (edges[k] >= 0) CHECK_EQ(inside, counts[k]);
        total += counts[k];
    }
    CHECK_EQ(total, N);
    free(sorted);
    tap_stats_free(s);
}

/* In any order, through a document, the parts are the whole. */
static void parts_merge_to_the_whole(void) {
    tap_stats *whole = stats_of(TAP_PER_CHANNEL, TAP_AVERAGE_SAMPLES), *parts[4], *merged = NULL;
    CHECK_EQ(add(whole, 0, 1000, 20), TAP_OK);
    for (int k = 0; k < 4; k++) {
        char path[] = "/tmp/onnxtap-stats-XXXXXX";
        int fd = mkstemp(path);
        CHECK(fd >= 0);
        tap_stats *part = stats_of(TAP_PER_CHANNEL, TAP_AVERAGE_SAMPLES);
        CHECK_EQ(add(part, 250 * k, 250, 20), TAP_OK);
        CHECK_EQ(tap_stats_save(part, path, NULL), TAP_OK);
        tap_stats_free(part);
        CHECK_EQ(tap_stats_load(path, &parts[k], NULL), TAP_OK);
        remove(path);
    }
    merged = parts[2];
    for (int k = 0; k < 4; k++)
        if (k != 2) CHECK_EQ(tap_stats_merge(merged, parts[k], NULL), TAP_OK);
    CHECK_EQ(tap_stats_units(merged, 0), 20);
    for (size_t unit = 0; unit < 20; unit++) {
        tap_stat a = {.size = sizeof a}, b = {.size = sizeof b};
        CHECK(tap_stats_get(whole, 0, unit, &a) && tap_stats_get(merged, 0, unit, &b));
        CHECK(a.count == b.count && a.zeros == b.zeros && a.negatives == b.negatives);
        CHECK(a.min == b.min && a.max == b.max && a.min_row == b.min_row && a.max_at == b.max_at);
        CHECK(fabs(a.mean - b.mean) < 1e-9 && fabs(a.variance / b.variance - 1) < 1e-9);
        CHECK(tap_stats_quantile(whole, 0, unit, 0.3) == tap_stats_quantile(merged, 0, unit, 0.3));
    }
    tap_value *x = NULL, *y = NULL;
    CHECK_EQ(tap_stats_average(whole, 0, &x, NULL), TAP_OK);
    CHECK_EQ(tap_stats_average(merged, 0, &y, NULL), TAP_OK);
    CHECK(values_close("average", y, x, 1e-6, 1e-9));
    tap_value_release(x);
    tap_value_release(y);
    for (int k = 0; k < 4; k++) tap_stats_free(parts[k]);
    tap_stats_free(whole);
}

static void nonfinite_numbers_are_counted_apart(void) {
    float x[6] = {1, NAN, INFINITY, -2, -INFINITY, 4};
    tap_stats *s = stats_of(TAP_PER_TENSOR, TAP_AVERAGE_NONE);
    tap_value *v = vector(6, x);
    tap_stats_source source = {.size = sizeof source, .name = "x", .axis = TAP_BATCH_NONE};
    CHECK_EQ(tap_stats_add(s, &source, tap_value_tensor(v), NULL), TAP_OK);
    tap_stat a = {.size = sizeof a};
    tap_health h = {.size = sizeof h};
    CHECK(tap_stats_get(s, 0, 0, &a));
    CHECK(a.count == 6 && a.nonfinite == 3 && a.nan == 1 && a.mean == 1 && a.min == -2 && a.max == 4);
    CHECK(a.min_at == 0 && a.min_row == 3);
    CHECK(tap_stats_health(s, 0, &h) && h.ailment == TAP_NONFINITE);
    CHECK_HAS(h.text, "3 of 6");
    tap_value_release(v);
    tap_stats_free(s);
}

static void health_names_dead_units(void) {
    float x[4][4] = {{1, 0, 2, 0}, {3, 0, 0, 0}, {0, 0, 1, 0}, {2, 0, 5, 0}};
    tap_stats *s = stats_of(TAP_PER_CHANNEL, TAP_AVERAGE_NONE);
    tap_value *v = floats(2, (int64_t[]){4, 4}, &x[0][0]);
    tap_stats_source source = {.size = sizeof source, .name = "x", .axis = 0};
    CHECK_EQ(tap_stats_add(s, &source, tap_value_tensor(v), NULL), TAP_OK);
    tap_health h = {.size = sizeof h};
    CHECK(tap_stats_health(s, 0, &h) && h.ailment == TAP_DEAD && h.dead == 0.5);
    CHECK_HAS(h.text, "50 %");
    tap_value_release(v);
    tap_stats_free(s);
}

/* Figures of Keras 3: keras.losses.X(...)(labels, y), two samples. */
static void losses_are_those_of_keras(void) {
    float p[6] = {0.7F, 0.2F, 0.1F, 0.1F, 0.3F, 0.6F}, logits[6] = {2, 1, 0.1F, -1, 0.5F, 3},
          one[6] = {1, 0, 0, 0, 1, 0};
    float classes[2] = {0, 1};
    const struct {
        tap_loss loss;
        bool from_logits;
        const float *y, *labels;
        int64_t columns;
        double want;
    } cases[] = {{TAP_LOSS_SPARSE_CROSS_ENTROPY, false, p, classes, 1, 0.780324},
                 {TAP_LOSS_CROSS_ENTROPY, false, p, one, 3, 0.780324},
                 {TAP_LOSS_SPARSE_CROSS_ENTROPY, true, logits, classes, 1, 1.506352},
                 {TAP_LOSS_CROSS_ENTROPY, true, logits, one, 3, 1.506352},
                 {TAP_LOSS_MSE, false, p, one, 3, 0.166667},
                 {TAP_LOSS_AUTO, false, p, classes, 1, 0.780324}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tap_value *y = floats(2, (int64_t[]){2, 3}, cases[i].y),
                  *labels = floats(2, (int64_t[]){2, cases[i].columns}, cases[i].labels);
        tap_score s = {.size = sizeof s, .loss = cases[i].loss, .from_logits = cases[i].from_logits};
        CHECK_EQ(tap_score_add(&s, tap_value_tensor(y), tap_value_tensor(labels), NULL), TAP_OK);
        CHECK(fabs(s.loss_sum / (double)s.n - cases[i].want) < 2e-6);
        CHECK(s.n_predictions == 2 && s.correct == 1);
        tap_value_release(y);
        tap_value_release(labels);
    }
    tap_value *y = floats(2, (int64_t[]){2, 3}, p), *labels = vector(2, (const float[]){0, 3});
    tap_score s = {.size = sizeof s, .loss = TAP_LOSS_SPARSE_CROSS_ENTROPY};
    tap_error err = TAP_ERROR_INIT;
    CHECK_EQ(tap_score_add(&s, tap_value_tensor(y), tap_value_tensor(labels), &err), TAP_DATA);
    CHECK_HAS(err.text, "label 3");
    tap_value_release(y);
    tap_value_release(labels);
}

/* Many at once, with all that floats may be. */
static void one_large_tensor(void) {
    static float x[5 * N];
    int64_t zeros = 0, negatives = 0, nonfinite = 0, max_at = -1;
    double sum = 0, squares = 0;
    for (int i = 0; i < 5 * N; i++) {
        x[i] = i % 977 == 3    ? NAN
               : i % 1201 == 5 ? -INFINITY
               : i % 31 == 7   ? -0.0F
               : i % 37 == 1   ? 1e-40F
                               : data[i % N] * (float)(1 + i / N);
        nonfinite += !isfinite(x[i]);
        zeros += x[i] == 0;
        negatives += isfinite(x[i]) && x[i] < 0;
        if (isfinite(x[i])) sum += (double)x[i];
        if (isfinite(x[i]) && (max_at < 0 || x[i] > x[max_at])) max_at = i;
    }
    double n = 5 * N - (double)nonfinite;
    for (int i = 0; i < 5 * N; i++)
        if (isfinite(x[i])) squares += ((double)x[i] - sum / n) * ((double)x[i] - sum / n);
    tap_value *v = NULL;
    CHECK_EQ(tap_value_wrap(TAP_FLOAT, 2, (int64_t[]){1000, N / 200}, x, &v, NULL), TAP_OK);
    tap_stats_source source = {.size = sizeof source, .name = "x", .axis = 0};
    tap_stats *s = stats_of(TAP_PER_TENSOR, TAP_AVERAGE_NONE),
              *units = stats_of(TAP_PER_UNIT, TAP_AVERAGE_NONE);
    CHECK_EQ(tap_stats_add(s, &source, tap_value_tensor(v), NULL), TAP_OK);
    CHECK_EQ(tap_stats_add(units, &source, tap_value_tensor(v), NULL), TAP_OK);
    for (int k = 0; k < 2; k++) {
        const tap_stats *which = k ? units : s;
        tap_stat f = {.size = sizeof f};
        CHECK(tap_stats_get(which, 0, SIZE_MAX, &f));
        CHECK_EQ(f.count, 5 * N);
        CHECK_EQ(f.nonfinite, nonfinite);
        CHECK_EQ(f.zeros, zeros);
        CHECK_EQ(f.negatives, negatives);
        CHECK_EQ(f.max_row * 100 + f.max_at, max_at / 100 * 100 + max_at % 100);
        CHECK(fabs(f.mean - sum / n) < 1e-12 * f.max && fabs(f.variance / (squares / n) - 1) < 1e-12);
    }
    for (double q = 0; q <= 1; q += 1.0 / 64)
        CHECK(tap_stats_quantile(s, 0, SIZE_MAX, q) == tap_stats_quantile(units, 0, SIZE_MAX, q));
    tap_value_release(v);
    tap_stats_free(s);
    tap_stats_free(units);
}

/* ---- Values given in another order of memory ---- */

enum { ROWS = 3, DEPTH = 20, HIGH = 40, WIDE = 50, ALL = ROWS * DEPTH * HIGH * WIDE };

/* x[n][c][h][w] with ties, signs and what is not finite; y has the same axes in the order that `order` says.
 */
static void fill_orders(float *x, float *y, const int *order) {
    const int64_t dims[4] = {ROWS, DEPTH, HIGH, WIDE};
    int64_t step[4], s = 1;
    for (int i = 3; i >= 0; i--) {
        step[order[i]] = s;
        s *= dims[order[i]];
    }
    for (int i = 0; i < ALL; i++) {
        int w = i % WIDE, h = i / WIDE % HIGH, c = i / WIDE / HIGH % DEPTH, n = i / WIDE / HIGH / DEPTH;
        float v = data[(i * 7 + i / 1000) % N];
        x[i] = i % 4001 == 11 ? NAN : c == 3 && v > 20 ? 400.0F : c == 2 ? -0.0F : v < -20 ? -300.0F : v;
        y[n * step[0] + c * step[1] + h * step[2] + w * step[3]] = x[i];
    }
}

static void same_figures(const tap_stats *a, const tap_stats *b) {
    CHECK_EQ(tap_stats_units(a, 0), tap_stats_units(b, 0));
    for (size_t u = 0; u < tap_stats_units(a, 0); u++) {
        tap_stat x = {.size = sizeof x}, y = {.size = sizeof y};
        CHECK(tap_stats_get(a, 0, u, &x) && tap_stats_get(b, 0, u, &y));
        CHECK(x.count == y.count && x.nonfinite == y.nonfinite && x.nan == y.nan && x.zeros == y.zeros &&
              x.negatives == y.negatives && x.min == y.min && x.max == y.max);
        CHECK(x.min_row == y.min_row && x.min_at == y.min_at && x.max_row == y.max_row &&
              x.max_at == y.max_at);
        CHECK(fabs(x.mean - y.mean) <= 1e-11 * sqrt(x.variance) &&
              fabs(x.variance - y.variance) <= 1e-11 * x.variance);
        double q = tap_stats_quantile(a, 0, u, 0.3), r = tap_stats_quantile(b, 0, u, 0.3);
        CHECK(q == r || (isnan(q) && isnan(r)));
    }
}

static void figures_are_those_of_the_value_however_it_lies(void) {
    static const int orders[3][4] = {{0, 2, 3, 1}, {1, 0, 2, 3}, {3, 2, 1, 0}};
    static float x[ALL], y[ALL];
    const int64_t dims[4] = {ROWS, DEPTH, HIGH, WIDE}, rows[ROWS] = {4, 7, 9};
    tap_batch batch = {.size = sizeof batch, .n_rows = ROWS, .rows = rows};
    for (int k = 0; k < 18; k++) {
        const int *order = orders[k % 3];
        int64_t lies[4];
        int32_t perm[4];
        tap_value *v = NULL, *w = NULL;
        fill_orders(x, y, order);
        for (int i = 0; i < 4; i++) {
            lies[i] = dims[order[i]];
            perm[order[i]] = i;
        }
        CHECK_EQ(tap_value_wrap(TAP_FLOAT, 4, dims, x, &v, NULL), TAP_OK);
        CHECK_EQ(tap_value_wrap(TAP_FLOAT, 4, lies, y, &w, NULL), TAP_OK);
        if (k >= 9) { /* another dtype */
            tap_value *f = v, *g = w;
            CHECK_EQ(tap_value_cast(f, TAP_FLOAT16, &v, NULL), TAP_OK);
            CHECK_EQ(tap_value_cast(g, TAP_FLOAT16, &w, NULL), TAP_OK);
            tap_value_release(f);
            tap_value_release(g);
        }
        tap_stats_source source = {.size = sizeof source, .name = "x", .batch = &batch, .axis = 0};
        tap_stats *a = stats_of((tap_per)(k / 3 % 3), TAP_AVERAGE_NONE),
                  *b = stats_of((tap_per)(k / 3 % 3), TAP_AVERAGE_NONE);
        for (int twice = 0; twice < 2; twice++) { /* the second time nothing is new */
            source.perm = NULL;
            CHECK_EQ(tap_stats_add(a, &source, tap_value_tensor(v), NULL), TAP_OK);
            source.perm = perm;
            CHECK_EQ(tap_stats_add(b, &source, tap_value_tensor(w), NULL), TAP_OK);
        }
        same_figures(a, b);
        perm[0] = perm[1];
        CHECK_EQ(tap_stats_add(b, &source, tap_value_tensor(w), NULL), TAP_USAGE);
        tap_stats_free(a);
        tap_stats_free(b);
        tap_value_release(v);
        tap_value_release(w);
    }
}

/* Of averages, too, the value's axes are told. */
static void averages_are_those_of_the_value(void) {
    float y[6] = {1, 2, 3, 4, 5, 9};
    int32_t perm[2] = {1, 0};
    tap_value *v = floats(2, (int64_t[]){3, 2}, y), *mean = NULL;
    tap_stats *s = stats_of(TAP_PER_TENSOR, TAP_AVERAGE_SAMPLES);
    tap_stats_source source = {.size = sizeof source, .name = "x", .axis = 0, .perm = perm};
    CHECK_EQ(tap_stats_add(s, &source, tap_value_tensor(v), NULL), TAP_OK);
    CHECK_EQ(tap_stats_average(s, 0, &mean, NULL), TAP_OK);
    const float *x = tap_tensor_data(tap_value_tensor(mean));
    CHECK(tap_tensor_count(tap_value_tensor(mean)) == 3 && x[0] == 1.5F && x[1] == 3.5F && x[2] == 7);
    tap_value_release(mean);
    tap_value_release(v);
    tap_stats_free(s);
}

static const test_case tests[] = {
    TEST(one_large_tensor),
    TEST(figures_are_those_of_the_value_however_it_lies),
    TEST(averages_are_those_of_the_value),
    {"figures_of_known_numbers", figures_of_known_numbers},
    {"quantiles_within_their_error", quantiles_within_their_error},
    {"parts_merge_to_the_whole", parts_merge_to_the_whole},
    {"nonfinite_numbers_are_counted_apart", nonfinite_numbers_are_counted_apart},
    {"health_names_dead_units", health_names_dead_units},
    {"losses_are_those_of_keras", losses_are_those_of_keras},
};

int main(void) {
    fill();
    return test_main(tests, sizeof tests / sizeof *tests);
}
