/* TensorFlow's Fourier transforms: FFT and IFFT over the last 1 to 3 axes of complex numbers, RFFT and IRFFT
 * of real ones, and the parts of complex numbers. */
#include "common/fft.h"

#include <math.h>

#include "common/shape.h"
#include "tensorflow/tensorflow.h"

typedef struct transform {
    int axes;
    bool inverse, real; /* real: the input (forward) or the output (inverse) */
} transform;

#define COMPLEX (TAP_BIT(TAP_COMPLEX64) | TAP_BIT(TAP_COMPLEX128))
#define REAL    (TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_DOUBLE))

static tap_complex complex_at(const tap_tensor *t, int64_t i) {
    switch (t->dtype) {
    case TAP_FLOAT: return (tap_complex){(double)((const float *)t->data)[i], 0};
    case TAP_DOUBLE: return (tap_complex){((const double *)t->data)[i], 0};
    case TAP_COMPLEX64: {
        const float *p = (const float *)t->data + 2 * i;
        return (tap_complex){(double)p[0], (double)p[1]};
    }
    default: {
        const double *p = (const double *)t->data + 2 * i;
        return (tap_complex){p[0], p[1]};
    }
    }
}

static void put_complex(tap_tensor *t, int64_t i, tap_complex v) {
    switch (t->dtype) {
    case TAP_FLOAT: ((float *)t->data)[i] = (float)v.re; break;
    case TAP_DOUBLE: ((double *)t->data)[i] = v.re; break;
    case TAP_COMPLEX64:
        ((float *)t->data)[2 * i] = (float)v.re;
        ((float *)t->data)[2 * i + 1] = (float)v.im;
        break;
    default: ((double *)t->data)[2 * i] = v.re; ((double *)t->data)[2 * i + 1] = v.im;
    }
}

static tap_dtype out_dtype(const transform *f, tap_dtype x) {
    if (!f->real) return x;
    if (f->inverse) return x == TAP_COMPLEX64 ? TAP_FLOAT : x == TAP_COMPLEX128 ? TAP_DOUBLE : TAP_UNDEFINED;
    return x == TAP_FLOAT ? TAP_COMPLEX64 : x == TAP_DOUBLE ? TAP_COMPLEX128 : TAP_UNDEFINED;
}

static tap_status fft_infer(tap_ctx *ctx) {
    const transform *f = tap_ctx_op(ctx)->data;
    const tap_type *x = tap_in_type(ctx, 0);
    tap_ints length = {.known = false, .n = -1};
    tap_status st = tap_need_rank(ctx, 0, f->axes, TAP_RANK_MAX, "the input");
    if (!st && f->real) st = tap_read_ints(ctx, 1, f->axes, "fft_length", &length);
    if (st) return st;
    if (f->real && length.n >= 0 && length.n != f->axes)
        return tap_fail(ctx, tap_misfit(ctx), "fft_length has %d elements; %d are needed", length.n, f->axes);
    const tap_dtype dtype = out_dtype(f, x->dtype);
    if (x->rank < 0 || !f->real) return tap_out_type(ctx, 0, dtype, x->rank, x->dims);
    int64_t dims[TAP_RANK_MAX];
    memcpy(dims, x->dims, sizeof dims);
    for (int i = 0; i < f->axes; i++) {
        int64_t *d = &dims[x->rank - f->axes + i];
        *d = length.known ? length.v[i] : -1;
        if (length.known && *d < 1)
            return tap_fail(ctx, tap_misfit(ctx), "fft_length[%d] is %lld", i, (long long)*d);
        if (length.known && i == f->axes - 1 && !f->inverse) *d = *d / 2 + 1;
    }
    return tap_out_type(ctx, 0, dtype, x->rank, dims);
}

/* A box of numbers: the transformed axes alone. */
typedef struct box {
    int axes;
    int64_t size[3], count;
    tap_complex *at, *line, *room;
    tap_fft *fft[3];
} box;

static bool make_box(tap_ctx *ctx, const transform *f, const int64_t *size, box *b) {
    int64_t room = 1, most = 1;
    *b = (box){.axes = f->axes, .count = 1};
    for (int i = 0; i < f->axes; i++) {
        b->size[i] = size[i];
        if (!tap_mul64(b->count, size[i], &b->count)) return false;
        if (!(b->fft[i] = tap_fft_make(ctx, size[i]))) return false;
        room = tap_max64(room, tap_fft_room(b->fft[i]));
        most = tap_max64(most, size[i]);
    }
    b->at = tap_scratch(ctx, (size_t)b->count * sizeof *b->at);
    b->line = tap_scratch(ctx, (size_t)most * sizeof *b->line);
    b->room = tap_scratch(ctx, (size_t)room * sizeof *b->room);
    return b->at && b->line && b->room;
}

static void transform_axis(box *b, int axis, bool inverse) {
    int64_t step = 1;
    const int64_t n = b->size[axis];
    for (int i = axis + 1; i < b->axes; i++) step *= b->size[i];
    for (int64_t k = 0; k < b->count / n; k++) {
        tap_complex *from = b->at + k / step * step * n + k % step;
        for (int64_t i = 0; i < n; i++) b->line[i] = from[i * step];
        tap_fft_transform(b->fft[axis], inverse, b->line, b->room);
        for (int64_t i = 0; i < n; i++) from[i * step] = b->line[i];
    }
}

/* Reads the box from x, whose box has the sizes `from`: cut, or filled with zeros. */
static void read_box(box *b, const tap_tensor *x, int64_t at, const int64_t *from) {
    for (int64_t i = 0; i < b->count; i++) {
        int64_t rest = i, place = 0, step = 1;
        bool inside = true;
        for (int a = b->axes - 1; a >= 0; a--) {
            const int64_t k = rest % b->size[a];
            rest /= b->size[a];
            inside &= k < from[a];
            place += k * step;
            step *= from[a];
        }
        b->at[i] = inside ? complex_at(x, at + place) : (tap_complex){0, 0};
    }
}

/* The second half of the last axis from the first: a real signal's spectrum is its own mirror. The other axes
 * are transformed back by then, so that a row mirrors itself. */
static void mirror(box *b) {
    const int64_t n = b->size[b->axes - 1];
    for (int64_t r = 0; r < b->count / n; r++) {
        tap_complex *row = b->at + r * n;
        for (int64_t k = n / 2 + 1; k < n; k++) row[k] = (tap_complex){row[n - k].re, -row[n - k].im};
    }
}

static void write_box(const box *b, tap_tensor *y, int64_t at, int64_t last, double scale) {
    const int64_t n = b->size[b->axes - 1];
    for (int64_t r = 0; r < b->count / n; r++)
        for (int64_t k = 0; k < last; k++)
            put_complex(y, at + r * last + k,
                        (tap_complex){b->at[r * n + k].re * scale, b->at[r * n + k].im * scale});
}

static tap_status fft_run(tap_ctx *ctx) {
    const transform *f = tap_ctx_op(ctx)->data;
    const tap_tensor *x = ctx->in[0];
    tap_tensor *y = ctx->out[0];
    const int64_t *from = x->dims + x->rank - f->axes, *to = y->dims + y->rank - f->axes;
    int64_t size[3], each_x = 1, each_y = 1;
    if (y->count == 0) return TAP_OK;
    for (int i = 0; i < f->axes; i++) {
        size[i] = f->real ? tap_int_at(ctx->in[1], i) : to[i];
        each_x *= from[i];
        each_y *= to[i];
        const int64_t least = f->real && f->inverse && i == f->axes - 1 ? size[i] / 2 + 1 : size[i];
        if (f->real && from[i] < least)
            return tap_fail(ctx, TAP_RUN, "axis %d has %lld elements, fft_length asks for %lld",
                            x->rank - f->axes + i, (long long)from[i], (long long)least);
    }
    box b;
    if (!make_box(ctx, f, size, &b))
        return tap_fail(ctx, TAP_MEMORY, "no memory for %lld points", (long long)b.count);
    const double scale = f->inverse ? 1 / (double)b.count : 1;
    for (int64_t k = 0; k < y->count / each_y; k++) {
        read_box(&b, x, k * each_x, from);
        for (int a = 0; a < f->axes; a++) {
            if (f->real && f->inverse && a == f->axes - 1) mirror(&b);
            transform_axis(&b, a, f->inverse);
        }
        write_box(&b, y, k * each_y, to[f->axes - 1], scale);
    }
    return TAP_OK;
}

/* ---- Parts of complex numbers ------------------------------------------------------------------------- */

typedef enum part { RE, IM, ABS, ANGLE, CONJ } part;

static tap_status part_infer(tap_ctx *ctx) {
    const part p = *(const part *)tap_ctx_op(ctx)->data;
    const tap_type *x = tap_in_type(ctx, 0);
    const tap_dtype to = p == CONJ ? x->dtype : out_dtype(&(transform){1, true, true}, x->dtype);
    return tap_out_type(ctx, 0, to, x->rank, x->dims);
}

static tap_status part_run(tap_ctx *ctx) {
    const part p = *(const part *)tap_ctx_op(ctx)->data;
    for (int64_t i = 0; i < ctx->in[0]->count; i++) {
        tap_complex v = complex_at(ctx->in[0], i);
        switch (p) {
        case RE: break;
        case IM: v.re = v.im; break;
        case ABS: v.re = hypot(v.re, v.im); break;
        case ANGLE: v.re = atan2(v.im, v.re); break;
        case CONJ: v.im = -v.im; break;
        }
        put_complex(ctx->out[0], i, v);
    }
    return TAP_OK;
}

static tap_status complex_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    tap_status st = tap_need_same_dtype(ctx, 0, 1, "the imaginary part");
    return st ? st : tap_out_broadcast(ctx, 0, out_dtype(&(transform){1, false, true}, x->dtype), 0, 1);
}

#define PAIR(NAME, T)                                                                     \
    static void NAME(int64_t n, char *const *p, const int64_t *step, const void *state) { \
        (void)state;                                                                      \
        for (int64_t i = 0; i < n; i++) {                                                 \
            T *y = (T *)(void *)(p[2] + i * step[2]);                                     \
            y[0] = *(const T *)(const void *)(p[0] + i * step[0]);                        \
            y[1] = *(const T *)(const void *)(p[1] + i * step[1]);                        \
        }                                                                                 \
    }
PAIR(pair_floats, float)
PAIR(pair_doubles, double)

static tap_status complex_run(tap_ctx *ctx) {
    tap_loop *loop = ctx->in[0]->dtype == TAP_FLOAT ? pair_floats : pair_doubles;
    return tap_broadcast(ctx, loop, NULL, ctx->in, 2, ctx->out, 1);
}

#define FFT(NAME, AXES, INVERSE)                                                       \
    {                                                                                  \
        TAP_TF_ROW(NAME, 1, 1), .dtypes = COMPLEX, .infer = fft_infer, .run = fft_run, \
                                .data = &(const transform) {                           \
            AXES, INVERSE, false                                                       \
        }                                                                              \
    }
#define RFFT(NAME, AXES, INVERSE)                                                                         \
    {                                                                                                     \
        TAP_TF_ROW(NAME, 2, 1), .dtypes = (INVERSE) ? COMPLEX : REAL, .infer = fft_infer, .run = fft_run, \
                                .data = &(const transform) {                                              \
            AXES, INVERSE, true                                                                           \
        }                                                                                                 \
    }
#define PART(NAME, PART_)                                                                \
    {                                                                                    \
        TAP_TF_ROW(NAME, 1, 1), .dtypes = COMPLEX, .infer = part_infer, .run = part_run, \
                                .data = &(const part) {                                  \
            PART_                                                                        \
        }                                                                                \
    }

static const tap_op ops[] = {
    FFT("FFT", 1, false),
    FFT("FFT2D", 2, false),
    FFT("FFT3D", 3, false),
    FFT("IFFT", 1, true),
    FFT("IFFT2D", 2, true),
    FFT("IFFT3D", 3, true),
    RFFT("RFFT", 1, false),
    RFFT("RFFT2D", 2, false),
    RFFT("RFFT3D", 3, false),
    RFFT("IRFFT", 1, true),
    RFFT("IRFFT2D", 2, true),
    RFFT("IRFFT3D", 3, true),
    PART("Real", RE),
    PART("Imag", IM),
    PART("ComplexAbs", ABS),
    PART("Angle", ANGLE),
    PART("Conj", CONJ),
    {TAP_TF_ROW("Complex", 2, 1), .dtypes = REAL, .infer = complex_infer, .run = complex_run},
    {0},
};

TAP_DEFINE_FAMILY(tensorflow_spectral, ops);
