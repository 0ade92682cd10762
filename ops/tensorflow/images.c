/* TensorFlow's colours: RGBToHSV, HSVToRGB, over a last axis of three channels. */
#include <math.h>

#include "common/shape.h"
#include "tensorflow/tensorflow.h"

static tap_status colour_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    tap_status st = tap_need_rank(ctx, 0, 1, TAP_RANK_MAX, "the picture");
    if (!st && x->rank > 0 && x->dims[x->rank - 1] >= 0 && x->dims[x->rank - 1] != 3)
        st = tap_fail(ctx, tap_misfit(ctx), "the last axis has %lld channels, not 3",
                      (long long)x->dims[x->rank - 1]);
    return st ? st : tap_out_like(ctx, 0, x);
}

/* hue from 0 to 1, saturation, value */
static void to_hsv(const double *c, double *y) {
    const double most = fmax(c[0], fmax(c[1], c[2])), least = fmin(c[0], fmin(c[1], c[2])),
                 range = most - least;
    const double sixth = range > 0 ? 1 / (6 * range) : 0;
    double hue = c[0] == most   ? sixth * (c[1] - c[2])
                 : c[1] == most ? sixth * (c[2] - c[0]) + 2.0 / 6
                                : sixth * (c[0] - c[1]) + 4.0 / 6;
    if (!(range > 0)) hue = 0;
    y[0] = hue < 0 ? hue + 1 : hue;
    y[1] = most > 0 ? range / most : 0;
    y[2] = most;
}

static double ramp(double x) {
    return x < 0 ? 0 : x > 1 ? 1 : x;
}

static void to_rgb(const double *c, double *y) {
    const double h = c[0] * 6;
    const double full[3] = {ramp(fabs(h - 3) - 1), ramp(2 - fabs(h - 2)), ramp(2 - fabs(h - 4))};
    for (int k = 0; k < 3; k++) y[k] = ((1 - c[1]) + c[1] * full[k]) * c[2];
}

typedef void colour(const double *x, double *y);
typedef struct change {
    colour *fn;
} change;

static tap_status colour_run(tap_ctx *ctx) {
    const change *s = tap_ctx_op(ctx)->data;
    for (int64_t i = 0; i < ctx->in[0]->count; i += 3) {
        double x[3], y[3];
        for (int k = 0; k < 3; k++)
            x[k] = ctx->in[0]->dtype == TAP_FLOAT ? (double)((const float *)ctx->in[0]->data)[i + k]
                                                  : ((const double *)ctx->in[0]->data)[i + k];
        s->fn(x, y);
        for (int k = 0; k < 3; k++) {
            if (ctx->in[0]->dtype == TAP_FLOAT)
                ((float *)ctx->out[0]->data)[i + k] = (float)y[k];
            else
                ((double *)ctx->out[0]->data)[i + k] = y[k];
        }
    }
    return TAP_OK;
}

#define COLOUR(NAME, FN)                                                                                   \
    {                                                                                                      \
        TAP_TF_ROW(NAME, 1, 1), .dtypes = TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_DOUBLE), .infer = colour_infer, \
                                .run = colour_run, .data = &(const change) {                               \
            FN                                                                                             \
        }                                                                                                  \
    }

static const tap_op ops[] = {
    COLOUR("RGBToHSV", to_hsv),
    COLOUR("HSVToRGB", to_rgb),
    {0},
};

TAP_DEFINE_FAMILY(tensorflow_images, ops);
