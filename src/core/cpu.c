/* Which instruction set the kernels may use. */
#define _GNU_SOURCE
#include "core/cpu.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

tap_isa tap_cpu_best(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("bmi2"))
        return TAP_ISA_LEVEL_BASE;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        return TAP_ISA_LEVEL_AVX512;
    return TAP_ISA_LEVEL_AVX2;
#else
    return TAP_ISA_LEVEL_BASE;
#endif
}

tap_isa tap_cpu_isa(void) {
    tap_isa isa = tap_cpu_best();
    const char *cap = getenv("ONNXTAP_ISA");
    if (!cap) return isa;
    if (strcmp(cap, "sse2") == 0) return TAP_ISA_LEVEL_BASE;
    if (strcmp(cap, "avx2") == 0 && isa > TAP_ISA_LEVEL_AVX2) return TAP_ISA_LEVEL_AVX2;
    return isa;
}

const char *tap_isa_name(tap_isa isa) {
#if defined(__x86_64__)
    static const char *const names[] = {"sse2", "avx2", "avx512"};
    return names[isa];
#else
    (void)isa;
    return "generic";
#endif
}

int tap_cpu_count(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        int n = CPU_COUNT(&set);
        if (n > 0) return n;
    }
    return 1;
}
