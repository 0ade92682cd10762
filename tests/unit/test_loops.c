/* Every loop of every elementwise row, for every instruction set that this CPU has: an element has the same
 * bits wherever it lies: alone or among others, in the vector part or behind it, at odd addresses, with
 * steps, beside a single operand, in the memory of its input. */
#include "test.h"

#include <math.h>

#include "core/half.h"
#include "registry.h"

enum { N = 67, SPACE = 3, INPUTS = 3 };

static uint64_t seed;

static uint64_t next_random(void) {
    uint64_t z = seed += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* Numbers of moderate size, ends of ranges, infinities, a NaN. */
static double interesting(void) {
    static const double some[] = {0,   -0.0, 1,     -1,     0.5,  2,     -2,    3,        100,       -100,
                                  1e6, -3e7, 1e-30, -1e-30, 1e30, -1e30, 1e-40, INFINITY, -INFINITY, NAN};
    uint64_t r = next_random();
    if (r % 4 == 0) return some[r / 4 % TAP_COUNT_OF(some)];
    return ((double)(int64_t)next_random() / 0x1p63) * (r & 8 ? 90 : 1.5);
}

static void fill(tap_dtype t, char *p, size_t each) {
    for (int i = 0; i < N; i++) {
        double x = interesting();
        float f = (float)x;
        uint64_t bits[2] = {next_random() >> (next_random() % 8 * 8), next_random()};
        char *at = p + (size_t)i * each;
        switch (t) {
        case TAP_FLOAT: memcpy(at, &f, each); break;
        case TAP_DOUBLE: memcpy(at, &x, each); break;
        case TAP_FLOAT16:
        case TAP_BFLOAT16: tap_floats_from_f32(t, 1, &f, at); break;
        case TAP_BOOL: *at = (char)(bits[0] & 1); break;
        default: memcpy(at, bits, each); break;
        }
    }
}

/* What stands for the state that prepare makes. */
static const void *state_of(const tap_op *op) {
    static const struct { float alpha, beta; } two_floats = {0.3f, 0.7f};
    static const struct {
        int32_t n;
        float f;
        double d;
    } three_inputs = {3, 3, 3};
    static const uint8_t two_bools[8] = {1, 1};
    static const int one = 1;
    if (op->in_max < 0) return &three_inputs;
    if (strcmp(op->name, "IsInf") == 0) return two_bools;
    if (strcmp(op->name, "Gelu") == 0 || strcmp(op->name, "BitShift") == 0 || strcmp(op->name, "Mod") == 0)
        return &one;
    return &two_floats;
}

typedef struct subject {
    const tap_op *op;
    tap_loop *loop;
    tap_dtype dtype;
    int n_in;
    size_t each[INPUTS + 1]; /* of operands: inputs, output */
    char in[INPUTS][N * 16], want[N * 16];
} subject;

static tap_dtype input_dtype(const subject *s, int k) {
    return strcmp(s->op->name, "Where") == 0 && k == 0 ? TAP_BOOL : s->dtype;
}

/* NaNs are alike: of two, the compiler chooses whose payload lives on. */
static bool same(const subject *s, const char *a, const char *b) {
    tap_dtype t = s->op->gives ? s->op->gives : s->dtype;
    size_t each = s->each[s->n_in];
    float f[2];
    double d[2];
    if (memcmp(a, b, each) == 0) return true;
    if (t == TAP_DOUBLE) {
        memcpy(&d[0], a, 8), memcpy(&d[1], b, 8);
        return d[0] != d[0] && d[1] != d[1];
    }
    if (t != TAP_FLOAT && t != TAP_FLOAT16 && t != TAP_BFLOAT16) return false;
    if (t == TAP_FLOAT)
        memcpy(&f[0], a, 4), memcpy(&f[1], b, 4);
    else
        tap_floats_to_f32(t, 1, a, &f[0]), tap_floats_to_f32(t, 1, b, &f[1]);
    return f[0] != f[0] && f[1] != f[1];
}

static void check_element(const subject *s, const char *how, int i, const char *got, const char *want) {
    if (same(s, got, want)) return;
    printf("%s %s element %d %s:", s->op->name, tap_dtype_name(s->dtype), i, how);
    for (size_t b = s->each[s->n_in]; b-- > 0;)
        printf(" %02x/%02x", (unsigned char)got[b], (unsigned char)want[b]);
    printf("\n");
    CHECK(false);
}

/* Runs n elements with inputs at p, and compares. first: what element 0 is among all. */
static void run_and_check(const subject *s, const char *how, int64_t n, int first, char *const *p,
                          const int64_t *step, const char *want) {
    const size_t each = s->each[s->n_in];
    const char *y = p[s->n_in];
    s->loop(n, p, step, state_of(s->op));
    for (int64_t i = 0; i < n; i++)
        check_element(s, how, first + (int)i, y + i * step[s->n_in], want + (size_t)i * each);
}

/* Dense, n elements from `first`, `shift` elements into a buffer. */
static void check_dense(const subject *s, int64_t n, int first, int shift) {
    static char buffers[INPUTS + 1][(N + 8) * 16];
    char *p[INPUTS + 1];
    int64_t step[INPUTS + 1];
    for (int k = 0; k <= s->n_in; k++) {
        step[k] = (int64_t)s->each[k];
        p[k] = buffers[k] + (size_t)shift * s->each[k];
        if (k < s->n_in) memcpy(p[k], s->in[k] + (size_t)first * s->each[k], (size_t)n * s->each[k]);
    }
    run_and_check(s, "dense", n, first, p, step, s->want + (size_t)first * s->each[s->n_in]);
}

static void check_steps(const subject *s) {
    static char buffers[INPUTS + 1][N * SPACE * 16];
    char *p[INPUTS + 1];
    int64_t step[INPUTS + 1];
    for (int k = 0; k <= s->n_in; k++) {
        p[k] = buffers[k];
        step[k] = (int64_t)s->each[k] * (SPACE - (k & 1));
        for (int i = 0; k < s->n_in && i < N; i++)
            memcpy(p[k] + i * step[k], s->in[k] + (size_t)i * s->each[k], s->each[k]);
    }
    run_and_check(s, "with steps", N, 0, p, step, s->want);
}

/* Output in the memory of input k. */
static void check_in_place(const subject *s, int k) {
    static char buffer[N * 16];
    char *p[INPUTS + 1];
    int64_t step[INPUTS + 1];
    if (s->each[k] != s->each[s->n_in]) return;
    for (int j = 0; j < s->n_in; j++) {
        p[j] = (char *)(uintptr_t)s->in[j];
        step[j] = (int64_t)s->each[j];
    }
    memcpy(buffer, s->in[k], sizeof buffer);
    p[k] = p[s->n_in] = buffer;
    step[s->n_in] = step[k];
    run_and_check(s, "in place", N, 0, p, step, s->want);
}

/* Inputs in the set `one` are a single element for all: the same as that element written out. */
static void check_single(const subject *s, unsigned one) {
    static char repeated[INPUTS][N * 16], y[N * 16], want[N * 16];
    char *p[INPUTS + 1], *q[INPUTS + 1];
    int64_t step[INPUTS + 1], dense[INPUTS + 1];
    for (int k = 0; k < s->n_in; k++) {
        const bool single = one >> k & 1;
        p[k] = (char *)(uintptr_t)s->in[k];
        for (size_t i = 0; i < N; i++)
            memcpy(repeated[k] + i * s->each[k], p[k] + (single ? 0 : i * s->each[k]), s->each[k]);
        q[k] = repeated[k];
        dense[k] = (int64_t)s->each[k];
        step[k] = single ? 0 : dense[k];
    }
    p[s->n_in] = y;
    q[s->n_in] = want;
    step[s->n_in] = dense[s->n_in] = (int64_t)s->each[s->n_in];
    s->loop(N, q, dense, state_of(s->op));
    run_and_check(s, "with a single operand", N, 0, p, step, want);
}

static void check_loop(subject *s) {
    for (int k = 0; k < s->n_in; k++) fill(input_dtype(s, k), s->in[k], s->each[k]);
    for (int k = 1; k < s->n_in && strcmp(s->op->name, "Clip") == 0; k++) /* limits are one element for all */
        for (size_t i = 1; i < N; i++) memcpy(s->in[k] + i * s->each[k], s->in[k], s->each[k]);
    for (size_t i = 0; i < N; i++) { /* one by one */
        char *p[INPUTS + 1];
        int64_t step[INPUTS + 1] = {0};
        for (int k = 0; k < s->n_in; k++) p[k] = s->in[k] + i * s->each[k];
        p[s->n_in] = s->want + i * s->each[s->n_in];
        s->loop(1, p, step, state_of(s->op));
    }
    for (int64_t n = 1; n <= N; n++) check_dense(s, n, 0, 0);
    for (int first = 1; first < 9; first++) check_dense(s, N - first, first, first % 8);
    check_steps(s);
    for (int k = 0; k < s->n_in; k++) check_in_place(s, k);
    for (unsigned one = 1; one < 1u << s->n_in; one++) check_single(s, one);
}

static int check_row(const tap_op *op) {
    int n = 0;
    for (int t = 1; t < TAP_DTYPE_COUNT; t++) {
        static subject s;
        if (!op->loops[t] || t == TAP_STRING) continue;
        s = (subject){
            .op = op, .loop = op->loops[t], .dtype = (tap_dtype)t, .n_in = op->in_max < 0 ? 3 : op->in_max};
        for (int k = 0; k <= s.n_in; k++)
            s.each[k] = tap_dtype_bytes(k < s.n_in ? input_dtype(&s, k) : op->gives ? op->gives : s.dtype);
        check_loop(&s);
        n++;
    }
    return n;
}

static void check_isa(tap_isa isa) {
    size_t n;
    const tap_family *const *families = tap_families(isa, &n);
    int loops = 0;
    for (size_t f = 0; f < n; f++)
        for (const tap_op *op = families[f]->ops; op->name; op++)
            if (op->flags & TAP_ELEMENTWISE && op->loops) loops += check_row(op);
    CHECK(loops > 300);
}

static void base(void) {
    check_isa(TAP_ISA_LEVEL_BASE);
}

static void avx2(void) {
    if (tap_cpu_isa() >= TAP_ISA_LEVEL_AVX2) check_isa(TAP_ISA_LEVEL_AVX2);
}

static void avx512(void) {
    if (tap_cpu_isa() >= TAP_ISA_LEVEL_AVX512) check_isa(TAP_ISA_LEVEL_AVX512);
}

int main(void) {
    static const test_case tests[] = {TEST(base), TEST(avx2), TEST(avx512)};
    return test_main(tests, sizeof tests / sizeof *tests);
}
