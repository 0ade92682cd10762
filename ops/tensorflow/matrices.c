/* TensorFlow's diagonals and bands of batches of matrices: MatrixBandPart; MatrixDiag, MatrixDiagPart,
 * MatrixSetDiag, each also as V2 and V3, which know several diagonals and how short ones are aligned. */
#include "common/scalar.h"
#include "common/shape.h"
#include "tensorflow/tensorflow.h"

#define MOVED (TAP_TYPES_ALL & ~TAP_TYPES_SUB_BYTE)

/* Of short diagonals: whether they stand left, those above the main one and those below. */
typedef struct alignment {
    bool above_left, below_left;
} alignment;

static tap_status align_prepare(tap_ctx *ctx, void **state) {
    static const char *const names[] = {"LEFT_LEFT", "LEFT_RIGHT", "RIGHT_LEFT", "RIGHT_RIGHT", NULL};
    alignment *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    const char *op = tap_ctx_op(ctx)->name;
    const bool v3 = op[strlen(op) - 1] == '3';
    const int k = v3 ? tap_attr_choice(ctx, "align", "RIGHT_LEFT", names) : 0;
    *s = (alignment){k < 2, k % 2 == 0};
    return TAP_OK;
}

/* Diagonals low .. high of matrices rows x columns; in a packed form of them each has `longest` places. */
typedef struct band {
    int64_t low, high, rows, columns, longest;
} band;

static int64_t length_of(const band *b, int64_t d) {
    return tap_min64(b->rows + tap_min64(0, d), b->columns - tap_max64(0, d));
}

/* Where element (i, j) stands in the packed form. */
static int64_t packed_at(const band *b, const alignment *a, int64_t i, int64_t j) {
    const int64_t d = j - i, along = tap_min64(i, j);
    const bool left = (d >= 0 && a->above_left) || (d <= 0 && a->below_left);
    return (b->high - d) * b->longest + along + (left ? 0 : b->longest - length_of(b, d));
}

/* k, one number or two. *known: as far as infer asks. */
static tap_status read_band(tap_ctx *ctx, int input, band *b, bool *known) {
    tap_ints k;
    tap_status st = tap_read_ints(ctx, input, 2, "k", &k);
    *known = !st && k.known && k.n > 0;
    if (st || !*known) return st;
    b->low = k.v[0];
    b->high = k.v[k.n - 1];
    if (b->low <= b->high && b->low > INT32_MIN && b->high < INT32_MAX) return TAP_OK;
    return tap_fail(ctx, tap_misfit(ctx), "k is from %lld to %lld", (long long)b->low, (long long)b->high);
}

static tap_status check_band(tap_ctx *ctx, const band *b) {
    if ((b->low > -b->rows || b->low == 0) && (b->high < b->columns || b->high == 0)) return TAP_OK;
    return tap_fail(ctx, tap_misfit(ctx), "diagonals %lld to %lld are not all in matrices of %lld by %lld",
                    (long long)b->low, (long long)b->high, (long long)b->rows, (long long)b->columns);
}

static int64_t longest_of(const band *b) {
    return tap_min64(b->rows + tap_min64(b->high, 0), b->columns - tap_max64(b->low, 0));
}

static void copy(tap_tensor *y, int64_t to, const tap_tensor *x, int64_t from) {
    const size_t width = tap_dtype_bytes(y->dtype);
    memcpy((char *)y->data + (size_t)to * width, (const char *)x->data + (size_t)from * width, width);
}

/* ---- MatrixBandPart ---- */

static tap_status band_infer(tap_ctx *ctx) {
    tap_status st = tap_need_rank(ctx, 0, 2, TAP_RANK_MAX, "the matrix");
    for (int i = 1; i < 3 && !st; i++) {
        st = tap_need_dtype(ctx, i, TAP_TYPES_INDEX, "the number of diagonals");
        if (!st) st = tap_need_one(ctx, i, "the number of diagonals");
    }
    return st ? st : tap_out_like(ctx, 0, tap_in_type(ctx, 0));
}

static tap_status band_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0];
    const int64_t below = tap_int_at(ctx->in[1], 0), above = tap_int_at(ctx->in[2], 0);
    const int64_t columns = x->dims[x->rank - 1], rows = x->dims[x->rank - 2];
    if (x->count) memset(ctx->out[0]->data, 0, (size_t)x->count * tap_dtype_bytes(x->dtype));
    for (int64_t e = 0; e < x->count; e++) {
        const int64_t i = e / columns % rows, j = e % columns;
        if ((below < 0 || i - j <= below) && (above < 0 || j - i <= above)) copy(ctx->out[0], e, x, e);
    }
    return TAP_OK;
}

/* ---- MatrixDiag: diagonal(, k, rows, columns, padding) ---- */

enum { IN_X, IN_K, IN_ROWS, IN_COLUMNS, IN_PADDING };

/* The matrices that are to be made of the packed diagonals; -1: unknown. */
static tap_status diag_sizes(tap_ctx *ctx, band *b, bool *known) {
    const tap_type *x = tap_in_type(ctx, IN_X);
    int64_t given[2] = {-1, -1};
    *known = true;
    *b = (band){.rows = -1, .columns = -1};
    tap_status st = tap_has_in(ctx, IN_K) ? read_band(ctx, IN_K, b, known) : TAP_OK;
    for (int i = 0; i < 2 && !st; i++) {
        const tap_tensor *t = tap_in_known(ctx, IN_ROWS + i);
        if (!tap_has_in(ctx, IN_ROWS + i)) continue;
        st = tap_need_one(ctx, IN_ROWS + i, "the size of the matrices");
        if (!st) st = tap_need_dtype(ctx, IN_ROWS + i, TAP_TYPES_INDEX, "the size of the matrices");
        if (t)
            given[i] = tap_int_at(t, 0);
        else
            *known = false;
    }
    b->longest = x->rank > 0 ? x->dims[x->rank - 1] : -1;
    if (b->longest < 0 || b->longest > INT32_MAX) *known = false;
    if (st || !*known) return st;
    const int64_t rows = b->longest - tap_min64(b->high, 0), columns = b->longest + tap_max64(b->low, 0);
    b->rows = given[0] >= 0 ? given[0] : given[1] >= 0 ? rows : tap_max64(rows, columns);
    b->columns = given[1] >= 0 ? given[1] : given[0] >= 0 ? columns : b->rows;
    if (b->rows < rows || b->columns < columns || (b->rows != rows && b->columns != columns))
        return tap_fail(ctx, tap_misfit(ctx),
                        "diagonals of %lld places do not fit to matrices of %lld by %lld",
                        (long long)b->longest, (long long)b->rows, (long long)b->columns);
    return check_band(ctx, b);
}

static tap_status diag_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, IN_X);
    int64_t dims[TAP_RANK_MAX + 2];
    band b;
    bool known;
    tap_status st = tap_need_rank(ctx, IN_X, 1, TAP_RANK_MAX, "the diagonal");
    if (!st && tap_has_in(ctx, IN_PADDING)) st = tap_need_one(ctx, IN_PADDING, "padding_value");
    if (!st) st = tap_need_same_dtype(ctx, IN_X, IN_PADDING, "padding_value");
    if (!st) st = diag_sizes(ctx, &b, &known);
    if (st || x->rank < 0 || !known) return st ? st : tap_out_type(ctx, 0, x->dtype, -1, NULL);
    const bool many = b.low != b.high;
    const int batch = x->rank - 1 - many;
    if (batch < 0 || (many && x->dims[batch] >= 0 && x->dims[batch] != b.high - b.low + 1))
        return tap_fail(ctx, tap_misfit(ctx), "the input does not have %lld diagonals",
                        (long long)(b.high - b.low + 1));
    if (batch + 2 > TAP_RANK_MAX)
        return tap_fail(ctx, TAP_UNSUPPORTED, "the output would have rank %d", batch + 2);
    memcpy(dims, x->dims, sizeof *dims * (size_t)batch);
    dims[batch] = b.rows;
    dims[batch + 1] = b.columns;
    return tap_out_type(ctx, 0, x->dtype, batch + 2, dims);
}

static tap_status diag_run(tap_ctx *ctx) {
    static const alignment left = {true, true};
    const alignment *a = ctx->state ? ctx->state : &left;
    const tap_tensor *x = ctx->in[IN_X], *padding = ctx->n_in > IN_PADDING ? ctx->in[IN_PADDING] : NULL;
    int64_t dims[TAP_RANK_MAX + 2];
    band b;
    bool known;
    tap_status st = diag_sizes(ctx, &b, &known);
    const bool many = !st && b.low != b.high;
    const int batch = x->rank - 1 - many;
    if (st) return st;
    if (batch < 0 || batch + 2 > TAP_RANK_MAX || (many && x->dims[batch] != b.high - b.low + 1))
        return tap_fail(ctx, TAP_RUN, "the input does not have %lld diagonals",
                        (long long)(b.high - b.low + 1));
    memcpy(dims, x->dims, sizeof *dims * (size_t)batch);
    dims[batch] = b.rows;
    dims[batch + 1] = b.columns;
    tap_tensor *y = tap_out(ctx, 0, x->dtype, batch + 2, dims);
    if (!y) return TAP_MEMORY;
    const int64_t packed = (b.high - b.low + 1) * b.longest;
    if (y->count && x->dtype != TAP_STRING) memset(y->data, 0, (size_t)y->count * tap_dtype_bytes(y->dtype));
    for (int64_t e = 0; e < y->count; e++) {
        const int64_t i = e / b.columns % b.rows, j = e % b.columns, d = j - i;
        if (d >= b.low && d <= b.high)
            copy(y, e, x, e / b.columns / b.rows * packed + packed_at(&b, a, i, j));
        else if (padding)
            copy(y, e, padding, 0);
    }
    return TAP_OK;
}

/* ---- MatrixDiagPart: matrix(, k, padding) ---- */

static tap_status part_sizes(tap_ctx *ctx, const tap_type *x, int k, band *b, bool *known) {
    *known = true;
    *b = (band){0};
    tap_status st = tap_has_in(ctx, k) ? read_band(ctx, k, b, known) : TAP_OK;
    if (st || x->rank < 2) {
        *known = false;
        return st;
    }
    b->rows = x->dims[x->rank - 2];
    b->columns = x->dims[x->rank - 1];
    if (b->rows < 0 || b->columns < 0) *known = false;
    if (!*known) return TAP_OK;
    b->longest = longest_of(b);
    return check_band(ctx, b);
}

/* Shape of the packed form of matrices like x; its rank. */
static int packed_shape(const tap_type *x, const band *b, bool known, int64_t *dims) {
    int n = x->rank - 2;
    memcpy(dims, x->dims, sizeof *dims * (size_t)n);
    if (b->low != b->high) dims[n++] = b->high - b->low + 1;
    dims[n++] = known ? b->longest : -1;
    return n;
}

static tap_status part_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, IN_X);
    int64_t dims[TAP_RANK_MAX];
    band b;
    bool known;
    tap_status st = tap_need_rank(ctx, IN_X, 2, TAP_RANK_MAX, "the matrix");
    if (!st && tap_has_in(ctx, 2)) st = tap_need_one(ctx, 2, "padding_value");
    if (!st) st = tap_need_same_dtype(ctx, IN_X, 2, "padding_value");
    if (!st) st = part_sizes(ctx, x, IN_K, &b, &known);
    if (st || x->rank < 2 || (tap_has_in(ctx, IN_K) && !tap_in_known(ctx, IN_K)))
        return st ? st : tap_out_type(ctx, 0, x->dtype, -1, NULL);
    const int rank = packed_shape(x, &b, known, dims);
    return tap_out_type(ctx, 0, x->dtype, rank, dims);
}

static tap_status part_run(tap_ctx *ctx) {
    static const alignment left = {true, true};
    const alignment *a = ctx->state ? ctx->state : &left;
    const tap_tensor *x = ctx->in[IN_X], *padding = ctx->n_in > 2 ? ctx->in[2] : NULL;
    int64_t dims[TAP_RANK_MAX];
    band b;
    bool known;
    tap_status st = part_sizes(ctx, tap_in_type(ctx, IN_X), IN_K, &b, &known);
    if (st) return st;
    const int rank = packed_shape(tap_in_type(ctx, IN_X), &b, true, dims);
    tap_tensor *y = tap_out(ctx, 0, x->dtype, rank, dims);
    if (!y) return TAP_MEMORY;
    const int64_t packed = (b.high - b.low + 1) * b.longest;
    if (y->count && x->dtype != TAP_STRING) memset(y->data, 0, (size_t)y->count * tap_dtype_bytes(y->dtype));
    for (int64_t e = 0; padding && e < y->count; e++) copy(y, e, padding, 0);
    for (int64_t e = 0; e < x->count; e++) {
        const int64_t i = e / b.columns % b.rows, j = e % b.columns, d = j - i;
        if (d >= b.low && d <= b.high)
            copy(y, e / b.columns / b.rows * packed + packed_at(&b, a, i, j), x, e);
    }
    return TAP_OK;
}

/* ---- MatrixSetDiag: matrix, diagonal(, k) ---- */

static tap_status set_check(tap_ctx *ctx, band *b) {
    const tap_type *x = tap_in_type(ctx, 0), *diagonal = tap_in_type(ctx, 1);
    int64_t dims[TAP_RANK_MAX];
    bool known;
    tap_status st = tap_need_rank(ctx, 0, 2, TAP_RANK_MAX, "the matrix");
    if (!st) st = tap_need_same_dtype(ctx, 0, 1, "the diagonal");
    if (!st) st = part_sizes(ctx, x, 2, b, &known);
    if (st || !known || diagonal->rank < 0) return st;
    const int rank = packed_shape(x, b, true, dims);
    return tap_need_shape(ctx, 1, rank, dims, "the diagonal");
}

static tap_status set_infer(tap_ctx *ctx) {
    band b;
    tap_status st = set_check(ctx, &b);
    return st ? st : tap_out_like(ctx, 0, tap_in_type(ctx, 0));
}

static tap_status set_run(tap_ctx *ctx) {
    static const alignment left = {true, true};
    const alignment *a = ctx->state ? ctx->state : &left;
    const tap_tensor *x = ctx->in[0];
    band b;
    tap_status st = set_check(ctx, &b);
    if (st) return st;
    const int64_t packed = (b.high - b.low + 1) * b.longest;
    for (int64_t e = 0; e < x->count; e++) {
        const int64_t i = e / b.columns % b.rows, j = e % b.columns, d = j - i;
        if (d >= b.low && d <= b.high)
            copy(ctx->out[0], e, ctx->in[1], e / b.columns / b.rows * packed + packed_at(&b, a, i, j));
        else
            copy(ctx->out[0], e, x, e);
    }
    return TAP_OK;
}

#define MADE .dtypes = MOVED
#define DIAG .infer = diag_infer, .run = diag_run
#define PART .infer = part_infer, .run = part_run
#define SET  .infer = set_infer, .run = set_run

static const tap_op ops[] = {
    {TAP_TF_ROW("MatrixBandPart", 3, 1), MADE & ~TAP_BIT(TAP_STRING), .infer = band_infer, .run = band_run},
    {TAP_TF_ROW("BatchMatrixBandPart", 3, 1), MADE & ~TAP_BIT(TAP_STRING), .infer = band_infer,
     .run = band_run},
    {TAP_TF_ROW("MatrixDiag", 1, 1), MADE, DIAG},
    {TAP_TF_ROW("MatrixDiagV2", 5, 1), MADE, .prepare = align_prepare, DIAG},
    {TAP_TF_ROW("MatrixDiagV3", 5, 1), MADE, .prepare = align_prepare, DIAG},
    {TAP_TF_ROW("MatrixDiagPart", 1, 1), MADE, PART},
    {TAP_TF_ROW("MatrixDiagPartV2", 3, 1), MADE, .prepare = align_prepare, PART},
    {TAP_TF_ROW("MatrixDiagPartV3", 3, 1), MADE, .prepare = align_prepare, PART},
    {TAP_TF_ROW("MatrixSetDiag", 2, 1), MADE, SET},
    {TAP_TF_ROW("MatrixSetDiagV2", 3, 1), MADE, .prepare = align_prepare, SET},
    {TAP_TF_ROW("MatrixSetDiagV3", 3, 1), MADE, .prepare = align_prepare, SET},
    {0},
};

TAP_DEFINE_FAMILY(tensorflow_matrices, ops);
