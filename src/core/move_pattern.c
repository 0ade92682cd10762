/* Rows by shuffles. */
#include "core/move_pattern.h"

#include "core/cpu.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define SHUFFLES 1
#else
#define SHUFFLES 0
#endif

static int64_t row_bytes(const tap_rows *r) {
    return r->n_words * (int64_t)r->width;
}

/* ---- Planning ---- */

/* Where a byte of a turn comes from, with the offset from the turn's place. */
static tap_from byte_source(const tap_rows *r, int64_t at) {
    int64_t row = at / row_bytes(r), inside = at % row_bytes(r), width = (int64_t)r->width;
    tap_from f = r->from[inside / width];
    f.offset += inside % width;
    if (f.source >= 0) f.offset += row * r->step[f.source];
    return f;
}

/* Loads for vector v: one from the first byte that no other has on; false: they are too many. */
static bool plan_vector(tap_pattern *p, int v, int max_loads) {
    tap_from from[16];
    bool done[16] = {false};
    int n = 0;
    memset(p->pick[v], 0x80, sizeof p->pick[v]);
    for (int i = 0; i < 16; i++) {
        from[i] = byte_source(&p->of, v * 16 + i);
        if (from[i].source >= 0) continue;
        p->fill[v][i] = ((const uint8_t *)&p->of.value)[from[i].offset];
        done[i] = true;
    }
    for (;; n++) {
        int first = -1;
        for (int i = 0; i < 16; i++)
            if (!done[i] &&
                (first < 0 || (from[i].source == from[first].source && from[i].offset < from[first].offset)))
                first = i;
        if (first < 0) break;
        if (n == max_loads) return false;
        const int s = from[first].source;
        const int64_t start = from[first].offset;
        p->source[v][n] = (int8_t)s;
        p->offset[v][n] = start;
        p->lo[s] = tap_min64(p->lo[s], start);
        p->hi[s] = tap_max64(p->hi[s], start + 16);
        for (int i = 0; i < 16; i++) {
            if (done[i] || from[i].source != s || from[i].offset >= start + 16) continue;
            p->pick[v][n][i] = (uint8_t)(from[i].offset - start);
            done[i] = true;
        }
    }
    for (int k = n; k < max_loads; k++) { /* one that picks nothing, from where another reads */
        p->source[v][k] = n ? p->source[v][0] : 0;
        p->offset[v][k] = n ? p->offset[v][0] : 0;
    }
    if (n > p->n_loads) p->n_loads = n;
    return true;
}

bool tap_pattern_plan(tap_pattern *p, const tap_rows *rows, int max_loads) {
    const int64_t n = row_bytes(rows), every = n & -n; /* the largest power of two in it */
    if (!SHUFFLES || tap_cpu_isa() < TAP_ISA_LEVEL_AVX2) return false;
    int64_t turn = every >= 16 ? n : n / every * 16;
    if (turn / 16 > TAP_PATTERN_VECTORS) return false;
    while (turn / 16 * 2 <= TAP_PATTERN_VECTORS / 4) turn *= 2; /* a turn has its price, too */
    p->of = *rows;
    p->n_vectors = (int)(turn / 16);
    p->n_loads = 1;
    p->rows = turn / n;
    memset(p->fill, 0, sizeof p->fill);
    memset(p->lo, 0, sizeof p->lo);
    memset(p->hi, 0, sizeof p->hi);
    for (int v = 0; v < p->n_vectors; v++)
        if (!plan_vector(p, v, max_loads)) return false;
    return true;
}

/* ---- Running ---- */

/* Rows one by one, for where a load would reach too far. */
static void plain_rows(const tap_rows *r, int64_t from, int64_t end, const char *const *x, char *y) {
    const int64_t width = (int64_t)r->width;
    y += from * row_bytes(r);
    for (int64_t row = from; row < end; row++)
        for (int k = 0; k < r->n_words; k++, y += width) {
            const int s = r->from[k].source;
            const char *v = s < 0 ? (const char *)&r->value : x[s] + row * r->step[s] + r->from[k].offset;
            switch (r->width) {
            case 1: *y = *v; break;
            case 2: memcpy(y, v, 2); break;
            case 4: memcpy(y, v, 4); break;
            case 8: memcpy(y, v, 8); break;
            default: memcpy(y, v, 16);
            }
        }
}

#if SHUFFLES
/* `turns` turns, with n loads for each vector, n known to the compiler. */
static inline __attribute__((always_inline, target("avx2"))) void turns_of(const tap_pattern *p,
                                                                           int64_t turns,
                                                                           const char *const *x, char *y,
                                                                           int n) {
    const char *at[TAP_PATTERN_SOURCES] = {NULL};
    for (int s = 0; s < p->of.n_sources; s++) at[s] = x[s];
    for (int64_t t = 0; t < turns; t++) {
        for (int v = 0; v < p->n_vectors; v++, y += 16) {
            __m128i sum = _mm_loadu_si128((const __m128i *)(const void *)p->fill[v]);
            for (int k = 0; k < n; k++) {
                __m128i pick = _mm_loadu_si128((const __m128i *)(const void *)p->pick[v][k]);
                const char *from = at[p->source[v][k]] + p->offset[v][k];
                __m128i load = _mm_loadu_si128((const __m128i *)(const void *)from);
                sum = _mm_or_si128(sum, _mm_shuffle_epi8(load, pick));
            }
            _mm_storeu_si128((__m128i *)(void *)y, sum);
        }
        for (int s = 0; s < p->of.n_sources; s++) at[s] += p->rows * p->of.step[s];
    }
}

/* The same from one source. */
static inline __attribute__((always_inline, target("avx2"))) void turns_of_one(const tap_pattern *p,
                                                                               int64_t turns, const char *x,
                                                                               char *y, int n) {
    const int64_t step = p->rows * p->of.step[0];
    for (int64_t t = 0; t < turns; t++, x += step)
        for (int v = 0; v < p->n_vectors; v++, y += 16) {
            __m128i sum = _mm_loadu_si128((const __m128i *)(const void *)p->fill[v]);
            for (int k = 0; k < n; k++) {
                __m128i pick = _mm_loadu_si128((const __m128i *)(const void *)p->pick[v][k]);
                __m128i load = _mm_loadu_si128((const __m128i *)(const void *)(x + p->offset[v][k]));
                sum = _mm_or_si128(sum, _mm_shuffle_epi8(load, pick));
            }
            _mm_storeu_si128((__m128i *)(void *)y, sum);
        }
}

#define LOADS(n)                                \
    case n:                                     \
        if (p->of.n_sources == 1)               \
            turns_of_one(p, turns, x[0], y, n); \
        else                                    \
            turns_of(p, turns, x, y, n);        \
        return;

__attribute__((target("avx2"))) static void turns_by_loads(const tap_pattern *p, int64_t turns,
                                                           const char *const *x, char *y) {
    switch (p->n_loads) {
        LOADS(1)
        LOADS(2)
        LOADS(3)
        LOADS(4)
    default: return;
    }
}

/* Whether turn t reads what may be read. */
static bool turn_inside(const tap_pattern *p, int64_t t, const char *const *x, const char *const *x_lo,
                        const char *const *x_hi) {
    for (int s = 0; s < p->of.n_sources; s++) {
        int64_t place = t * p->rows * p->of.step[s];
        if (place + p->lo[s] < x_lo[s] - x[s] || place + p->hi[s] > x_hi[s] - x[s]) return false;
    }
    return true;
}
#endif

void tap_pattern_run(const tap_pattern *p, int64_t n, const char *const *x, const char *const *x_lo,
                     const char *const *x_hi, char *y) {
#if SHUFFLES
    int64_t begin = 0, end = n / p->rows;
    while (begin < end && !turn_inside(p, begin, x, x_lo, x_hi)) begin++;
    while (begin < end && !turn_inside(p, end - 1, x, x_lo, x_hi)) end--;
    const char *at[TAP_PATTERN_SOURCES];
    for (int s = 0; s < p->of.n_sources; s++) at[s] = x[s] + begin * p->rows * p->of.step[s];
    plain_rows(&p->of, 0, begin * p->rows, x, y);
    turns_by_loads(p, end - begin, at, y + begin * p->rows * row_bytes(&p->of));
    plain_rows(&p->of, end * p->rows, n, x, y);
#else
    (void)x_lo, (void)x_hi;
    plain_rows(&p->of, 0, n, x, y);
#endif
}
