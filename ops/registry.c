/* All families of operators, for the instruction set that the CPU has. */
#include "registry.h"

#include "core/base.h"

#define plain(name, isa) &tap_family_##name##_base,
#define hot(name, isa)   &tap_family_##name##_##isa,

#define plain_extern(name)
#define TAP_FAMILY(name, heat) extern const tap_family tap_family_##name##_base;
#include "families.def"
#undef TAP_FAMILY

#ifdef TAP_X86
#define hot_extern(name)                              \
    extern const tap_family tap_family_##name##_avx2; \
    extern const tap_family tap_family_##name##_avx512;
#define TAP_FAMILY(name, heat) heat##_extern(name)
#include "families.def"
#undef TAP_FAMILY

static const tap_family *const families_avx2[] = {
#define TAP_FAMILY(name, heat) heat(name, avx2)
#include "families.def"
#undef TAP_FAMILY
};

static const tap_family *const families_avx512[] = {
#define TAP_FAMILY(name, heat) heat(name, avx512)
#include "families.def"
#undef TAP_FAMILY
};
#endif

static const tap_family *const families_base[] = {
#define TAP_FAMILY(name, heat) heat(name, base)
#include "families.def"
#undef TAP_FAMILY
};

const tap_family *const *tap_families(tap_isa isa, size_t *n) {
    *n = TAP_COUNT_OF(families_base);
#ifdef TAP_X86
    if (isa == TAP_ISA_LEVEL_AVX512) return families_avx512;
    if (isa == TAP_ISA_LEVEL_AVX2) return families_avx2;
#endif
    (void)isa;
    return families_base;
}
