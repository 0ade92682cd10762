/* Numbers as text, the same in every locale. */
#ifndef TAP_CORE_DECIMAL_H
#define TAP_CORE_DECIMAL_H

#include "core/base.h"
#include "onnxtap/onnxtap.h"

/* A number in plain or scientific notation, or INF, +INF, -INF, NaN in any case; blanks around it are
 * skipped. `is_int`: it has digits only and fits `i` (or, non-negative, `u`). false: it is no number. */
typedef struct tap_decimal {
    double d; /* rounded once */
    float f;  /* rounded once */
    bool is_int, is_negative;
    uint64_t magnitude; /* where is_int */
} tap_decimal;
bool tap_decimal_parse(const char *s, size_t n, tap_decimal *out);

#define TAP_DECIMAL_CHARS 40

/* Fewest digits that lead back to x in type t: DOUBLE, FLOAT or FLOAT16 (other floats: in FLOAT); in plain
 * notation from 1e-4 to 1e16, "inf", "nan". Returns the length. out: TAP_DECIMAL_CHARS bytes. */
size_t tap_decimal_format(tap_dtype t, double x, char *out);

#endif
