/* Discrete Fourier transforms of any length, in float64.
 *
 * Lengths are taken apart into their prime factors (Stockham's order, so that nothing has to be put in order
 * afterwards); where one of them is large, the transform becomes a convolution of a length that has small
 * ones (Bluestein). The error grows as log n: below 1e-15 of the largest output for all lengths that occur.
 */
#ifndef TAP_OPS_COMMON_FFT_H
#define TAP_OPS_COMMON_FFT_H

#include "common/ops.h"
#include "common/vector.h"

typedef struct tap_complex {
    double re, im;
} tap_complex;

/* The same point of so many signals. */
enum { TAP_FFT_LANES = VECTOR_BYTES / 8 };
typedef struct tap_complexes {
    double re __attribute__((vector_size(VECTOR_BYTES))), im __attribute__((vector_size(VECTOR_BYTES)));
} tap_complexes;

enum { TAP_FFT_FACTORS = 64 };

typedef struct tap_fft {
    int64_t n;
    int n_factors;
    int factor[TAP_FFT_FACTORS];
    tap_complex *root; /* root[k] = exp(-2 pi i k / n), k < n                                        */
    /* Bluestein; inner.n is 0 where the factors are small. */
    int64_t inner_n;
    struct tap_fft *inner; /* of the convolution's length                                                */
    tap_complex *chirp;    /* chirp[k] = exp(-pi i k^2 / n), k < n                                       */
    tap_complex *filter;   /* transform of the conjugate chirp, inner_n                                  */
} tap_fft;

#define tap_fft_make      TAP_ISA_NAME(tap_fft_make)
#define tap_fft_room      TAP_ISA_NAME(tap_fft_room)
#define tap_fft_transform TAP_ISA_NAME(tap_fft_transform)
#define tap_fft_together  TAP_ISA_NAME(tap_fft_together)

/* run: a transform of n >= 1 points, in scratch memory. NULL fails the node (already recorded). */
tap_fft *tap_fft_make(tap_ctx *ctx, int64_t n);
/* Points of memory that tap_fft_transform wants. */
int64_t tap_fft_room(const tap_fft *f);
/* x[k] = sum over j of x[j] exp(-+ 2 pi i j k / n), in place; inverse: +, not divided by n. room:
 * tap_fft_room points of the calling worker's own. */
void tap_fft_transform(const tap_fft *f, bool inverse, tap_complex *x, tap_complex *room);
/* The same, to the bit, for TAP_FFT_LANES signals side by side. */
void tap_fft_together(const tap_fft *f, bool inverse, tap_complexes *x, tap_complexes *room);

#endif
