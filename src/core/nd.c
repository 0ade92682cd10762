/* Elementwise iteration: broadcast, merge, walk. */
#include "core/nd.h"

#include <string.h>

#include "core/move.h"

void tap_nd_init(tap_nd *nd, int rank, const int64_t *dims, int n, int64_t *room) {
    nd->rank = rank;
    nd->n = n;
    nd->step = room;
    nd->bytes = room + TAP_RANK_MAX * n;
    if (rank > 0) memcpy(nd->extent, dims, (size_t)rank * sizeof *dims);
}

bool tap_nd_operand(tap_nd *nd, int k, size_t elem_bytes, int rank, const int64_t *dims) {
    int64_t step = nd->bytes[k] = (int64_t)elem_bytes;
    for (int d = nd->rank - 1, j = rank - 1; d >= 0; d--, j--) {
        int64_t n = j >= 0 ? dims[j] : 1;
        if (n != nd->extent[d] && n != 1) return false;
        nd->step[d * nd->n + k] = n == 1 ? 0 : step;
        step *= n;
    }
    for (int j = rank - nd->rank - 1; j >= 0; j--)
        if (dims[j] != 1) return false;
    return true;
}

void tap_nd_scalar(tap_nd *nd, int k) {
    nd->bytes[k] = 0;
    for (int d = 0; d < nd->rank; d++) nd->step[d * nd->n + k] = 0;
}

/* Whether every operand goes from the end of a run along dimension d (extent n) on as dimension `outer` does.
 */
static bool continues(const tap_nd *nd, int outer, int d) {
    const int64_t *a = nd->step + outer * nd->n, *b = nd->step + d * nd->n, n = nd->extent[d];
    for (int k = 0; k < nd->n; k++)
        if (a[k] != b[k] * n) return false;
    return true;
}

static void copy_steps(tap_nd *nd, int to, int from) {
    memmove(nd->step + to * nd->n, nd->step + from * nd->n, (size_t)nd->n * sizeof *nd->step);
}

void tap_nd_merge(tap_nd *nd) {
    int last = -1; /* kept so far: 0 .. last */
    for (int d = 0; d < nd->rank; d++) {
        if (nd->extent[d] == 1) continue;
        if (last >= 0 && continues(nd, last, d))
            nd->extent[last] *= nd->extent[d];
        else
            nd->extent[++last] = nd->extent[d];
        copy_steps(nd, last, d);
    }
    if (last < 0) {
        nd->extent[++last] = 1;
        for (int k = 0; k < nd->n; k++) nd->step[k] = 0;
    }
    nd->rank = last + 1;
}

/* Sets p and index to element `at`. */
static void seek(const tap_nd *nd, int64_t at, char *const *base, char **p, int64_t *index) {
    int64_t offset[TAP_RANK_MAX];
    for (int d = nd->rank - 1; d >= 0; d--) {
        index[d] = offset[d] = at % nd->extent[d];
        at /= nd->extent[d];
    }
    for (int k = 0; k < nd->n; k++) {
        int64_t bytes = 0;
        for (int d = 0; d < nd->rank; d++) bytes += offset[d] * nd->step[d * nd->n + k];
        p[k] = base[k] ? base[k] + bytes : NULL;
    }
}

/* From the start of a run along the innermost dimension to the start of the next. */
static void next_run(const tap_nd *nd, char **p, int64_t *index) {
    for (int d = nd->rank - 2; d >= 0; d--) {
        const int64_t *step = nd->step + d * nd->n;
        if (++index[d] < nd->extent[d]) {
            for (int k = 0; k < nd->n; k++)
                if (p[k]) p[k] += step[k];
            return;
        }
        index[d] = 0;
        for (int k = 0; k < nd->n; k++)
            if (p[k]) p[k] -= step[k] * (nd->extent[d] - 1);
    }
}

/* ---- Short rows ----
 *
 * Where the innermost dimension is short, a call of the loop for each row costs more than its elements. Then
 * the loop gets a block of rows at a time: operands that are dense as they lie, single elements as such, and
 * the others from copies. */

enum {
    SHORT = 64,        /* a row of no more elements is short */
    OPERANDS = 8,      /* that have room */
    ROOM_BYTES = 8192, /* of an operand's copy of a block and of a row on either side of it */
};

#define COPY_ROWS(NAME, T)                                                                                \
    static inline __attribute__((always_inline)) void NAME##_of(char *to, const char *from, int64_t n,    \
                                                                int64_t pitch, int64_t e, int64_t step) { \
        T *y = (T *)(void *)to;                                                                           \
        for (int64_t r = 0; r < n; r++)                                                                   \
            for (int64_t j = 0; j < e; j++)                                                               \
                y[r * e + j] = *(const T *)(const void *)(from + r * pitch + j * step);                   \
    }                                                                                                     \
    static void NAME(char *to, const char *from, int64_t n, int64_t pitch, int64_t e, int64_t step) {     \
        if (step == 0 && e == 2)                                                                          \
            NAME##_of(to, from, n, pitch, 2, 0);                                                          \
        else if (step == 0 && e == 3)                                                                     \
            NAME##_of(to, from, n, pitch, 3, 0);                                                          \
        else if (step == 0 && e == 4)                                                                     \
            NAME##_of(to, from, n, pitch, 4, 0);                                                          \
        else if (step == 0)                                                                               \
            NAME##_of(to, from, n, pitch, e, 0);                                                          \
        else                                                                                              \
            NAME##_of(to, from, n, pitch, e, (int64_t)sizeof(T));                                         \
    }

COPY_ROWS(copy_rows_1, tap_w1)
COPY_ROWS(copy_rows_2, tap_w2)
COPY_ROWS(copy_rows_4, tap_w4)
COPY_ROWS(copy_rows_8, tap_w8)
COPY_ROWS(copy_rows_16, tap_w16)

/* n rows of operand k from `from` on, `pitch` bytes apart. */
static void copy_rows(const tap_nd *nd, int k, char *to, const char *from, int64_t n, int64_t pitch) {
    const int inner = nd->rank - 1;
    const int64_t e = nd->extent[inner], step = nd->step[inner * nd->n + k];
    switch (nd->bytes[k]) {
    case 1: copy_rows_1(to, from, n, pitch, e, step); break;
    case 2: copy_rows_2(to, from, n, pitch, e, step); break;
    case 4: copy_rows_4(to, from, n, pitch, e, step); break;
    case 8: copy_rows_8(to, from, n, pitch, e, step); break;
    default: copy_rows_16(to, from, n, pitch, e, step); break;
    }
}

/* Writes out operand k's rows of the block. */
static void write_out(const tap_nd *nd, int k, const char *base, int64_t row, int64_t n_rows, char *to) {
    const int last = nd->rank - 2;
    const int64_t row_bytes = nd->extent[nd->rank - 1] * nd->bytes[k];
    while (n_rows > 0) {
        int64_t at = row, offset = 0, first = row % nd->extent[last];
        int64_t n = tap_min64(n_rows, nd->extent[last] - first);
        for (int d = last; d >= 0; d--) {
            offset += at % nd->extent[d] * nd->step[d * nd->n + k];
            at /= nd->extent[d];
        }
        copy_rows(nd, k, to, base + offset, n, nd->step[last * nd->n + k]);
        to += n * row_bytes;
        row += n;
        n_rows -= n;
    }
}

/* The same for an operand whose rows are all one: what is there is doubled. */
static void write_same(const tap_nd *nd, int k, const char *base, int64_t n_rows, char *to) {
    const size_t row = (size_t)(nd->extent[nd->rank - 1] * nd->bytes[k]), all = row * (size_t)n_rows;
    write_out(nd, k, base, 0, 1, to);
    for (size_t done = row; done < all; done *= 2)
        memcpy(to + done, to, done < all - done ? done : all - done);
}

typedef enum operand_kind { SINGLE, DENSE, SAME_ROW, ANY } operand_kind;

static operand_kind kind_of(const tap_nd *nd, int k) {
    bool dense = true, outer_still = true;
    int64_t step = nd->bytes[k];
    for (int d = nd->rank - 1; d >= 0; d--) {
        const int64_t s = nd->step[d * nd->n + k];
        dense = dense && s == step;
        if (d < nd->rank - 1) outer_still = outer_still && s == 0;
        step *= nd->extent[d];
    }
    if (dense && nd->bytes[k] > 0) return DENSE;
    if (!outer_still) return ANY;
    return nd->step[(nd->rank - 1) * nd->n + k] == 0 ? SINGLE : SAME_ROW;
}

static bool has_short_rows(const tap_nd *nd) {
    return nd->rank > 1 && nd->extent[nd->rank - 1] <= SHORT && nd->n <= OPERANDS &&
           kind_of(nd, nd->n - 1) == DENSE;
}

static void run_short_rows(const tap_nd *nd, int64_t begin, int64_t end, char *const *base, tap_loop *loop,
                           const void *state) {
    _Alignas(64) char room[OPERANDS][ROOM_BYTES];
    operand_kind kind[OPERANDS];
    int64_t step[OPERANDS], widest = 1;
    char *p[OPERANDS];
    const int64_t e = nd->extent[nd->rank - 1];
    for (int k = 0; k < nd->n; k++) {
        kind[k] = kind_of(nd, k);
        step[k] = kind[k] == SINGLE ? 0 : nd->bytes[k];
        widest = tap_max64(widest, nd->bytes[k]);
    }
    const int64_t rows = ROOM_BYTES / widest / e - 1;
    for (int k = 0; k < nd->n; k++)
        if (kind[k] == SAME_ROW) write_same(nd, k, base[k], rows, room[k]);
    while (begin < end) {
        const int64_t row = begin / e, inside = begin % e;
        const int64_t n_rows = tap_min64(rows, (end - 1) / e - row + 1);
        const int64_t n = tap_min64(n_rows * e - inside, end - begin);
        for (int k = 0; k < nd->n; k++) {
            if (kind[k] == ANY) write_out(nd, k, base[k], row, n_rows, room[k]);
            p[k] = kind[k] == SINGLE  ? base[k]
                   : kind[k] == DENSE ? base[k] + begin * step[k]
                                      : room[k] + inside * step[k];
        }
        loop(n, p, step, state);
        begin += n;
    }
}

void tap_nd_run(const tap_nd *nd, int64_t begin, int64_t end, char *const *base, char **p, tap_loop *loop,
                const void *state) {
    if (begin >= end) return;
    if (has_short_rows(nd)) {
        run_short_rows(nd, begin, end, base, loop, state);
        return;
    }
    int64_t index[TAP_RANK_MAX];
    const int inner = nd->rank - 1;
    const int64_t extent = nd->extent[inner];
    const int64_t *step = nd->step + inner * nd->n;
    seek(nd, begin, base, p, index);
    for (int64_t done = index[inner];;) {
        int64_t n = tap_min64(extent - done, end - begin);
        loop(n, p, step, state);
        begin += n;
        if (begin == end) return;
        if (done > 0) { /* only the first run may start inside */
            for (int k = 0; k < nd->n; k++)
                if (p[k]) p[k] -= done * step[k];
            done = 0;
        }
        next_run(nd, p, index);
    }
}
