/* The stages behind a kernel as far as the tiles can apply them in registers (gemm_tile.h). */
#ifndef TAP_OPS_COMMON_FINISH_H
#define TAP_OPS_COMMON_FINISH_H

#include "common/gemm_tile.h"

#define tap_finish_stages TAP_ISA_NAME(tap_finish_stages)

/* From run, where tiles write output 0, if it is FLOAT or DOUBLE, or else what it is narrowed from. f has the
 * first n_applied stages; true: these are all, else tap_epilogue_from does the others. */
bool tap_finish_stages(const tap_ctx *ctx, tap_finish *f, int *n_applied);

#endif
