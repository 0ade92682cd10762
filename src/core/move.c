/* Strided copies: a list of {extent, steps} is simplified, then one of four inner loops does the work. */
#include "core/move.h"

#include "core/move_few.h"
#include "core/move_pattern.h"
#include "core/move_planes.h"

/* Bytes that a unit of work aims at: small enough for the second-level cache, large enough to forget its
 * start. */
#define UNIT_BYTES 65536
/* Bytes that one task of a parallel loop should move. */
#define TASK_BYTES 262144
/* Rows that a unit of short rows has at most. */
#define UNIT_ROWS 512

/* Bytes of a line of the cache. */
#define LINE 64
/* A pattern takes a while to plan: copies of fewer bytes do without, and its rows number no fewer. */
#define PATTERN_BYTES 32768
#define PATTERN_ROWS  32

/* ---- Rows and steps ---- */

/* n rows of dst and src, by their offsets, of the elements from b0 to b1. even: they are that many bytes
 * apart.
 */
typedef struct tap_batch {
    const int64_t *src, *dst;
    int64_t n, b0, b1;
    bool even;
    int64_t src_step, dst_step;
} tap_batch;

typedef void move_loop(const tap_move *m, const char *src, char *dst, const tap_batch *r);

#define T     tap_w1
#define FN(f) f##_w1
#include "core/move.inc"
#define T     tap_w2
#define FN(f) f##_w2
#include "core/move.inc"
#define T     tap_w4
#define FN(f) f##_w4
#include "core/move.inc"
#define T     tap_w8
#define FN(f) f##_w8
#include "core/move.inc"
#define T     tap_w16
#define FN(f) f##_w16
#include "core/move.inc"

/* Rows of n bytes, n known to the compiler. */
static inline __attribute__((always_inline)) void rows_of(const char *src, char *dst, const tap_batch *r,
                                                          size_t n) {
    if (r->even) {
        const int64_t xs = r->src_step, ys = r->dst_step;
        src += r->src[0];
        dst += r->dst[0];
        for (int64_t i = 0; i < r->n; i++) memcpy(dst + i * ys, src + i * xs, n);
    } else {
        for (int64_t i = 0; i < r->n; i++) memcpy(dst + r->dst[i], src + r->src[i], n);
    }
}

static void rows(const tap_move *m, const char *src, char *dst, const tap_batch *r) {
    int64_t from = r->b0 * (int64_t)m->width;
    size_t n = (size_t)(r->b1 - r->b0) * m->width;
    src += from;
    dst += from;
    switch (n) {
#define ROWS_OF(n) \
    case n: rows_of(src, dst, r, n); return;
        ROWS_OF(1)
        ROWS_OF(2)
        ROWS_OF(3)
        ROWS_OF(4)
        ROWS_OF(6)
        ROWS_OF(8)
        ROWS_OF(12)
        ROWS_OF(16)
        ROWS_OF(20)
        ROWS_OF(24)
        ROWS_OF(28)
        ROWS_OF(32)
        ROWS_OF(48)
        ROWS_OF(64)
#undef ROWS_OF
    default:
        for (int64_t i = 0; i < r->n; i++)
            if (r->even)
                tap_copy_row(src + r->src[0] + i * r->src_step, dst + r->dst[0] + i * r->dst_step, n);
            else
                tap_copy_row(src + r->src[i], dst + r->dst[i], n);
    }
}

static move_loop *loop_for(const tap_move *m) {
    static move_loop *const steps[] = {steps_w1, steps_w2, steps_w4, steps_w8, steps_w16};
    return m->kind == TAP_MOVE_ROWS ? rows : steps[__builtin_ctzll(m->width)];
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

/* Neighbours that stay neighbours become one wider word where such a word exists. */
static size_t widen(list *l, size_t width) {
    int i = l->rank - 1;
    if (i < 1 || l->src[i] != (int64_t)width || l->dst[i] != (int64_t)width) return width;
    int64_t wide = l->dims[i] * (int64_t)width;
    if (wide != 2 && wide != 4 && wide != 8 && wide != 16) return width;
    l->rank--;
    return (size_t)wide;
}

/* Appends dimension i of the list to the plan. */
static void take(tap_move *m, int at, const list *l, int i) {
    m->dims[at] = l->dims[i];
    m->src[at] = l->src[i];
    m->dst[at] = l->dst[i];
}

/* The dimensions from `first` on that one side has behind each other without a gap, the fastest first, until
 * they are `enough` elements. step: of that side. Those in `taken` (bits) are left out. */
static int chain(const list *l, const int64_t *step, int first, int64_t enough, uint64_t *taken, int *axes) {
    int n = 0;
    int64_t count = 1;
    const int64_t word = step[first];
    for (int next = first; next >= 0;) {
        axes[n++] = next;
        *taken |= UINT64_C(1) << next;
        count *= l->dims[next];
        next = -1;
        for (int i = 0; i < l->rank && count < enough; i++)
            if (!(*taken >> i & 1) && step[i] == count * word) next = i;
    }
    return n;
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

/* Groups: what makes a line of src, what makes some lines of dst, and the rest around them. */
static void plan_planes(tap_move *m, const list *l, int axis) {
    int a[TAP_MOVE_RANK], b[TAP_MOVE_RANK], at = 0;
    uint64_t taken = UINT64_C(1) << (l->rank - 1);
    const int64_t line = LINE / (int64_t)m->width;
    m->kind = TAP_MOVE_PLANES;
    m->n_a = chain(l, l->src, axis, line, &taken, a);
    m->n_b = chain(l, l->dst, l->rank - 1, 2 * line, &taken, b);
    m->n_outer = l->rank - m->n_a - m->n_b;
    for (int i = 0; i < l->rank; i++)
        if (!(taken >> i & 1)) take(m, at++, l, i);
    for (int i = m->n_b - 1; i >= 0; i--) take(m, at++, l, b[i]);
    for (int i = m->n_a - 1; i >= 0; i--) take(m, at++, l, a[i]);
}

/* The innermost loop is one dimension, or none. */
static void plan_rows(tap_move *m, const list *l) {
    const int last = l->rank - 1;
    const int64_t word = (int64_t)m->width;
    for (int i = 0; i < l->rank; i++) take(m, i, l, i);
    m->n_outer = last < 0 ? 0 : last;
    m->n_b = last < 0 ? 0 : 1;
    m->kind = last < 0 || (m->src[last] == word && m->dst[last] == word) ? TAP_MOVE_ROWS : TAP_MOVE_STEPS;
}

/* What a row of a pattern is made of: the dimensions behind the one that counts its rows. */
static void pattern_rows(const tap_move *m, tap_rows *r) {
    const int first = m->n_outer + 1;
    int64_t offset[TAP_PATTERN_WORDS];
    *r = (tap_rows){.width = m->width, .n_words = 1, .n_sources = 1, .step = {m->src[m->n_outer]}};
    for (int i = first; i < first + m->n_a; i++) r->n_words *= (int)m->dims[i];
    tap_move_offsets(m, first, m->n_a, 0, r->n_words, offset, NULL);
    for (int w = 0; w < r->n_words; w++) r->from[w] = (tap_from){0, offset[w]};
}

/* The first of the innermost dimensions that lie in dst without a gap and are no more than a few words. */
static int pattern_axis(const list *l, size_t width) {
    int axis = l->rank;
    int64_t n_bytes = (int64_t)width;
    while (axis > 0 && l->dst[axis - 1] == n_bytes && n_bytes * l->dims[axis - 1] <= LINE)
        n_bytes *= l->dims[--axis];
    return axis > 0 && l->dst[axis - 1] == n_bytes ? axis - 1 : axis;
}

/* A shuffle has to be cheaper than to move its words one by one. */
static int loads_worth_it(size_t width) {
    static const int loads[] = {4, 4, 2, 1};
    return loads[__builtin_ctzll(width)];
}

/* Whether the copy is one of short rows that a shuffle makes; then it is planned so. */
static bool plan_pattern(tap_move *m, const list *l) {
    const int last = l->rank - 1, axis = pattern_axis(l, m->width);
    const int64_t word = (int64_t)m->width;
    tap_rows rows;
    tap_pattern p;
    if (word > 8 || axis > last || l->dims[axis] < PATTERN_ROWS || m->outer * word < PATTERN_BYTES)
        return false;
    if (l->src[last] == word && (axis == last || l->dims[last] * word >= 16)) return false;
    if (l->src[last] == 0 && axis == last) return false;
    for (int i = 0; i < l->rank; i++) take(m, i, l, i);
    m->kind = TAP_MOVE_PATTERN;
    m->n_outer = axis;
    m->n_b = 1;
    m->n_a = last - axis;
    pattern_rows(m, &rows);
    if (tap_pattern_plan(&p, &rows, loads_worth_it(m->width))) return true;
    m->n_a = 0;
    return false;
}

static int64_t group_count(const tap_move *m, int first, int n) {
    int64_t count = 1;
    for (int i = first; i < first + n; i++) count *= m->dims[i];
    return count;
}

static void count_groups(tap_move *m) {
    m->outer = group_count(m, 0, m->n_outer);
    m->b = group_count(m, m->n_outer, m->n_b);
    m->a = m->kind == TAP_MOVE_PLANES ? group_count(m, m->n_outer + m->n_b, m->n_a) : 1;
}

/* Bytes of an element of group b, with all that belongs to it. */
static int64_t element_bytes(const tap_move *m) {
    return m->kind == TAP_MOVE_PATTERN ? m->dst[m->n_outer] : (int64_t)m->width;
}

static int64_t round_up(int64_t n, int64_t to) {
    return (n + to - 1) / to * to;
}

/* A unit is a part of a row or plane of about UNIT_BYTES, or so many of them. */
static void choose_units(tap_move *m) {
    const int64_t each = element_bytes(m);
    m->strip[2] = m->a;
    if (m->kind == TAP_MOVE_PLANES) {
        tap_planes_tiles(m);
        m->strip[2] = tap_min64(m->a, round_up(tap_max64(UNIT_BYTES / (m->tile_b * each), 1), m->tile_a));
        m->strip[1] = round_up(tap_max64(UNIT_BYTES / (m->strip[2] * each), 1), m->tile_b);
    } else {
        m->strip[1] = round_up(tap_max64(UNIT_BYTES / each, 1), 4 * LINE);
    }
    m->strip[1] = tap_min64(m->strip[1], m->b);
    const int64_t whole = m->strip[1] * m->strip[2] * each, most = tap_min64(m->outer, UNIT_ROWS);
    m->strip[0] = 1;
    if (m->strip[1] == m->b && m->strip[2] == m->a)
        m->strip[0] = tap_max64(1, tap_min64(most, UNIT_BYTES / whole));
    m->unit_bytes = m->strip[0] * whole;
    const int64_t counts[3] = {m->outer, m->b, m->a};
    m->n_units = 1;
    for (int i = 0; i < 3; i++) {
        m->n_strips[i] = (counts[i] + m->strip[i] - 1) / m->strip[i];
        m->n_units *= m->n_strips[i];
    }
}

static void find_reach(tap_move *m, const list *l) {
    m->src_lo = 0;
    m->src_hi = (int64_t)m->width;
    for (int i = 0; i < l->rank; i++) {
        int64_t way = (l->dims[i] - 1) * l->src[i];
        if (way < 0)
            m->src_lo += way;
        else
            m->src_hi += way;
    }
}

void tap_move_plan(tap_move *m, size_t width, int rank, const int64_t *dims, const int64_t *src_step,
                   const int64_t *dst_step) {
    list l;
    l.rank = 0;
    m->n_outer = m->n_b = m->n_a = 0;
    m->apart = m->stream = false;
    m->n_units = m->unit_bytes = 0;
    m->isa = tap_cpu_isa();
    m->width = width;
    m->outer = 1; /* until the groups stand: all elements */
    for (int i = 0; i < rank; i++) m->outer *= dims[i];
    if (m->outer == 0) return;
    for (int i = 0; i < rank; i++) list_add(&l, dims[i], src_step[i], dst_step[i]);
    m->width = widen(&l, width);
    m->outer = m->outer * (int64_t)width / (int64_t)m->width;
    find_reach(m, &l);
    const int axis = plane_axis(&l, m->width);
    if (axis >= 0)
        plan_planes(m, &l, axis);
    else if (!plan_pattern(m, &l))
        plan_rows(m, &l);
    count_groups(m);
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

static void progression(int64_t *p, int64_t n, int64_t from, int64_t step) {
    for (int64_t i = 0; i < n; i++) p[i] = from + i * step;
}

void tap_move_offsets(const tap_move *m, int axis, int n_axes, int64_t from, int64_t n, int64_t *src,
                      int64_t *dst) {
    int64_t index[TAP_MOVE_RANK], s = 0, d = 0;
    const int last = axis + n_axes - 1;
    for (int i = last; i >= axis; i--) {
        index[i] = from % m->dims[i];
        from /= m->dims[i];
        if (i == last) continue;
        s += index[i] * m->src[i];
        d += index[i] * m->dst[i];
    }
    if (n_axes == 0) {
        if (src) *src = 0;
        if (dst) *dst = 0;
        return;
    }
    for (int64_t done = 0; done < n;) {
        const int64_t k = tap_min64(n - done, m->dims[last] - index[last]);
        if (src) progression(src + done, k, s + index[last] * m->src[last], m->src[last]);
        if (dst) progression(dst + done, k, d + index[last] * m->dst[last], m->dst[last]);
        done += k;
        index[last] = 0;
        for (int i = last - 1; i >= axis; i--) {
            s += m->src[i];
            d += m->dst[i];
            if (++index[i] < m->dims[i]) break;
            s -= m->dims[i] * m->src[i];
            d -= m->dims[i] * m->dst[i];
            index[i] = 0;
        }
    }
}

/* What units share: the loop, or the pattern. */
typedef struct work {
    const tap_move *m;
    move_loop *loop;
    const tap_pattern *pattern;
    const char *src;
    char *dst;
} work;

static void pattern_row(const work *w, const char *src, char *dst, int64_t b0, int64_t b1) {
    const tap_move *m = w->m;
    const char *x = src + b0 * m->src[m->n_outer], *lo = w->src + m->src_lo, *hi = w->src + m->src_hi;
    tap_pattern_run(w->pattern, b1 - b0, &x, &lo, &hi, dst + b0 * m->dst[m->n_outer]);
}

/* n rows or planes from the `from`-th on; those within one dimension need no list of offsets. */
static void run_rows(const work *w, int64_t from, int64_t n, const tap_span *s) {
    const tap_move *m = w->m;
    int64_t src[UNIT_ROWS], dst[UNIT_ROWS];
    const int last = m->n_outer - 1;
    const bool even = last < 0 || from % m->dims[last] + n <= m->dims[last];
    tap_batch r = {src, dst, n, s->b0, s->b1, even, last < 0 ? 0 : m->src[last], last < 0 ? 0 : m->dst[last]};
    tap_move_offsets(m, 0, m->n_outer, from, even && m->kind == TAP_MOVE_ROWS ? 1 : n, src, dst);
    if (m->kind == TAP_MOVE_PLANES)
        tap_planes_run(m, w->src, w->dst, src, dst, n, s);
    else if (m->kind == TAP_MOVE_PATTERN)
        for (int64_t i = 0; i < n; i++) pattern_row(w, w->src + src[i], w->dst + dst[i], s->b0, s->b1);
    else
        w->loop(m, w->src, w->dst, &r);
}

static void run_unit(const work *w, int64_t unit) {
    const tap_move *m = w->m;
    const int64_t a0 = unit % m->n_strips[2] * m->strip[2],
                  b0 = unit / m->n_strips[2] % m->n_strips[1] * m->strip[1];
    const int64_t from = unit / m->n_strips[2] / m->n_strips[1] * m->strip[0];
    const tap_span s = {a0, tap_min64(a0 + m->strip[2], m->a), b0, tap_min64(b0 + m->strip[1], m->b)};
    run_rows(w, from, tap_min64(m->strip[0], m->outer - from), &s);
}

static void run_units(const work *w, int64_t begin, int64_t end) {
    for (int64_t unit = begin; unit < end; unit++) run_unit(w, unit);
}

/* The pattern is made for each range of units: a plan need not hold it. */
static void run_pattern(const tap_move *m, const char *src, char *dst, int64_t begin, int64_t end) {
    tap_rows rows;
    tap_pattern p;
    pattern_rows(m, &rows);
    tap_pattern_plan(&p, &rows, TAP_PATTERN_LOADS);
    run_units(&(work){m, NULL, &p, src, dst}, begin, end);
}

void tap_move_run(const tap_move *m, const void *src, void *dst, int64_t begin, int64_t end) {
    if (begin >= end) return;
    if (m->kind == TAP_MOVE_PATTERN)
        run_pattern(m, src, dst, begin, end);
    else
        run_units(&(work){m, loop_for(m), NULL, src, dst}, begin, end);
}
