/* Pictures out of files in memory, a function for each format, as rows of red, green and blue.
 *
 * The files are untrusted. What a library of the format's own decodes is decoded as it does by default; alpha
 * is left out, deeper samples become 8 bits, of several pictures the first is taken. */
#ifndef TAP_OPS_PICTURE_H
#define TAP_OPS_PICTURE_H

#include "common/ops.h"

/* What the functions below fill. */
typedef struct tap_picture {
    tap_ctx *ctx;          /* whose scratch memory it lies in */
    int64_t width, height; /* each > 0                        */
    uint8_t *rgb;          /* [height][width][3]              */
} tap_picture;

/* Decodes n bytes. TAP_DATA: they cannot be decoded, and nothing is recorded; other failures are recorded (no
 * memory, or no library in this build: TAP_UNSUPPORTED). */
typedef tap_status tap_picture_decode(tap_picture *p, const uint8_t *bytes, size_t n);
tap_picture_decode tap_picture_bmp, tap_picture_jp2, tap_picture_jpeg, tap_picture_png, tap_picture_pnm,
    tap_picture_tiff, tap_picture_webp;

/* For the decoders: sets the size and makes p->rgb, uninitialised. TAP_DATA where the size is not positive.
 */
tap_status tap_picture_make(tap_picture *p, int64_t width, int64_t height);
/* n * each bytes of scratch memory; NULL fails the node (already recorded). */
void *tap_picture_room(tap_picture *p, int64_t n, size_t each);
/* Charges the session's budget for so many bytes of each pixel, which a library takes for itself: asks for
 * such room and does not touch it. To be called once the size is known. */
tap_status tap_picture_charge(tap_picture *p, size_t each);
/* Fails the node: the build lacks what reads this format. */
tap_status tap_picture_lacks(tap_picture *p, const char *format, const char *library);

static inline int64_t tap_picture_pixels(const tap_picture *p) {
    return p->width * p->height;
}

/* A sample of 0 .. most as one of 0 .. 255, to the nearest. */
static inline uint8_t tap_picture_sample(uint32_t x, uint32_t most) {
    return (uint8_t)(((uint64_t)(x < most ? x : most) * 255 + most / 2) / most);
}

#endif
