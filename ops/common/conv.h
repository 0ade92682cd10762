/* Convolution over channels-last images, on the tiles of the matrix product (gemm_tile.h).
 *
 * A tile is some pixels x output channels; k runs over the taps of the filter and, innermost, over the input
 * channels. Input is read where it lies: channels of neighbouring taps are one run of memory. A pixel whose
 * window hangs over the ends of a line has it copied first, with zeros around it, into a buffer that stays in
 * cache; taps that fall above or below the image are left out. The order of multiply-adds is that of k for
 * every pixel; where a tap falls outside of the image depends on shapes only. Where tiles slide, k runs over
 * the taps of the outer axes, the channels and the taps of the last axis. */
#ifndef TAP_OPS_COMMON_CONV_H
#define TAP_OPS_COMMON_CONV_H

#include "common/gemm.h"

/* One spatial axis: output o reads the inputs o * step + first + t * tap_step, t from 0 to taps - 1; outside
 * of 0 .. in - 1 they are zero. It is written to out_first + o * out_step, of out_extent. */
typedef struct tap_conv_axis {
    int64_t in, step, first, taps, tap_step;
    int64_t out, out_extent, out_first, out_step;
} tap_conv_axis;

/* Scratch of one tap_conv_run, for the next one of the same node: starts as zero. */
typedef struct tap_conv_memory {
    void *p[2];
    size_t n_bytes[2];
} tap_conv_memory;

/* y[image][p][g * m + j] = bias + sum over taps t and channels i of x[image][p's input at t][g * c + i] *
 * w[g][t][i][j]. */
typedef struct tap_conv {
    tap_tile_kind kind;
    int n_axes; /* >= 1                                                                  */
    tap_conv_axis axes[TAP_RANK_MAX];
    bool slides;                  /* as W was packed                                                       */
    int64_t images, groups, c, m; /* c, m: channels of a group                                             */
    const void *x;                /* x[images][in ...][groups * c]                                         */
    const void *packed;           /* w of tap_conv_pack: for each group B[taps * c][m]; where tiles slide,
                                     B[outer taps * c * taps of the last axis][m]                          */
    const void *bias;             /* groups * m, added once after the sum; NULL: none                      */
    const tap_finish *finish;     /* stages behind that (its bias is not read); NULL: none                 */
    void *y;                      /* y[images][out_extent ...][groups * m]                                 */
    tap_gemm_done *done;          /* rows are pixels of y, columns its channels; NULL: nobody is told      */
    void *arg;
    tap_conv_memory *memory; /* NULL: scratch is taken for this run alone */
} tap_conv;

/* What is packed of weights w[groups * m][c][taps ...]: for each axis, of `extent` taps, `n` of them, tap t
 * being w's first + t * step (step may be negative). transposed: they are w[groups * c][m][taps ...]. */
typedef struct tap_conv_weights {
    tap_dtype dtype, from; /* of the packed and of w, as in tap_gemm_pack                            */
    const void *w;         /* at any alignment                                                      */
    bool transposed;
    int n_axes;
    struct {
        int64_t extent, n, first, step;
    } axes[TAP_RANK_MAX];
    int64_t groups, c, m;
    bool slides; /* as tap_conv_slides has it; never for packed panels */
} tap_conv_weights;

#define tap_conv_packed_bytes TAP_ISA_NAME(tap_conv_packed_bytes)
#define tap_conv_pack_panels  TAP_ISA_NAME(tap_conv_pack_panels)
#define tap_conv_pack         TAP_ISA_NAME(tap_conv_pack)
#define tap_conv_taps         TAP_ISA_NAME(tap_conv_taps)
#define tap_conv_take_weights TAP_ISA_NAME(tap_conv_take_weights)
#define tap_conv_scratch      TAP_ISA_NAME(tap_conv_scratch)
#define tap_conv_run          TAP_ISA_NAME(tap_conv_run)

/* Whether along the last axis neighbouring outputs see neighbouring taps on neighbouring inputs, so that
 * tiles may slide (gemm_tile.h). */
static inline bool tap_conv_slides(int64_t taps, int64_t step, int64_t tap_step) {
    return taps == TAP_TILE_TAPS && step == 1 && tap_step == 1;
}

/* k: taps x c; whether it slides or not. */
bool tap_conv_packed_bytes(tap_tile_kind kind, int64_t groups, int64_t k, int64_t m, size_t *n_bytes);
void tap_conv_pack(const tap_conv_weights *w, void *packed);
/* The same always as panels: for each group B[taps * c][m] of tap_gemm. */
void tap_conv_pack_panels(const tap_conv_weights *w, void *packed);

/* For packed forms: how many taps are packed; the weights from input channel i to the n output channels from
 * j on, of group g, at packed tap t, stored at `to`. Returns where they end. */
int64_t tap_conv_taps(const tap_conv_weights *w);
char *tap_conv_take_weights(const tap_conv_weights *w, int64_t g, int64_t j, int64_t n, int64_t i, int64_t t,
                            char *to);

/* n bytes of scratch, number i of those that v->memory keeps. NULL: no memory (already recorded). */
void *tap_conv_scratch(tap_ctx *ctx, const tap_conv *v, int i, size_t n_bytes);

/* From run: over all workers, with scratch from the context. */
tap_status tap_conv_run(tap_ctx *ctx, const tap_conv *v);

#endif
