/* Softmax for float32, with its sums in float64, and for float64. */
#include "common/softmax.h"

#include <math.h>

#include "common/elementwise.h"
#include "common/math.h"
#include "common/reduce.h"

#define T       float
#define F(name) name##_f32
#define EXP     tap_expf
#define SUM     tap_loops_sum_f32
#define MAX     tap_loops_high_f32
#define NAME    tap_softmax_f32
#include "common/softmax.inc"

#define T       double
#define F(name) name##_f64
#define EXP     exp
#define SUM     tap_loops_sum_f64
#define MAX     tap_loops_high_f64
#define NAME    tap_softmax_f64
#include "common/softmax.inc"
