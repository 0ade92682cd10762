/* Comparing a value with the one that is expected, as ONNX's own test runner does. */
#ifndef ONNXTAP_CLI_COMPARE_H
#define ONNXTAP_CLI_COMPARE_H

#include "cli.h"

typedef struct tolerance {
    double rtol, atol; /* |got - want| <= atol + rtol |want|; NaN equals NaN, infinities themselves */
    bool shape_only;   /* random values: dtype and shape alone                                       */
} tolerance;

/* Integers, booleans and strings exactly. NULL is an empty optional. On a difference writes a sentence to
 * why, cut at room. */
bool compare_values(const char *name, const tap_value *got, const tap_value *want, const tolerance *tol,
                    char *why, size_t room);

#endif
