/* The sketch of a distribution. */
#include "tap/sketch.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tap/block.h"

tap_sketch *tap_sketch_new(void) {
    return calloc(1, sizeof(tap_sketch));
}

void tap_sketch_free(tap_sketch *s) {
    if (!s) return;
    for (size_t i = 0; i < TAP_SKETCH_PAGES; i++) free(s->pages[i]);
    free(s);
}

/* Made where it is new; NULL: no memory. */
static int64_t *page_of(tap_sketch *s, uint32_t p) {
    if (!s->pages[p]) s->pages[p] = calloc(TAP_SKETCH_PAGE, sizeof **s->pages);
    return s->pages[p];
}

bool tap_sketch_put(tap_sketch *s, uint32_t code, int64_t n) {
    int64_t *page = page_of(s, code >> 8);
    if (!page) return false;
    page[code & 255] += n;
    s->n += n;
    return true;
}

/* Beyond float32 the outermost bucket takes it. */
uint32_t tap_sketch_code_of(double x) {
    float f = x > (double)FLT_MAX ? FLT_MAX : x < -(double)FLT_MAX ? -FLT_MAX : (float)x;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits == UINT32_C(0x80000000) ? 0 : bits >> 16;
}

bool tap_sketch_add(tap_sketch *s, const double *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        uint32_t code = tap_sketch_code_of(x[i]);
        int64_t *page = s->pages[code >> 8];
        if (page)
            page[code & 255]++;
        else if (tap_sketch_put(s, code, 1))
            s->n--;
        else
            return false;
    }
    s->n += n;
    return true;
}

bool tap_sketch_add_codes(tap_sketch *s, const uint32_t *codes, int64_t n) {
    int64_t zeros = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t code = codes[i];
        int64_t *page = code < TAP_CODE_ZERO ? s->pages[code >> 8] : NULL;
        if (page)
            page[code & 255]++;
        else if (code >= TAP_CODE_ZERO)
            zeros++;
        else if (tap_sketch_put(s, code, 1))
            s->n--;
        else
            return false;
    }
    s->n += n - zeros;
    return zeros == 0 || tap_sketch_put(s, 0, zeros);
}

/* Adds a page of counts, a line of memory at a time, for most of it is empty as a rule; clears them. Returns
 * their sum. */
static int64_t take_counts(int64_t *to, uint32_t *from) {
    enum { LINE = 16 };
    int64_t all = 0;
    for (uint32_t i = 0; i < TAP_SKETCH_PAGE; i += LINE) {
        uint32_t sum = 0;
        for (uint32_t k = i; k < i + LINE; k++) sum += from[k];
        if (sum == 0) continue;
        for (uint32_t k = i; k < i + LINE; k++) to[k] += from[k];
        memset(from + i, 0, LINE * sizeof *from);
        all += sum;
    }
    return all;
}

static bool is_empty(const uint32_t *page) {
    uint32_t any = 0;
    for (int k = 0; k < TAP_SKETCH_PAGE; k++) any |= page[k];
    return any == 0;
}

/* The table's pages from the code `from` to the code `to`; adds their counts to *n. */
static bool take_pages(tap_sketch *s, uint32_t *table, uint32_t from, uint32_t to, int64_t *n) {
    for (uint32_t p = from >> 8; p <= to >> 8; p++) {
        uint32_t *page = table + p * TAP_SKETCH_PAGE;
        if (is_empty(page)) continue;
        int64_t *mine = page_of(s, p);
        if (!mine) return false;
        *n += take_counts(mine, page);
    }
    return true;
}

void tap_sketch_forget_nonfinite(uint32_t *table) {
    memset(table + 0x7F80, 0, 0x80 * sizeof *table);
    memset(table + 0xFF80, 0, 0x80 * sizeof *table);
}

bool tap_sketch_take_table(tap_sketch *s, uint32_t *table, double min, double max, int64_t *zeros,
                           int64_t *negatives) {
    int64_t none = 0, above = 0, below = 0;
    for (uint32_t k = TAP_CODE_ZERO; k < TAP_CODES; k++) {
        none += table[k];
        table[k] = 0;
    }
    bool good = take_pages(s, table, 0, max > 0 ? tap_sketch_code_of(max) : 0, &above) &&
                (!(min < 0) || take_pages(s, table, 0x8000, tap_sketch_code_of(min), &below));
    *zeros += none;
    *negatives += below;
    s->n += above + below;
    return good && (none == 0 || tap_sketch_put(s, 0, none));
}

bool tap_sketch_merge(tap_sketch *s, const tap_sketch *other) {
    for (uint32_t p = 0; p < TAP_SKETCH_PAGES; p++) {
        if (!other->pages[p]) continue;
        int64_t *mine = page_of(s, p);
        if (!mine) return false;
        for (uint32_t k = 0; k < TAP_SKETCH_PAGE; k++) mine[k] += other->pages[p][k];
    }
    s->n += other->n;
    return true;
}

uint32_t tap_sketch_code(uint32_t i) {
    return i < 0x8000 ? 0xFFFF - i : i - 0x8000;
}

int64_t tap_sketch_count(const tap_sketch *s, uint32_t code) {
    return s->pages[code >> 8] ? s->pages[code >> 8][code & 255] : 0;
}

static double value_of(uint32_t bits) {
    float f;
    if ((bits & UINT32_C(0x7FFFFFFF)) > UINT32_C(0x7F7FFFFF))
        bits = (bits & UINT32_C(0x80000000)) | 0x7F7FFFFF;
    memcpy(&f, &bits, sizeof f);
    return (double)f;
}

void tap_sketch_ends(uint32_t code, double *lo, double *hi) {
    double near = value_of(code << 16), far = value_of((code << 16) + 0x10000);
    if (code == 0x7F7F || code == 0xFF7F) far = value_of(code << 16 | 0xFFFF);
    *lo = code < 0x8000 ? near : far;
    *hi = code < 0x8000 ? far : near;
}

/* The bucket with the element of that rank, from 0. */
double tap_sketch_quantile(const tap_sketch *s, double q, double min, double max) {
    if (s->n == 0) return (double)NAN;
    int64_t rank = (int64_t)(q * (double)(s->n - 1) + 0.5), seen = 0;
    if (rank <= 0) return min;
    if (rank >= s->n - 1) return max;
    for (uint32_t i = 0; i < 65536; i++) {
        uint32_t code = tap_sketch_code(i);
        if (!s->pages[code >> 8]) {
            i |= 255;
            continue;
        }
        seen += tap_sketch_count(s, code);
        if (seen <= rank) continue;
        double lo, hi;
        tap_sketch_ends(code, &lo, &hi);
        if (code == 0) return 0; /* zero and what rounds to it */
        double x = lo / 2 + hi / 2;
        return x < min ? min : x > max ? max : x;
    }
    return max;
}

/* Edges are close to what equal widths would give, at the next end of a bucket. The first and the last bin
 * reach out to the extremes. */
size_t tap_sketch_histogram(const tap_sketch *s, double min, double max, size_t n, double *edges,
                            int64_t *counts) {
    size_t at = 0;
    if (s->n == 0 || n == 0) return 0;
    double width = max / (double)n - min / (double)n, wanted = min + width;
    edges[0] = min;
    counts[0] = 0;
    for (uint32_t i = 0; i < 65536; i++) {
        uint32_t code = tap_sketch_code(i);
        if (!s->pages[code >> 8]) {
            i |= 255;
            continue;
        }
        int64_t c = tap_sketch_count(s, code);
        double lo, hi;
        tap_sketch_ends(code, &lo, &hi);
        if (c && lo >= wanted && lo > edges[at] && at + 1 < n) {
            if (counts[at]) edges[++at] = lo;
            counts[at] = 0;
            while (wanted <= lo) wanted += width > 0 ? width : 1;
        }
        counts[at] += c;
    }
    edges[at + 1] = max;
    return at + 1;
}
