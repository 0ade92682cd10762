/* Prints the peak, in billions of float32 operations a second, of the instruction set that kernels would use.
 */
#include <stdio.h>

#include "core/cpu.h"
#include "peak.h"

int main(void) {
    double rate = 0;
    switch (tap_cpu_isa()) {
#if defined(__x86_64__)
    case TAP_ISA_LEVEL_AVX512: rate = peak_avx512(0.2); break;
    case TAP_ISA_LEVEL_AVX2: rate = peak_avx2(0.2); break;
#endif
    default: rate = peak_base(0.2); break;
    }
    printf("%.1f\n", rate);
    return 0;
}
