/* Groups of rows x panels, in pieces of k. */
#include "common/gemm_block.h"

#include "common/gemm_internal.h"

/* So many bytes of a panel are in use at a time (fewer where tiles slide, for these have more rows): they
 * come from the second cache for each group of rows, and a longer k costs less than sums that are put away
 * between two pieces. Of what is packed as it is needed, the panels that are packed together have to stay
 * there. So many bytes of B are there for the next group without being brought closer again. */
#ifdef TAP_ISA_avx512
#define PIECE_BYTES    (384 << 10)
#define SLIDING_BYTES  (128 << 10)
#define UNPACKED_BYTES (64 << 10)
#define KEPT_BYTES     (512 << 10)
#else
#define PIECE_BYTES    (64 << 10)
#define SLIDING_BYTES  PIECE_BYTES
#define UNPACKED_BYTES (16 << 10)
#define KEPT_BYTES     (128 << 10)
#endif

/* k from begin to end. */
typedef struct piece {
    int64_t begin, end;
} piece;

/* A group's part in a piece. */
typedef struct part {
    int64_t first, last; /* segments */
    int64_t in, k;       /* elements of each: k from number `in` on */
    bool begins, ends;   /* the group's first, last part */
    int64_t b;           /* from the piece of a panel to what b_seg counts from */
    tap_tile tile;       /* but for where it is in B and C */
} part;

static int64_t divide_evenly(int64_t n, int64_t at_most) {
    int64_t pieces = (n + at_most - 1) / at_most;
    return (n + pieces - 1) / pieces;
}

/* k of a piece at most; half as much again where that is all. */
static int64_t most_k(const tap_tile_set *set, bool packed) {
    int64_t bytes = !packed ? UNPACKED_BYTES : set->taps > 1 ? SLIDING_BYTES : PIECE_BYTES;
    return tap_max64(1, bytes / (set->columns * set->elem));
}

/* A piece ends behind all taps of a channel. */
static int64_t whole_channels(const tap_tile_set *set, int64_t k) {
    return (k + set->taps - 1) / set->taps * set->taps;
}

/* The piece that begins at k: some segments, or a part of one. Alone, a group has no use for pieces, unless
 * they are packed for it. */
static piece piece_at(const tap_block *b, int n, int64_t k) {
    int64_t most = most_k(b->set, b->b != NULL), s = b->segment;
    piece p = {k, b->k};
    if ((n == 1 && b->b) || b->k <= most + most / 2) return p;
    if (s >= most)
        p.end = tap_min64(k + whole_channels(b->set, divide_evenly(s, most)), (k / s + 1) * s);
    else
        p.end = tap_min64(k + divide_evenly(b->k / s, most / s) * s, b->k);
    return p;
}

/* False where none of the group's segments falls into the piece. */
static bool part_of(const tap_block *b, const tap_rows *r, piece p, part *t) {
    if (!r->b_seg || (r->n_seg == 1 && r->k == b->k)) {
        t->first = 0;
        t->last = 1;
        t->in = p.begin;
        t->k = p.end - p.begin;
        t->begins = p.begin == 0;
        t->ends = p.end == b->k;
        return true;
    }
    t->first = 0;
    t->in = p.begin % r->k;
    t->k = tap_min64(r->k, p.end - p.begin);
    int64_t begin = (p.begin - t->in) * b->b_step, end = p.end * b->b_step;
    while (t->first < r->n_seg && r->b_seg[t->first] < begin) t->first++;
    for (t->last = t->first; t->last < r->n_seg && r->b_seg[t->last] < end;) t->last++;
    t->begins = t->first == 0 && t->in == 0;
    t->ends = t->last == r->n_seg && t->in + t->k == r->k;
    if (r->n_seg == 0) t->begins = t->ends = p.begin == 0;
    return t->last > t->first || (r->n_seg == 0 && t->begins);
}

/* What all tiles of a group have in common in a piece that begins at k. */
static void prepare_tile(const tap_block *b, const tap_rows *r, int64_t k, part *t) {
    int64_t elem = b->set->elem;
    t->tile = (tap_tile){.a = r->a + t->in * elem,
                         .a_row = r->a_row,
                         .n_seg = t->last - t->first,
                         .k = b->set->taps > 1 ? t->k / TAP_TILE_TAPS : t->k,
                         .b_step = b->b_step,
                         .c_row = b->c_row,
                         .from_c = !t->begins || b->from_c,
                         .finish = t->ends && b->last ? b->finish : NULL};
    t->b = 0;
    if (!r->b_seg) return;
    t->tile.at = r->at + t->first * (b->set->taps > 1 ? TAP_TILE_TAPS : r->rows);
    t->tile.skip = t->in / b->set->taps * elem;
    t->tile.pixel = r->pixel;
    t->tile.b_seg = r->b_seg + t->first;
    t->b = (t->in - k) * b->b_step; /* b_seg counts from the panel's start */
}

/* Memory that is wanted soon. A tile brings it closer line by line with its multiply-adds: many at once would
 * hold up everything else that is not in the first cache. */
typedef struct ahead {
    const char *p;
    int64_t n_bytes;
} ahead;

/* What of B comes next, in equal shares for the groups. */
typedef struct shares {
    const char *p; /* where the piece of a panel begins */
    int64_t n_bytes, at, share;
} shares;

/* Behind the panels of this step those that follow; else the next piece; else the next block. */
static shares next_of_b(const tap_block *b, int n, piece k, int64_t p, int64_t p0, int64_t p1, int64_t step) {
    bool more = p + step < p1, stays = b->passed && (p1 - p0) * b->k * b->b_step <= KEPT_BYTES;
    piece next = more ? k : piece_at(b, n, k.end < b->k ? k.end : 0);
    shares s = {0};
    if (n == 1 || stays || !b->b || b->b_step != b->set->columns * b->set->elem) return s;
    if (more)
        s.p = b->b + (p + step) * b->b_panel + k.begin * b->b_step;
    else if (k.end < b->k)
        s.p = b->b + p0 * b->b_panel + k.end * b->b_step;
    else if (b->after)
        s.p = b->after;
    else
        return s;
    int64_t panels = more ? tap_min64(step, p1 - p - step) : tap_min64(step, p1 - p0);
    s.n_bytes = (next.end - next.begin) * b->b_step;
    s.share = tap_min64(s.n_bytes, panels * s.n_bytes / n);
    return s;
}

static ahead take_share(const tap_block *b, shares *s) {
    ahead a = {s->p + s->at, s->share};
    s->at += s->share;
    if (s->share > 0 && s->at >= s->n_bytes) s->at -= s->n_bytes, s->p += b->b_panel;
    return a;
}

/* The rows of A of a group that comes next, where they are one run of memory; else nothing. */
static ahead next_of_a(const tap_block *b, const tap_rows *r, const part *t) {
    bool dense = !r->b_seg && t->k * b->set->elem == r->a_row;
    return (ahead){r->a, dense ? r->rows * r->a_row : 0};
}

/* ---- Running ---- */

enum { PANELS_PACKED = 4 }; /* at once: a multiple of what tiles take, and some lines of each row of B */

size_t tap_block_room(const tap_tile_set *set) {
    int64_t most = most_k(set, false);
    return (size_t)(PANELS_PACKED * (most + most / 2) * set->columns * set->elem);
}

/* Panels p .. p1 of B in piece k, of a block that begins at panel p0; *step: from panel to panel. */
static const char *panels_at(const tap_block *b, piece k, int64_t p0, int64_t p, int64_t p1, int64_t *step) {
    const tap_gemm *g = b->unpacked;
    int64_t length = k.end - k.begin, n = (p - p0) % PANELS_PACKED;
    *step = b->b ? b->b_panel : length * b->b_step;
    if (b->b) return b->b + p * b->b_panel + k.begin * b->b_step;
    if (n == 0) {
        tap_dtype from = g->b_from ? g->b_from : g->dtype;
        int64_t first = b->first_k + k.begin, at = g->trans_b ? first : first * g->ldb;
        tap_gemm_pack_panels(g->dtype, from, length, g->n,
                             (const char *)g->b + at * (int64_t)tap_dtype_bytes(from), g->ldb, g->trans_b, p,
                             tap_min64(p1, p + PANELS_PACKED), b->room);
    }
    return b->room + n * *step;
}

/* A line with each of the first rounds of a tile, further apart where there are few: each costs as much as a
 * load. */
static void ask(const tap_block *b, tap_tile *t, ahead next) {
    int64_t k_of_round = b->set->taps > 1 ? 1 : TAP_TILE_ROUND, k = t->k * t->n_seg;
    int64_t step = 64, n = (next.n_bytes + step - 1) / step;
    if (n * k_of_round > k) n = tap_max64(1, k / k_of_round), step = next.n_bytes / n;
    t->next = next.p;
    t->next_k = n * k_of_round;
    t->next_step = step;
}

/* A group's part x `cols` columns from number `col` on; panels: of B, in the piece. */
static void run_part(const tap_block *b, const tap_rows *r, part *t, const char *panels, int64_t panel_step,
                     int64_t col, int64_t cols, ahead next, char *tmp) {
    int64_t elem = b->set->elem;
    t->tile.b = panels + t->b;
    t->tile.b_panel = panel_step;
    t->tile.c = r->c + col * elem;
    t->tile.column = b->column + col * elem;
    ask(b, &t->tile, next);
    tap_tile_run(b->set, &t->tile, r->rows, cols, tmp);
}

static void tell(const tap_block *b, const tap_rows *r, int64_t col, int64_t cols) {
    if (b->row_step == 1) {
        b->done(b->arg, r->number, r->rows, b->first_column + col, cols);
        return;
    }
    for (int i = 0; i < r->rows; i++)
        b->done(b->arg, r->number + i * b->row_step, 1, b->first_column + col, cols);
}

/* As many panels as a tile of one of the groups takes at once; packed, they are all there for a group alone.
 */
static int64_t panels_at_once(const tap_block *b, const tap_rows *rows, int n, int64_t all) {
    int most = 1;
    if (n == 1 && b->b) return tap_max64(1, all);
    for (int i = 0; i < n; i++)
        if (b->set->panels[rows[i].rows] > most) most = b->set->panels[rows[i].rows];
    return most;
}

void tap_block_run(const tap_block *b, const tap_rows *rows, int n, int64_t p0, int64_t p1, char *tmp) {
    part parts[TAP_BLOCK_ROWS_MAX];
    if (n == 0) return;
    int64_t step = panels_at_once(b, rows, n, p1 - p0);
    for (piece k = {0, 0}; k.end < b->k || b->k == 0;) {
        bool has_part[TAP_BLOCK_ROWS_MAX];
        k = piece_at(b, n, k.end);
        for (int i = 0; i < n; i++) {
            has_part[i] = part_of(b, &rows[i], k, &parts[i]);
            if (has_part[i]) prepare_tile(b, &rows[i], k.begin, &parts[i]);
        }
        for (int64_t p = p0; p < p1; p += step) {
            int64_t last = tap_min64(p1, p + step);
            int64_t col = p * b->set->columns, cols = tap_min64(last * b->set->columns, b->n) - col, panel;
            const char *panels = panels_at(b, k, p0, p, p1, &panel);
            shares of_b = next_of_b(b, n, k, p, p0, p1, step);
            for (int i = 0; i < n; i++) {
                ahead next = take_share(b, &of_b);
                if (!has_part[i]) continue;
                ahead a = {0};
                if (p == p0 && i + 1 < n) a = next_of_a(b, &rows[i + 1], &parts[i + 1]);
                run_part(b, &rows[i], &parts[i], panels, panel, col, cols, a.n_bytes ? a : next, tmp);
                if (b->done && b->last && parts[i].ends) tell(b, &rows[i], col, cols);
            }
        }
        if (b->k == 0) break;
    }
}
