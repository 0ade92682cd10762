/* A graph in double precision: every float of a source becomes float64. */
#ifndef TAP_DIFF_WIDEN_H
#define TAP_DIFF_WIDEN_H

#include "graph/source.h"

/* float32, float16, bfloat16: what is widened. */
static inline bool tap_is_widened(tap_dtype t) {
    return t == TAP_FLOAT || t == TAP_FLOAT16 || t == TAP_BFLOAT16;
}

/* *to is a copy of *from, graph and functions, in which those floats are float64: initializers, constants,
 * types, attributes that name a type, and types that are taken for granted where nothing is said. Inputs that
 * the standard has in float32 whatever the rest is (scales of Resize) stay so. Everything is made in arena.
 * false: no memory. */
bool tap_widen_model(tap_arena *arena, const tap_src_model *from, tap_src_model *to);

#endif
