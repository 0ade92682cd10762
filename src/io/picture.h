/* Tensors as pictures. */
#ifndef TAP_IO_PICTURE_H
#define TAP_IO_PICTURE_H

#include "core/tensor.h"
#include "io/image.h"

/* Whether a sample of t[n][...] is a picture: 1, 3 or 4 channels, first or last. */
bool tap_is_picture(const tap_tensor *t);
/* Sample `row` of t as it is: bytes as they are; numbers within 0 to 1 or -1 to 1 widened to all shades,
 * those within 0 to 255 rounded, others stretched from the least to the largest. Errors: TAP_MEMORY. */
tap_status tap_picture_of(const tap_tensor *t, int64_t row, tap_image *out, tap_error *err);
/* A tile for each channel of sample `row` of t[n][c][h][w] ([n][h][w][c] where channels_last), coloured by
 * viridis from the least to the largest element, with a scale. */
tap_status tap_picture_maps(const tap_tensor *t, int64_t row, bool channels_last, tap_image *out,
                            tap_error *err);
/* A heat map of a matrix: the rows of t[n][...] below each other; of more than 2048 rows or columns,
 * averages. */
tap_status tap_picture_heat(const tap_tensor *t, tap_image *out, tap_error *err);
/* The same of sample `row` of t[n][h][...]. */
tap_status tap_picture_heat_of(const tap_tensor *t, int64_t row, tap_image *out, tap_error *err);

#endif
