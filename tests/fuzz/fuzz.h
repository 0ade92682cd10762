/* A fuzz target is a program with this one function: libFuzzer drives it in the fuzz preset, replay.c as an
 * ordinary test in all others. It aborts where a promise is broken; the sanitizers see the rest. */
#ifndef TAP_TESTS_FUZZ_FUZZ_H
#define TAP_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#define PROMISE(condition)         \
    do {                           \
        if (!(condition)) abort(); \
    } while (0)

#endif
