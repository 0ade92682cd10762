/* StringConcat, StringSplit, StringNormalizer. */
#include <string.h>

#include "common/types.h"
#include "common/utf8.h"
#include "unicode_case.h"

/* ---- StringConcat -------------------------------------------------------------------------------------- */

static tap_status concat_infer(tap_ctx *ctx) {
    const tap_type *y = tap_in_type(ctx, 1);
    if (y && y->dtype != TAP_STRING && y->dtype != TAP_UNDEFINED)
        return tap_fail(ctx, TAP_MODEL, "input 1 has to be string");
    return tap_out_broadcast(ctx, 0, TAP_STRING, 0, 1);
}

/* z.n = bytes of x and y together. */
static void concat_lengths(int64_t n, char *const *p, const int64_t *step, const void *state) {
    (void)state;
    for (int64_t i = 0; i < n; i++) {
        const tap_string *x = (const tap_string *)(p[0] + i * step[0]);
        const tap_string *y = (const tap_string *)(p[1] + i * step[1]);
        *(tap_string *)(p[2] + i * step[2]) = (tap_string){NULL, x->n + y->n};
    }
}

/* The bytes, to where z.s points. */
static void concat_bytes(int64_t n, char *const *p, const int64_t *step, const void *state) {
    (void)state;
    for (int64_t i = 0; i < n; i++) {
        const tap_string *x = (const tap_string *)(p[0] + i * step[0]);
        const tap_string *y = (const tap_string *)(p[1] + i * step[1]);
        const tap_string *z = (const tap_string *)(p[2] + i * step[2]);
        char *s = (char *)(uintptr_t)z->s;
        if (x->n) memcpy(s, x->s, x->n);
        if (y->n) memcpy(s + x->n, y->s, y->n);
    }
}

static tap_status concat_run(tap_ctx *ctx) {
    tap_tensor *z = ctx->out[0];
    tap_string *at = z->data;
    size_t all = 0;
    tap_status s = tap_broadcast(ctx, concat_lengths, NULL, ctx->in, 2, ctx->out, 1);
    for (int64_t i = 0; i < z->count && s == TAP_OK; i++)
        if (!tap_add_size(all, at[i].n, &all)) s = tap_fail(ctx, TAP_MEMORY, "the strings are too long");
    if (s != TAP_OK) return s;
    char *bytes = tap_string_bytes(ctx, all);
    if (!bytes) return TAP_MEMORY;
    for (int64_t i = 0; i < z->count; i++) {
        at[i].s = bytes;
        bytes += at[i].n;
    }
    return tap_broadcast(ctx, concat_bytes, NULL, ctx->in, 2, ctx->out, 1);
}

/* ---- StringSplit --------------------------------------------------------------------------------------- */

typedef struct split_state {
    tap_string delimiter; /* empty: runs of white space                    */
    int64_t max_split;    /* at most so many cuts; INT64_MAX: all there are */
} split_state;

static tap_status split_prepare(tap_ctx *ctx, void **state) {
    split_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->delimiter = tap_attr_bytes(ctx, "delimiter");
    s->max_split = tap_attr_int(ctx, "maxsplit", INT64_MAX);
    if (s->max_split < 0) s->max_split = INT64_MAX;
    return TAP_OK;
}

static tap_status split_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    if (!x || x->rank < 0) {
        tap_status s = tap_out_type(ctx, 0, TAP_STRING, -1, NULL);
        return s == TAP_OK ? tap_out_type(ctx, 1, TAP_INT64, -1, NULL) : s;
    }
    if (x->rank == TAP_RANK_MAX)
        return tap_fail(ctx, TAP_UNSUPPORTED, "the limit for the rank is %d", TAP_RANK_MAX - 1);
    int64_t dims[TAP_RANK_MAX];
    memcpy(dims, x->dims, sizeof dims);
    dims[x->rank] = tap_type_count(x) == 0 ? 0 : -1;
    tap_status s = tap_out_type(ctx, 0, TAP_STRING, x->rank + 1, dims);
    return s == TAP_OK ? tap_out_type(ctx, 1, TAP_INT64, x->rank, dims) : s;
}

/* x without its first n bytes. */
static tap_string behind(tap_string x, size_t n) {
    return n == x.n ? (tap_string){"", 0} : (tap_string){x.s + n, x.n - n};
}

/* Bytes of white space at the start of x. */
static size_t space_before(tap_string x) {
    size_t at = 0;
    uint32_t c;
    while (at < x.n) {
        size_t len = tap_utf8_get(x.s + at, x.n - at, &c);
        if (!tap_utf8_is_space(c)) break;
        at += len;
    }
    return at;
}

/* Bytes of x up to white space, or to its end. */
static size_t word_before(tap_string x) {
    size_t at = 0;
    uint32_t c;
    while (at < x.n) {
        size_t len = tap_utf8_get(x.s + at, x.n - at, &c);
        if (tap_utf8_is_space(c)) break;
        at += len;
    }
    return at;
}

/* x without the white space at its end. */
static tap_string trimmed(tap_string x) {
    size_t at = 0, end = 0;
    while (at < x.n) {
        at += space_before(behind(x, at));
        size_t word = word_before(behind(x, at));
        at += word;
        if (word) end = at;
    }
    return (tap_string){x.s, end};
}

/* The words of x. y NULL: only counts. What is left after the last cut is one word, the white space in it
 * kept. */
static int64_t split_words(tap_string x, int64_t max_split, tap_string *y) {
    int64_t n = 0;
    for (;;) {
        x = behind(x, space_before(x));
        if (x.n == 0) return n;
        tap_string word = n == max_split ? trimmed(x) : (tap_string){x.s, word_before(x)};
        if (y) y[n] = word;
        n++;
        if (n - 1 == max_split) return n;
        x = behind(x, word.n);
    }
}

/* Where d begins in x; x.n where it does not. */
static size_t find(tap_string x, tap_string d) {
    for (size_t at = 0; at + d.n <= x.n; at++) {
        const char *first = memchr(x.s + at, d.s[0], x.n - at - d.n + 1);
        if (!first) break;
        at = (size_t)(first - x.s);
        if (memcmp(first, d.s, d.n) == 0) return at;
    }
    return x.n;
}

/* The parts of x between delimiters. y NULL: only counts. */
static int64_t split_parts(tap_string x, tap_string d, int64_t max_split, tap_string *y) {
    int64_t n = 0;
    for (;;) {
        size_t at = n == max_split ? x.n : find(x, d);
        if (y) y[n] = (tap_string){x.s, at};
        n++;
        if (at == x.n) return n;
        x = behind(x, at + d.n);
    }
}

static int64_t split(const split_state *s, tap_string x, tap_string *y) {
    return s->delimiter.n ? split_parts(x, s->delimiter, s->max_split, y) : split_words(x, s->max_split, y);
}

static tap_status split_run(tap_ctx *ctx) {
    const split_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    const tap_string *string = x->data;
    tap_tensor *count = ctx->out[1] ? ctx->out[1] : tap_out(ctx, 1, TAP_INT64, x->rank, x->dims);
    if (!count) return TAP_MEMORY;
    int64_t *n = count->data, dims[TAP_RANK_MAX], most = 0;
    for (int64_t i = 0; i < x->count; i++) {
        n[i] = split(s, string[i], NULL);
        most = tap_max64(most, n[i]);
    }
    memcpy(dims, x->dims, sizeof dims);
    dims[x->rank] = most;
    tap_tensor *y = tap_out(ctx, 0, TAP_STRING, x->rank + 1, dims);
    if (!y) return TAP_MEMORY;
    tap_string *part = y->data;
    for (int64_t i = 0; i < x->count; i++, part += most) {
        split(s, string[i], part);
        for (int64_t k = n[i]; k < most; k++) part[k] = (tap_string){"", 0};
    }
    return TAP_OK;
}

/* ---- StringNormalizer ---------------------------------------------------------------------------------- */

typedef enum letter_case { CASE_NONE, CASE_LOWER, CASE_UPPER } letter_case;

typedef struct normalizer_state {
    letter_case change;
    letter_case compare; /* what both sides go through before they are compared with stop words */
    bool turkic;         /* i has a dot in both cases                                         */
    size_t n_stop;
    size_t n_slots;   /* a power of two; 0 without stop words                               */
    tap_string *slot; /* hash table of stop words; s NULL: free                             */
} normalizer_state;

/* Which rules the locale has for letters. Beside i in the languages that have it with and without a dot they
 * are Unicode's everywhere: the operator works alike on a machine where the locale is not installed. */
static bool is_turkic(const char *locale) {
    bool known = strncmp(locale, "tr", 2) == 0 || strncmp(locale, "az", 2) == 0;
    return known && (locale[2] == '\0' || strchr("_-.@", locale[2]));
}

static uint32_t map_code(uint32_t c, const tap_case_range *range, size_t n) {
    size_t low = 0, high = n;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (c > range[mid].last)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == n || c < range[low].first || (c - range[low].first) % range[low].step != 0) return c;
    return (uint32_t)((int32_t)c + range[low].delta);
}

static uint32_t change_code(uint32_t c, letter_case to, bool turkic) {
    if (turkic && c == 'i' && to == CASE_UPPER) return 0x130;
    if (turkic && c == 'I' && to == CASE_LOWER) return 0x131;
    if (to == CASE_LOWER) return map_code(c, tap_to_lower, TAP_COUNT_OF(tap_to_lower));
    if (to == CASE_UPPER) return map_code(c, tap_to_upper, TAP_COUNT_OF(tap_to_upper));
    return c;
}

/* x in that case. y: room for the result, or NULL to measure it. Returns its bytes. */
static size_t change_case(tap_string x, letter_case to, bool turkic, char *y) {
    size_t n = 0;
    uint32_t c;
    char bytes[TAP_UTF8_MAX];
    for (size_t at = 0; at < x.n;) {
        at += tap_utf8_get(x.s + at, x.n - at, &c);
        size_t len = tap_utf8_put(change_code(c, to, turkic), bytes);
        if (y) memcpy(y + n, bytes, len);
        n += len;
    }
    return n;
}

/* The slot of x: where it is, or a free one. */
static size_t slot_of(const normalizer_state *s, tap_string x) {
    size_t i = (size_t)tap_hash_bytes(x.s, x.n) & (s->n_slots - 1);
    while (s->slot[i].s && !tap_string_equal(s->slot[i], x)) i = (i + 1) & (s->n_slots - 1);
    return i;
}

static tap_status stop_words(tap_ctx *ctx, normalizer_state *s) {
    const tap_string *word = tap_attr_strings(ctx, "stopwords", &s->n_stop);
    if (s->n_stop == 0) return TAP_OK;
    for (s->n_slots = 4; s->n_slots < 2 * s->n_stop;) s->n_slots *= 2;
    s->slot = tap_state(ctx, s->n_slots * sizeof *s->slot);
    if (!s->slot) return TAP_MEMORY;
    for (size_t i = 0; i < s->n_stop; i++) {
        size_t n = change_case(word[i], s->compare, s->turkic, NULL);
        char *bytes = tap_state(ctx, n + 1);
        if (!bytes) return TAP_MEMORY;
        change_case(word[i], s->compare, s->turkic, bytes);
        tap_string x = {bytes, n};
        s->slot[slot_of(s, x)] = x;
    }
    return TAP_OK;
}

static tap_status normalizer_prepare(tap_ctx *ctx, void **state) {
    static const char *const actions[] = {"NONE", "LOWER", "UPPER", NULL};
    normalizer_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    int action = tap_attr_choice(ctx, "case_change_action", "NONE", actions);
    s->change = (letter_case)(action < 0 ? CASE_NONE : action);
    s->compare = tap_attr_int(ctx, "is_case_sensitive", 0) ? CASE_NONE : CASE_LOWER;
    s->turkic = is_turkic(tap_attr_string(ctx, "locale", "en_US"));
    return stop_words(ctx, s);
}

static tap_status normalizer_infer(tap_ctx *ctx) {
    const normalizer_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0);
    if (!x || x->rank < 0) return tap_out_type(ctx, 0, TAP_STRING, -1, NULL);
    if (x->rank != 1 && (x->rank != 2 || (x->dims[0] != 1 && x->dims[0] != -1)))
        return tap_fail(ctx, TAP_MODEL, "the input has to have the shape [C] or [1,C]");
    int64_t dims[2] = {1, 1}, *c = &dims[x->rank - 1];
    *c = x->dims[x->rank - 1];
    if (*c == 0)
        *c = 1;
    else if (s->n_stop > 0)
        *c = -1;
    return tap_out_type(ctx, 0, TAP_STRING, x->rank, dims);
}

/* Whether x is a stop word. room: scratch for x in the case of comparison. */
static bool is_stop_word(const normalizer_state *s, tap_string x, char *room) {
    if (s->n_stop == 0) return false;
    if (s->compare != CASE_NONE) x = (tap_string){room, change_case(x, s->compare, s->turkic, room)};
    return s->slot[slot_of(s, x)].s != NULL;
}

/* Scratch for the longest string in the case of comparison. */
static char *compare_room(tap_ctx *ctx, const normalizer_state *s, const tap_string *x, int64_t n) {
    size_t most = 1;
    for (int64_t i = 0; i < n && s->n_stop > 0; i++) {
        size_t len = change_case(x[i], s->compare, s->turkic, NULL);
        if (len > most) most = len;
    }
    return tap_scratch(ctx, most);
}

static tap_status normalize(tap_ctx *ctx, const normalizer_state *s, tap_string x, tap_string *y) {
    *y = x;
    if (s->change == CASE_NONE) return TAP_OK;
    y->n = change_case(x, s->change, s->turkic, NULL);
    char *bytes = tap_string_bytes(ctx, y->n);
    if (!bytes) return TAP_MEMORY;
    change_case(x, s->change, s->turkic, bytes);
    y->s = bytes;
    return TAP_OK;
}

static tap_status normalizer_run(tap_ctx *ctx) {
    const normalizer_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    const tap_string *string = x->data;
    char *room = compare_room(ctx, s, string, x->count);
    int64_t *kept = tap_scratch(ctx, (size_t)x->count * sizeof *kept), n = 0;
    if (!room || !kept) return TAP_MEMORY;
    for (int64_t i = 0; i < x->count; i++)
        if (!is_stop_word(s, string[i], room)) kept[n++] = i;
    int64_t dims[2] = {1, 1};
    dims[x->rank - 1] = tap_max64(1, n);
    tap_tensor *y = tap_out(ctx, 0, TAP_STRING, x->rank, dims);
    if (!y) return TAP_MEMORY;
    tap_string *out = y->data;
    out[0] = (tap_string){"", 0};
    tap_status status = TAP_OK;
    for (int64_t i = 0; i < n && status == TAP_OK; i++) status = normalize(ctx, s, string[kept[i]], &out[i]);
    return status;
}

/* clang-format off */
static const tap_op ops[] = {
    {.name = "StringConcat", .since = 20, .in_min = 2, .in_max = 2, .out_min = 1, .out_max = 1,
     .dtypes = TAP_BIT(TAP_STRING), .infer = concat_infer, .run = concat_run},
    {.name = "StringSplit", .since = 20, .in_min = 1, .in_max = 1, .out_min = 2, .out_max = 2,
     .dtypes = TAP_BIT(TAP_STRING), .prepare = split_prepare, .infer = split_infer, .run = split_run},
    {.name = "StringNormalizer", .since = 10, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
     .dtypes = TAP_BIT(TAP_STRING), .prepare = normalizer_prepare, .infer = normalizer_infer, .run = normalizer_run,
     .notes = "Letters change case as Unicode has it, one for one, in any locale; the locales tr and az have i with and without "
              "a dot. No locale need be installed."},
    {0},
};
/* clang-format on */

TAP_DEFINE_FAMILY(strings, ops);
