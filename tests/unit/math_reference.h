/* The functions of ops/common/math*.h and of the activations in float64, to measure float32's by: loops for
 * all the arguments, which are vector code where the C library has such, and single calls in long double for
 * the arguments where the error is largest. */
#ifndef TAP_TESTS_UNIT_MATH_REFERENCE_H
#define TAP_TESTS_UNIT_MATH_REFERENCE_H

#include <math.h>
#include <stdint.h>

/* glibc has its functions for vectors, too (to 4 units of float64), and GCC finds them by this attribute; the
 * copies choose the CPU's widest. */
#if defined(__GLIBC__) && defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#if __GLIBC_PREREQ(2, 35)
#define REFERENCE_VECTORS
#endif
#endif
#ifdef REFERENCE_VECTORS
#define REFERENCE_CALL(f) \
    double reference_##f(double) __asm__(#f) __attribute__((const, simd("notinbranch")));
#define REFERENCE_LOOP __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define REFERENCE_CALL(f)                          \
    static inline double reference_##f(double x) { \
        return f(x);                               \
    }
#define REFERENCE_LOOP
#endif
#ifdef REFERENCE_VECTORS
double reference_pow(double, double) __asm__("pow") __attribute__((const, simd("notinbranch")));
#else
static inline double reference_pow(double x, double y) {
    return pow(x, y);
}
#endif
REFERENCE_CALL(exp)
REFERENCE_CALL(expm1)
REFERENCE_CALL(log)
REFERENCE_CALL(log1p)
REFERENCE_CALL(erf)
REFERENCE_CALL(erfc)
REFERENCE_CALL(sin)
REFERENCE_CALL(cos)
REFERENCE_CALL(tan)
REFERENCE_CALL(asin)
REFERENCE_CALL(acos)
REFERENCE_CALL(atan)
REFERENCE_CALL(sinh)
REFERENCE_CALL(cosh)
REFERENCE_CALL(tanh)
REFERENCE_CALL(asinh)
REFERENCE_CALL(acosh)
REFERENCE_CALL(atanh)

/* Where float32's exponential has long become 0 or infinity; beyond, float64's leaves its vector code. */
#define NEAR(x) ((x) > 300 ? 300 : (x) < -300 ? -300 : (x))

/* want_NAME, a loop over doubles, and exact_NAME: the expression is the same, F(f) is f of its precision. */
#define REFERENCE(NAME, EXPR, EXPR_LONG)                                                            \
    REFERENCE_LOOP static void want_##NAME(const float *restrict from, double *restrict y, int n) { \
        for (int i = 0; i < n; i++) {                                                               \
            const double x = (double)from[i];                                                       \
            y[i] = EXPR;                                                                            \
        }                                                                                           \
    }                                                                                               \
    static long double exact_##NAME(long double x) {                                                \
        return EXPR_LONG;                                                                           \
    }
#define REFERENCE_OF(f) REFERENCE(f, reference_##f(x), f##l(x))
REFERENCE(exp, reference_exp(NEAR(x)), expl(x))
REFERENCE(expm1, reference_expm1(NEAR(x)), expm1l(x))
REFERENCE_OF(log)
REFERENCE_OF(log1p)
REFERENCE_OF(erf)
REFERENCE_OF(sin)
REFERENCE_OF(cos)
REFERENCE_OF(tan)
REFERENCE_OF(asin)
REFERENCE_OF(acos)
REFERENCE_OF(atan)
REFERENCE(sinh, reference_sinh(NEAR(x)), sinhl(x))
REFERENCE(cosh, reference_cosh(NEAR(x)), coshl(x))
REFERENCE(tanh, reference_tanh(NEAR(x)), tanhl(x))
REFERENCE_OF(asinh)
REFERENCE_OF(acosh)
REFERENCE_OF(atanh)

REFERENCE_LOOP static void want_pow(const float *restrict x, const float *restrict y, double *restrict z,
                                    int n) {
    for (int i = 0; i < n; i++) z[i] = reference_pow((double)x[i], (double)y[i]);
}

#define ROOT_HALF 0.70710678118654752440
REFERENCE(decay, reference_exp(-NEAR(x)), expl(-x))
REFERENCE(sigmoid, 1 / (1 + reference_exp(-NEAR(x))), 1 / (1 + expl(-x)))
REFERENCE(gelu, x * 0.5 * reference_erfc(x * -ROOT_HALF),
          x * 0.5L * erfcl(x * -0.70710678118654752440084436L))
/* sqrt(8 / pi) */
REFERENCE(gelu_tanh,
          x / (1 +
               reference_exp(-1.59576912160573071176 * (NEAR(x) + 0.044715 * NEAR(x) * NEAR(x) * NEAR(x)))),
          x / (1 + expl(-1.59576912160573071175978L * (x + 0.044715L * x * x * x))))
REFERENCE(softplus, (x > 0 ? x : 0) + reference_log1p(reference_exp(-fabs(NEAR(x)))),
          (x > 0 ? x : 0) + log1pl(expl(-fabsl(x))))
/* Beyond 40, tanh(ln(1 + e^x)) is 1. */
REFERENCE(mish, x *reference_tanh(reference_log1p(reference_exp(x > 40 ? 40 : NEAR(x)))),
          x *tanhl(log1pl(expl(x > 40 ? 40 : x))))
REFERENCE(swish, x / (1 + reference_exp(-NEAR(x))), x / (1 + expl(-x)))
REFERENCE(elu, x < 0 ? reference_expm1(NEAR(x)) : x, x < 0 ? expm1l(x) : x)

#endif
