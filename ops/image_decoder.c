/* ImageDecoder: a file in memory becomes a picture [height][width][channels]. */
#include <string.h>

#include "common/shape.h"
#include "picture.h"

/* ---- What the decoders are given ------------------------------------------------------------------- */

tap_status tap_picture_make(tap_picture *p, int64_t width, int64_t height) {
    if (width <= 0 || height <= 0) return TAP_DATA;
    p->width = width;
    p->height = height;
    int64_t pixels;
    if (!tap_mul64(width, height, &pixels)) pixels = INT64_MAX;
    p->rgb = tap_picture_room(p, pixels, 3);
    return p->rgb ? TAP_OK : TAP_MEMORY;
}

void *tap_picture_room(tap_picture *p, int64_t n, size_t each) {
    size_t bytes;
    if (tap_mul_size((size_t)n, each, &bytes)) return tap_scratch(p->ctx, bytes);
    tap_fail(p->ctx, TAP_MEMORY, "a picture of %lld x %lld does not fit in memory", (long long)p->width,
             (long long)p->height);
    return NULL;
}

tap_status tap_picture_charge(tap_picture *p, size_t each) {
    return tap_picture_room(p, tap_picture_pixels(p), each) ? TAP_OK : TAP_MEMORY;
}

tap_status tap_picture_lacks(tap_picture *p, const char *format, const char *library) {
    return tap_fail(p->ctx, TAP_UNSUPPORTED,
                    "the picture is a %s file, and this onnxtap was built without %s, which reads those",
                    format, library);
}

/* ---- Formats, by their first bytes ----------------------------------------------------------------- */

static const struct format {
    const char *magic; /* '?' stands for any byte; \1 for a zero */
    tap_picture_decode *decode;
} formats[] = {
    {"\x89PNG\r\n\x1A\n", tap_picture_png},
    {"\xFF\xD8\xFF", tap_picture_jpeg},
    {"RIFF????WEBP", tap_picture_webp},
    {"II*\1", tap_picture_tiff},
    {"MM\1*", tap_picture_tiff},
    {"II+\1", tap_picture_tiff},
    {"MM\1+", tap_picture_tiff},
    {"\1\1\1\fjP  \r\n\x87\n", tap_picture_jp2},
    {"\xFF\x4F\xFF\x51", tap_picture_jp2},
    {"BM", tap_picture_bmp},
    {"P", tap_picture_pnm},
};

static bool begins(const uint8_t *bytes, size_t n, const char *magic) {
    size_t i = 0;
    for (; magic[i]; i++)
        if (i >= n || (magic[i] != '?' && bytes[i] != (magic[i] == 1 ? 0 : (uint8_t)magic[i]))) return false;
    return true;
}

static tap_status decode(tap_picture *p, const tap_tensor *x) {
    const size_t n = (size_t)x->count;
    for (size_t i = 0; i < TAP_COUNT_OF(formats); i++)
        if (begins(x->data, n, formats[i].magic)) return formats[i].decode(p, x->data, n);
    return TAP_DATA;
}

/* ---- The operator ---------------------------------------------------------------------------------- */

enum { AS_RGB, AS_BGR, AS_GRAY };

typedef struct decoder_state {
    int as;
} decoder_state;

static tap_status decoder_prepare(tap_ctx *ctx, void **state) {
    static const char *const orders[] = {"RGB", "BGR", "Grayscale", NULL};
    decoder_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    s->as = tap_attr_choice(ctx, "pixel_format", "RGB", orders);
    *state = s;
    return TAP_OK;
}

static int64_t channels_of(const tap_ctx *ctx) {
    const decoder_state *s = ctx->state;
    return s->as == AS_GRAY ? 1 : 3;
}

static tap_status decoder_infer(tap_ctx *ctx) {
    const tap_status status = tap_need_rank(ctx, 0, 1, 1, "the encoded stream");
    return status ? status : tap_out_type(ctx, 0, TAP_UINT8, 3, (int64_t[]){-1, -1, channels_of(ctx)});
}

/* Luma of ITU-R BT.601 in 16 bits, rounded, as libjpeg, OpenCV and Pillow have it. */
static uint8_t gray_of(const uint8_t *rgb) {
    return (uint8_t)((rgb[0] * 19595U + rgb[1] * 38470U + rgb[2] * 7471U + 0x8000U) >> 16);
}

static void reorder(int as, int64_t n, const uint8_t *rgb, uint8_t *y) {
    for (int64_t i = 0; i < n; i++, rgb += 3)
        if (as == AS_GRAY) {
            y[i] = gray_of(rgb);
        } else {
            y[3 * i] = rgb[2];
            y[3 * i + 1] = rgb[1];
            y[3 * i + 2] = rgb[0];
        }
}

static tap_status decoder_run(tap_ctx *ctx) {
    const decoder_state *s = ctx->state;
    tap_picture p = {.ctx = ctx};
    const tap_status status = decode(&p, ctx->in[0]);
    if (status != TAP_OK && status != TAP_DATA) return status;
    if (status == TAP_DATA) p.width = p.height = 0; /* the standard wants an empty matrix then */
    tap_tensor *y = tap_out(ctx, 0, TAP_UINT8, 3, (int64_t[]){p.height, p.width, channels_of(ctx)});
    if (!y) return TAP_MEMORY;
    if (s->as != AS_RGB)
        reorder(s->as, tap_picture_pixels(&p), p.rgb, y->data);
    else if (y->count > 0)
        memcpy(y->data, p.rgb, (size_t)y->count);
    return TAP_OK;
}

static const tap_op ops[] = {
    {.name = "ImageDecoder",
     .since = 20,
     .in_min = 1,
     .in_max = 1,
     .out_min = 1,
     .out_max = 1,
     .dtypes = TAP_BIT(TAP_UINT8),
     .prepare = decoder_prepare,
     .infer = decoder_infer,
     .run = decoder_run,
     .notes =
         "BMP, PBM, PGM, PPM and PAM; PNG by libpng, JPEG by libjpeg, TIFF by libtiff, WebP by libwebp, "
         "JPEG 2000 by openjpeg, where they were built in. Alpha is left out, 16 bits become 8. What cannot "
         "be decoded gives an empty picture; a format whose library is missing is an error."},
    {0},
};

TAP_DEFINE_FAMILY(image_decoder, ops);
