/* What every operator family includes: the contract, and the few macros that make a family. */
#ifndef TAP_OPS_COMMON_OPS_H
#define TAP_OPS_COMMON_OPS_H

#include "core/base.h"
#include "onnxtap/op.h"

/* A file of a hot family, and every file of ops/common, is compiled once per instruction set. Symbols that
 * are not static carry the set's name: TAP_ISA_NAME(tap_gemm) is tap_gemm_avx512 in one copy, tap_gemm_base
 * in another. */
#define TAP_PASTE_(a, b)   a##_##b
#define TAP_PASTE(a, b)    TAP_PASTE_(a, b)
#define TAP_ISA_NAME(name) TAP_PASTE(name, TAP_ISA)

/* Ends a family's file. rows: an array of tap_op, the last one empty. */
#define TAP_DEFINE_FAMILY(family, rows)                              \
    extern const tap_family TAP_PASTE(tap_family_##family, TAP_ISA); \
    const tap_family TAP_PASTE(tap_family_##family, TAP_ISA) = {#family, rows}

/* Sets of dtypes, for rows without a loop table. */
#define TAP_TYPES_FLOAT \
    (TAP_BIT(TAP_FLOAT16) | TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_DOUBLE) | TAP_BIT(TAP_BFLOAT16))
#define TAP_TYPES_INT     (TAP_BIT(TAP_INT8) | TAP_BIT(TAP_INT16) | TAP_BIT(TAP_INT32) | TAP_BIT(TAP_INT64))
#define TAP_TYPES_UINT    (TAP_BIT(TAP_UINT8) | TAP_BIT(TAP_UINT16) | TAP_BIT(TAP_UINT32) | TAP_BIT(TAP_UINT64))
#define TAP_TYPES_NUMERIC (TAP_TYPES_FLOAT | TAP_TYPES_INT | TAP_TYPES_UINT)
#define TAP_TYPES_FLOAT8                                                                 \
    (TAP_BIT(TAP_FLOAT8E4M3FN) | TAP_BIT(TAP_FLOAT8E4M3FNUZ) | TAP_BIT(TAP_FLOAT8E5M2) | \
     TAP_BIT(TAP_FLOAT8E5M2FNUZ))
#define TAP_TYPES_FLOAT6 (TAP_BIT(TAP_FLOAT6E2M3) | TAP_BIT(TAP_FLOAT6E3M2))
#define TAP_TYPES_SUB_BYTE                                                                   \
    (TAP_BIT(TAP_UINT4) | TAP_BIT(TAP_INT4) | TAP_BIT(TAP_FLOAT4E2M1) | TAP_BIT(TAP_UINT2) | \
     TAP_BIT(TAP_INT2) | TAP_TYPES_FLOAT6)
#define TAP_TYPES_ALL (((UINT32_C(1) << TAP_DTYPE_COUNT) - 1) & ~UINT32_C(1))

/* An axis attribute: -rank <= axis < rank; negative ones count from the end. false: out of range. */
static inline bool tap_axis(int64_t axis, int rank, int *out) {
    *out = 0;
    if (axis < -rank || axis >= rank) return false;
    *out = (int)(axis < 0 ? axis + rank : axis);
    return true;
}

#endif
