/* LayerNormalization and RMSNormalization of rows of every length, with and without a bias: the error against
 * float64, and what NaN and infinities make. */
#include <math.h>

#include "node.h"

enum { ROWS = 3, MOST = 1300 };

static double x[ROWS * MOST], scale[MOST], bias[MOST];

static double drawn(uint32_t i) {
    return (double)(float)((double)(i * 2654435761u >> 8) * 0x1p-24 * 8 - 3);
}

static double wanted(int n, int r, int i, bool centred, bool biased) {
    double sum = 0, squares = 0;
    for (int k = 0; k < n; k++) sum += x[r * n + k];
    const double mean = centred ? sum / n : 0;
    for (int k = 0; k < n; k++) squares += (x[r * n + k] - mean) * (x[r * n + k] - mean);
    return (x[r * n + i] - mean) / sqrt(squares / n + (double)1e-5f) * scale[i] + (biased ? bias[i] : 0);
}

static const float *outputs(node_test *t, int n, bool centred, bool biased) {
    char row[32], rows[32];
    snprintf(row, sizeof row, "%d", n);
    snprintf(rows, sizeof rows, "%d,%d", ROWS, n);
    node_begin(t, centred ? "LayerNormalization" : "RMSNormalization", 23, 1);
    node_in(t, TAP_FLOAT, rows, x);
    node_in(t, TAP_FLOAT, row, scale);
    if (biased) node_in(t, TAP_FLOAT, row, bias);
    node_run(t);
    CHECK_EQ(t->status, TAP_OK);
    return t->status ? NULL : tap_value_tensor(tap_session_output(t->session, 0))->data;
}

static void draw(int n) {
    for (int i = 0; i < ROWS * n; i++) x[i] = drawn((uint32_t)(i + n));
    for (int i = 0; i < n; i++) scale[i] = drawn((uint32_t)i * 7 + 1), bias[i] = drawn((uint32_t)i * 5 + 2);
}

static void one(int n, bool centred, bool biased) {
    node_test t;
    draw(n);
    const float *y = outputs(&t, n, centred, biased);
    for (int r = 0, wrong = 0; y && r < ROWS; r++) {
        for (int i = 0; i < n; i++)
            wrong += !(fabs((double)y[r * n + i] - wanted(n, r, i, centred, biased)) < 8e-6);
        CHECK_EQ(wrong, 0);
    }
    node_end(&t);
}

static void every_length(void) {
    for (int n = 2; n <= MOST; n += n < 150 ? 3 : 97) {
        one(n, true, true);
        one(n, true, false);
        one(n, false, false);
    }
    for (int n = 960; n <= 1040; n += 8) one(n, true, true);
}

/* A row with a NaN or an infinity is NaN; the others are not. */
static void special_values(void) {
    static const double odd[] = {(double)NAN, (double)INFINITY};
    for (int k = 0; k < 4; k++) {
        node_test t;
        const int n = k & 2 ? 100 : 1024;
        draw(n);
        x[2 * n - 1] = odd[k & 1];
        const float *y = outputs(&t, n, true, true);
        for (int i = 0; y && i < n; i++) CHECK(isnan(y[n + i]) && isfinite(y[i]) && isfinite(y[2 * n + i]));
        node_end(&t);
    }
}

int main(void) {
    static const test_case tests[] = {TEST(every_length), TEST(special_values)};
    return test_main(tests, sizeof tests / sizeof tests[0]);
}
