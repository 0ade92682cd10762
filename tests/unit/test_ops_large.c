/* Operators that move data, where it is so much that shuffles, blocks and several tasks take part: against
 * plain loops. */
#include "node.h"

enum { MOST = 60000 };
static double x[MOST], y[MOST], u[MOST], at[2 * MOST];
static const tap_dtype types[] = {TAP_INT8, TAP_FLOAT16, TAP_FLOAT, TAP_INT64};

static uint32_t rng = 1;
static int64_t below(int64_t n) {
    rng = rng * 1664525u + 1013904223u;
    return (int64_t)(rng >> 8) % n;
}

static void numbers(double *p, int64_t n, int64_t lo, int64_t hi) {
    for (int64_t i = 0; i < n; i++) p[i] = (double)(lo + below(hi - lo));
}

static const char *dims(int rank, int64_t a, int64_t b, int64_t c) {
    static char text[4][64];
    static int turn;
    char *s = text[turn++ % 4];
    snprintf(s, sizeof text[0], rank == 1 ? "%d" : rank == 2 ? "%d,%d" : "%d,%d,%d", (int)a, (int)b, (int)c);
    return s;
}

static void short_rows_are_padded(void) {
    enum { ROWS = 9001, N = 3, M = 6 };
    static const char *const modes[] = {"constant", "reflect", "edge", "wrap"};
    static const int from[4][M] = {
        {-1, 0, 1, 2, -1, -1}, {1, 0, 1, 2, 1, 0}, {0, 0, 1, 2, 2, 2}, {2, 0, 1, 2, 0, 1}};
    numbers(x, ROWS * N, -100, 100);
    for (size_t k = 0; k < 4 * TAP_COUNT_OF(types); k++) {
        node_test t;
        for (int i = 0; i < ROWS * M; i++)
            y[i] = from[k % 4][i % M] < 0 ? 7 : x[i / M * N + from[k % 4][i % M]];
        node_begin(&t, "Pad", 19, 1);
        node_string(&t, "mode", modes[k % 4]);
        node_in(&t, types[k / 4], dims(2, ROWS, N, 0), x);
        node_in(&t, TAP_INT64, "4", NUMS(0, 1, 0, 2));
        node_in(&t, types[k / 4], "", NUMS(7));
        node_gives(&t, 0, types[k / 4], dims(2, ROWS, M, 0), y);
        node_end(&t);
    }
}

/* Borders around images, whose rows are some tens of bytes. */
static void images_are_padded(void) {
    enum { C = 40, H = 13, W = 9 };
    numbers(x, C * H * W, -100, 100);
    for (size_t k = 0; k < TAP_COUNT_OF(types); k++) {
        node_test t;
        for (int c = 0, i = 0; c < C; c++)
            for (int h = -1; h <= H; h++)
                for (int w = -2; w <= W; w++, i++)
                    y[i] = h < 0 || h == H || w < 0 || w == W ? 3 : x[(c * H + h) * W + w];
        node_begin(&t, "Pad", 19, 1);
        node_in(&t, types[k], dims(3, C, H, W), x);
        node_in(&t, TAP_INT64, "6", NUMS(0, 1, 2, 0, 1, 1));
        node_in(&t, types[k], "", NUMS(3));
        node_gives(&t, 0, types[k], dims(3, C, H + 2, W + 3), y);
        node_end(&t);
    }
}

static void few_are_gathered(void) {
    enum { PRE = 6000, D = 5, N = 3 };
    numbers(x, PRE * D, -100, 100);
    for (size_t k = 0; k < TAP_COUNT_OF(types); k++) {
        node_test t;
        for (int i = 0; i < PRE * N; i++) y[i] = x[i / N * D + (int[]){4, 0, 2}[i % N]];
        node_begin(&t, "Gather", 13, 1);
        node_int(&t, "axis", 1);
        node_in(&t, types[k], dims(2, PRE, D, 0), x);
        node_in(&t, TAP_INT32, "3", NUMS(-1, 0, 2));
        node_gives(&t, 0, types[k], dims(2, PRE, N, 0), y);
        node_end(&t);
    }
}

/* GatherElements and ScatterElements along axis, [H][M][W] of indices into [D][M][W] or the like. */
static void elements_along_each_axis(void) {
    enum { A = 37, B = 11, C = 130 };
    const int64_t n[3] = {A, B, C}, step[3] = {B * C, C, 1};
    for (int axis = 0; axis < 3; axis++) {
        node_test t;
        numbers(x, A * B * C, -1000, 1000);
        numbers(u, A * B * C, -1000, 1000);
        numbers(at, A * B * C, -n[axis], n[axis]);
        for (int64_t i = 0; i < A * B * C; i++) {
            const int64_t here = i / step[axis] % n[axis], there = (int64_t)at[i] + (at[i] < 0 ? n[axis] : 0);
            y[i] = x[i + (there - here) * step[axis]];
        }
        node_begin(&t, "GatherElements", 13, 1);
        node_int(&t, "axis", axis);
        node_in(&t, TAP_FLOAT, dims(3, A, B, C), x);
        node_in(&t, TAP_INT64, dims(3, A, B, C), at);
        node_gives(&t, 0, TAP_FLOAT, dims(3, A, B, C), y);
        node_end(&t);
        memcpy(y, x, sizeof y);
        for (int64_t i = 0; i < A * B * C; i++) {
            const int64_t here = i / step[axis] % n[axis], there = (int64_t)at[i] + (at[i] < 0 ? n[axis] : 0);
            y[i + (there - here) * step[axis]] += u[i];
        }
        node_begin(&t, "ScatterElements", 18, 1);
        node_int(&t, "axis", axis);
        node_string(&t, "reduction", "add");
        node_in(&t, TAP_INT32, dims(3, A, B, C), x);
        node_in(&t, TAP_INT32, dims(3, A, B, C), at);
        node_in(&t, TAP_INT32, dims(3, A, B, C), u);
        node_gives(&t, 0, TAP_INT32, dims(3, A, B, C), y);
        node_end(&t);
        at[A * B * C / 2] = (double)n[axis];
        node_begin(&t, "GatherElements", 13, 1);
        node_int(&t, "axis", axis);
        node_in(&t, TAP_FLOAT, dims(3, A, B, C), x);
        node_in(&t, TAP_INT64, dims(3, A, B, C), at);
        node_fails(&t, TAP_RUN, "indices[26455] (counted flat) is");
        node_end(&t);
    }
}

static void tuples_pick_and_put(void) {
    enum { A = 90, B = 70, N = 5000 };
    node_test t;
    numbers(x, A * B, -1000, 1000);
    numbers(u, N, -1000, 1000);
    for (int i = 0; i < N; i++) {
        at[2 * i] = (double)(below(2 * A) - A);
        at[2 * i + 1] = (double)(below(2 * B) - B);
        const int64_t a = (int64_t)at[2 * i], b = (int64_t)at[2 * i + 1];
        y[i] = x[(a < 0 ? a + A : a) * B + (b < 0 ? b + B : b)];
    }
    node_begin(&t, "GatherND", 13, 1);
    node_in(&t, TAP_INT64, dims(2, A, B, 0), x);
    node_in(&t, TAP_INT64, dims(2, N, 2, 0), at);
    node_gives(&t, 0, TAP_INT64, dims(1, N, 0, 0), y);
    node_end(&t);
    memcpy(y, x, sizeof y);
    for (int i = 0; i < N; i++) {
        const int64_t a = (int64_t)at[2 * i], b = (int64_t)at[2 * i + 1];
        y[(a < 0 ? a + A : a) * B + (b < 0 ? b + B : b)] = u[i];
    }
    node_begin(&t, "ScatterND", 13, 1);
    node_in(&t, TAP_FLOAT, dims(2, A, B, 0), x);
    node_in(&t, TAP_INT64, dims(2, N, 2, 0), at);
    node_in(&t, TAP_FLOAT, dims(1, N, 0, 0), u);
    node_gives(&t, 0, TAP_FLOAT, dims(2, A, B, 0), y);
    node_end(&t);
    at[2 * 4000 + 1] = B;
    node_begin(&t, "ScatterND", 13, 1);
    node_in(&t, TAP_FLOAT, dims(2, A, B, 0), x);
    node_in(&t, TAP_INT64, dims(2, N, 2, 0), at);
    node_in(&t, TAP_FLOAT, dims(1, N, 0, 0), u);
    node_fails(&t, TAP_RUN, "indices[8001] (counted flat) is 70, out of range for 70 elements along axis 1");
    node_end(&t);
}

static void sequences_are_reversed(void) {
    enum { A = 150, B = 190 };
    numbers(x, A * B, -100, 100);
    for (size_t k = 0; k < 2 * TAP_COUNT_OF(types); k++) {
        node_test t;
        const bool time_first = k % 2 == 0;
        const int time = time_first ? A : B, batch = time_first ? B : A;
        numbers(at, batch, 0, time + 1);
        for (int i = 0; i < A * B; i++) {
            const int s = time_first ? i / B : i % B, b = time_first ? i % B : i / B, n = (int)at[b];
            const int from = s < n ? n - 1 - s : s;
            y[i] = x[time_first ? from * B + b : b * B + from];
        }
        node_begin(&t, "ReverseSequence", 10, 1);
        node_int(&t, "time_axis", time_first ? 0 : 1);
        node_int(&t, "batch_axis", time_first ? 1 : 0);
        node_in(&t, types[k / 2], dims(2, A, B, 0), x);
        node_in(&t, TAP_INT64, dims(1, batch, 0, 0), at);
        node_gives(&t, 0, types[k / 2], dims(2, A, B, 0), y);
        node_end(&t);
    }
}

/* Few rows are summed up another way than many, long ones in pieces; the last elements of a row are left over
 * in either. `axis`: rows lie apart, or side by side. */
static void sum_up(const char *op, tap_dtype type, int axis, int rows, int n, bool exclusive, bool reverse) {
    const bool product = strcmp(op, "CumProd") == 0;
    node_test t;
    numbers(x, rows * n, -9, 10);
    for (int i = 0; product && i < rows * n; i++) x[i] = i % 9 == 0 ? 2 : i % 9 == 4 ? 0.5 : i % 5 ? 1 : -1;
    for (int r = 0; r < rows; r++) {
        double sum = product;
        for (int i = 0; i < n; i++) {
            const int k = reverse ? n - 1 - i : i, e = axis ? r * n + k : k * rows + r;
            const double next = product ? sum * x[e] : sum + x[e];
            y[e] = exclusive ? sum : next;
            sum = next;
        }
    }
    node_begin(&t, op, 26, 1);
    node_int(&t, "exclusive", exclusive);
    node_int(&t, "reverse", reverse);
    node_in(&t, type, axis ? dims(2, rows, n, 0) : dims(2, n, rows, 0), x);
    node_in(&t, TAP_INT32, "", NUMS(axis));
    node_gives(&t, 0, type, axis ? dims(2, rows, n, 0) : dims(2, n, rows, 0), y);
    node_end(&t);
}

static void rows_are_summed_up(void) {
    static const tap_dtype sums[] = {TAP_FLOAT, TAP_DOUBLE, TAP_FLOAT16, TAP_BFLOAT16, TAP_INT32, TAP_INT64};
    static const int sizes[][2] = {{1, 1},    {1, 7},  {1, 8},  {1, 1003}, {3, 21},  {7, 500},
                                   {2, 2101}, {8, 21}, {9, 31}, {9, 32},   {19, 33}, {70, 45}};
    for (size_t k = 0; k < 8 * TAP_COUNT_OF(sums) * TAP_COUNT_OF(sizes); k++) {
        const tap_dtype type = sums[k / 8 % TAP_COUNT_OF(sums)];
        const int *size = sizes[k / 8 / TAP_COUNT_OF(sums)];
        sum_up("CumSum", type, k & 4 ? 0 : 1, size[0], size[1], k & 1, k & 2);
        if (type != TAP_INT32 && type != TAP_INT64)
            sum_up("CumProd", type, k & 4 ? 0 : 1, size[0], size[1], k & 1, k & 2);
    }
}

/* Whole powers wrap; one exponent for all, or each its own; those below 0 leave what is cut. */
static void integers_are_raised(void) {
    enum { N = 1500 };
    static const tap_dtype bases[] = {TAP_INT32, TAP_INT64}, to[] = {TAP_INT64, TAP_INT32, TAP_FLOAT};
    for (int k = 0; k < 2 * 3 * 9; k++) {
        node_test t;
        const tap_dtype base = bases[k % 2], exponent = to[k / 2 % 3];
        const int one = k / 6 - 2; /* -2 .. 5 for all; 6: each its own */
        numbers(x, N, -5, 6);
        numbers(u, N, exponent == TAP_FLOAT ? 0 : -2, 13);
        for (int i = 0; i < N; i++) {
            if (one < 6) u[i] = one;
            if (u[i] < 0 && x[i] == 0) x[i] = 3;
            y[i] = trunc(pow(x[i], u[i]));
        }
        node_begin(&t, "Pow", 15, 1);
        node_in(&t, base, dims(1, N, 0, 0), x);
        node_in(&t, exponent, one < 6 ? "" : dims(1, N, 0, 0), u);
        node_gives(&t, 0, base, dims(1, N, 0, 0), y);
        node_end(&t);
    }
    node_test t;
    node_begin(&t, "Pow", 15, 1);
    node_in(&t, TAP_INT32, "4", NUMS(65537, -3, 3, 0));
    node_in(&t, TAP_INT64, "4", NUMS(2, 33, -1, -1));
    node_gives(&t, 0, TAP_INT32, "4", NUMS(131073, 1504003197, 0, 0));
    node_end(&t);
    node_begin(&t, "Pow", 15, 1);
    node_in(&t, TAP_FLOAT, "2", NUMS(-0.0, -2));
    node_in(&t, TAP_INT32, "", NUMS(3));
    node_gives(&t, 0, TAP_FLOAT, "2", NUMS(-0.0, -8));
    node_end(&t);
}

/* Scales and zero points of blocks along the last axis, which may end in a shorter one. */
static void blocks_are_quantized(void) {
    static const int sizes[][3] = {{3, 70, 5}, {9, 64, 64}, {2, 300, 100}, {5, 70, 35}, {3, 70, 20}};
    for (size_t k = 0; k < 4 * TAP_COUNT_OF(sizes); k++) {
        node_test t;
        const tap_dtype type = k % 2 ? TAP_INT8 : TAP_UINT8, real = k / 2 % 2 ? TAP_BFLOAT16 : TAP_FLOAT;
        const int rows = sizes[k / 4][0], n = sizes[k / 4][1], block = sizes[k / 4][2];
        const int of_row = (n + block - 1) / block, least = type == TAP_INT8 ? -128 : 0;
        numbers(x, rows * n, -100, 101);
        numbers(at, rows * of_row, least, least + 256);
        for (int i = 0; i < rows * of_row; i++) u[i] = ldexp(1, (int)below(5) - 3);
        for (int i = 0; i < rows * n; i++) {
            const int b = i / n * of_row + i % n / block;
            const double q = nearbyint(x[i] / u[b]) + at[b];
            y[i] = q < least ? least : q > least + 255 ? least + 255 : q;
        }
        node_begin(&t, "QuantizeLinear", 21, 1);
        node_int(&t, "axis", 1);
        node_int(&t, "block_size", block);
        node_in(&t, real, dims(2, rows, n, 0), x);
        node_in(&t, real, dims(2, rows, of_row, 0), u);
        node_in(&t, type, dims(2, rows, of_row, 0), at);
        node_gives(&t, 0, type, dims(2, rows, n, 0), y);
        node_end(&t);
    }
}

/* Integers by one column, in a stack of products, and row by row; sums wrap. */
static void integers_are_multiplied(void) {
    static const tap_dtype ints[] = {TAP_INT32, TAP_UINT32, TAP_INT64, TAP_UINT64};
    static const int sizes[][3] = {{1, 1, 1}, {1, 70, 300}, {3, 9, 33}, {9, 5, 17}, {2, 40, 64}};
    for (size_t k = 0; k < 4 * TAP_COUNT_OF(sizes); k++) {
        node_test t;
        const int *size = sizes[k / 4], rows = size[0] * size[1], n = size[2];
        numbers(x, rows * n, 0, 1000);
        numbers(u, size[0] * n, 0, 1000);
        numbers(at, rows * n, 0, 1000);
        for (int r = 0; r < rows; r++) {
            y[r] = y[rows + r] = 0;
            for (int i = 0; i < n; i++) y[r] += x[r * n + i] * u[r / size[1] * n + i];
            for (int i = 0; i < n; i++) y[rows + r] += x[r * n + i] * at[r * n + i];
        }
        node_begin(&t, "MatMul", 13, 1);
        node_in(&t, ints[k % 4], dims(3, size[0], size[1], n), x);
        node_in(&t, ints[k % 4], dims(3, size[0], n, 1), u);
        node_gives(&t, 0, ints[k % 4], dims(3, size[0], size[1], 1), y);
        node_end(&t);
        node_begin(&t, "Einsum", 12, 1);
        node_string(&t, "equation", "ij,ij->i");
        node_in(&t, ints[k % 4], dims(2, rows, n, 0), x);
        node_in(&t, ints[k % 4], dims(2, rows, n, 0), at);
        node_gives(&t, 0, ints[k % 4], dims(1, rows, 0, 0), y + rows);
        node_end(&t);
    }
    node_test t;
    node_begin(&t, "MatMul", 13, 1);
    node_in(&t, TAP_INT32, "1,2", NUMS(1 << 30, 3));
    node_in(&t, TAP_INT32, "2", NUMS(4, 5));
    node_gives(&t, 0, TAP_INT32, "1", NUMS(15));
    node_end(&t);
}

static void ranges_count_far(void) {
    static const tap_dtype all[] = {TAP_FLOAT, TAP_DOUBLE, TAP_INT16, TAP_INT32, TAP_INT64};
    enum { N = 5003 };
    for (size_t k = 0; k < TAP_COUNT_OF(all); k++) {
        node_test t;
        for (int i = 0; i < N; i++) y[i] = 17 - 3 * i;
        node_begin(&t, "Range", 11, 1);
        node_in(&t, all[k], "", NUMS(17));
        node_in(&t, all[k], "", NUMS(17 - 3 * N));
        node_in(&t, all[k], "", NUMS(-3));
        node_gives(&t, 0, all[k], dims(1, N, 0, 0), y);
        node_end(&t);
    }
}

/* K of N; equals stay in their order. */
static void choose_some(int n, int k_of) {
    enum { ROWS = 3 };
    const int N = n, K = k_of;
    static const tap_dtype all[] = {TAP_FLOAT, TAP_DOUBLE, TAP_FLOAT16, TAP_INT8, TAP_UINT8, TAP_INT64};
    for (size_t k = 0; k < 2 * TAP_COUNT_OF(all); k++) {
        node_test t;
        const bool largest = k % 2;
        const tap_dtype type = all[k / 2];
        numbers(x, ROWS * N, type == TAP_UINT8 ? 0 : -60, 60);
        for (int r = 0; r < ROWS; r++)
            for (int i = 0; i < N; i++) {
                int place = 0;
                const double v = x[r * N + i];
                for (int j = 0; j < N; j++) {
                    const double w = x[r * N + j];
                    place += (largest ? w > v : w < v) || (w == v && j < i);
                }
                if (place >= K) continue;
                y[r * K + place] = v;
                at[r * K + place] = i;
            }
        node_begin(&t, "TopK", 11, 2);
        node_int(&t, "largest", largest);
        node_in(&t, type, dims(2, ROWS, N, 0), x);
        node_in(&t, TAP_INT64, "1", NUMS(K));
        node_gives(&t, 0, type, dims(2, ROWS, K, 0), y);
        node_gives(&t, 1, TAP_INT64, dims(2, ROWS, K, 0), at);
        node_end(&t);
    }
}

/* So many that they are sorted; fewer, picked through a heap; very few, of which most groups have none. */
static void many_are_chosen(void) {
    choose_some(300, 150);
    choose_some(300, 17);
    choose_some(333, 10);
    choose_some(327, 9);
    choose_some(64, 1);
    choose_some(300, 1);
}

/* Along the middle of [a][n][b]: rows, short rows, columns; halves are widened by the group, or one by one.
 */
static void the_largest_is_found(void) {
    static const int shapes[][3] = {{3, 500, 1},  {300, 20, 1}, {2, 37, 200},
                                    {1, 2100, 9}, {1, 6000, 9}, {7, 1, 5}};
    static const tap_dtype all[] = {TAP_FLOAT, TAP_FLOAT16, TAP_BFLOAT16, TAP_DOUBLE, TAP_INT8};
    for (size_t k = 0; k < 4 * TAP_COUNT_OF(shapes) * TAP_COUNT_OF(all); k++) {
        const int *d = shapes[k / 4 % TAP_COUNT_OF(shapes)], a = d[0], n = d[1], b = d[2];
        const tap_dtype type = all[k / 4 / TAP_COUNT_OF(shapes)];
        const bool last = k & 1, max = k & 2;
        node_test t;
        numbers(x, a * n * b, -30, 31);
        for (int i = 0; type != TAP_INT8 && i < a * n * b; i++)
            if (i % 1009 == 77) x[i] = (double)NAN;
        for (int o = 0; o < a * b; o++) {
            const double *v = x + o / b * n * b + o % b;
            int best = 0;
            for (int i = 1; i < n; i++) {
                const double w = v[i * b], m = v[best * b];
                const bool same = w == m || (isnan(w) && isnan(m));
                const bool better = !isnan(m) && (isnan(w) || (max ? w > m : w < m));
                if (better || (same && last)) best = i;
            }
            y[o] = best;
        }
        node_begin(&t, max ? "ArgMax" : "ArgMin", 13, 1);
        node_int(&t, "axis", 1);
        node_int(&t, "keepdims", 0);
        node_int(&t, "select_last_index", last);
        node_in(&t, type, dims(3, a, n, b), x);
        node_gives(&t, 0, TAP_INT64, dims(2, a, b, 0), y);
        node_end(&t);
    }
}

static void flags_compress(void) {
    enum { N = 50001 };
    numbers(x, N, -100, 100);
    numbers(u, N, 0, 2);
    for (int i = 20000; i < 30000; i++) u[i] = 0;
    for (size_t k = 0; k < TAP_COUNT_OF(types); k++) {
        node_test t;
        int n = 0;
        for (int i = 0; i < N; i++)
            if (u[i] != 0) y[n++] = x[i];
        node_begin(&t, "Compress", 11, 1);
        node_in(&t, types[k], dims(1, N, 0, 0), x);
        node_in(&t, TAP_BOOL, dims(1, N, 0, 0), u);
        node_gives(&t, 0, types[k], dims(1, n, 0, 0), y);
        node_end(&t);
    }
}

static void small_triangles(void) {
    enum { N = 1201, R = 4, C = 7 };
    numbers(x, N * R * C, -100, 100);
    for (int k = -6; k <= 8; k++)
        for (int upper = 0; upper < 2; upper++)
            for (size_t d = 0; d < TAP_COUNT_OF(types); d++) {
                node_test t;
                for (int i = 0; i < N * R * C; i++) {
                    const int r = i / C % R, c = i % C;
                    y[i] = (upper ? c - r >= k : c - r <= k) ? x[i] : 0;
                }
                node_begin(&t, "Trilu", 14, 1);
                node_int(&t, "upper", upper);
                node_in(&t, types[d], dims(3, N, R, C), x);
                node_in(&t, TAP_INT64, "", NUMS(k));
                node_gives(&t, 0, types[d], dims(3, N, R, C), y);
                node_end(&t);
            }
}

static void one_hot_of_every_index_type(void) {
    static const tap_dtype index[] = {TAP_INT8,  TAP_INT16,  TAP_INT32,   TAP_INT64,
                                      TAP_UINT8, TAP_UINT16, TAP_UINT32,  TAP_UINT64,
                                      TAP_FLOAT, TAP_DOUBLE, TAP_FLOAT16, TAP_BFLOAT16};
    enum { N = 700, DEPTH = 9 };
    for (size_t k = 0; k < 2 * TAP_COUNT_OF(index); k++) {
        node_test t;
        const tap_dtype from = index[k / 2];
        const bool first = k % 2,
                   positive = (TAP_BIT(from) & (TAP_BIT(TAP_UINT8) | TAP_BIT(TAP_UINT16) |
                                                TAP_BIT(TAP_UINT32) | TAP_BIT(TAP_UINT64))) != 0;
        numbers(x, N, positive ? 0 : -11, 11);
        for (int i = 0; i < N * DEPTH; i++) {
            const int p = first ? i % N : i / DEPTH, v = first ? i / N : i % DEPTH;
            y[i] = (int)x[p] == v || (int)x[p] + DEPTH == v ? 5 : 2;
        }
        node_begin(&t, "OneHot", 11, 1);
        node_int(&t, "axis", first ? 0 : -1);
        node_in(&t, from, dims(1, N, 0, 0), x);
        node_in(&t, TAP_INT64, "", NUMS(DEPTH));
        node_in(&t, types[k % 4], "2", NUMS(2, 5));
        node_gives(&t, 0, types[k % 4], first ? dims(2, DEPTH, N, 0) : dims(2, N, DEPTH, 0), y);
        node_end(&t);
    }
}

static void groups_in_either_order(void) {
    enum { N = 9000, RANGE = 200 };
    static double first[RANGE], count[RANGE];
    for (int sorted = 0; sorted < 2; sorted++) {
        node_test t;
        int n = 0, number[RANGE];
        numbers(x, N, 0, RANGE);
        for (int v = 0; v < RANGE; v++) number[v] = -1;
        for (int step = 0; step < (sorted ? RANGE : N); step++)
            for (int i = sorted ? 0 : step; i < (sorted ? N : step + 1); i++) {
                const int v = (int)x[i];
                if (number[v] >= 0 || (sorted && v != step)) continue;
                number[v] = n;
                y[n] = v;
                first[n] = i;
                count[n++] = 0;
            }
        for (int i = 0; i < N; i++) {
            u[i] = number[(int)x[i]];
            count[number[(int)x[i]]]++;
        }
        for (size_t k = 1; k < TAP_COUNT_OF(types); k++) {
            node_begin(&t, "Unique", 11, 4);
            node_int(&t, "sorted", sorted);
            node_in(&t, types[k], dims(1, N, 0, 0), x);
            node_gives(&t, 0, types[k], dims(1, n, 0, 0), y);
            node_gives(&t, 1, TAP_INT64, dims(1, n, 0, 0), first);
            node_gives(&t, 2, TAP_INT64, dims(1, N, 0, 0), u);
            node_gives(&t, 3, TAP_INT64, dims(1, n, 0, 0), count);
            node_end(&t);
        }
    }
}

/* Who appends to a sequence changes nobody else's, however often and by whomever it is done. */
static void sequences_share_what_they_have_in_common(void) {
    tap_value *none = tap_value_make_sequence(NULL, NULL, 0, TAP_INT64), *s[100] = {none}, *other[100];
    for (int i = 1; i < 100; i++) {
        for (int k = 0; k < 2; k++) {
            tap_value *item = tap_value_make(NULL, TAP_INT64, 0, NULL);
            *(int64_t *)item->tensor.data = k ? -i : i;
            *(k ? &other[i] : &s[i]) = tap_value_append(NULL, s[i - 1], item);
        }
    }
    for (int i = 1; i < 100; i++) {
        CHECK_EQ(tap_value_length(s[i]), i);
        CHECK_EQ(tap_value_length(other[i]), i);
        for (int k = 0; k < i; k++) {
            const tap_tensor *a = tap_value_tensor(tap_value_item(s[i], (size_t)k)),
                             *b = tap_value_tensor(tap_value_item(other[i], (size_t)k));
            CHECK_EQ(*(const int64_t *)a->data, k + 1);
            CHECK_EQ(*(const int64_t *)b->data, k + 1 == i ? -i : k + 1);
        }
        tap_value_release(s[i - 1]); /* in any order */
    }
    tap_value *copy = tap_value_make_copy(NULL, s[99]);
    tap_value_release(s[99]);
    CHECK_EQ(*(const int64_t *)copy->items[98]->tensor.data, 99);
    tap_value_release(copy);
    for (int i = 99; i > 0; i--) tap_value_release(other[i]);
}

/* Small matrices are taken side by side: as each by itself, to the bit. */
static void determinants_of_many(void) {
    static const tap_dtype floats[] = {TAP_FLOAT, TAP_DOUBLE, TAP_FLOAT16};
    enum { MANY = 37 };
    for (int n = 0; n <= 18; n += n < 5 ? 1 : 11) {
        node_test t, one;
        const tap_dtype dtype = floats[n % 3];
        const size_t width = tap_dtype_bytes(dtype);
        numbers(x, MANY * n * n, -4, 5); /* zeros and ties among pivots, and singular ones */
        for (int i = 0; i < n; i++) x[7 * n * n + i] = 0;
        if (n > 0) x[3 * n * n] = (double)NAN;
        node_begin(&t, "Det", 11, 1);
        node_in(&t, dtype, dims(3, MANY, n, n), x);
        node_run(&t);
        const tap_tensor *all = tap_value_tensor(tap_session_output(t.session, 0));
        for (int i = 0; i < MANY; i++) {
            node_begin(&one, "Det", 11, 1);
            node_in(&one, dtype, dims(3, 1, n, n), x + i * n * n);
            node_run(&one);
            const tap_tensor *v = tap_value_tensor(tap_session_output(one.session, 0));
            CHECK(memcmp((const char *)all->data + (size_t)i * width, v->data, width) == 0);
            node_end(&one);
        }
        node_end(&t);
    }
}

/* The corners of a plane and what lies between, over more places than are computed at once. */
static void grids_of_affine_maps(void) {
    enum { IMAGES = 2, H = 5, W = 301 };
    const double theta[] = {1, 0, 0, 0, 1, 0, 0.5, -1, 0.25, 2, 0, -3};
    for (int align = 0; align < 2; align++) {
        node_test t;
        int k = 0;
        for (int i = 0; i < IMAGES; i++)
            for (int h = 0; h < H; h++)
                for (int w = 0; w < W; w++) {
                    const double *m = theta + i * 6;
                    const double px = align ? -1 + 2.0 * w / (W - 1) : (2 * w + 1.0) / W - 1;
                    const double py = align ? -1 + 2.0 * h / (H - 1) : (2 * h + 1.0) / H - 1;
                    y[k++] = m[0] * px + m[1] * py + m[2];
                    y[k++] = m[3] * px + m[4] * py + m[5];
                }
        node_begin(&t, "AffineGrid", 20, 1);
        node_int(&t, "align_corners", align);
        node_in(&t, TAP_FLOAT, "2,2,3", theta);
        node_const(&t, TAP_INT64, "4", NUMS(IMAGES, 1, H, W));
        node_gives(&t, 0, TAP_FLOAT, "2,5,301,2", y);
        node_end(&t);
    }
}

static void ml_begin(node_test *t, const char *op) {
    node_begin(t, op, 13, 1);
    node_domain(t, "ai.onnx.ml");
    t->version = 2;
}

/* Operators of ai.onnx.ml on more rows than one task has, whose ends are in the middle of a row's values. */
static void features_of_many_rows(void) {
    enum { ROWS = 9001, N = 3, WIDE = 5 };
    node_test t;
    numbers(x, ROWS * N, 0, 5);
    for (size_t one = 0; one < 2; one++) {
        for (int i = 0; i < ROWS * N; i++) y[i] = x[i] != 2 ? x[i] : one ? 7 : 7 + i % N;
        ml_begin(&t, "Imputer");
        node_floats(&t, "imputed_value_floats", one ? 1 : 3, NUMS(7, 8, 9));
        node_float(&t, "replaced_value_float", 2);
        node_in(&t, TAP_FLOAT, dims(2, ROWS, N, 0), x);
        node_gives(&t, 0, TAP_FLOAT, dims(2, ROWS, N, 0), y);
        node_end(&t);
    }
    for (int i = 0; i < ROWS * 2; i++) y[i] = x[i / 2 * N + (i % 2 ? 0 : 2)];
    for (size_t k = 2; k < TAP_COUNT_OF(types); k++) {
        ml_begin(&t, "ArrayFeatureExtractor");
        node_in(&t, types[k], dims(2, ROWS, N, 0), x);
        node_in(&t, TAP_INT64, "2", NUMS(2, 0));
        node_gives(&t, 0, types[k], dims(2, ROWS, 2, 0), y);
        node_end(&t);
    }
    for (int i = 0; i < ROWS * WIDE; i++) { /* two of three, and all three without the last */
        const int row = i / WIDE, c = i % WIDE;
        y[i] = c < 2 ? x[row * N + c] : c < 4 ? x[row * 2 + c - 2] : 0;
    }
    for (size_t k = 2; k < TAP_COUNT_OF(types); k++) {
        ml_begin(&t, "FeatureVectorizer");
        node_ints(&t, "inputdimensions", INTS(2, 3));
        node_in(&t, types[k], dims(2, ROWS, N, 0), x);
        node_in(&t, types[k], dims(2, ROWS, 2, 0), x);
        node_gives(&t, 0, TAP_FLOAT, dims(2, ROWS, WIDE, 0), y);
        node_end(&t);
    }
    for (int i = 0; i < ROWS; i++) y[i] = 3 * x[i * N] - x[i * N + 1] + 2 * x[i * N + 2] + 1;
    ml_begin(&t, "LinearRegressor");
    node_floats(&t, "coefficients", 3, NUMS(3, -1, 2));
    node_floats(&t, "intercepts", 1, NUMS(1));
    node_in(&t, TAP_FLOAT, dims(2, ROWS, N, 0), x);
    node_gives(&t, 0, TAP_FLOAT, dims(2, ROWS, 1, 0), y);
    node_end(&t);
}

/* Scores of few rows are summed by code of their own. */
static void linear_scores_of_few_rows(void) {
    enum { FEATURES = 7, TARGETS = 5 };
    double w[TARGETS * FEATURES], first[TARGETS];
    for (int i = 0; i < TARGETS * FEATURES; i++) w[i] = (float)(1.0 / (3 + i));
    for (int j = 0; j < TARGETS; j++) first[j] = (float)(0.1 * j - 0.2);
    for (int rows = 1; rows <= 9; rows++) {
        node_test t;
        for (int i = 0; i < rows * FEATURES; i++) x[i] = (float)(1000.0 / (i + 7) - 30);
        for (int i = 0; i < rows * TARGETS; i++) {
            double sum = first[i % TARGETS];
            for (int k = 0; k < FEATURES; k++)
                sum += w[i % TARGETS * FEATURES + k] * x[i / TARGETS * FEATURES + k];
            y[i] = (float)sum;
        }
        ml_begin(&t, "LinearRegressor");
        node_int(&t, "targets", TARGETS);
        node_floats(&t, "coefficients", TARGETS * FEATURES, w);
        node_floats(&t, "intercepts", TARGETS, first);
        node_in(&t, TAP_FLOAT, dims(2, rows, FEATURES, 0), x);
        node_gives(&t, 0, TAP_FLOAT, dims(2, rows, TARGETS, 0), y);
        node_end(&t);
    }
}

/* Rows that are turned, and longer ones that are not; of float32 and integers. */
static void rows_are_normalised(void) {
    static const int lengths[] = {1, 2, 3, 40, 128, 129, 300};
    static const char *const norms[] = {"MAX", "L1", "L2"};
    for (size_t k = 0; k < 3 * TAP_COUNT_OF(lengths); k++) {
        const int n = lengths[k / 3], rows = k / 3 < 3 ? 3001 : 67;
        node_test t;
        numbers(x, rows * n, -9, 10);
        for (int i = 0; i < n; i++) x[5 * n + i] = 0;
        for (int r = 0; r < rows; r++) {
            double norm = k % 3 ? 0 : -(double)INFINITY;
            for (int i = 0; i < n; i++) {
                const double v = x[r * n + i];
                norm = k % 3 == 0 ? fmax(norm, v) : norm + (k % 3 == 1 ? fabs(v) : v * v);
            }
            if (k % 3 == 2) norm = sqrt(norm);
            for (int i = 0; i < n; i++) y[r * n + i] = norm == 0 ? x[r * n + i] : x[r * n + i] / norm;
        }
        ml_begin(&t, "Normalizer");
        node_string(&t, "norm", norms[k % 3]);
        node_in(&t, k % 2 ? TAP_FLOAT : TAP_INT64, dims(2, rows, n, 0), x);
        node_gives(&t, 0, TAP_FLOAT, dims(2, rows, n, 0), y);
        node_end(&t);
    }
}

/* Keys that are compared one by one, and more of them, which are looked up; the first of equal keys counts.
 */
static void labels_of_many(void) {
    enum { N = 3001 };
    for (int many = 3; many <= 40; many += 37) {
        node_test t;
        int64_t keys[40], values[40];
        numbers(x, N, 0, 50);
        for (int i = 0; i < many; i++) keys[i] = i == 2 ? 0 : i, values[i] = 100 + i;
        for (int i = 0; i < N; i++) y[i] = x[i] < many && x[i] != 2 ? 100 + x[i] : -1;
        ml_begin(&t, "LabelEncoder");
        node_ints(&t, "keys_int64s", (size_t)many, keys);
        node_ints(&t, "values_int64s", (size_t)many, values);
        node_in(&t, TAP_INT64, dims(1, N, 0, 0), x);
        node_gives(&t, 0, TAP_INT64, dims(1, N, 0, 0), y);
        node_end(&t);
    }
}

static void categories_of_many(void) {
    enum { N = 9001 };
    node_test t;
    numbers(x, N, 0, 5); /* 4 is no category */
    for (int i = 0; i < N * 4; i++) y[i] = x[i / 4] == i % 4;
    ml_begin(&t, "OneHotEncoder");
    node_ints(&t, "cats_int64s", INTS(0, 1, 2, 3));
    node_in(&t, TAP_INT64, dims(1, N, 0, 0), x);
    node_gives(&t, 0, TAP_FLOAT, dims(2, N, 4, 0), y);
    node_end(&t);
    for (int i = 0; i < N; i++) x[i] = i == 5000 || i == 8990 ? 4 : 1;
    ml_begin(&t, "OneHotEncoder");
    node_ints(&t, "cats_int64s", INTS(0, 1, 2, 3));
    node_int(&t, "zeros", 0);
    node_in(&t, TAP_INT64, dims(1, N, 0, 0), x);
    node_fails(&t, TAP_RUN, "element 5000 of the input is in no category");
    node_end(&t);
}

int main(void) {
    static const test_case tests[] = {TEST(short_rows_are_padded),
                                      TEST(images_are_padded),
                                      TEST(few_are_gathered),
                                      TEST(elements_along_each_axis),
                                      TEST(tuples_pick_and_put),
                                      TEST(sequences_are_reversed),
                                      TEST(rows_are_summed_up),
                                      TEST(integers_are_raised),
                                      TEST(integers_are_multiplied),
                                      TEST(blocks_are_quantized),
                                      TEST(ranges_count_far),
                                      TEST(many_are_chosen),
                                      TEST(flags_compress),
                                      TEST(small_triangles),
                                      TEST(one_hot_of_every_index_type),
                                      TEST(groups_in_either_order),
                                      TEST(sequences_share_what_they_have_in_common),
                                      TEST(features_of_many_rows),
                                      TEST(categories_of_many),
                                      TEST(determinants_of_many),
                                      TEST(linear_scores_of_few_rows),
                                      TEST(rows_are_normalised),
                                      TEST(labels_of_many),
                                      TEST(grids_of_affine_maps),
                                      TEST(the_largest_is_found)};
    return test_main(tests, sizeof tests / sizeof *tests);
}
