/* TIFF, by libtiff 4.5 or later: since then its messages can be kept from stderr without changing global
 * state. */
#include "picture.h"

#ifdef TAP_HAVE_TIFF
#include <tiffio.h>
#if TIFFLIB_VERSION < 20221213
#undef TAP_HAVE_TIFF
#endif
#endif

#ifndef TAP_HAVE_TIFF

tap_status tap_picture_tiff(tap_picture *p, const uint8_t *bytes, size_t n) {
    (void)bytes, (void)n;
    return tap_picture_lacks(p, "TIFF", "libtiff 4.5");
}

#else

#include <stdarg.h>
#include <string.h>

/* What one allocation of libtiff's may take: more than a strip or a tile of a real file. */
enum { ROOM_BYTES = 1 << 28 };

/* ---- The file in memory ---------------------------------------------------------------------------- */

typedef struct source {
    const uint8_t *bytes;
    uint64_t n, at;
} source;

static tmsize_t source_read(thandle_t file, void *to, tmsize_t n) {
    source *s = file;
    const uint64_t left = s->at < s->n ? s->n - s->at : 0, take = (uint64_t)n < left ? (uint64_t)n : left;
    if (take) memcpy(to, s->bytes + s->at, take);
    s->at += take;
    return (tmsize_t)take;
}

static tmsize_t source_write(thandle_t file, void *from, tmsize_t n) {
    (void)file, (void)from, (void)n;
    return 0;
}

static toff_t source_seek(thandle_t file, toff_t at, int from) {
    source *s = file;
    s->at = at + (from == SEEK_CUR ? s->at : from == SEEK_END ? s->n : 0);
    return s->at;
}

static toff_t source_size(thandle_t file) {
    return ((const source *)file)->n;
}

static int source_close(thandle_t file) {
    (void)file;
    return 0;
}

static int say_nothing(TIFF *tiff, void *user, const char *module, const char *format, va_list list) {
    (void)tiff, (void)user, (void)module, (void)format, (void)list;
    return 1;
}

static TIFF *open_source(source *s) {
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (!options) return NULL;
    TIFFOpenOptionsSetErrorHandlerExtR(options, say_nothing, NULL);
    TIFFOpenOptionsSetWarningHandlerExtR(options, say_nothing, NULL);
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, ROOM_BYTES);
    /* "m": the file is not to be mapped */
    TIFF *tiff = TIFFClientOpenExt("picture", "rm", s, source_read, source_write, source_seek, source_close,
                                   source_size, NULL, NULL, options);
    TIFFOpenOptionsFree(options);
    return tiff;
}

/* ---- Pixels ---------------------------------------------------------------------------------------- */

/* libtiff multiplies colours by an alpha that is not yet in them. We leave alpha out, so it is to think that
 * it is in them. */
static void keep_colours(TIFF *tiff) {
    uint16_t n = 0, *kinds = NULL;
    if (!TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &n, &kinds) || n != 1) return;
    const uint16_t kind = EXTRASAMPLE_ASSOCALPHA;
    TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, 1, &kind);
}

static tap_status decode(tap_picture *p, TIFF *tiff) {
    uint32_t width = 0, height = 0;
    if (!TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &width) || !TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &height))
        return TAP_DATA;
    const tap_status status = tap_picture_make(p, width, height);
    if (status) return status;
    uint32_t *raster = tap_picture_room(p, tap_picture_pixels(p), sizeof *raster);
    if (!raster || tap_picture_charge(p, 4) != TAP_OK) return TAP_MEMORY; /* a strip may be all of it */
    keep_colours(tiff);
    if (!TIFFReadRGBAImageOriented(tiff, width, height, raster, ORIENTATION_TOPLEFT, 1)) return TAP_DATA;
    for (int64_t i = 0; i < tap_picture_pixels(p); i++) {
        p->rgb[3 * i] = (uint8_t)TIFFGetR(raster[i]);
        p->rgb[3 * i + 1] = (uint8_t)TIFFGetG(raster[i]);
        p->rgb[3 * i + 2] = (uint8_t)TIFFGetB(raster[i]);
    }
    return TAP_OK;
}

tap_status tap_picture_tiff(tap_picture *p, const uint8_t *bytes, size_t n) {
    source s = {bytes, n, 0};
    TIFF *tiff = open_source(&s);
    if (!tiff) return TAP_DATA;
    const tap_status status = decode(p, tiff);
    TIFFClose(tiff);
    return status;
}

#endif
