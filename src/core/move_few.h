/* Transpositions with two, three or four elements on one side: channels of an image put apart or together. */
#ifndef TAP_CORE_MOVE_FEW_H
#define TAP_CORE_MOVE_FEW_H

#include <stddef.h>

#include "core/cpu.h"
#include "core/move.h"

/* y[c][i] = x[i][c] for n elements i; x dense. */
typedef void tap_apart_loop(int64_t n, const char *x, char *const *y);
/* y[i][c] = x[c][i]; y dense. */
typedef void tap_together_loop(int64_t n, const char *const *x, char *y);

#define TAP_FEW_MAX 4 /* channels at most */

/* For words of `width` bytes, c of them; NULL where this instruction set has none. */
tap_apart_loop *tap_few_apart(tap_isa isa, size_t width, int64_t c);
tap_together_loop *tap_few_together(tap_isa isa, size_t width, int64_t c);

#endif
