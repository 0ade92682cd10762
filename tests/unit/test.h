/* The unit tests' harness: checks that count, and a table of tests. */
#ifndef TAP_TESTS_UNIT_TEST_H
#define TAP_TESTS_UNIT_TEST_H

#include <stdio.h>
#include <string.h>

/* One counter for all files of a program. */
__attribute__((weak)) int test_failures;

#define CHECK(cond)                                                   \
    do {                                                              \
        if (!(cond)) {                                                \
            test_failures++;                                          \
            printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #cond); \
        }                                                             \
    } while (0)

/* For a place that is not to be reached. */
#define FAIL(what)                                       \
    do {                                                 \
        test_failures++;                                 \
        printf("%s:%d: %s\n", __FILE__, __LINE__, what); \
    } while (0)

#define CHECK_EQ(a, b)                                                                           \
    do {                                                                                         \
        long long a_ = (long long)(a), b_ = (long long)(b);                                      \
        if (a_ != b_) {                                                                          \
            test_failures++;                                                                     \
            printf("%s:%d: %s is %lld, wanted %lld (%s)\n", __FILE__, __LINE__, #a, a_, b_, #b); \
        }                                                                                        \
    } while (0)

#define CHECK_STR(a, b)                                                                     \
    do {                                                                                    \
        const char *a_ = (a), *b_ = (b);                                                    \
        if (strcmp(a_, b_) != 0) {                                                          \
            test_failures++;                                                                \
            printf("%s:%d: %s is \"%s\", wanted \"%s\"\n", __FILE__, __LINE__, #a, a_, b_); \
        }                                                                                   \
    } while (0)

#define CHECK_HAS(text, part)                                                                         \
    do {                                                                                              \
        const char *text_ = (text), *part_ = (part);                                                  \
        if (!strstr(text_, part_)) {                                                                  \
            test_failures++;                                                                          \
            printf("%s:%d: %s is \"%s\", without \"%s\"\n", __FILE__, __LINE__, #text, text_, part_); \
        }                                                                                             \
    } while (0)

typedef struct test_case {
    const char *name;
    void (*run)(void);
} test_case;

/* Runs all, prints `N passed, N failed`; the program's exit status. */
static inline int test_main(const test_case *tests, size_t n) {
    size_t failed = 0;
    for (size_t i = 0; i < n; i++) {
        int before = test_failures;
        tests[i].run();
        if (test_failures != before) {
            printf("FAILED %s\n", tests[i].name);
            failed++;
        }
    }
    printf("%zu passed, %zu failed\n", n - failed, failed);
    return failed != 0;
}

#define TEST(f) \
    { #f, f }

#endif
