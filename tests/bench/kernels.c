/* Speed of the matrix product and of convolution on one core, as share of the measured peak of its
 * multiply-add units; and, where OpenBLAS was found, how many times as fast as OpenBLAS (packing B each time,
 * as OpenBLAS does; and with B packed before). Other programs disturb: each figure is the best of many short
 * runs, and the peak is measured beside each.
 *
 *     bench_kernels [gemm|conv]        ONNXTAP_ISA chooses the instruction set */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/cpu.h"
#include "peak.h"

#define TAP_ISA base
#include "common/conv.h"

#ifdef TAP_BENCH_OPENBLAS
#include <cblas.h>
void openblas_set_num_threads(int n);
#endif

/* Stand-ins for the executor: one worker, and scratch that stays for the next call, as it does in a plan. */
enum { BLOCKS = 16 };
static struct {
    void *p;
    size_t n_bytes;
} blocks[BLOCKS];
static int n_blocks;

void tap_parallel(tap_ctx *ctx, int64_t n, int64_t grain, tap_task *fn, void *arg) {
    (void)ctx;
    for (int64_t b = 0; b < n; b += grain) fn(arg, b, tap_min64(b + grain, n), 0);
}

int tap_workers(const tap_ctx *ctx) {
    (void)ctx;
    return 1;
}

void *tap_scratch(tap_ctx *ctx, size_t n) {
    (void)ctx;
    if (n_blocks == BLOCKS) return NULL;
    int i = n_blocks++;
    if (blocks[i].n_bytes < n) {
        free(blocks[i].p);
        blocks[i].p = aligned_alloc(64, tap_round_up(n, 64));
        blocks[i].n_bytes = blocks[i].p ? n : 0;
    }
    return blocks[i].p;
}

tap_status tap_fail(tap_ctx *ctx, tap_status code, const char *fmt, ...) {
    (void)ctx, (void)fmt;
    return code;
}

#define DECLARE(isa)                                                                               \
    bool tap_gemm_packed_bytes_##isa(tap_dtype dtype, int64_t k, int64_t n, size_t *n_bytes);      \
    void tap_gemm_pack_##isa(tap_dtype dtype, tap_dtype from, int64_t k, int64_t n, const void *b, \
                             int64_t ldb, bool trans_b, void *packed);                             \
    tap_status tap_gemm_run_##isa(tap_ctx *ctx, const tap_gemm *g);                                \
    bool tap_conv_packed_bytes_##isa(tap_tile_kind kind, int64_t groups, int64_t k, int64_t m,     \
                                     size_t *n_bytes);                                             \
    tap_status tap_conv_run_##isa(tap_ctx *ctx, const tap_conv *v);

typedef struct set {
    double (*peak)(double);
    bool (*packed_bytes)(tap_dtype, int64_t, int64_t, size_t *);
    void (*pack)(tap_dtype, tap_dtype, int64_t, int64_t, const void *, int64_t, bool, void *);
    tap_status (*gemm)(tap_ctx *, const tap_gemm *);
    bool (*conv_bytes)(tap_tile_kind, int64_t, int64_t, int64_t, size_t *);
    tap_status (*conv)(tap_ctx *, const tap_conv *);
} set;

#define ENTRY(isa)                                                                        \
    {                                                                                     \
        peak_##isa, tap_gemm_packed_bytes_##isa, tap_gemm_pack_##isa, tap_gemm_run_##isa, \
            tap_conv_packed_bytes_##isa, tap_conv_run_##isa                               \
    }

DECLARE(base)
#if defined(__x86_64__)
DECLARE(avx2)
DECLARE(avx512)
static const set sets[] = {ENTRY(base), ENTRY(avx2), ENTRY(avx512)};
#else
static const set sets[] = {ENTRY(base)};
#endif

double now_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *numbers(int64_t n) {
    float *p = aligned_alloc(64, tap_round_up((size_t)n * sizeof *p + 64, 64));
    for (int64_t i = 0; p && i < n; i++) p[i] = (float)(i * 7 % 13) - 6;
    return p;
}

/* Seconds of one call: the least of many, for at least `limit` seconds in all. */
static double best_of(void (*call)(const void *), const void *arg, double limit) {
    double best = 1e9, end = now_seconds() + limit;
    for (int i = 0; i < 5 || now_seconds() < end; i++) {
        double start = now_seconds();
        call(arg);
        double took = now_seconds() - start;
        if (took < best) best = took;
        n_blocks = 0;
    }
    return best;
}

typedef struct gemm_call {
    const set *s;
    tap_gemm g;
} gemm_call;

static void call_gemm(const void *arg) {
    const gemm_call *c = arg;
    c->s->gemm(NULL, &c->g);
}

#ifdef TAP_BENCH_OPENBLAS
static void call_openblas(const void *arg) {
    const tap_gemm *g = &((const gemm_call *)arg)->g;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, g->trans_b ? CblasTrans : CblasNoTrans, (int)g->m, (int)g->n,
                (int)g->k, 1, g->a, (int)g->lda, g->b, (int)g->ldb, 0, g->c, (int)g->ldc);
}
#endif

static void bench_gemm(const set *s) {
    static const int64_t sizes[][3] = {
        {1, 1024, 1024}, {1, 4096, 4096},    {4, 1024, 1024},  {14, 1024, 1024}, {64, 64, 64},
        {128, 128, 64},  {128, 64, 128},     {512, 512, 64},   {128, 128, 128},  {256, 256, 256},
        {512, 512, 512}, {1024, 1024, 1024}, {3136, 64, 256},  {196, 512, 2304}, {49, 2048, 512},
        {128, 768, 768}, {128, 3072, 768},   {128, 768, 3072}, {384, 768, 768}};
    printf("GFLOPS, share of the peak; x: over OpenBLAS\n%-16s %17s %24s %24s\n", "m n k", "B packed before",
           "B", "B^T");
    for (size_t i = 0; i < TAP_COUNT_OF(sizes); i++) {
        int64_t m = sizes[i][0], n = sizes[i][1], k = sizes[i][2];
        gemm_call c = {s, {.dtype = TAP_FLOAT, .m = m, .n = n, .k = k, .lda = k, .ldb = n, .ldc = n}};
        size_t bytes;
        if (!s->packed_bytes(TAP_FLOAT, k, n, &bytes)) continue;
        float *a = numbers(m * k), *b = numbers(k * n), *y = numbers(m * n),
              *packed = numbers((int64_t)bytes / 4);
        s->pack(TAP_FLOAT, TAP_FLOAT, k, n, b, n, false, packed);
        c.g.a = a, c.g.b = b, c.g.c = y;
        double flop = 2.0 * (double)m * (double)n * (double)k * 1e-9, rate[3], blas[2] = {0, 0};
        double peak = s->peak(0.05);
        for (int form = 0; form < 3; form++) {
            c.g.packed = form == 0 ? packed : NULL;
            c.g.trans_b = form == 2;
            c.g.ldb = form == 2 ? k : n;
            rate[form] = flop / best_of(call_gemm, &c, 0.15);
#ifdef TAP_BENCH_OPENBLAS
            if (form > 0) blas[form - 1] = flop / best_of(call_openblas, &c, 0.15);
#endif
        }
        double again = s->peak(0.05);
        if (again > peak) peak = again;
        printf("%4d %5d %5d", (int)m, (int)n, (int)k);
        for (int form = 0; form < 3; form++) {
            printf("  %8.1f  %3.0f%%", rate[form], 100 * rate[form] / peak);
            if (blas[0] > 0) printf("  x %5.2f", rate[form] / blas[form == 2]);
        }
        printf("   of %.0f\n", peak);
        free(a), free(b), free(y), free(packed);
    }
}

typedef struct conv_call {
    const set *s;
    tap_conv v;
} conv_call;

static void call_conv(const void *arg) {
    const conv_call *c = arg;
    c->s->conv(NULL, &c->v);
}

typedef struct conv_case {
    int64_t images, c, m, size, kernel, stride, groups;
    int in_resnet; /* how many of them ResNet-50 has */
} conv_case;

/* Seconds of one call and the peak beside it; false: no memory. */
static bool bench_one(const set *s, const conv_case *k, double *flop, double *took, double *peak) {
    int64_t pad = k->c == 1 ? 0 : k->kernel / 2;
    int64_t out = (k->size + 2 * pad - k->kernel) / k->stride + 1;
    conv_call c = {s, {.kind = TAP_TILE_F32, .n_axes = 2, .images = k->images, .groups = k->groups}};
    c.v.c = k->c / k->groups;
    c.v.m = k->m / k->groups;
    for (int d = 0; d < 2; d++)
        c.v.axes[d] = (tap_conv_axis){.in = k->size,
                                      .step = k->stride,
                                      .first = -pad,
                                      .taps = k->kernel,
                                      .tap_step = 1,
                                      .out = out,
                                      .out_extent = out,
                                      .out_step = 1};
    c.v.slides = tap_conv_slides(k->kernel, k->stride, 1);
    size_t bytes;
    if (!s->conv_bytes(TAP_TILE_F32, c.v.groups, k->kernel * k->kernel * c.v.c, c.v.m, &bytes)) return false;
    float *x = numbers(c.v.images * k->size * k->size * k->c), *w = numbers((int64_t)bytes / 4);
    float *y = numbers(c.v.images * out * out * k->m), *bias = numbers(k->m);
    c.v.x = x, c.v.packed = w, c.v.y = y, c.v.bias = bias;
    if (x && w && y && bias) {
        *peak = s->peak(0.05);
        *took = best_of(call_conv, &c, 0.4);
        double again = s->peak(0.05);
        if (again > *peak) *peak = again;
        *flop = 2.0 * (double)(c.v.images * out * out * k->m * c.v.c * k->kernel * k->kernel) * 1e-9;
    }
    free(x), free(w), free(y), free(bias);
    return x && w && y && bias;
}

static void bench_conv(const set *s) {
    static const conv_case cases[] = {
        {1, 64, 64, 56, 3, 1, 1, 3}, /* ResNet-50's */
        {1, 128, 128, 28, 3, 1, 1, 3},   {1, 256, 256, 14, 3, 1, 1, 5},
        {1, 512, 512, 7, 3, 1, 1, 2},    {1, 128, 128, 56, 3, 2, 1, 1},
        {1, 256, 256, 28, 3, 2, 1, 1},   {1, 512, 512, 14, 3, 2, 1, 1},
        {1, 3, 64, 224, 7, 2, 1, 1},     {1, 64, 64, 56, 1, 1, 1, 1},
        {1, 64, 256, 56, 1, 1, 1, 4},    {1, 256, 64, 56, 1, 1, 1, 2},
        {1, 256, 128, 56, 1, 1, 1, 1},   {1, 128, 512, 28, 1, 1, 1, 4},
        {1, 512, 128, 28, 1, 1, 1, 3},   {1, 512, 256, 28, 1, 1, 1, 1},
        {1, 256, 1024, 14, 1, 1, 1, 6},  {1, 1024, 256, 14, 1, 1, 1, 5},
        {1, 1024, 512, 14, 1, 1, 1, 1},  {1, 512, 2048, 7, 1, 1, 1, 3},
        {1, 2048, 512, 7, 1, 1, 1, 2},   {1, 256, 512, 56, 1, 2, 1, 1},
        {1, 512, 1024, 28, 1, 2, 1, 1},  {1, 1024, 2048, 14, 1, 2, 1, 1},
        {1, 64, 64, 224, 3, 1, 1, 0}, /* U-Net's */
        {1, 128, 64, 224, 3, 1, 1, 0},   {1, 128, 128, 112, 3, 1, 1, 0},
        {1, 256, 256, 56, 3, 1, 1, 0},   {1, 512, 512, 14, 3, 1, 1, 0}, /* others */
        {1, 16, 16, 112, 3, 1, 1, 0},    {1, 3, 32, 224, 3, 2, 1, 0},
        {1, 32, 32, 112, 3, 1, 1, 0},    {1, 96, 96, 28, 3, 1, 1, 0},
        {1, 3, 32, 224, 3, 1, 1, 0},     {1, 48, 48, 56, 3, 1, 1, 0},
        {1, 24, 24, 56, 3, 1, 1, 0},     {1, 512, 512, 3, 3, 1, 1, 0},
        {16, 64, 64, 2, 3, 1, 1, 0},     {64, 64, 64, 1, 3, 1, 1, 0},
        {1, 1, 32, 28, 3, 1, 1, 0},      {8, 64, 64, 4, 3, 1, 1, 0},
        {1, 128, 128, 28, 3, 1, 4, 0},   {1, 128, 128, 28, 3, 1, 32, 0},
        {1, 32, 32, 112, 3, 1, 32, 0}, /* depthwise */
        {1, 144, 144, 56, 3, 2, 144, 0}, {1, 960, 960, 7, 5, 1, 960, 0}};
    double resnet[3] = {0}; /* flop, seconds, and seconds at the peak */
    printf("%-44s %9s\n", "images, c to m, size, kernel, stride, groups", "GFLOPS");
    for (size_t i = 0; i < TAP_COUNT_OF(cases); i++) {
        const conv_case *k = &cases[i];
        double flop, took, peak;
        if (!bench_one(s, k, &flop, &took, &peak)) continue;
        resnet[0] += flop * k->in_resnet;
        resnet[1] += took * k->in_resnet;
        resnet[2] += flop / peak * k->in_resnet;
        printf("%d, %4d to %4d, %3dx%-3d, %dx%d, stride %d, groups %3d %8.1f  %3.0f%% of %.0f\n",
               (int)k->images, (int)k->c, (int)k->m, (int)k->size, (int)k->size, (int)k->kernel,
               (int)k->kernel, (int)k->stride, (int)k->groups, flop / took, 100 * flop / took / peak, peak);
    }
    printf("ResNet-50's convolutions together: %.2f ms, %.1f GFLOPS, %.1f%% of the peak\n", resnet[1] * 1e3,
           resnet[0] / resnet[1], 100 * resnet[2] / resnet[1]);
}

int main(int argc, char **argv) {
    const set *s = &sets[tap_cpu_isa()];
#ifdef TAP_BENCH_OPENBLAS
    openblas_set_num_threads(1);
#endif
    printf("%s, one core\n", tap_isa_name(tap_cpu_isa()));
    if (argc < 2 || strcmp(argv[1], "gemm") == 0) bench_gemm(s);
    if (argc < 2 || strcmp(argv[1], "conv") == 0) bench_conv(s);
    return 0;
}
