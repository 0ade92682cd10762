/* Pictures: 8 bits a channel, row-major, channels last. */
#ifndef TAP_IO_IMAGE_H
#define TAP_IO_IMAGE_H

#include "io/file.h"

typedef struct tap_image {
    int64_t width, height;
    int channels; /* 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA */
    uint8_t *data;
} tap_image;

/* A .png or .jpg, told by its first bytes. Ownership: tap_image_free. Errors: TAP_IO, TAP_DATA, TAP_MEMORY
 * (more than limit_bytes; 0: half of the machine's), TAP_UNSUPPORTED (the build lacks libpng or libjpeg). */
tap_status tap_image_load(const char *path, uint64_t limit_bytes, tap_image *out, tap_error *err);
void tap_image_free(tap_image *i);

/* The picture as a .png; into *bytes, freed by the caller. Errors: TAP_MEMORY, TAP_UNSUPPORTED. */
tap_status tap_png_encode(const tap_image *i, void **bytes, size_t *n_bytes, tap_error *err);

#endif
