/* Which instruction set the kernels may use. */
#ifndef TAP_CORE_CPU_H
#define TAP_CORE_CPU_H

typedef enum tap_isa { TAP_ISA_LEVEL_BASE, TAP_ISA_LEVEL_AVX2, TAP_ISA_LEVEL_AVX512 } tap_isa;

/* The best that this CPU has. */
tap_isa tap_cpu_best(void);
/* That, capped by the environment variable ONNXTAP_ISA (sse2, avx2, avx512). */
tap_isa tap_cpu_isa(void);
const char *tap_isa_name(tap_isa isa);
int tap_cpu_count(void); /* cores this process may use */

#endif
