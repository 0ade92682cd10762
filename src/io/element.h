/* Elements of any dtype, widened in blocks to one of three types that hold them all exactly. */
#ifndef TAP_IO_ELEMENT_H
#define TAP_IO_ELEMENT_H

#include "core/tensor.h"

/* What an element is. Signed and unsigned integers fit int64 and uint64, real floats float64. */
typedef enum tap_class {
    TAP_CLASS_SIGNED,
    TAP_CLASS_UNSIGNED,
    TAP_CLASS_REAL,
    TAP_CLASS_COMPLEX,
    TAP_CLASS_STRING
} tap_class;

tap_class tap_class_of(tap_dtype t); /* bool is UNSIGNED */

#define TAP_WIDE_BLOCK 512

typedef union tap_wide {
    int64_t i[TAP_WIDE_BLOCK];
    uint64_t u[TAP_WIDE_BLOCK];
    double f[TAP_WIDE_BLOCK];
} tap_wide;

/* n <= TAP_WIDE_BLOCK elements at x, by the class of t; of COMPLEX, n counts real and imaginary parts. No
 * strings. */
void tap_widen(tap_dtype t, const void *x, int64_t n, tap_wide *w);
/* The other way, to dtype t from elements of class c (SIGNED, UNSIGNED, REAL; t complex: parts): out of range
 * becomes the nearest end, NaN 0, floats round to nearest even. */
void tap_narrow(tap_dtype t, tap_class c, const tap_wide *w, int64_t n, void *y);

#endif
