/* The geometry of a convolution: output pixels by lines, and where in the input the taps fall. From shapes
 * only. */
#ifndef TAP_OPS_COMMON_CONV_SPACE_H
#define TAP_OPS_COMMON_CONV_SPACE_H

#include "common/conv.h"

/* A line is the output pixels along the last axis for fixed indices of the others, the outer axes. */
typedef struct tap_conv_space {
    tap_conv_axis axes[TAP_RANK_MAX], last;
    int n_axes;
    int64_t images, lines;    /* lines of an image                              */
    int64_t outer_taps;       /* taps of the outer axes                         */
    int64_t x_pixel, x_image; /* bytes of a pixel with all its channels         */
    int64_t y_pixel, y_image;
    bool pointwise; /* nothing slides: one line of all pixels         */
    bool dense;     /* pixel i of all lines is pixel i of y's image   */
} tap_conv_space;

#define tap_conv_space_init TAP_ISA_NAME(tap_conv_space_init)
#define tap_conv_space_keep TAP_ISA_NAME(tap_conv_space_keep)
#define tap_conv_row        TAP_ISA_NAME(tap_conv_row)
#define tap_conv_place      TAP_ISA_NAME(tap_conv_place)

/* elem: bytes of an element of x and y. Axes along which nothing slides are left out or joined. */
void tap_conv_space_init(tap_conv_space *s, const tap_conv *v, int64_t elem);
/* The same with the axes as they are. */
void tap_conv_space_keep(tap_conv_space *s, const tap_conv *v, int64_t elem);

/* Bytes from an image's start to the row on which, for output line l, this tap of the outer axes falls; -1:
 * outside. */
int64_t tap_conv_row(const tap_conv_space *s, int64_t l, int64_t tap);

/* The number, within its image, of y's pixel for output o of line l. */
int64_t tap_conv_place(const tap_conv_space *s, int64_t l, int64_t o);

#endif
