/* Inner products of integers: as they wrap, a sum may be taken in any order. */
#include "common/dots.h"

enum { WORK_OF_JOB = 1 << 17 };

typedef struct dots {
    int64_t k, a_row, b_row, c_step;
    const void *a, *b;
    void *c;
} dots;

#define DOTS(NAME, T)                                                                            \
    static T NAME##_of(int64_t k, const T *a, const T *b) {                                      \
        T s = 0;                                                                                 \
        for (int64_t l = 0; l < k; l++) s += a[l] * b[l];                                        \
        return s;                                                                                \
    }                                                                                            \
    static void NAME(void *arg, int64_t begin, int64_t end, int worker) {                        \
        const dots *d = arg;                                                                     \
        (void)worker;                                                                            \
        for (int64_t i = begin; i < end; i++)                                                    \
            ((T *)d->c)[i * d->c_step] =                                                         \
                NAME##_of(d->k, (const T *)d->a + i * d->a_row, (const T *)d->b + i * d->b_row); \
    }
DOTS(dots_32, uint32_t)
DOTS(dots_64, uint64_t)

void tap_int_dots(tap_ctx *ctx, size_t elem, int64_t n, int64_t k, const void *a, int64_t a_row,
                  const void *b, int64_t b_row, void *c, int64_t c_step) {
    dots d = {k, a_row, b_row, c_step, a, b, c};
    tap_parallel(ctx, n, tap_max64(1, WORK_OF_JOB / tap_max64(1, k)), elem == 4 ? dots_32 : dots_64, &d);
}
