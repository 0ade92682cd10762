/* JPEG 2000, as a file or a bare codestream, by openjpeg. */
#include "picture.h"

#ifndef TAP_HAVE_OPENJPEG

tap_status tap_picture_jp2(tap_picture *p, const uint8_t *bytes, size_t n) {
    (void)bytes, (void)n;
    return tap_picture_lacks(p, "JPEG 2000", "openjpeg");
}

#else

#include <string.h>

#include <openjpeg.h>

/* ---- The file in memory ---------------------------------------------------------------------------- */

typedef struct source {
    const uint8_t *bytes;
    uint64_t n, at;
} source;

static OPJ_SIZE_T source_read(void *to, OPJ_SIZE_T n, void *user) {
    source *s = user;
    const uint64_t left = s->n - s->at, take = n < left ? n : left;
    if (take == 0) return (OPJ_SIZE_T)-1; /* openjpeg's sign of the end */
    memcpy(to, s->bytes + s->at, take);
    s->at += take;
    return (OPJ_SIZE_T)take;
}

static OPJ_OFF_T source_skip(OPJ_OFF_T n, void *user) {
    source *s = user;
    if (n < 0 || (uint64_t)n > s->n - s->at) return -1;
    s->at += (uint64_t)n;
    return n;
}

static OPJ_BOOL source_seek(OPJ_OFF_T at, void *user) {
    source *s = user;
    if (at < 0 || (uint64_t)at > s->n) return OPJ_FALSE;
    s->at = (uint64_t)at;
    return OPJ_TRUE;
}

static opj_stream_t *stream_of(source *s) {
    opj_stream_t *stream = opj_stream_default_create(OPJ_TRUE);
    if (!stream) return NULL;
    opj_stream_set_user_data(stream, s, NULL);
    opj_stream_set_user_data_length(stream, s->n);
    opj_stream_set_read_function(stream, source_read);
    opj_stream_set_skip_function(stream, source_skip);
    opj_stream_set_seek_function(stream, source_seek);
    return stream;
}

/* ---- Pixels ---------------------------------------------------------------------------------------- */

/* Component c at pixel (x, y), as 0 .. 255; it may have fewer samples than the picture has pixels. */
static uint8_t sample_at(const opj_image_comp_t *c, int64_t x, int64_t y) {
    const int64_t i =
        tap_min64(y / c->dy, (int64_t)c->h - 1) * c->w + tap_min64(x / c->dx, (int64_t)c->w - 1);
    const int64_t most = (INT64_C(1) << c->prec) - 1, offset = c->sgnd ? INT64_C(1) << (c->prec - 1) : 0;
    const int64_t v = tap_max64(0, tap_min64(c->data[i] + offset, most));
    return tap_picture_sample((uint32_t)v, (uint32_t)most);
}

static uint8_t to_byte(double x) {
    return (uint8_t)(x <= 0 ? 0 : x >= 255 ? 255 : x + 0.5);
}

/* ITU-R BT.601, full range: what JPEG has too. */
static void ycc_to_rgb(uint8_t *p) {
    const double y = p[0], cb = p[1] - 128.0, cr = p[2] - 128.0;
    p[0] = to_byte(y + 1.402 * cr);
    p[1] = to_byte(y - 0.344136 * cb - 0.714136 * cr);
    p[2] = to_byte(y + 1.772 * cb);
}

/* What sample_at relies on. */
static bool usable(const opj_image_t *image) {
    if (image->numcomps < 1) return false;
    for (uint32_t c = 0; c < image->numcomps; c++) {
        const opj_image_comp_t *k = &image->comps[c];
        if (!k->data || k->w < 1 || k->h < 1 || k->dx < 1 || k->dy < 1 || k->prec < 1 || k->prec > 31)
            return false;
    }
    return true;
}

static void cmyk_pixel(const opj_image_t *image, int64_t x, int64_t y, uint8_t *to) {
    const uint32_t white = 255U - sample_at(&image->comps[3], x, y);
    for (int c = 0; c < 3; c++)
        to[c] = tap_picture_sample((255U - sample_at(&image->comps[c], x, y)) * white, 255 * 255);
}

static void take_pixels(tap_picture *p, const opj_image_t *image) {
    const bool cmyk = image->color_space == OPJ_CLRSPC_CMYK && image->numcomps >= 4;
    const bool coloured = image->numcomps >= 3;
    const bool ycc =
        coloured && (image->color_space == OPJ_CLRSPC_SYCC || image->color_space == OPJ_CLRSPC_EYCC ||
                     image->comps[1].dx > image->comps[0].dx);
    uint8_t *to = p->rgb;
    for (int64_t y = 0; y < p->height; y++)
        for (int64_t x = 0; x < p->width; x++, to += 3) {
            if (cmyk) {
                cmyk_pixel(image, x, y, to);
                continue;
            }
            for (int c = 0; c < 3; c++) to[c] = sample_at(&image->comps[coloured ? c : 0], x, y);
            if (ycc) ycc_to_rgb(to);
        }
}

/* The picture's size is known from its header, before anything is decoded; openjpeg then takes 4 bytes for
 * each sample, and as much again. */
static tap_status make(tap_picture *p, const opj_image_t *image) {
    const tap_status status =
        tap_picture_make(p, (int64_t)image->x1 - image->x0, (int64_t)image->y1 - image->y0);
    return status ? status : tap_picture_charge(p, 8 * (size_t)image->numcomps);
}

static tap_status decode(tap_picture *p, opj_codec_t *codec, opj_stream_t *stream) {
    opj_dparameters_t parameters;
    opj_image_t *image = NULL;
    opj_set_default_decoder_parameters(&parameters);
    if (!opj_setup_decoder(codec, &parameters)) return TAP_DATA;
    tap_status status = opj_read_header(stream, codec, &image) ? make(p, image) : TAP_DATA;
    if (status == TAP_OK &&
        !(opj_decode(codec, stream, image) && opj_end_decompress(codec, stream) && usable(image)))
        status = TAP_DATA;
    if (status == TAP_OK) take_pixels(p, image);
    opj_image_destroy(image);
    return status;
}

tap_status tap_picture_jp2(tap_picture *p, const uint8_t *bytes, size_t n) {
    source s = {bytes, n, 0};
    opj_codec_t *codec = opj_create_decompress(bytes[0] == 0 ? OPJ_CODEC_JP2 : OPJ_CODEC_J2K);
    opj_stream_t *stream = stream_of(&s);
    const tap_status status =
        codec && stream ? decode(p, codec, stream) : tap_fail(p->ctx, TAP_MEMORY, "no memory for openjpeg");
    if (stream) opj_stream_destroy(stream);
    if (codec) opj_destroy_codec(codec);
    return status;
}

#endif
