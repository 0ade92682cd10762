/* Products of 8-bit integers against a plain loop: few rows and many, odd sizes, whole and partial panels, B
 * at run time or constant, one zero point or one for each line. */
#include "node.h"

typedef struct product {
    tap_dtype a, b;
    int m, k, n;
    bool zeros, by_line, constant;
} product;

static uint32_t seed;

static double number(tap_dtype t) {
    seed = seed * 1664525 + 1013904223;
    return (double)(seed >> 24) - (t == TAP_INT8 ? 128 : 0);
}

static double *numbers(tap_dtype t, int n) {
    double *v = malloc((size_t)(n + 1) * sizeof *v);
    for (int i = 0; i < n; i++) v[i] = number(t);
    return v;
}

static void give(node_test *t, bool constant, tap_dtype dtype, int rows, int columns, const double *v) {
    char shape[32];
    snprintf(shape, sizeof shape, columns ? "%d,%d" : "%d", rows, columns);
    if (constant)
        node_const(t, dtype, shape, v);
    else
        node_in(t, dtype, shape, v);
}

static void check_product(const product *p) {
    int a_zeros = p->by_line ? p->m : 1, b_zeros = p->by_line ? p->n : 1;
    double *a = numbers(p->a, p->m * p->k), *b = numbers(p->b, p->k * p->n), *za = numbers(p->a, p->m),
           *zb = numbers(p->b, p->n), *y = numbers(p->a, p->m * p->n);
    for (int i = 0; i < p->m; i++)
        for (int j = 0; j < p->n; j++) {
            double s = 0, from_a = p->zeros ? za[i % a_zeros] : 0, from_b = p->zeros ? zb[j % b_zeros] : 0;
            for (int l = 0; l < p->k; l++) s += (a[i * p->k + l] - from_a) * (b[l * p->n + j] - from_b);
            y[i * p->n + j] = s;
        }
    node_test t;
    char shape[32];
    node_begin(&t, "MatMulInteger", 10, 1);
    give(&t, false, p->a, p->m, p->k, a);
    give(&t, p->constant, p->b, p->k, p->n, b);
    if (p->zeros) {
        give(&t, false, p->a, a_zeros, 0, za);
        give(&t, p->constant, p->b, b_zeros, 0, zb);
    }
    snprintf(shape, sizeof shape, "%d,%d", p->m, p->n);
    node_gives(&t, 0, TAP_INT32, shape, y);
    node_end(&t);
    free(a), free(b), free(za), free(zb), free(y);
}

static void products_are_exact(void) {
    static const int sizes[][3] = {{1, 768, 130}, {1, 1, 1},   {3, 7, 31},   {16, 33, 64}, {17, 33, 65},
                                   {2, 64, 32},   {40, 5, 97}, {15, 256, 3}, {100, 31, 33}};
    for (unsigned i = 0; i < TAP_COUNT_OF(sizes); i++)
        for (unsigned how = 0; how < 32; how++) {
            product p = {.m = sizes[i][0], .k = sizes[i][1], .n = sizes[i][2]};
            p.a = how & 1 ? TAP_INT8 : TAP_UINT8;
            p.b = how & 2 ? TAP_INT8 : TAP_UINT8;
            p.zeros = how & 4;
            p.by_line = how & 8;
            p.constant = how & 16;
            check_product(&p);
        }
}

int main(void) {
    static const test_case tests[] = {TEST(products_are_exact)};
    return test_main(tests, sizeof tests / sizeof *tests);
}
