/* Strided copies: a list of {extent, steps} is simplified, then one of three inner loops does the work. */
#include "core/move.h"

#include "core/move_few.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Bytes that a unit of work aims at: small enough for the second-level cache, large enough to forget its
 * start. */
#define UNIT_BYTES 65536
/* Bytes that one task of a parallel loop should move. */
#define TASK_BYTES 262144

/* Words along both sides of a tile of a transposition: its lines of src and dst stay in the first-level
 * cache. */
#define TILE 64
/* Bytes of a line of the cache. */
#define LINE 64
/* A copy of this many bytes does not stay in the cache anyway. */
#define STREAM_BYTES (INT64_C(4) << 20)
/* Lines this many bytes apart share a set of the first-level cache with many others. */
#define CROWDED 1024

/* Part of a plane: a0 <= a < a1, b0 <= b < b1. */
typedef struct tap_span {
    int64_t a0, a1, b0, b1;
} tap_span;

/* Copies n bytes (a multiple of 16) to y, which starts a line, past the cache. Reading the lines of dst only
 * to overwrite them costs more than half of the time of a large transposition. */
static inline void stream_lines(const char *x, char *y, size_t n) {
#ifdef __SSE2__
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        _mm_stream_si128((__m128i *)(void *)(y + i), _mm_load_si128((const __m128i *)(const void *)(x + i)));
    memcpy(y + i, x + i, n - i);
#else
    memcpy(y, x, n);
#endif
}

/* Orders streamed stores before what follows. */
static inline void stream_end(void) {
#ifdef __SSE2__
    _mm_sfence();
#endif
}

typedef void move_loop(const tap_move *m, const char *src, char *dst, const tap_span *s);

#define T     tap_w1
#define FN(f) f##_w1
#define K     16
#define LOW   0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH  8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#include "core/move.inc"
#define T     tap_w2
#define FN(f) f##_w2
#define K     8
#define LOW   0, 8, 1, 9, 2, 10, 3, 11
#define HIGH  4, 12, 5, 13, 6, 14, 7, 15
#include "core/move.inc"
#define T     tap_w4
#define FN(f) f##_w4
#define K     4
#define LOW   0, 4, 1, 5
#define HIGH  2, 6, 3, 7
#include "core/move.inc"
#define T     tap_w8
#define FN(f) f##_w8
#define K     2
#define LOW   0, 2
#define HIGH  1, 3
#include "core/move.inc"
#define T     tap_w16
#define FN(f) f##_w16
#define K     1
#include "core/move.inc"

/* Rows of n bytes, n known to the compiler. */
static inline __attribute__((always_inline)) void rows_of(const tap_move *m, const char *src, char *dst,
                                                          const tap_span *s, size_t n) {
    for (int64_t i = s->a0; i < s->a1; i++) memcpy(dst + i * m->a_dst, src + i * m->a_src, n);
}

static void rows(const tap_move *m, const char *src, char *dst, const tap_span *s) {
    int64_t from = s->b0 * (int64_t)m->width;
    size_t n = (size_t)(s->b1 - s->b0) * m->width;
    src += from;
    dst += from;
    switch (n) {
#define ROWS_OF(n) \
    case n: rows_of(m, src, dst, s, n); return;
        ROWS_OF(2)
        ROWS_OF(3)
        ROWS_OF(4)
        ROWS_OF(6) ROWS_OF(8) ROWS_OF(12) ROWS_OF(16) ROWS_OF(24) ROWS_OF(32)
#undef ROWS_OF
            default : for (int64_t i = s->a0; i < s->a1; i++)
                          tap_copy_row(src + i * m->a_src, dst + i * m->a_dst, n);
    }
}

/* Planes with few rows or columns that lie side by side; false where there is no loop for them. */
static bool few(const tap_move *m, const char *src, char *dst, const tap_span *s) {
    const int64_t word = (int64_t)m->width;
    tap_apart_loop *apart = NULL;
    tap_together_loop *together = NULL;
    if (m->along_b && m->b_src == m->a * word)
        apart = tap_few_apart(m->width, m->a);
    else if (!m->along_b && m->a_dst == m->b * word)
        together = tap_few_together(m->width, m->b);
    const char *from[TAP_FEW_MAX];
    char *to[TAP_FEW_MAX];
    for (int k = 0; apart && k < m->a; k++) to[k] = dst + k * m->a_dst + s->b0 * word;
    for (int k = 0; together && k < m->b; k++) from[k] = src + k * m->b_src + s->a0 * word;
    if (apart)
        apart(s->b1 - s->b0, src + s->b0 * m->b_src, to);
    else if (together)
        together(s->a1 - s->a0, from, dst + s->a0 * m->a_dst);
    return apart || together;
}

static move_loop *loop_for(const tap_move *m) {
    static move_loop *const steps[] = {steps_w1, steps_w2, steps_w4, steps_w8, steps_w16};
    static move_loop *const planes[] = {planes_w1, planes_w2, planes_w4, planes_w8, planes_w16};
    int log2_width = __builtin_ctzll(m->width);
    if (m->kind == TAP_MOVE_ROWS) return rows;
    return m->kind == TAP_MOVE_STEPS ? steps[log2_width] : planes[log2_width];
}

/* ---- Planning ---- */

typedef struct list {
    int rank;
    int64_t dims[TAP_MOVE_RANK], src[TAP_MOVE_RANK], dst[TAP_MOVE_RANK];
} list;

static void list_add(list *l, int64_t dim, int64_t src, int64_t dst) {
    int i = l->rank - 1;
    if (dim == 1) return;
    if (i >= 0 && l->src[i] == dim * src && l->dst[i] == dim * dst) {
        l->dims[i] *= dim;
    } else {
        i = l->rank++;
        l->dims[i] = dim;
    }
    l->src[i] = src;
    l->dst[i] = dst;
}

static void list_remove(list *l, int axis) {
    l->rank--;
    for (int i = axis; i < l->rank; i++) {
        l->dims[i] = l->dims[i + 1];
        l->src[i] = l->src[i + 1];
        l->dst[i] = l->dst[i + 1];
    }
}

/* Neighbours that stay neighbours become one wider word where such a word exists. */
static size_t widen(list *l, size_t width) {
    int i = l->rank - 1;
    if (i < 1 || l->src[i] != (int64_t)width || l->dst[i] != (int64_t)width) return width;
    int64_t wide = l->dims[i] * (int64_t)width;
    if (wide != 2 && wide != 4 && wide != 8 && wide != 16) return width;
    l->rank--;
    return (size_t)wide;
}

/* The dimension along which src is contiguous, where dst is contiguous along the last one and src is not;
 * else -1. */
static int plane_axis(const list *l, size_t width) {
    int last = l->rank - 1;
    if (last < 1 || l->dst[last] != (int64_t)width || l->src[last] == (int64_t)width || l->src[last] == 0)
        return -1;
    for (int i = last - 1; i >= 0; i--)
        if (l->src[i] == (int64_t)width) return i;
    return -1;
}

/* The dimension that the inner loop walks over, `last` of those left; where it and what it holds are short,
 * the longest. */
static int rows_axis(const tap_move *m, const list *l, int last) {
    int axis = last;
    if (last < 0 || l->dims[last] * m->b * (int64_t)m->width >= LINE / 4) return last;
    for (int i = 0; i < last; i++)
        if (l->dims[i] > l->dims[axis]) axis = i;
    return axis;
}

/* Takes the two inner loops off the list. */
static void choose_loops(tap_move *m, list *l) {
    int last = l->rank - 1, axis = plane_axis(l, m->width);
    int64_t word = (int64_t)m->width;
    m->a = m->b = 1;
    m->a_src = m->a_dst = m->b_src = m->b_dst = word;
    m->kind = axis >= 0 ? TAP_MOVE_PLANES : TAP_MOVE_STEPS;
    if (last >= 0) {
        m->b = l->dims[last];
        m->b_src = l->src[last];
        m->b_dst = l->dst[last];
        list_remove(l, last);
    }
    if (m->b_src == word && m->b_dst == word) m->kind = TAP_MOVE_ROWS;
    if (axis < 0) axis = rows_axis(m, l, last - 1);
    if (axis >= 0) {
        m->a = l->dims[axis];
        m->a_src = l->src[axis];
        m->a_dst = l->dst[axis];
        list_remove(l, axis);
    }
}

/* Whether a transposition is written past the cache. It pays where the copy is large and the rows of a tile,
 * on either side, fall into the same few sets of the cache, so that lines are lost before they are whole. */
static bool stays_out(const tap_move *m) {
    int64_t n_bytes = m->a * m->b * (int64_t)m->width, few = LINE / (int64_t)m->width;
    for (int i = 0; i < m->n_outer; i++) n_bytes *= m->outer[i];
    bool crowded = m->b_src % CROWDED == 0 || m->a_dst % CROWDED == 0;
    return m->kind == TAP_MOVE_PLANES && crowded && n_bytes >= STREAM_BYTES && m->a_dst % LINE == 0 &&
           m->a >= few && m->b >= few;
}

/* Cuts the longer of the two inner loops into strips of about UNIT_BYTES. */
static void choose_units(tap_move *m) {
    int64_t word = (int64_t)m->width;
    m->apart = stays_out(m);
    m->along_b = m->kind == TAP_MOVE_PLANES ? m->apart || m->b > m->a : m->b * word >= UNIT_BYTES;
    int64_t n = m->along_b ? m->b : m->a, each = (m->along_b ? m->a : m->b) * word;
    int64_t whole = m->kind == TAP_MOVE_PLANES || m->along_b ? 4 * LINE / word : 1;
    m->strip = tap_max64(UNIT_BYTES / tap_max64(each, 1), 1);
    m->strip = tap_min64((m->strip + whole - 1) / whole * whole, n);
    m->unit_bytes = m->strip * each;
    m->n_strips = (n + m->strip - 1) / m->strip;
    m->n_units = m->n_strips;
    for (int i = 0; i < m->n_outer; i++) m->n_units *= m->outer[i];
}

void tap_move_plan(tap_move *m, size_t width, int rank, const int64_t *dims, const int64_t *src_step,
                   const int64_t *dst_step) {
    list l = {0};
    *m = (tap_move){0};
    for (int i = 0; i < rank; i++)
        if (dims[i] == 0) return;
    for (int i = 0; i < rank; i++) list_add(&l, dims[i], src_step[i], dst_step[i]);
    m->width = widen(&l, width);
    choose_loops(m, &l);
    m->n_outer = l.rank;
    memcpy(m->outer, l.dims, sizeof m->outer);
    memcpy(m->outer_src, l.src, sizeof m->outer_src);
    memcpy(m->outer_dst, l.dst, sizeof m->outer_dst);
    choose_units(m);
}

int64_t tap_move_grain(const tap_move *m) {
    return tap_max64(TASK_BYTES / tap_max64(m->unit_bytes, 1), 1);
}

void tap_dense_steps(size_t width, int rank, const int64_t *dims, int64_t *step) {
    int64_t s = (int64_t)width;
    for (int i = rank - 1; i >= 0; i--) {
        step[i] = s;
        s *= dims[i];
    }
}

/* ---- Running ---- */

/* Where the outer loops stand. */
typedef struct place {
    int64_t index[TAP_MOVE_RANK], src, dst;
} place;

static void place_at(const tap_move *m, place *p, int64_t n) {
    p->src = p->dst = 0;
    for (int i = m->n_outer - 1; i >= 0; i--) {
        p->index[i] = n % m->outer[i];
        n /= m->outer[i];
        p->src += p->index[i] * m->outer_src[i];
        p->dst += p->index[i] * m->outer_dst[i];
    }
}

static void place_next(const tap_move *m, place *p) {
    for (int i = m->n_outer - 1; i >= 0; i--) {
        p->src += m->outer_src[i];
        p->dst += m->outer_dst[i];
        if (++p->index[i] < m->outer[i]) return;
        p->src -= m->outer[i] * m->outer_src[i];
        p->dst -= m->outer[i] * m->outer_dst[i];
        p->index[i] = 0;
    }
}

void tap_move_run(const tap_move *m, const void *src, void *dst, int64_t begin, int64_t end) {
    if (begin >= end) return;
    move_loop *loop = loop_for(m);
    place p;
    int64_t strip = begin % m->n_strips;
    place_at(m, &p, begin / m->n_strips);
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t from = strip * m->strip;
        tap_span s = {0, m->a, 0, m->b};
        if (m->along_b) {
            s.b0 = from;
            s.b1 = tap_min64(from + m->strip, m->b);
        } else {
            s.a0 = from;
            s.a1 = tap_min64(from + m->strip, m->a);
        }
        const char *from_here = (const char *)src + p.src;
        char *to_here = (char *)dst + p.dst;
        if (m->kind != TAP_MOVE_PLANES || !few(m, from_here, to_here, &s)) loop(m, from_here, to_here, &s);
        if (++strip == m->n_strips) {
            strip = 0;
            place_next(m, &p);
        }
    }
    if (m->apart) stream_end();
}
