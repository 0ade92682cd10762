/* Where: elements of X where the condition holds, of Y elsewhere. Moves elements by width. */
#include <string.h>

#include "common/elementwise.h"

typedef struct wide {
    uint64_t low, high;
} wide;

/* One condition for all: a copy of X or Y. */
#define WHERE_ONE(T)                                               \
    do {                                                           \
        const int k = *c ? 1 : 2;                                  \
        const T *from = (const T *)p[k];                           \
        if (step[k] == 0) {                                        \
            const T a = *from;                                     \
            TAP_EACH z[i] = a;                                     \
        } else if (TAP_DENSE(k, T)) {                              \
            if (from != z) memcpy(z, from, (size_t)n * sizeof(T)); \
        } else {                                                   \
            TAP_EACH z[i] = TAP_AT(k, const T);                    \
        }                                                          \
    } while (0)

/* Other cases are the last one. */
#define WHERE(NAME, T)                                                                             \
    TAP_LOOP(NAME) {                                                                               \
        (void)state;                                                                               \
        const uint8_t *c = (const uint8_t *)p[0];                                                  \
        const T *x = (const T *)p[1], *y = (const T *)p[2];                                        \
        T *z = (T *)p[3];                                                                          \
        const bool dense = TAP_DENSE(0, uint8_t) && TAP_DENSE(3, T);                               \
        if (step[0] == 0 && TAP_DENSE(3, T)) {                                                     \
            WHERE_ONE(T);                                                                          \
        } else if (dense && TAP_DENSE(1, T) && TAP_DENSE(2, T)) {                                  \
            TAP_INDEPENDENT TAP_EACH {                                                             \
                const T a = x[i], b = y[i];                                                        \
                z[i] = c[i] ? a : b;                                                               \
            }                                                                                      \
        } else if (dense && step[1] == 0 && TAP_DENSE(2, T)) {                                     \
            const T a = *x;                                                                        \
            TAP_INDEPENDENT TAP_EACH {                                                             \
                const T b = y[i];                                                                  \
                z[i] = c[i] ? a : b;                                                               \
            }                                                                                      \
        } else if (dense && TAP_DENSE(1, T) && step[2] == 0) {                                     \
            const T b = *y;                                                                        \
            TAP_INDEPENDENT TAP_EACH {                                                             \
                const T a = x[i];                                                                  \
                z[i] = c[i] ? a : b;                                                               \
            }                                                                                      \
        } else                                                                                     \
            TAP_EACH {                                                                             \
                TAP_AT(3, T) = TAP_AT(0, const uint8_t) ? TAP_AT(1, const T) : TAP_AT(2, const T); \
            }                                                                                      \
    }

WHERE(where_1, uint8_t)
WHERE(where_2, uint16_t)
WHERE(where_4, uint32_t)
WHERE(where_8, uint64_t)
WHERE(where_16, wide)

static tap_loop *const where[TAP_DTYPE_COUNT] = {
    [TAP_BOOL] = where_1,   [TAP_UINT8] = where_1,     [TAP_INT8] = where_1,        [TAP_UINT16] = where_2,
    [TAP_INT16] = where_2,  [TAP_FLOAT16] = where_2,   [TAP_BFLOAT16] = where_2,    [TAP_UINT32] = where_4,
    [TAP_INT32] = where_4,  [TAP_FLOAT] = where_4,     [TAP_UINT64] = where_8,      [TAP_INT64] = where_8,
    [TAP_DOUBLE] = where_8, [TAP_COMPLEX64] = where_8, [TAP_COMPLEX128] = where_16, [TAP_STRING] = where_16};

static tap_status where_infer(tap_ctx *ctx) {
    const tap_type *c = tap_in_type(ctx, 0), *x = tap_in_type(ctx, 1), *y = tap_in_type(ctx, 2);
    if (c->dtype != TAP_UNDEFINED && c->dtype != TAP_BOOL)
        return tap_fail(ctx, TAP_MODEL, "the condition must be bool and is %s", tap_dtype_name(c->dtype));
    tap_status st = tap_same_dtypes(ctx, 1);
    return st == TAP_OK ? tap_out_broadcast(ctx, 0, x->dtype ? x->dtype : y->dtype, 0, 2) : st;
}

static const tap_op ops[] = {
    {TAP_ROW_ELEMENTWISE("Where", 9, 0, 3, where), .typed_by = 1, .infer = where_infer},
    {0},
};

TAP_DEFINE_FAMILY(where, ops);
