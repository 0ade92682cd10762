/* Transposition in tiles. A tile's rows in src and in dst are given by their addresses, so that it may span
 * several dimensions on either side. */
#include "core/move_planes.h"

#include "core/move_few.h"
#include "core/move_tile.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Bytes of a line of the cache. */
#define LINE 64
/* A tile is made of so many rows of src, which the hardware can read ahead in, or more where that is less
 * than a line of dst. */
#define TILE_ROWS 32
/* Lines of dst that a tile has where rows start anywhere in a line: what is read twice is to be little. */
#define TILE_LINES 8
/* Rows that a tile has at most. */
#define TILE_MOST 256
/* Bytes of memory in which tiles are made. */
#define BUFFER_BYTES 24576
/* A copy of this many bytes is written past the cache: reading the lines of dst only to overwrite them costs
 * more than half of the time of a large transposition. */
#define STREAM_BYTES (INT64_C(2) << 20)
/* A copy of fewer bytes finds all its lines in the first-level cache, wherever they are. */
#define SMALL_BYTES 32768
/* A copy of this many bytes does not stay in the cache in any case. */
#define FAR_BYTES (INT64_C(20) << 20)
/* Lines this many bytes apart, or nearly so, share a set of the first-level cache with many others. */
#define CROWDED 1024
/* Rows that can all lie in one set of the first-level cache. */
#define NARROW_ROWS 8
/* Words along both sides of a tile that is made where it is. */
#define DIRECT_TILE 64
/* A plane of fewer bytes is not worth the way through memory of its own. */
#define PLANE_BYTES 1024

/* Whether rows of dst start lines if the first one does. */
static bool steps_fit(const tap_move *m) {
    uint64_t bits = 0;
    for (int i = 0; i < m->n_outer + m->n_b + m->n_a; i++)
        if (i < m->n_outer || i >= m->n_outer + m->n_b) bits |= (uint64_t)m->dst[i];
    return bits % LINE == 0;
}

/* Bytes from one row of the buffer to the next: an odd number of lines, so that rows do not share sets of the
 * cache, with room for a line of the next tile. */
static int64_t pitch_of(const tap_move *m) {
    return (((m->tile_b * (int64_t)m->width + LINE - 1) / LINE + 1) | 1) * LINE;
}

/* Whether rows, on either side, fall into the same few sets of the cache, so that lines are lost before they
 * are whole. */
static bool is_crowded(int64_t step) {
    const int64_t rest = (step < 0 ? -step : step) % CROWDED;
    return rest < LINE / 4 || rest > CROWDED - LINE / 4;
}

static bool crowded(const tap_move *m) {
    const int b = m->n_outer + m->n_b - 1, a = b + m->n_a;
    return is_crowded(m->src[b]) || is_crowded(m->dst[a]);
}

/* Whether tiles are made where they are: nothing is lost, and there is room for all in the last cache. */
static bool stays_in_cache(const tap_move *m, int64_t all) {
    const int64_t word = (int64_t)m->width;
    return m->a * word >= LINE && m->b * word >= LINE && all < FAR_BYTES && !crowded(m);
}

/* Whether one side has no more rows than every set of the cache has room for, so that nothing is lost
 * wherever they lie, and those of the other side, a vector long at least, are read or written one after the
 * other. */
static bool is_narrow(const tap_move *m) {
    const int64_t n = tap_min64(m->a, m->b);
    return n <= NARROW_ROWS && n * (int64_t)m->width >= 16;
}

void tap_planes_tiles(tap_move *m) {
    const int64_t word = (int64_t)m->width, line = LINE / word, all = m->outer * m->a * m->b * word;
    m->apart = all >= SMALL_BYTES && m->a > 1 && m->b > 1 && m->a * m->b * word >= PLANE_BYTES &&
               !is_narrow(m) && !stays_in_cache(m, all);
    m->stream = m->apart && all >= STREAM_BYTES && m->b >= 2 * line;
    if (m->apart) {
        m->tile_b = m->stream && !steps_fit(m) ? tap_min64(TILE_LINES * line, TILE_MOST)
                                               : tap_max64(TILE_ROWS, word == 1 ? 2 * line : line);
        m->tile_a = line;
    } else {
        m->tile_b = m->tile_a = DIRECT_TILE;
    }
    m->tile_b = tap_min64(m->tile_b, m->b);
    m->tile_a = tap_min64(m->tile_a, m->a);
}

/* ---- Out of the buffer ---- */

/* Copies n bytes past the cache; y starts a line, n is a multiple of one. */
static inline void stream_lines(const char *x, char *y, int64_t n) {
#ifdef __SSE2__
    for (int64_t i = 0; i < n; i += 16)
        _mm_stream_si128((__m128i *)(void *)(y + i), _mm_loadu_si128((const __m128i *)(const void *)(x + i)));
#else
    memcpy(y, x, (size_t)n);
#endif
}

/* Orders streamed stores before what follows. */
static void stream_end(void) {
#ifdef __SSE2__
    _mm_sfence();
#endif
}

/* Bytes from p to the start of a line. */
static int64_t to_line(const char *p) {
    return (int64_t)(-(uintptr_t)p % LINE);
}

/* What of a plane's row a tile gives to dst: whole lines, but for what is before the first and behind the
 * last one of the plane's row. x: the tile's row in the buffer, y: where it belongs; n bytes of it are the
 * tile's own, `more` behind them belong to the next one. */
static void row_out(const char *x, char *y, int64_t n, int64_t more, bool first, bool last) {
    int64_t from = first ? 0 : tap_min64(to_line(y), n), end = last ? n : n + tap_min64(to_line(y + n), more);
    int64_t head = tap_min64(tap_max64(to_line(y), from), end), tail = head + (end - head) / LINE * LINE;
    memcpy(y + from, x + from, (size_t)(head - from));
    stream_lines(x + head, y + head, tail - head);
    memcpy(y + tail, x + tail, (size_t)(end - tail));
}

/* ---- Tiles in memory of their own ---- */

typedef struct tiles {
    const tap_move *m;
    tap_tile_loop *loop;
    char *lines, *buffer; /* lines of src; the tile */
    int64_t pitch;
    bool fit; /* rows of dst start lines */
} tiles;

/* Lines of src next to each other, so that none is lost before all of it is used. */
static void read_lines(const char *src, const int64_t *from, int64_t rows, int64_t n_bytes, char *to) {
    if (n_bytes == LINE)
        for (int64_t j = 0; j < rows; j++) memcpy(to + j * LINE, src + from[j], LINE);
    else
        for (int64_t j = 0; j < rows; j++) tap_copy_row(src + from[j], to + j * LINE, (size_t)n_bytes);
}

/* The tile of rows b0 .. b0 + nb, with `more` behind them, and na columns, out of the buffer. dst: the
 * plane's row b0; to: its columns' offsets. */
static void tile_out(const tiles *t, int64_t b0, int64_t nb, int64_t more, char *dst, const int64_t *to,
                     int64_t na) {
    const tap_move *m = t->m;
    const int64_t word = (int64_t)m->width, n = nb * word;
    if (m->stream && t->fit && n % LINE == 0)
        for (int64_t i = 0; i < na; i++) stream_lines(t->buffer + i * t->pitch, dst + to[i], n);
    else if (m->stream)
        for (int64_t i = 0; i < na; i++)
            row_out(t->buffer + i * t->pitch, dst + to[i], n, more * word, b0 == 0, b0 + nb == m->b);
    else
        for (int64_t i = 0; i < na; i++) tap_copy_row(t->buffer + i * t->pitch, dst + to[i], (size_t)n);
}

/* Tiles with rows b0 .. b0 + nb of a plane: src is read along its rows. Where there are less than a vector of
 * rows or columns, whatever lies in the buffers takes part, and stays there. to: offsets of the columns from
 * s->a0 on, or NULL. */
static void strip_apart(const tiles *t, const char *src, char *dst, int64_t b0, int64_t nb, const tap_span *s,
                        const int64_t *to) {
    const tap_move *m = t->m;
    const int64_t word = (int64_t)m->width, more = t->fit ? 0 : tap_min64(LINE / word, m->b - b0 - nb);
    const int64_t rows = nb + (m->stream ? more : 0), least = 16 / word, all_rows = tap_max64(rows, least);
    int64_t from[TAP_TILE_ROWS], here[LINE];
    const char *x[TAP_TILE_ROWS];
    char *y[LINE];
    tap_move_offsets(m, m->n_outer, m->n_b, b0, rows, from, NULL);
    for (int64_t j = 0; j < all_rows; j++) x[j] = t->lines + j * LINE;
    for (int64_t i = 0; i < LINE / word; i++) y[i] = t->buffer + i * t->pitch;
    for (int64_t a = s->a0; a < s->a1; a += m->tile_a) {
        const int64_t na = tap_min64(m->tile_a, s->a1 - a);
        read_lines(src + a * word, from, rows, na * word, t->lines);
        t->loop(x, tap_max64(na, least), all_rows, y);
        if (!to) tap_move_offsets(m, m->n_outer + m->n_b, m->n_a, a, na, NULL, here);
        tile_out(t, b0, nb, rows - nb, dst + b0 * word, to ? to + (a - s->a0) : here, na);
    }
}

static void planes_apart(const tap_move *m, const char *src, char *dst, const int64_t *src_at,
                         const int64_t *dst_at, int64_t n, const tap_span *s) {
    _Alignas(LINE) char lines[BUFFER_BYTES], buffer[BUFFER_BYTES];
    const tiles t = {m,           tap_tile_for(m->isa, m->width),
                     lines,       buffer,
                     pitch_of(m), steps_fit(m) && (uintptr_t)dst % LINE == 0};
    int64_t to[TAP_TILE_ROWS];
    const bool known = s->a1 - s->a0 <= TAP_TILE_ROWS;
    memset(lines, 0, 16 * LINE); /* rows that no tile has */
    if (known) tap_move_offsets(m, m->n_outer + m->n_b, m->n_a, s->a0, s->a1 - s->a0, NULL, to);
    for (int64_t k = 0; k < n; k++)
        for (int64_t b = s->b0; b < s->b1; b += m->tile_b)
            strip_apart(&t, src + src_at[k], dst + dst_at[k], b, tap_min64(m->tile_b, s->b1 - b), s,
                        known ? to : NULL);
    if (m->stream) stream_end();
}

/* ---- Tiles where they are ---- */

static void strip_direct(const tap_move *m, const char *src, char *dst, const int64_t *src_at,
                         const int64_t *dst_at, int64_t n, const tap_span *s) {
    tap_tile_loop *loop = tap_tile_for(m->isa, m->width);
    const int64_t word = (int64_t)m->width, na = s->a1 - s->a0, nb = s->b1 - s->b0;
    int64_t from[TAP_TILE_ROWS], to[TAP_TILE_ROWS];
    const char *x[TAP_TILE_ROWS];
    char *y[TAP_TILE_ROWS];
    tap_move_offsets(m, m->n_outer, m->n_b, s->b0, nb, from, NULL);
    tap_move_offsets(m, m->n_outer + m->n_b, m->n_a, s->a0, na, NULL, to);
    for (int64_t k = 0; k < n; k++) {
        for (int64_t j = 0; j < nb; j++) x[j] = src + src_at[k] + s->a0 * word + from[j];
        for (int64_t i = 0; i < na; i++) y[i] = dst + dst_at[k] + s->b0 * word + to[i];
        loop(x, na, nb, y);
    }
}

static void planes_direct(const tap_move *m, const char *src, char *dst, const int64_t *src_at,
                          const int64_t *dst_at, int64_t n, const tap_span *s) {
    for (int64_t b = s->b0; b < s->b1; b += m->tile_b)
        for (int64_t a = s->a0; a < s->a1; a += m->tile_a) {
            const tap_span tile = {a, tap_min64(a + m->tile_a, s->a1), b, tap_min64(b + m->tile_b, s->b1)};
            strip_direct(m, src, dst, src_at, dst_at, n, &tile);
        }
}

/* ---- Few rows or columns that lie side by side ---- */

static tap_apart_loop *few_apart(const tap_move *m) {
    if (m->n_a != 1 || m->n_b != 1 || m->src[m->n_outer] != m->a * (int64_t)m->width) return NULL;
    return tap_few_apart(m->isa, m->width, m->a);
}

static tap_together_loop *few_together(const tap_move *m) {
    if (m->n_a != 1 || m->n_b != 1 || m->dst[m->n_outer + 1] != m->b * (int64_t)m->width) return NULL;
    return tap_few_together(m->isa, m->width, m->b);
}

static void run_apart(const tap_move *m, tap_apart_loop *loop, const char *src, char *dst,
                      const tap_span *s) {
    char *to[TAP_FEW_MAX];
    const int64_t word = (int64_t)m->width;
    for (int k = 0; k < m->a; k++) to[k] = dst + k * m->dst[m->n_outer + 1] + s->b0 * word;
    loop(s->b1 - s->b0, src + s->b0 * m->src[m->n_outer], to);
}

static void run_together(const tap_move *m, tap_together_loop *loop, const char *src, char *dst,
                         const tap_span *s) {
    const char *from[TAP_FEW_MAX];
    const int64_t word = (int64_t)m->width;
    for (int k = 0; k < m->b; k++) from[k] = src + k * m->src[m->n_outer] + s->a0 * word;
    loop(s->a1 - s->a0, from, dst + s->a0 * m->dst[m->n_outer + 1]);
}

void tap_planes_run(const tap_move *m, const char *src, char *dst, const int64_t *src_at,
                    const int64_t *dst_at, int64_t n, const tap_span *s) {
    tap_apart_loop *apart = few_apart(m);
    tap_together_loop *together = apart ? NULL : few_together(m);
    if (apart)
        for (int64_t k = 0; k < n; k++) run_apart(m, apart, src + src_at[k], dst + dst_at[k], s);
    else if (together)
        for (int64_t k = 0; k < n; k++) run_together(m, together, src + src_at[k], dst + dst_at[k], s);
    else if (m->apart)
        planes_apart(m, src, dst, src_at, dst_at, n, s);
    else
        planes_direct(m, src, dst, src_at, dst_at, n, s);
}
