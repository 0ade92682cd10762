/* The convolution driver against the definition, bit for bit, for every instruction set this CPU has. */
#define TAP_ISA base
#include "common/conv_planes.h"

#include <math.h>
#include <stdlib.h>

#include "core/cpu.h"
#include "test.h"

/* A context is not needed: these stand in for the executor. Pieces run last to first, on alternating workers.
 */
static void *scratch[64];
static int n_scratch;
__attribute__((weak)) void tap_parallel(tap_ctx *ctx, int64_t n, int64_t grain, tap_task *fn, void *arg) {
    (void)ctx;
    for (int64_t b = (n - 1) / grain * grain; n > 0 && b >= 0; b -= grain)
        fn(arg, b, tap_min64(b + grain, n), (int)(b / grain % 3));
}
__attribute__((weak)) int tap_workers(const tap_ctx *ctx) {
    (void)ctx;
    return 3;
}
__attribute__((weak)) void *tap_scratch(tap_ctx *ctx, size_t n) {
    (void)ctx;
    return scratch[n_scratch++] = aligned_alloc(64, tap_round_up(n + 1, 64));
}
__attribute__((weak)) tap_status tap_fail(tap_ctx *ctx, tap_status code, const char *fmt, ...) {
    (void)ctx, (void)fmt;
    return code;
}

#define DECLARE(isa)                                                                           \
    bool tap_conv_packed_bytes_##isa(tap_tile_kind kind, int64_t groups, int64_t k, int64_t m, \
                                     size_t *n_bytes);                                         \
    void tap_conv_pack_##isa(const tap_conv_weights *w, void *packed);                         \
    tap_status tap_conv_run_##isa(tap_ctx *ctx, const tap_conv *v);                            \
    bool tap_conv_is_narrow_##isa(tap_tile_kind kind, int64_t groups, int64_t m);              \
    void tap_conv_space_init_##isa(tap_conv_space *s, const tap_conv *v, int64_t elem);        \
    bool tap_conv_planes_pay_##isa(const tap_conv *v, const tap_conv_space *s);                \
    const tap_tile_set *tap_tiles_sliding_##isa(tap_tile_kind kind, int64_t n);
#define ENTRY(isa, fused)                                                                  \
    {                                                                                      \
#isa, fused, tap_conv_packed_bytes_##isa, tap_conv_pack_##isa, tap_conv_run_##isa, \
            tap_conv_is_narrow_##isa, tap_tiles_sliding_##isa, tap_conv_space_init_##isa,  \
            tap_conv_planes_pay_##isa                                                      \
    }

typedef struct set {
    const char *name;
    bool fused;
    bool (*packed_bytes)(tap_tile_kind, int64_t, int64_t, int64_t, size_t *);
    void (*pack)(const tap_conv_weights *, void *);
    tap_status (*run)(tap_ctx *, const tap_conv *);
    bool (*is_narrow)(tap_tile_kind, int64_t, int64_t);
    const tap_tile_set *(*sliding)(tap_tile_kind, int64_t);
    void (*space)(tap_conv_space *, const tap_conv *, int64_t);
    bool (*planes_pay)(const tap_conv *, const tap_conv_space *);
} set;

DECLARE(base)
#if defined(__x86_64__)
DECLARE(avx2)
DECLARE(avx512)
static const set sets[] = {ENTRY(base, false), ENTRY(avx2, true), ENTRY(avx512, true)};
#else
static const set sets[] = {ENTRY(base, false)};
#endif

static uint32_t seed = 7;
static float next(void) {
    return (float)((int32_t)((seed = seed * 1664525 + 1013904223) >> 8) % 2001 - 1000) / 777;
}

/* Two spatial axes; kernel, strides, dilations, pads before and after. */
typedef struct problem {
    int64_t images, groups, c, m, in[2], kernel[2], stride[2], dilation[2], begin[2], end[2];
} problem;

/* An axis in front of them, with as many pads on both ends. */
typedef struct front {
    int64_t in, kernel, stride, pads;
} front;

typedef struct problem3 {
    problem q;
    front f;
} problem3;

static const front no_front = {1, 1, 1, 0};

static float *values(int64_t n) {
    float *p = malloc((size_t)(n + 1) * sizeof *p);
    for (int64_t i = 0; i < n; i++) p[i] = next();
    return p;
}

/* What output channel `channel` adds up of w[g * m + j][i][tz][ty][tx], at output (oz, oy, ox). slides: the
 * taps of a line follow each other within a channel. */
static float expect(const problem *q, const front *f, bool fused, bool slides, const float *x, const float *w,
                    const float *bias, int64_t image, const int64_t *o, int64_t channel) {
    float s = 0;
    int64_t g = channel / q->m, channels = q->groups * q->c;
    for (int64_t t = 0; t < f->kernel * q->kernel[0]; t++)
        for (int64_t k = 0; k < q->kernel[1] * q->c; k++) {
            int64_t tx = slides ? k % q->kernel[1] : k / q->c, i = slides ? k / q->kernel[1] : k % q->c;
            int64_t z = o[0] * f->stride - f->pads + t / q->kernel[0];
            int64_t y = o[1] * q->stride[0] - q->begin[0] + t % q->kernel[0] * q->dilation[0];
            int64_t p = o[2] * q->stride[1] - q->begin[1] + tx * q->dilation[1];
            bool inside = z >= 0 && z < f->in && y >= 0 && y < q->in[0] && p >= 0 && p < q->in[1];
            int64_t pixel = ((image * f->in + z) * q->in[0] + y) * q->in[1] + p;
            float a = inside ? x[pixel * channels + g * q->c + i] : 0;
            float b = w[((channel * q->c + i) * f->kernel * q->kernel[0] + t) * q->kernel[1] + tx];
            s = fused ? fmaf(a, b, s) : s + a * b;
        }
    return s + bias[channel];
}

/* Stages behind the sum: a factor and a summand for each channel, one for each element, and no less than
 * zero. */
static float finished(float s, float factor, float summand, float element) {
    s = s * factor;
    s = s + summand;
    s = s + element;
    return s < 0 ? 0 : s;
}

static int64_t told, by_planes;
static void count_done(void *arg, int64_t row, int64_t n_rows, int64_t col, int64_t n_cols) {
    (void)arg, (void)row, (void)col;
    told += n_rows * n_cols;
}

static tap_conv_axis axis_of(int64_t in, int64_t kernel, int64_t stride, int64_t dilation, int64_t begin,
                             int64_t end) {
    int64_t out = (in + begin + end - (kernel - 1) * dilation - 1) / stride + 1;
    return (tap_conv_axis){.in = in,
                           .step = stride,
                           .first = -begin,
                           .taps = kernel,
                           .tap_step = dilation,
                           .out = out,
                           .out_extent = out,
                           .out_step = 1};
}

static void solve(const set *s, const problem *q, const front *f, bool finishes) {
    tap_conv v = {.kind = TAP_TILE_F32, .images = q->images, .groups = q->groups, .c = q->c, .m = q->m};
    tap_conv_weights pw = {.dtype = TAP_FLOAT, .from = TAP_FLOAT, .groups = q->groups, .c = q->c, .m = q->m};
    v.slides = pw.slides = tap_conv_slides(q->kernel[1], q->stride[1], q->dilation[1]);
    bool slides = v.slides && !s->is_narrow(v.kind, q->groups, q->m) && s->sliding(v.kind, q->m)->taps > 1;
    int64_t out[3] = {1}, taps = 1, pixels = 1, channels = q->groups * q->m;
    if (f != &no_front) v.axes[v.n_axes++] = axis_of(f->in, f->kernel, f->stride, 1, f->pads, f->pads);
    for (int i = 0; i < 2; i++)
        v.axes[v.n_axes++] =
            axis_of(q->in[i], q->kernel[i], q->stride[i], q->dilation[i], q->begin[i], q->end[i]);
    pw.n_axes = v.n_axes;
    for (int i = 0; i < v.n_axes; i++) {
        pw.axes[i].extent = pw.axes[i].n = v.axes[i].taps;
        pw.axes[i].step = 1;
        taps *= v.axes[i].taps;
        pixels *= v.axes[i].in;
        out[i + 3 - v.n_axes] = v.axes[i].out;
    }
    int64_t n_y = q->images * out[0] * out[1] * out[2] * channels;
    float *x = values(q->images * pixels * q->groups * q->c), *w = values(channels * q->c * taps);
    float *bias = values(channels), *y = values(n_y), *factors = values(2 * channels),
          *elements = values(n_y);
    static const float zero = 0;
    const tap_finish finish = {
        .c = (const char *)y,
        .n = 3,
        .stages = {{TAP_FINISH_SCALE,
                    TAP_FINISH_BY_COLUMN,
                    {(const char *)factors, (const char *)(factors + channels)}},
                   {TAP_FINISH_ADD, TAP_FINISH_BY_ELEMENT, {(const char *)elements, NULL}},
                   {TAP_FINISH_LEAST, TAP_FINISH_ONE, {(const char *)&zero, NULL}}}};
    size_t bytes = 0;
    CHECK(s->packed_bytes(v.kind, q->groups, taps * q->c, q->m, &bytes));
    void *packed = aligned_alloc(64, tap_round_up(bytes + 1, 64));
    pw.w = w;
    s->pack(&pw, packed);
    v.x = x, v.packed = packed, v.bias = bias, v.y = y, v.done = count_done;
    v.finish = finishes ? &finish : NULL;
    tap_conv_space space;
    s->space(&space, &v, sizeof(float));
    by_planes += s->planes_pay(&v, &space);
    told = 0;
    CHECK_EQ(s->run(NULL, &v), TAP_OK);
    CHECK_EQ(told, n_y);
    int wrong = 0;
    for (int64_t i = 0; i < n_y; i++) {
        int64_t p = i / channels, line = p / out[2];
        const int64_t o[] = {line / out[1] % out[0], line % out[1], p % out[2]};
        float want = expect(q, f, s->fused, slides, x, w, bias, line / out[1] / out[0], o, i % channels);
        if (finishes)
            want = finished(want, factors[i % channels], factors[channels + i % channels], elements[i]);
        wrong += memcmp(&want, &y[i], sizeof want) != 0;
    }
    CHECK_EQ(wrong, 0);
    if (wrong)
        printf("%s: c %d m %d in %dx%d kernel %dx%d\n", s->name, (int)q->c, (int)q->m, (int)q->in[0],
               (int)q->in[1], (int)q->kernel[0], (int)q->kernel[1]);
    while (n_scratch) free(scratch[--n_scratch]);
    free(x), free(w), free(bias), free(y), free(packed), free(factors), free(elements);
}

static void each(const problem *problems, size_t n) {
    for (size_t i = 0; i < TAP_COUNT_OF(sets) && (int)i <= (int)tap_cpu_isa(); i++)
        for (size_t k = 0; k < 2 * n; k++) solve(&sets[i], &problems[k / 2], &no_front, k % 2);
}

static void each3(const problem3 *problems, size_t n) {
    for (size_t i = 0; i < TAP_COUNT_OF(sets) && (int)i <= (int)tap_cpu_isa(); i++)
        for (size_t k = 0; k < 2 * n; k++) solve(&sets[i], &problems[k / 2].q, &problems[k / 2].f, k % 2);
}

static void windows(void) {
    static const problem problems[] = {
        {1, 1, 3, 5, {9, 31}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},  /* borders on all sides  */
        {2, 1, 4, 33, {8, 20}, {3, 5}, {1, 1}, {1, 1}, {0, 2}, {2, 0}}, /* uneven padding, a partial panel */
        {1, 1, 3, 8, {23, 40}, {7, 7}, {2, 2}, {1, 1}, {3, 3}, {3, 3}}, /* strides */
        {1, 1, 8, 16, {9, 33}, {3, 3}, {1, 1}, {2, 3}, {2, 3}, {2, 3}}, /* dilations */
        {1, 1, 8, 16, {9, 33}, {3, 3}, {2, 3}, {2, 2}, {4, 1}, {0, 9}}, /* padding wider than the window */
        {1, 1, 2, 3, {1, 50}, {1, 9}, {1, 1}, {1, 1}, {0, 4}, {0, 4}},  /* one axis does not slide  */
        {1, 1, 2, 3, {50, 1}, {9, 1}, {1, 1}, {1, 1}, {4, 0}, {4, 0}},
        {3, 1, 20, 70, {5, 7}, {1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}},   /* pointwise   */
        {1, 1, 20, 70, {15, 37}, {1, 1}, {2, 2}, {1, 1}, {0, 0}, {0, 0}}, /* pointwise with strides */
    };
    each(problems, TAP_COUNT_OF(problems));
}

static void small_images(void) {
    static const problem problems[] = {
        {2, 1, 12, 40, {4, 4}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
        {3, 1, 5, 64, {7, 2}, {3, 3}, {2, 1}, {1, 1}, {1, 1}, {1, 1}},
        {1, 1, 5, 64, {2, 2}, {2, 2}, {1, 1}, {1, 1}, {0, 0}, {0, 0}},
        {1, 1, 1100, 33, {3, 3}, {1, 1}, {2, 2}, {1, 1}, {1, 0}, {0, 1}},
    };
    each(problems, TAP_COUNT_OF(problems));
}

static void groups(void) {
    static const problem problems[] = {
        {1, 2, 16, 20, {6, 17}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
        {2, 4, 3, 2, {6, 17}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
        {1, 3, 17, 9, {6, 17}, {3, 2}, {2, 1}, {1, 2}, {1, 1}, {1, 1}},
        {1, 3, 5, 7, {6, 6}, {1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}},
        {2, 5, 3, 4, {4, 3}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
        {1, 70, 1, 1, {6, 29}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}, /* f->inwise                */
        {2, 33, 1, 1, {7, 26}, {5, 3}, {2, 2}, {1, 2}, {2, 3}, {0, 3}},
        {1, 3, 1, 1, {7, 200}, {3, 9}, {1, 1}, {1, 1}, {1, 9}, {1, 9}},
        {1, 20, 1, 1, {5, 40}, {3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}},
        {1, 37, 1, 1, {6, 23}, {5, 5}, {1, 1}, {1, 1}, {2, 2}, {2, 2}},
        {1, 16, 1, 2, {5, 13}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}, /* with a multiplier        */
        {1, 40, 1, 1, {5, 1}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
        {1, 150, 1, 1, {5, 6}, {5, 5}, {1, 1}, {1, 1}, {2, 2}, {2, 2}}, /* many vectors of few pixels */
    };
    each(problems, TAP_COUNT_OF(problems));
}

/* Pixels whose places collide in the cache, many panels, many tiles and lines in a job, weights of several
 * blocks. */
static void large(void) {
    static const problem problems[] = {
        {1, 1, 1024, 130, {1, 30}, {1, 1}, {1, 2}, {1, 1}, {0, 0}, {0, 0}},
        {1, 1, 1, 1, {40, 600}, {1, 3}, {1, 1}, {1, 1}, {0, 1}, {0, 1}},
        {1, 1, 20, 40, {140, 9}, {3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}}, /* more lines than are known at a
                                                                             time */
        {1, 1, 20, 40, {75, 5}, {5, 3}, {1, 1}, {1, 1}, {3, 1}, {3, 1}},
        {1, 1, 300, 70, {3, 16}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
    };
    each(problems, TAP_COUNT_OF(problems));
}

/* Three taps a line: every number of pixels that a tile has, channels for one vector and for several panels,
 * padding on one side, on none, wider than the window; weights of several pieces, several of them within a
 * segment. */
static void three_taps(void) {
    for (int64_t width = 1; width <= 27; width++) {
        const problem problems[] = {
            {1, 1, 3, 16, {3, width}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
            {2, 1, 4, 96, {2, width}, {2, 3}, {1, 1}, {1, 1}, {0, 2}, {1, 0}},
            {1, 2, 5, 41, {1, width}, {1, 3}, {1, 1}, {1, 1}, {0, 3}, {0, 4}},
            {1, 1, 5, 32, {3, width + 2}, {1, 3}, {2, 1}, {1, 1}, {0, 0}, {0, 0}},
        };
        each(problems, TAP_COUNT_OF(problems));
    }
    static const problem deep[] = {
        {1, 1, 450, 64, {3, 5}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
        {1, 1, 1301, 32, {2, 13}, {2, 3}, {1, 1}, {1, 1}, {0, 1}, {0, 1}},
        {1, 1, 2, 2100, {2, 3}, {1, 3}, {1, 1}, {1, 1}, {0, 1}, {0, 1}},
    };
    each(deep, TAP_COUNT_OF(deep));
}

/* Few channels: every number of them that a block takes, and more; lines and images of all sizes beside the
 * vectors', strides that leave several planes, and none of one of them; groups; several bands. */
static void planes(void) {
    by_planes = 0;
    for (int64_t m = 1; m <= 9; m++) {
        const problem problems[] = {
            {2, 1, 1, m, {5 + m, 28}, {5, 5}, {1, 1}, {1, 1}, {2, 2}, {2, 2}},
            {1, 1, 3, m, {7, 9 * m}, {3, 3}, {1, 1}, {1, 1}, {0, 1}, {0, 0}},
            {1, 1, 2, m, {9, 31}, {4, 3}, {2, 2}, {1, 1}, {1, 1}, {0, 1}},
            {1, 1, 1, m, {12, 17}, {3, 2}, {3, 1}, {2, 5}, {2, 3}, {2, 3}},
            {3, 1, 5, m, {4, 16}, {1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}},
            {1, m, 4, 4, {6, 14}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
            {1, m, 2, 1, {6, 14}, {3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}},
        };
        each(problems, TAP_COUNT_OF(problems));
    }
    static const problem others[] = {
        {1, 1, 1, 16, {9, 28}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}, /* vectors of channels */
        {2, 1, 1, 29, {8, 8}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
        {1, 2, 1, 16, {12, 40}, {5, 5}, {2, 2}, {1, 1}, {2, 2}, {2, 2}},
        {1, 1, 6, 4, {1, 1}, {1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}}, /* one line, one pixel */
        {1, 1, 2, 4, {3, 9}, {3, 3}, {1, 1}, {1, 1}, {0, 1}, {0, 1}},
        {1, 1, 1, 8, {80, 60}, {5, 5}, {1, 1}, {1, 1}, {2, 2}, {2, 2}}, /* bands */
        {1, 1, 1, 16, {130, 70}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
        {1, 1, 1, 6, {1, 4000}, {1, 9}, {1, 1}, {1, 2}, {0, 8}, {0, 8}},
        {1, 1, 3, 4, {150, 300}, {2, 2}, {1, 1}, {1, 1}, {0, 0}, {1, 1}},
        {1, 1, 1, 4, {3, 20}, {3, 3}, {1, 1}, {1, 1}, {9, 9}, {9, 9}}, /* lines outside of the image */
    };
    each(others, TAP_COUNT_OF(others));
    CHECK(by_planes > 100);
}

/* Three axes: vectors of pixels, of channels, tiles with borders. */
static void volumes(void) {
    static const problem3 problems[] = {
        {{2, 1, 2, 6, {9, 16}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}, {7, 3, 1, 1}},
        {{1, 1, 1, 5, {9, 16}, {2, 3}, {2, 2}, {1, 1}, {0, 1}, {1, 1}}, {8, 4, 3, 2}},
        {{1, 1, 1, 16, {6, 15}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}, {5, 2, 2, 1}},
        {{2, 1, 12, 20, {5, 7}, {3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}}, {4, 3, 2, 1}},
        {{1, 1, 20, 40, {5, 17}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}, {4, 3, 1, 1}},
        {{1, 20, 1, 1, {5, 17}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}, {4, 3, 1, 1}},
    };
    each3(problems, TAP_COUNT_OF(problems));
}

/* Small images are copied with their borders: windows that hang over, strides, narrow groups, many images. */
static void borders(void) {
    static const problem problems[] = {
        {1, 1, 8, 16, {14, 14}, {5, 5}, {1, 1}, {1, 1}, {2, 2}, {2, 2}},
        {9, 1, 12, 40, {6, 7}, {5, 5}, {2, 2}, {1, 1}, {2, 2}, {1, 2}},
        {2, 1, 16, 33, {9, 9}, {3, 3}, {2, 3}, {2, 2}, {3, 0}, {0, 5}},
        {2, 3, 9, 20, {9, 13}, {3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}},
        {40, 1, 64, 48, {5, 5}, {5, 5}, {1, 1}, {1, 1}, {2, 2}, {2, 2}},
    };
    each(problems, TAP_COUNT_OF(problems));
}

int main(void) {
    static const test_case tests[] = {TEST(windows),    TEST(small_images), TEST(groups),  TEST(large),
                                      TEST(three_taps), TEST(planes),       TEST(borders), TEST(volumes)};
    return test_main(tests, TAP_COUNT_OF(tests));
}
