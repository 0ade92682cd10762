/* com.microsoft.nchwc: convolutions and pools of models that ONNX Runtime saved with all of its
 * optimisations, in its layout NCHWc. A value of that layout is NCHW here, with as many channels as its shape
 * says; the model's nodes have been told how large a block is (graph/nchwc.c), which the weights' order hangs
 * on. */
#include "common/move.h"
#include "common/shape.h"
#include "microsoft/activate.h"
#include "microsoft/layout.h"

#define NCHWC "com.microsoft.nchwc"

static int64_t block_of(tap_expansion *e) {
    const int64_t block = tap_expand_int(e, "block", 0);
    if (block == 8 || block == 16) return block;
    tap_expand_fail(e, TAP_MODEL, "it is no node of a file that ONNX Runtime wrote: its block is unknown");
    return 0;
}

/* ---- Into the layout, and out of it ---- */

static tap_status reorder_input(tap_expansion *e) {
    const bool last = tap_expand_int(e, "channels_last", 0) != 0;
    const int64_t block = block_of(e);
    tap_expand_names(e, "X", "Y");
    if (last) tap_ms_transpose(e, "first", "X", 2, false);
    tap_expand_add(e, "Y = onnxtap.FillBlocks <block=%d> (%s)", (int)block, last ? "first" : "X");
    return TAP_OK;
}

static tap_status reorder_output(tap_expansion *e) {
    const bool last = tap_expand_int(e, "channels_last", 0) != 0;
    const int64_t channels = tap_expand_int(e, "channels", 0);
    tap_expand_names(e, "X", "Y");
    if (channels < 1)
        return tap_expand_fail(e, TAP_MODEL, "attribute 'channels' must be given, and positive");
    tap_expand_add(e, "from = Constant <value_ints=[0]> ()");
    tap_expand_add(e, "to = Constant <value_ints=[%lld]> ()", (long long)channels);
    tap_expand_add(e, "axis = Constant <value_ints=[1]> ()");
    tap_expand_add(e, "%s = Slice (X, from, to, axis)", last ? "some" : "Y");
    if (last) tap_ms_transpose(e, "Y", "some", 2, true);
    return TAP_OK;
}

/* Y[N][C / block][H][W][block] of X[N][C][H][W], and back. */
static tap_status split_blocks(tap_expansion *e) {
    const int64_t block = block_of(e);
    tap_expand_has(e, "allowzero"); /* no dimension of the shape that is 0 is one of no elements */
    tap_expand_names(e, "X, shape", "Y");
    tap_ms_transpose(e, "last", "X", 2, true);
    tap_expand_add(e, "dims = Constant <value_ints=[0, 0, 0, -1, %lld]> ()", (long long)block);
    tap_expand_add(e, "split = Reshape (last, dims)");
    tap_expand_add(e, "Y = Transpose <perm=[0, 3, 1, 2, 4]> (split)");
    return TAP_OK;
}

static tap_status join_blocks(tap_expansion *e) {
    block_of(e);
    tap_expand_has(e, "allowzero");
    tap_expand_names(e, "X, shape", "Y");
    tap_expand_add(e, "last = Transpose <perm=[0, 2, 3, 1, 4]> (X)");
    tap_expand_add(e, "dims = Constant <value_ints=[0, 0, 0, -1]> ()");
    tap_expand_add(e, "joined = Reshape (last, dims)");
    tap_ms_transpose(e, "Y", "joined", 2, false);
    return TAP_OK;
}

/* ---- What is computed ---- */

static tap_status conv(tap_expansion *e) {
    const bool plain = tap_ms_is_plain_conv(e);
    const int64_t block = block_of(e);
    tap_expand_names(e, "X, W_blocks, B?, Z?", "Y");
    tap_expand_add(e, "W = onnxtap.FilterOfBlocks <block=%d> (W_blocks)", (int)block);
    tap_expand_add(e, "%s = Conv <" TAP_MS_CONV_ATTRS "> (X, W, B)", plain ? "Y" : "conv");
    tap_expand_has(e, "activation_params");
    return plain ? TAP_OK : tap_ms_finish_conv(e, "conv");
}

#define WINDOW                                                                                     \
    "auto_pad=@auto_pad, ceil_mode=@ceil_mode, dilations=@dilations, kernel_shape=@kernel_shape, " \
    "pads=@pads, "                                                                                 \
    "strides=@strides"

static tap_status max_pool(tap_expansion *e) {
    tap_expand_names(e, "X", "Y");
    tap_expand_has(e, "storage_order"); /* of the indices, which there are none of */
    tap_expand_add(e, "Y = MaxPool <" WINDOW "> (X)");
    return TAP_OK;
}

static tap_status average_pool(tap_expansion *e) {
    tap_expand_names(e, "X", "Y");
    tap_expand_add(e, "Y = AveragePool <" WINDOW ", count_include_pad=@count_include_pad> (X)");
    return TAP_OK;
}

static tap_status global_max_pool(tap_expansion *e) {
    tap_expand_names(e, "X", "Y");
    tap_expand_add(e, "Y = GlobalMaxPool (X)");
    return TAP_OK;
}

static tap_status global_average_pool(tap_expansion *e) {
    tap_expand_names(e, "X", "Y");
    tap_expand_add(e, "Y = GlobalAveragePool (X)");
    return TAP_OK;
}

static tap_status upsample(tap_expansion *e) {
    const char *mode = tap_expand_string(e, "mode", "nearest");
    const char *where = tap_expand_string(e, "coordinate_transformation_mode", "asymmetric");
    size_t n;
    const int64_t *scales = tap_expand_ints(e, "scales", &n);
    if (n && n != 4) return tap_expand_fail(e, TAP_MODEL, "scales has %zu elements; there are 4 axes", n);
    tap_expand_names(e, "X", "Y");
    tap_expand_add(e, "scales = Constant <value_floats=[%lld.0, %lld.0, %lld.0, %lld.0]> ()",
                   n ? (long long)scales[0] : 1, n ? (long long)scales[1] : 1, n ? (long long)scales[2] : 1,
                   n ? (long long)scales[3] : 1);
    tap_expand_add(e,
                   "Y = Resize <mode=\"%s\", coordinate_transformation_mode=\"%s\", nearest_mode=\"floor\"> "
                   "(X, , scales)",
                   mode, where);
    return TAP_OK;
}

/* ---- Pieces ---- */

static tap_status block_prepare(tap_ctx *ctx, void **state) {
    int64_t *block = tap_state(ctx, sizeof *block);
    if (!block) return TAP_MEMORY;
    *state = block;
    *block = tap_attr_int(ctx, "block", 0);
    return *block > 0 && *block <= 64 ? TAP_OK : tap_fail(ctx, TAP_MODEL, "block must be from 1 to 64");
}

/* FillBlocks: x[N][C][H][W] with channels of zeros behind its own, up to whole blocks. */
static tap_status fill_infer(tap_ctx *ctx) {
    const int64_t block = *(const int64_t *)ctx->state;
    const tap_type *x = tap_in_type(ctx, 0);
    int64_t dims[4] = {-1, -1, -1, -1};
    tap_status st = tap_need_rank(ctx, 0, 4, 4, "X");
    if (st) return st;
    if (x->rank == 4) memcpy(dims, x->dims, sizeof dims);
    if (dims[1] >= 0 && !tap_add64(dims[1], (block - dims[1] % block) % block, &dims[1]))
        return tap_fail(ctx, tap_misfit(ctx), "X has too many channels");
    return tap_out_type(ctx, 0, x->dtype, 4, dims);
}

static tap_status fill_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0], *y = ctx->out[0];
    const size_t width = tap_dtype_bytes(x->dtype);
    if (y->count == 0) return TAP_OK;
    const size_t from = width * (size_t)(x->count / x->dims[0]), to = width * (size_t)(y->count / y->dims[0]);
    for (int64_t n = 0; n < x->dims[0]; n++) {
        char *image = (char *)y->data + (size_t)n * to;
        if (from) memcpy(image, (const char *)x->data + (size_t)n * from, from);
        memset(image + from, 0, to - from);
    }
    return TAP_OK;
}

/* FilterOfBlocks: y[M][C][kH][kW] of weights that lie as [M / block][C / block][kH][kW][block of C][block of
 * M], or, where C is not whole blocks, as [M / block][C][kH][kW][block of M]. */
static tap_status filter_infer(tap_ctx *ctx) {
    const int64_t block = *(const int64_t *)ctx->state;
    const tap_type *w = tap_in_type(ctx, 0);
    tap_status st = tap_need_rank(ctx, 0, 4, 4, "W");
    if (st) return st;
    if (w->rank == 4 && w->dims[0] >= 0 && w->dims[0] % block)
        return tap_fail(ctx, tap_misfit(ctx), "W has %lld output channels, which are not blocks of %lld",
                        (long long)w->dims[0], (long long)block);
    return tap_out_like(ctx, 0, w);
}

static tap_status filter_run(tap_ctx *ctx) {
    const int64_t block = *(const int64_t *)ctx->state;
    const tap_tensor *w = ctx->in[0], *y = ctx->out[0];
    if (y->count == 0) return TAP_OK;
    const int64_t c = w->dims[1], inner = c % block ? 1 : block, places = w->dims[2] * w->dims[3];
    const int64_t step = (int64_t)tap_dtype_bytes(w->dtype);
    /* as y has them: blocks of M, in them M, blocks of C, in them C, places */
    const int64_t dims[5] = {w->dims[0] / block, block, c / inner, inner, places};
    const int64_t row = step * block;
    const int64_t from[5] = {row * c * places, step, row * inner * places, row, row * inner};
    int64_t to[5];
    tap_dense_steps((size_t)step, 5, dims, to);
    tap_move_steps(ctx, (size_t)step, 5, dims, from, to, w->data, y->data);
    return TAP_OK;
}

#define FUNCTION(NAME, IN_MIN, IN_MAX, EXPAND)                                                       \
    {                                                                                                \
        .name = NAME, .domain = NCHWC, .since = 1, .in_min = IN_MIN, .in_max = IN_MAX, .out_min = 1, \
        .out_max = 1, .dtypes = TAP_BIT(TAP_FLOAT), .infer = tap_check_signature, .data = "T T T T", \
        .expand = EXPAND                                                                             \
    }
#define PIECE \
    .dtypes = TAP_TYPES_FLOAT, .prepare = block_prepare, .notes = "A piece of functions of " NCHWC "."

static const tap_op ops[] = {
    FUNCTION("ReorderInput", 1, 1, reorder_input),
    FUNCTION("ReorderOutput", 1, 1, reorder_output),
    {.name = "Conv",
     .domain = NCHWC,
     .since = 1,
     .in_min = 2,
     .in_max = 4,
     .out_min = 1,
     .out_max = 1,
     .dtypes = TAP_BIT(TAP_FLOAT),
     .infer = tap_check_signature,
     .data = "T T T T",
     .expand = conv,
     .notes =
         "Values are NCHW, with channels filled up to whole blocks. How many channels a block has is read "
         "off the model; where all fit to 8 and to 16, it is what ONNX Runtime takes on this CPU."},
    FUNCTION("MaxPool", 1, 1, max_pool),
    FUNCTION("AveragePool", 1, 1, average_pool),
    FUNCTION("GlobalMaxPool", 1, 1, global_max_pool),
    FUNCTION("GlobalAveragePool", 1, 1, global_average_pool),
    FUNCTION("Upsample", 1, 1, upsample),
    {.name = "SplitBlocks",
     .domain = NCHWC,
     .since = 1,
     .in_min = 2,
     .in_max = 2,
     .out_min = 1,
     .out_max = 1,
     .dtypes = TAP_BIT(TAP_FLOAT),
     .expand = split_blocks,
     .notes = "A Reshape of ONNX Runtime's that splits blocks of channels off."},
    {.name = "JoinBlocks",
     .domain = NCHWC,
     .since = 1,
     .in_min = 2,
     .in_max = 2,
     .out_min = 1,
     .out_max = 1,
     .dtypes = TAP_BIT(TAP_FLOAT),
     .expand = join_blocks,
     .notes = "A Reshape of ONNX Runtime's that joins blocks of channels."},
    {TAP_MS_PIECE("FillBlocks", 1, 1, 1, 1), PIECE, .infer = fill_infer, .run = fill_run},
    {TAP_MS_PIECE("FilterOfBlocks", 1, 1, 1, 1), PIECE, .infer = filter_infer, .run = filter_run},
    {0},
};

TAP_DEFINE_FAMILY(microsoft_nchwc, ops);
