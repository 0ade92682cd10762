/* Resampling along axes, as Resize and Upsample have it: where an output element lies in the input, which
 * elements it is made of, and with what weights. N-dimensional interpolation is separable: one pass an axis.
 */
#ifndef TAP_OPS_COMMON_RESAMPLE_H
#define TAP_OPS_COMMON_RESAMPLE_H

#include "common/ops.h"

/* coordinate_transformation_mode; in the order of tap_place_names. */
typedef enum tap_place {
    TAP_PLACE_HALF_PIXEL,
    TAP_PLACE_PYTORCH_HALF_PIXEL,
    TAP_PLACE_ALIGN_CORNERS,
    TAP_PLACE_ASYMMETRIC,
    TAP_PLACE_TF_HALF_PIXEL_FOR_NN,
    TAP_PLACE_TF_CROP_AND_RESIZE,
    TAP_PLACE_HALF_PIXEL_SYMMETRIC
} tap_place;

/* One axis. The scale is `scale`, or, where that is 0, exactly out / in. */
typedef struct tap_resample_axis {
    int64_t in, out;
    double scale;
    double start, end; /* the region of tf_crop_and_resize, as parts of in - 1 */
    tap_place place;
} tap_resample_axis;

/* The coordinate in the input of output element x. as_float: quotients are rounded to float32, in which 200
 * / 1.3333334 is 150 as it is meant; for decisions between neighbours. */
double TAP_ISA_NAME(tap_source_of)(const tap_resample_axis *a, int64_t x, bool as_float);
#define tap_source_of TAP_ISA_NAME(tap_source_of)

/* Whether coordinate c lies where tf_crop_and_resize extrapolates. */
static inline bool tap_source_outside(const tap_resample_axis *a, double c) {
    return a->place == TAP_PLACE_TF_CROP_AND_RESIZE && ((float)c < 0 || (float)c > (float)(a->in - 1));
}

typedef struct tap_kernel {
    bool cubic, antialias, exclude_outside;
    double a; /* of the cubic                                                     */
} tap_kernel;

/* Output element o is the sum over k of weight[k * out + o] * x[at[k * out + o]]; with outside[o], a
 * constant. */
typedef struct tap_taps {
    int64_t in, out;
    int n;
    int32_t *at;
    double *weight;
    float *weight32;  /* the same, rounded */
    uint8_t *outside; /* NULL: none is     */
} tap_taps;

/* From run; a->in and a->out are at least 1 and below 2^31. Memory is scratch. */
tap_status TAP_ISA_NAME(tap_make_taps)(tap_ctx *ctx, const tap_resample_axis *a, const tap_kernel *kernel,
                                       tap_taps *t);
#define tap_make_taps TAP_ISA_NAME(tap_make_taps)

/* How results are stored: as dtype; integers, from double, are rounded and kept from lo to hi first. */
typedef struct tap_resampled {
    tap_dtype dtype;
    bool round;
    double lo, hi;
} tap_resampled;

/* y[pre][out][post], computed in float or (wide) double and stored as `to` says, from x[pre][in][post] of
 * dtype from. `constant`: for what lies outside. */
tap_status TAP_ISA_NAME(tap_resample_pass)(tap_ctx *ctx, bool wide, const tap_taps *t, int64_t pre,
                                           int64_t post, double constant, tap_dtype from, const void *x,
                                           const tap_resampled *to, void *y);
#define tap_resample_pass TAP_ISA_NAME(tap_resample_pass)

#endif
