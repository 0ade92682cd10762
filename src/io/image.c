/* Pictures in and out, by libpng and libjpeg. */
#include "io/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"

void tap_image_free(tap_image *i) {
    free(i->data);
    i->data = NULL;
}

static tap_status make(tap_image *i, const char *path, uint64_t limit, tap_error *err) {
    uint64_t n = (uint64_t)i->width * (uint64_t)i->height * (uint64_t)i->channels;
    if (limit == 0) limit = tap_memory_default_limit();
    if (i->width <= 0 || i->height <= 0 || i->width > INT32_MAX / 8 || i->height > INT32_MAX / 8 || n > limit)
        return tap_error_set(err, TAP_MEMORY,
                             "%s: a picture of %lld x %lld takes more memory than the limit allows", path,
                             (long long)i->width, (long long)i->height);
    i->data = malloc((size_t)n + 1);
    return i->data ? TAP_OK : tap_error_no_memory(err, n);
}

#ifdef TAP_HAVE_PNG
#include <png.h>

static int channels_of(png_uint_32 format) {
    return ((format & PNG_FORMAT_FLAG_COLOR) ? 3 : 1) + ((format & PNG_FORMAT_FLAG_ALPHA) ? 1 : 0);
}

static tap_status load_png(const tap_file *f, const char *path, uint64_t limit, tap_image *out,
                           tap_error *err) {
    png_image png = {.version = PNG_IMAGE_VERSION};
    if (!png_image_begin_read_from_memory(&png, f->data, f->n_bytes))
        return tap_error_set(err, TAP_DATA, "%s: %s", path, png.message);
    png.format &= PNG_FORMAT_FLAG_COLOR | PNG_FORMAT_FLAG_ALPHA;
    png.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
    *out = (tap_image){
        .width = (int64_t)png.width, .height = (int64_t)png.height, .channels = channels_of(png.format)};
    tap_status s = make(out, path, limit, err);
    if (s == TAP_OK && !png_image_finish_read(&png, NULL, out->data, 0, NULL)) {
        s = tap_error_set(err, TAP_DATA, "%s: %s", path, png.message);
        tap_image_free(out);
    }
    png_image_free(&png);
    return s;
}

static png_uint_32 format_of(int channels) {
    return (channels >= 3 ? PNG_FORMAT_FLAG_COLOR : 0U) | (channels % 2 == 0 ? PNG_FORMAT_FLAG_ALPHA : 0U);
}

tap_status tap_png_encode(const tap_image *i, void **bytes, size_t *n_bytes, tap_error *err) {
    png_image png = {.version = PNG_IMAGE_VERSION,
                     .width = (png_uint_32)i->width,
                     .height = (png_uint_32)i->height,
                     .format = format_of(i->channels)};
    *bytes = NULL;
    png_alloc_size_t n = PNG_IMAGE_PNG_SIZE_MAX(png);
    void *p = malloc(n);
    if (!p) return tap_error_no_memory(err, n);
    if (!png_image_write_to_memory(&png, p, &n, 0, i->data, 0, NULL)) {
        free(p);
        return tap_error_set(err, TAP_DATA, "a picture of %lld x %lld cannot be written: %s",
                             (long long)i->width, (long long)i->height, png.message);
    }
    *bytes = p;
    *n_bytes = n;
    return TAP_OK;
}
#else
static tap_status load_png(const tap_file *f, const char *path, uint64_t limit, tap_image *out,
                           tap_error *err) {
    (void)f, (void)limit, (void)out, (void)make;
    return tap_error_set(err, TAP_UNSUPPORTED, "%s: reading .png takes libpng, which this build lacks", path);
}

tap_status tap_png_encode(const tap_image *i, void **bytes, size_t *n_bytes, tap_error *err) {
    (void)i, (void)bytes, (void)n_bytes;
    return tap_error_set(err, TAP_UNSUPPORTED, "writing .png takes libpng, which this build lacks");
}
#endif

#ifdef TAP_HAVE_JPEG
#include <setjmp.h>

#include <jpeglib.h>

typedef struct failing {
    struct jpeg_error_mgr manager; /* first: libjpeg has a pointer to it */
    jmp_buf back;
} failing;

static void jump_back(j_common_ptr c) {
    failing *f = (failing *)(void *)c->err;
    longjmp(f->back, 1);
}

static void be_quiet(j_common_ptr c, int level) {
    (void)c, (void)level;
}

static tap_status load_jpeg(const tap_file *f, const char *path, uint64_t limit, tap_image *out,
                            tap_error *err) {
    struct jpeg_decompress_struct c;
    failing fail;
    char why[JMSG_LENGTH_MAX];
    *out = (tap_image){.data = NULL};
    c.err = jpeg_std_error(&fail.manager);
    fail.manager.error_exit = jump_back;
    fail.manager.emit_message = be_quiet;
    if (setjmp(fail.back)) {
        fail.manager.format_message((j_common_ptr)&c, why);
        jpeg_destroy_decompress(&c);
        tap_image_free(out);
        return tap_error_set(err, TAP_DATA, "%s: %s", path, why);
    }
    jpeg_create_decompress(&c);
    jpeg_mem_src(&c, f->data, (unsigned long)f->n_bytes);
    jpeg_read_header(&c, TRUE);
    c.out_color_space = c.jpeg_color_space == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_start_decompress(&c);
    out->width = (int64_t)c.output_width;
    out->height = (int64_t)c.output_height;
    out->channels = c.output_components;
    tap_status s = make(out, path, limit, err);
    while (s == TAP_OK && c.output_scanline < c.output_height) {
        JSAMPROW row = out->data + (size_t)c.output_scanline * c.output_width * (size_t)c.output_components;
        jpeg_read_scanlines(&c, &row, 1);
    }
    if (s == TAP_OK) jpeg_finish_decompress(&c);
    jpeg_destroy_decompress(&c);
    return s;
}
#else
static tap_status load_jpeg(const tap_file *f, const char *path, uint64_t limit, tap_image *out,
                            tap_error *err) {
    (void)f, (void)limit, (void)out;
    return tap_error_set(err, TAP_UNSUPPORTED, "%s: reading .jpg takes libjpeg, which this build lacks",
                         path);
}
#endif

tap_status tap_image_load(const char *path, uint64_t limit, tap_image *out, tap_error *err) {
    tap_file *f;
    tap_status s = tap_file_open(path, limit, &f, err);
    if (s != TAP_OK) return s;
    if (f->n_bytes > 8 && memcmp(f->data, "\x89PNG\r\n\x1a\n", 8) == 0)
        s = load_png(f, path, limit, out, err);
    else if (f->n_bytes > 3 && memcmp(f->data, "\xFF\xD8\xFF", 3) == 0)
        s = load_jpeg(f, path, limit, out, err);
    else
        s = tap_error_set(err, TAP_DATA, "%s: neither a .png nor a .jpg", path);
    tap_file_release(f);
    return s;
}
