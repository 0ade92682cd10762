/* PNG, by libpng. */
#include "picture.h"

#ifndef TAP_HAVE_PNG

tap_status tap_picture_png(tap_picture *p, const uint8_t *bytes, size_t n) {
    (void)bytes, (void)n;
    return tap_picture_lacks(p, "PNG", "libpng");
}

#else

#include <png.h>
#include <string.h>

typedef struct source {
    const uint8_t *at;
    size_t n;
} source;

static void give(png_structp png, png_bytep to, size_t n) {
    source *s = png_get_io_ptr(png);
    if (n > s->n) png_error(png, "cut off");
    memcpy(to, s->at, n);
    s->at += n;
    s->n -= n;
}

/* libpng wants this not to return, and takes the caller's longjmp for that. */
static PNG_NORETURN void failed(png_structp png, png_const_charp message) {
    (void)message;
    png_longjmp(png, 1);
}

static void warned(png_structp png, png_const_charp message) {
    (void)png, (void)message;
}

/* 8 bits of red, green and blue whatever is in the file. */
static void ask_for_rgb(png_structp png, png_infop info) {
    png_set_palette_to_rgb(png);
    png_set_expand_gray_1_2_4_to_8(png);
    png_set_gray_to_rgb(png);
    png_set_scale_16(png);
    png_set_strip_alpha(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
}

/* Between setjmp and its longjmp: changes nothing but what lies behind pointers. */
static tap_status decode(tap_picture *p, png_structp png, png_infop info, source *s) {
    png_set_read_fn(png, s, give);
    png_read_info(png, info);
    const int passes =
        png_get_interlace_type(png, info) == PNG_INTERLACE_NONE ? 1 : PNG_INTERLACE_ADAM7_PASSES;
    ask_for_rgb(png, info);
    const tap_status status =
        tap_picture_make(p, png_get_image_width(png, info), png_get_image_height(png, info));
    if (status) return status;
    if (png_get_rowbytes(png, info) != (size_t)p->width * 3) return TAP_DATA;
    for (int pass = 0; pass < passes; pass++)
        for (int64_t y = 0; y < p->height; y++) png_read_row(png, p->rgb + y * p->width * 3, NULL);
    return TAP_OK;
}

tap_status tap_picture_png(tap_picture *p, const uint8_t *bytes, size_t n) {
    source s = {bytes, n};
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, failed, warned);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    tap_status status = TAP_DATA;
    if (!info)
        status = tap_fail(p->ctx, TAP_MEMORY, "no memory for libpng");
    else if (setjmp(png_jmpbuf(png)) == 0)
        status = decode(p, png, info, &s);
    else
        status = TAP_DATA;
    png_destroy_read_struct(&png, &info, NULL);
    return status;
}

#endif
