/* The activations of float32 as inline functions, NAME_float: activation.inc over common/math.h. */
#ifndef TAP_OPS_COMMON_ACTIVATION_FLOAT_H
#define TAP_OPS_COMMON_ACTIVATION_FLOAT_H

#include "common/math.h"

/* Attributes; what they are called depends on the operator. */
typedef struct params {
    float alpha, beta;
} params;

#define T             float
#define F(name)       name##_float
#define EXP_SCALED    tap_exp_scaled
#define EXPM1(x)      tap_expm1f(x)
#define LOG1P_UNIT(x) tap_log1p_unitf(x)
#define DECAY(x)      tap_decayf(x)
#define GELU(x)       tap_geluf(x)
#define MISH_IS_X     12
#define ABS(x)        fabsf(x)
#define SELECT        tap_mask
#include "common/activation.inc"
#undef T
#undef F
#undef EXP_SCALED
#undef EXPM1
#undef LOG1P_UNIT
#undef DECAY
#undef GELU
#undef MISH_IS_X
#undef ABS
#undef SELECT

#endif
