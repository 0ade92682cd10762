/* Prints the peak, in billions of float32 operations a second, of the instruction set that kernels would use;
 * on a second line, what is left of it where operands are loaded as a product's tiles load them. */
#include <stdio.h>

#include "core/cpu.h"
#include "peak.h"

typedef struct rates {
    double (*peak)(double), (*fed)(double);
} rates;

static rates rates_of(tap_isa level) {
    switch (level) {
#if defined(__x86_64__)
    case TAP_ISA_LEVEL_AVX512: return (rates){peak_avx512, fed_avx512};
    case TAP_ISA_LEVEL_AVX2: return (rates){peak_avx2, fed_avx2};
#endif
    default: return (rates){peak_base, fed_base};
    }
}

int main(void) {
    rates r = rates_of(tap_cpu_isa());
    printf("%.1f\n", r.peak(0.2));
    printf("%.1f\n", r.fed(0.2));
    return 0;
}
