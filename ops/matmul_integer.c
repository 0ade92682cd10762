/* MatMulInteger, QLinearMatMul: products of 8-bit numbers less their zero points. */
#include <string.h>

#include "common/quant.h"
#include "common/real.h"
#include "common/scalar.h"
#include "common/shape.h"
#include "common/stack.h"
#include "core/half.h"

/* Elements of B that a worker packs at a time. */
#define PACK_GRAIN (1 << 12)
/* Up to so many rows of A, B is packed strip by strip, each of so many columns (whole panels); elements of B
 * that are worth a job. */
#define STRIP_ROWS    16
#define STRIP_COLUMNS 64
#define STRIP_GRAIN   (1 << 16)

/* Positions of inputs; -1: the operator has none. */
typedef struct places {
    int a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero;
} places;

static const places integer_places = {0, -1, 2, 1, -1, 3, -1, -1};
static const places linear_places = {0, 1, 2, 3, 4, 5, 6, 7};

typedef struct integer_state {
    void *packed; /* B less its zero points, matrix by matrix; NULL: not both are constant */
    int64_t matrix_bytes;
} integer_state;

static const places *places_of(const tap_ctx *ctx) {
    return tap_ctx_op(ctx)->data;
}

static tap_status integer_prepare(tap_ctx *ctx, void **state) {
    *state = tap_state(ctx, sizeof(integer_state));
    return *state ? TAP_OK : TAP_MEMORY;
}

/* ---- infer ----------------------------------------------------------------------------------- */

/* Parameters are one for all, one for each of `lines` rows of A or columns of B, or that for each matrix. */
static tap_status check_lines(tap_ctx *ctx, int i, const char *what, const tap_type *matrix, bool rows) {
    const tap_type *t = tap_in_type(ctx, i);
    if (!t || t->rank < 0 || matrix->rank < 1) return TAP_OK;
    int64_t n = tap_product(t->dims, t->rank), lines = 1, stack = 1;
    if (matrix->rank > 1) {
        lines = matrix->dims[matrix->rank - (rows ? 2 : 1)];
        stack = tap_product(matrix->dims, matrix->rank - 2);
    }
    if (n < 0 || n == 1 || lines < 0 || n == lines || stack < 0 || n == lines * stack) return TAP_OK;
    return tap_fail(ctx, tap_misfit(ctx),
                    "%s has %lld elements; it must have 1, or one for each of the %lld %s", what,
                    (long long)n, (long long)lines, rows ? "rows of A" : "columns of B");
}

static tap_status check_one(tap_ctx *ctx, int i, const char *what) {
    const tap_type *t = tap_in_type(ctx, i);
    int64_t n = t && t->rank >= 0 ? tap_product(t->dims, t->rank) : -1;
    return n < 0 || n == 1 ? TAP_OK : tap_fail(ctx, tap_misfit(ctx), "%s must be a single number", what);
}

static tap_status check_parameters(tap_ctx *ctx, const places *p) {
    const tap_type *a = tap_in_type(ctx, p->a), *b = tap_in_type(ctx, p->b);
    tap_status s;
    if ((s = tap_need_same_dtype(ctx, p->a, p->a_zero, "a_zero_point")) ||
        (s = tap_need_same_dtype(ctx, p->b, p->b_zero, "b_zero_point")) ||
        (s = check_lines(ctx, p->a_zero, "a_zero_point", a, true)) ||
        (s = check_lines(ctx, p->b_zero, "b_zero_point", b, false)))
        return s;
    if (p->a_scale < 0) return TAP_OK;
    uint32_t floats = TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_FLOAT16) | TAP_BIT(TAP_BFLOAT16);
    const int scales[3] = {p->a_scale, p->b_scale, p->y_scale};
    for (int i = 0; i < 3; i++)
        if ((s = tap_need_dtype(ctx, scales[i], floats, "a scale")) ||
            (s = tap_need_same_dtype(ctx, scales[0], scales[i], "a scale")))
            return s;
    if ((s = check_lines(ctx, p->a_scale, "a_scale", a, true)) ||
        (s = check_lines(ctx, p->b_scale, "b_scale", b, false)) ||
        (s = check_one(ctx, p->y_scale, "y_scale")))
        return s;
    return check_one(ctx, p->y_zero, "y_zero_point");
}

static bool is_float8(tap_dtype t) {
    return (TAP_TYPES_FLOAT8 & TAP_BIT(t)) != 0;
}

static tap_status integer_infer(tap_ctx *ctx) {
    const places *p = places_of(ctx);
    const tap_type *a = tap_in_type(ctx, p->a), *b = tap_in_type(ctx, p->b);
    tap_dtype dtype = TAP_INT32;
    tap_status s = tap_need_dtype(ctx, p->b, TAP_TYPES_QUANT8 | (p->y_zero >= 0 ? TAP_TYPES_FLOAT8 : 0), "B");
    if (s == TAP_OK && p->y_zero >= 0) {
        dtype = tap_in_type(ctx, p->y_zero)->dtype;
        s = tap_need_dtype(ctx, p->y_zero, TAP_TYPES_QUANT8 | TAP_TYPES_FLOAT8, "y_zero_point");
        if (s == TAP_OK && a->dtype && b->dtype && is_float8(a->dtype) != is_float8(b->dtype))
            s = tap_fail(ctx, TAP_MODEL, "A and B must both be integers, or both float8");
    }
    if (s == TAP_OK) s = check_parameters(ctx, p);
    return s == TAP_OK ? tap_stack_infer(ctx, a, b, dtype) : s;
}

/* ---- Packing B ------------------------------------------------------------------------------- */

/* Of `t`'s count, elements for each of n lines of a matrix, from matrix i on; step 0 where there is one for
 * all. NULL: none. */
static const char *lines_of(const tap_tensor *t, int64_t n, int64_t i, int64_t *step) {
    *step = t && t->count > 1;
    if (!t) return NULL;
    return (const char *)t->data + (t->count > n ? i * n * (int64_t)tap_dtype_bytes(t->dtype) : 0);
}

static int64_t rows_of_b(const tap_tensor *b) {
    return b->rank > 1 ? b->dims[b->rank - 2] : b->dims[0];
}
static int64_t columns_of_b(const tap_tensor *b) {
    return b->rank > 1 ? b->dims[b->rank - 1] : 1;
}

static bool packed_bytes(const tap_tensor *b, size_t *matrix, size_t *all, int64_t *matrices) {
    int64_t k = rows_of_b(b), n = columns_of_b(b);
    if (!tap_gemm_packed_bytes(TAP_INT16, tap_pairs(k), n, matrix)) return false;
    *matrices = k > 0 && n > 0 ? b->count / (k * n) : 0;
    return tap_mul_size(*matrix, (size_t)*matrices, all);
}

/* B of all products, panels counted through the matrices. */
typedef struct packing {
    const tap_tensor *b, *zero;
    char *to;
    size_t matrix_bytes;
} packing;

static void pack_task(void *arg, int64_t begin, int64_t end, int worker) {
    const packing *j = arg;
    int64_t k = rows_of_b(j->b), n = columns_of_b(j->b), panels = tap_quant_panels(n);
    (void)worker;
    while (begin < end) {
        int64_t i = begin / panels, first = begin % panels, step;
        int64_t last = tap_min64(panels, first + end - begin);
        const char *zero = lines_of(j->zero, n, i, &step);
        tap_quant_pack(j->b->dtype, k, n, n, (const char *)j->b->data + i * k * n, zero, step, first, last,
                       j->to + (size_t)i * j->matrix_bytes);
        begin += last - first;
    }
}

static tap_status integer_pack(tap_ctx *ctx, void *state) {
    integer_state *s = state;
    const places *p = places_of(ctx);
    const tap_tensor *b = tap_in_known(ctx, p->b), *zero = tap_in_known(ctx, p->b_zero);
    size_t each, all;
    int64_t matrices;
    if (!b || b->rank < 1 || is_float8(b->dtype) || (tap_has_in(ctx, p->b_zero) && !zero)) return TAP_OK;
    if (!packed_bytes(b, &each, &all, &matrices)) return tap_fail(ctx, TAP_MEMORY, "B is too large");
    bool ready;
    void *packed = tap_packed(ctx, all, &ready);
    if (!packed) return TAP_MEMORY;
    packing j = {b, zero, packed, each};
    if (!ready) pack_task(&j, 0, matrices * tap_quant_panels(columns_of_b(b)), 0);
    s->matrix_bytes = (int64_t)each;
    s->packed = packed;
    return TAP_OK;
}

/* ---- The sums -------------------------------------------------------------------------------- */

typedef struct operands {
    const places *p;
    const tap_tensor *a, *b, *a_zero, *b_zero, *y;
    tap_stack stack;
    int64_t n;        /* products                              */
    int64_t (*at)[3]; /* matrices of A and B of each product   */
} operands;

static const tap_tensor *optional(tap_ctx *ctx, int i) {
    return i >= 0 && i < ctx->n_in ? ctx->in[i] : NULL;
}

static tap_status take_operands(tap_ctx *ctx, operands *o) {
    const integer_state *s = ctx->state;
    *o = (operands){.p = places_of(ctx), .y = ctx->out[0]};
    o->a = ctx->in[o->p->a];
    o->b = s->packed ? ctx->in[o->p->b] : tap_in_known(ctx, o->p->b);
    o->a_zero = optional(ctx, o->p->a_zero);
    o->b_zero = s->packed || o->p->b_zero >= ctx->n_in ? NULL : tap_in_known(ctx, o->p->b_zero);
    if (!o->b) return tap_fail(ctx, TAP_RUN, "B is missing");
    o->stack = tap_stack_of(o->a->rank, o->a->dims, o->b->rank, o->b->dims);
    o->n = tap_stack_count(&o->stack, o->y);
    size_t bytes;
    if (!tap_mul_size((size_t)o->n, 3 * sizeof(int64_t), &bytes))
        return tap_fail(ctx, TAP_MEMORY, "the stack is too large");
    if (!(o->at = tap_scratch(ctx, bytes))) return TAP_MEMORY;
    tap_stack_offsets(&o->stack, o->a, o->y, o->n, o->at, 0);
    tap_stack_offsets(&o->stack, o->b, o->y, o->n, o->at, 1);
    return TAP_OK;
}

/* The product of A, widened, by packed B. */
static tap_gemm gemm_of(const operands *o, const int16_t *a, int32_t *sums) {
    int64_t pairs = tap_pairs(o->stack.k);
    return (tap_gemm){.dtype = TAP_INT16,
                      .m = o->stack.m,
                      .n = o->stack.n,
                      .k = pairs,
                      .a = a,
                      .lda = pairs,
                      .c = sums,
                      .ldc = o->stack.n};
}

/* B packed once for all rows of A; at[] becomes what tap_gemm_batch takes. */
static tap_status sum_packed(tap_ctx *ctx, operands *o, const int16_t *a, int32_t *sums) {
    const integer_state *s = ctx->state;
    size_t each = (size_t)s->matrix_bytes, all;
    int64_t matrices, k = o->stack.k;
    tap_gemm g = gemm_of(o, a, sums);
    g.packed = s->packed;
    if (!g.packed) {
        if (!packed_bytes(o->b, &each, &all, &matrices)) return tap_fail(ctx, TAP_MEMORY, "B is too large");
        packing j = {o->b, o->b_zero, tap_scratch(ctx, all), each};
        if (!j.to) return TAP_MEMORY;
        int64_t panels = matrices * tap_quant_panels(g.n);
        tap_parallel(ctx, panels, tap_max64(1, PACK_GRAIN / tap_max64(1, k)), pack_task, &j);
        g.packed = j.to;
    }
    for (int64_t i = 0; i < o->n; i++) {
        o->at[i][0] *= g.m * g.k;
        o->at[i][1] *= (int64_t)each;
        o->at[i][2] = i * g.m * g.n;
    }
    return tap_gemm_batch(ctx, &g, o->n, (const int64_t(*)[3])o->at);
}

/* Few rows of A: some columns of B are packed and used up while they are in cache. */
typedef struct strips {
    const operands *o;
    tap_gemm g;        /* of a strip of all columns      */
    int64_t columns;   /* of a strip                     */
    int64_t of_matrix; /* strips                         */
    char *room;        /* for each worker: strip, work   */
    size_t room_bytes, strip_bytes;
} strips;

static void strips_task(void *arg, int64_t begin, int64_t end, int worker) {
    const strips *j = arg;
    const operands *o = j->o;
    char *packed = j->room + (size_t)worker * j->room_bytes, *work = packed + j->strip_bytes;
    int64_t k = o->stack.k, n = o->stack.n;
    for (int64_t u = begin; u < end; u++) {
        int64_t i = u / j->of_matrix, col = u % j->of_matrix * j->columns, step;
        const char *zero = lines_of(o->b_zero, n, o->at[i][1], &step);
        tap_gemm g = j->g;
        g.n = tap_min64(j->columns, n - col);
        g.a = (const int16_t *)j->g.a + o->at[i][0] * 2 * g.m * g.k;
        g.c = (int32_t *)j->g.c + i * g.m * n + col;
        g.packed = packed;
        tap_quant_pack(o->b->dtype, k, g.n, n, (const char *)o->b->data + o->at[i][1] * k * n + col,
                       zero ? zero + col * step : NULL, step, 0, tap_quant_panels(g.n), packed);
        tap_gemm_serial(&g, work);
    }
}

static tap_status sum_strips(tap_ctx *ctx, const operands *o, const int16_t *a, int32_t *sums) {
    strips j = {.o = o, .g = gemm_of(o, a, sums), .columns = STRIP_COLUMNS};
    size_t work, all;
    j.g.n = tap_min64(j.columns, j.g.n);
    j.of_matrix = (o->stack.n + j.columns - 1) / j.columns;
    j.g.packed = a; /* not NULL: the work need not have room for it */
    if (!tap_gemm_packed_bytes(TAP_INT16, j.g.k, j.g.n, &j.strip_bytes) ||
        !tap_gemm_work_bytes(&j.g, &work) || !tap_add_size(j.strip_bytes, work, &j.room_bytes) ||
        !tap_mul_size(j.room_bytes = tap_round_up(j.room_bytes, TAP_ALIGN), (size_t)tap_workers(ctx), &all))
        return tap_fail(ctx, TAP_MEMORY, "B is too large");
    if (!(j.room = tap_scratch(ctx, all))) return TAP_MEMORY;
    int64_t each = tap_max64(1, o->stack.k * j.columns);
    tap_parallel(ctx, o->n * j.of_matrix, tap_max64(1, STRIP_GRAIN / each), strips_task, &j);
    return TAP_OK;
}

/* A widened, then the products. */
static tap_status sum_products(tap_ctx *ctx, operands *o, int32_t *sums) {
    const integer_state *s = ctx->state;
    int64_t k = o->stack.k;
    int64_t rows = k ? o->a->count / k : 0;
    size_t bytes;
    if (!tap_mul_size((size_t)rows, (size_t)tap_pairs(k) * 4, &bytes))
        return tap_fail(ctx, TAP_MEMORY, "A is too large");
    int16_t *a = tap_scratch(ctx, bytes);
    if (!a) return TAP_MEMORY;
    tap_quant_rows(ctx, o->a->dtype, rows, k, o->a->data, o->a_zero ? o->a_zero->data : NULL,
                   o->a_zero ? o->a_zero->count : 1, a);
    bool few = !s->packed && o->stack.m <= STRIP_ROWS && o->stack.n > 0;
    return few ? sum_strips(ctx, o, a, sums) : sum_packed(ctx, o, a, sums);
}

static tap_status integer_run(tap_ctx *ctx) {
    operands o;
    tap_status s = ctx->out[0]->count ? take_operands(ctx, &o) : TAP_OK;
    return s == TAP_OK && ctx->out[0]->count ? sum_products(ctx, &o, ctx->out[0]->data) : s;
}

/* ---- QLinearMatMul --------------------------------------------------------------------------- */

typedef struct rescale {
    const operands *o;
    const void *sums; /* int32; float32 for float8                  */
    int64_t *a_matrix, *b_matrix;
    const tap_tensor *a_scale, *b_scale;
    double y_scale, y_zero;
    tap_tensor *y;
    float *room; /* for each worker: n factors and n values    */
} rescale;

/* The factors of a row: a's scale * b's scale / y's scale, in float32. */
static int64_t factors(const rescale *r, int64_t i, int64_t row, float *to) {
    int64_t m = r->o->stack.m, n = r->o->stack.n, a_step, b_step;
    int64_t first_a = r->a_scale->count > m ? r->a_matrix[i] * m : 0,
            first_b = r->b_scale->count > n ? r->b_matrix[i] * n : 0;
    a_step = r->a_scale->count > 1;
    b_step = r->b_scale->count > 1;
    float a = (float)tap_real_at(r->a_scale, first_a + row * a_step);
    for (int64_t j = 0; j < (b_step ? n : 1); j++)
        to[j] = a * (float)tap_real_at(r->b_scale, first_b + j) / (float)r->y_scale;
    return b_step;
}

static void rescale_task(void *arg, int64_t begin, int64_t end, int worker) {
    const rescale *r = arg;
    int64_t n = r->o->stack.n;
    float *factor = r->room + worker * 2 * n, *values = factor + n;
    for (int64_t i = begin; i < end; i++) {
        int64_t step = factors(r, i / r->o->stack.m, i % r->o->stack.m, factor);
        char *y = (char *)r->y->data + i * n;
        if (!is_float8(r->o->a->dtype) && !is_float8(r->y->dtype)) {
            tap_quant_scale_back(r->y->dtype, n, (const int32_t *)r->sums + i * n, factor, step,
                                 (int32_t)r->y_zero, y);
            continue;
        }
        for (int64_t j = 0; j < n; j++) {
            float sum = is_float8(r->o->a->dtype) ? ((const float *)r->sums)[i * n + j]
                                                  : (float)((const int32_t *)r->sums)[i * n + j];
            values[j] = sum * factor[j * step];
        }
        if (is_float8(r->y->dtype)) {
            for (int64_t j = 0; j < n; j++) values[j] += (float)r->y_zero;
            tap_floats_from_f32(r->y->dtype, n, values, y);
        } else {
            const float one = 1;
            int32_t whole;
            for (int64_t j = 0; j < n; j++) {
                whole = values[j] > 1e9f    ? INT32_MAX
                        : values[j] > -1e9f ? (int32_t)rintf(values[j])
                                            : INT32_MIN;
                tap_quant_scale_back(r->y->dtype, 1, &whole, &one, 0, (int32_t)r->y_zero, y + j);
            }
        }
    }
}

/* t as float32 less its zero points: by rows of `width`, or by columns. */
static float *float8_less_zero(tap_ctx *ctx, const tap_tensor *t, const tap_tensor *zero, int64_t width,
                               bool by_row) {
    float *to = tap_scratch(ctx, (size_t)t->count * sizeof *to);
    if (!to) return NULL;
    tap_floats_to_f32(t->dtype, t->count, t->data, to);
    if (!zero) return to;
    for (int64_t i = 0; i < t->count; i++) {
        int64_t line = by_row ? i / width : i % width;
        to[i] -= (float)tap_real_at(zero, zero->count == 1 ? 0 : line % zero->count);
    }
    return to;
}

static tap_status sum_float8(tap_ctx *ctx, operands *o, float *sums) {
    int64_t m = o->stack.m, n = o->stack.n, k = o->stack.k;
    tap_gemm g = {.dtype = TAP_FLOAT, .m = m, .n = n, .k = k, .lda = k, .ldb = n, .c = sums, .ldc = n};
    if (!(g.a = float8_less_zero(ctx, o->a, o->a_zero, k, true))) return TAP_MEMORY;
    if (!(g.b = float8_less_zero(ctx, o->b, o->b_zero, n, false))) return TAP_MEMORY;
    for (int64_t i = 0; i < o->n; i++) {
        o->at[i][0] *= m * k;
        o->at[i][1] *= k * n;
        o->at[i][2] = i * m * n;
    }
    return tap_gemm_batch(ctx, &g, o->n, (const int64_t(*)[3])o->at);
}

static tap_status linear_run(tap_ctx *ctx) {
    operands o;
    rescale r = {.o = &o, .y = ctx->out[0]};
    if (r.y->count == 0) return TAP_OK;
    tap_status s = take_operands(ctx, &o);
    if (s != TAP_OK) return s;
    int64_t *matrices = tap_scratch(ctx, (size_t)o.n * 2 * sizeof *matrices);
    void *sums = tap_scratch(ctx, (size_t)r.y->count * sizeof(int32_t));
    r.room = tap_scratch(ctx, (size_t)tap_workers(ctx) * 2 * (size_t)o.stack.n * sizeof *r.room);
    if (!matrices || !sums || !r.room) return TAP_MEMORY;
    r.a_matrix = matrices;
    r.b_matrix = matrices + o.n;
    for (int64_t i = 0; i < o.n; i++) r.a_matrix[i] = o.at[i][0], r.b_matrix[i] = o.at[i][1];
    s = is_float8(o.a->dtype) ? sum_float8(ctx, &o, sums) : sum_products(ctx, &o, sums);
    if (s != TAP_OK) return s;
    r.sums = sums;
    r.a_scale = ctx->in[o.p->a_scale];
    r.b_scale = ctx->in[o.p->b_scale];
    r.y_scale = tap_real_at(ctx->in[o.p->y_scale], 0);
    r.y_zero = tap_real_at(ctx->in[o.p->y_zero], 0);
    tap_parallel(ctx, r.y->count / o.stack.n, tap_max64(1, 8192 / o.stack.n), rescale_task, &r);
    return TAP_OK;
}

static const tap_op ops[] = {
    {.name = "MatMulInteger",
     .since = 10,
     .in_min = 2,
     .in_max = 4,
     .out_min = 1,
     .out_max = 1,
     .flags = TAP_PACKS,
     .dtypes = TAP_TYPES_QUANT8,
     .packed_inputs = 1 << 1 | 1 << 3,
     .prepare = integer_prepare,
     .infer = integer_infer,
     .pack = integer_pack,
     .run = integer_run,
     .data = &integer_places},
    {.name = "QLinearMatMul",
     .since = 10,
     .in_min = 8,
     .in_max = 8,
     .out_min = 1,
     .out_max = 1,
     .flags = TAP_PACKS,
     .dtypes = TAP_TYPES_QUANT8 | TAP_TYPES_FLOAT8,
     .packed_inputs = 1 << 3 | 1 << 5,
     .prepare = integer_prepare,
     .infer = integer_infer,
     .pack = integer_pack,
     .run = linear_run,
     .data = &linear_places},
    {0},
};

TAP_DEFINE_FAMILY(matmul_integer, ops);
