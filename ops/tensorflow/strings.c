/* TensorFlow's text: StaticRegexReplace, StaticRegexFullMatch, StringJoin, StringLower, StringUpper,
 * StringLength, StringStrip, StringSplitV2. */
#include <string.h>

#include "common/shape.h"
#include "common/utf8.h"
#include "regex.h"
#include "tensorflow/tensorflow.h"
#include "unicode_case.h"

static tap_status text_infer(tap_ctx *ctx) {
    tap_status st = tap_need_dtype(ctx, 0, TAP_BIT(TAP_STRING), "the text");
    return st ? st : tap_out_like(ctx, 0, tap_in_type(ctx, 0));
}

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Bytes for a new string; y gets them. */
static char *new_text(tap_ctx *ctx, tap_string *y, size_t n) {
    char *s = tap_string_bytes(ctx, n);
    *y = (tap_string){s, n};
    return s;
}

#ifdef TAP_HAVE_RE2

typedef struct pattern {
    tap_regex *regex;
    tap_string rewrite;
    int last_group; /* that the rewrite uses */
    bool once;
} pattern;

/* The highest group that a rewrite uses (\\2); -1: it is none. */
static int highest_group(tap_string rewrite) {
    int highest = 0;
    for (size_t i = 0; i < rewrite.n; i++) {
        if (rewrite.s[i] != '\\') continue;
        if (++i == rewrite.n) return -1;
        const char c = rewrite.s[i];
        if (c != '\\' && (c < '0' || c > '9')) return -1;
        if (c != '\\' && c - '0' > highest) highest = c - '0';
    }
    return highest;
}

static tap_status pattern_prepare(tap_ctx *ctx, void **state) {
    pattern *s = tap_state(ctx, sizeof *s);
    char message[512] = "";
    if (!s) return TAP_MEMORY;
    *state = s;
    const tap_string p = tap_attr_bytes(ctx, "pattern");
    if (strcmp(tap_ctx_op(ctx)->name, "StaticRegexReplace") == 0) {
        s->rewrite = tap_attr_bytes(ctx, "rewrite");
        s->once = tap_attr_int(ctx, "replace_global", 1) == 0;
        s->last_group = highest_group(s->rewrite);
        if (s->last_group < 0)
            return tap_fail(ctx, TAP_MODEL,
                            "attribute rewrite, '%.*s', has a \\ without a digit or another one",
                            (int)tap_min64((int64_t)s->rewrite.n, 200), s->rewrite.s);
    }
    s->regex = tap_regex_new(p.s ? p.s : "", p.n, false, message, sizeof message);
    if (!s->regex)
        return tap_fail(ctx, TAP_MODEL, "attribute pattern is no regular expression of RE2: %s", message);
    if (s->last_group <= tap_regex_n_groups(s->regex)) return TAP_OK;
    return tap_fail(ctx, TAP_MODEL, "attribute rewrite uses group %d, the pattern has %d", s->last_group,
                    tap_regex_n_groups(s->regex));
}

static void pattern_release(void *state) {
    pattern *s = state;
    if (s && s->regex) tap_regex_free(s->regex);
}

static tap_status match_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    return tap_out_type(ctx, 0, TAP_BOOL, x->rank, x->dims);
}

static tap_status match_run(tap_ctx *ctx) {
    const pattern *s = ctx->state;
    const tap_string *x = ctx->in[0]->data;
    bool *y = ctx->out[0]->data;
    for (int64_t i = 0; i < ctx->in[0]->count; i++)
        y[i] = tap_regex_matches(s->regex, x[i].n ? x[i].s : "", x[i].n);
    return TAP_OK;
}

/* What stands for a match in x, \\0 being the match itself and \\1 what its first group matched, to `to`
 * unless that is NULL. */
static size_t rewrite(const pattern *s, const char *x, const size_t *bounds, char *to) {
    size_t n = 0;
    for (size_t i = 0; i < s->rewrite.n; i++) {
        if (s->rewrite.s[i] != '\\' || s->rewrite.s[++i] == '\\') {
            if (to) to[n] = s->rewrite.s[i];
            n++;
            continue;
        }
        const size_t *group = bounds + 2 * (s->rewrite.s[i] - '0'), length = group[1] - group[0];
        if (to && length) memcpy(to + n, x + group[0], length);
        n += length;
    }
    return n;
}

/* x with its matches replaced, as RE2's GlobalReplace does it: an empty match right behind another one is
 * none. */
static size_t replace(const pattern *s, tap_string x, char *to) {
    size_t n = 0, at = 0, last = SIZE_MAX, bounds[2 * TAP_REGEX_GROUPS];
    const char *text = x.n ? x.s : "";
    for (size_t from = 0; from <= x.n && tap_regex_find_groups(s->regex, text, x.n, from, bounds);) {
        const size_t begin = bounds[0], end = bounds[1];
        if (to && begin > at) memcpy(to + n, text + at, begin - at);
        n += begin - at;
        at = begin;
        if (begin == end && begin == last) { /* step over a character */
            if (begin >= x.n) break;
            size_t step = 1;
            while (begin + step < x.n && ((unsigned char)text[begin + step] & 0xc0) == 0x80) step++;
            if (to) memcpy(to + n, text + begin, step);
            n += step;
            from = at = begin + step;
            last = SIZE_MAX;
            continue;
        }
        n += rewrite(s, text, bounds, to ? to + n : NULL);
        from = at = last = end;
        if (s->once) break;
    }
    if (to && at < x.n) memcpy(to + n, text + at, x.n - at);
    return n + x.n - at;
}

static tap_status replace_run(tap_ctx *ctx) {
    const pattern *s = ctx->state;
    const tap_string *x = ctx->in[0]->data;
    tap_string *y = ctx->out[0]->data;
    for (int64_t i = 0; i < ctx->in[0]->count; i++) {
        char *to = new_text(ctx, &y[i], replace(s, x[i], NULL));
        if (!to) return TAP_MEMORY;
        replace(s, x[i], to);
    }
    return TAP_OK;
}

#else

static tap_status pattern_prepare(tap_ctx *ctx, void **state) {
    *state = NULL;
    return tap_fail(ctx, TAP_UNSUPPORTED,
                    "this onnxtap was built without libre2, which regular expressions need");
}
#define pattern_release NULL
#define match_infer     NULL
#define match_run       NULL
#define replace_run     NULL

#endif

/* ---- StringJoin: texts of one shape, or single ones ---------------------------------------------------- */

typedef struct separator {
    tap_string s;
} separator;

static tap_status join_prepare(tap_ctx *ctx, void **state) {
    separator *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->s = tap_attr_bytes(ctx, "separator");
    return TAP_OK;
}

static tap_status join_infer(tap_ctx *ctx) {
    tap_status st = TAP_OK;
    for (int i = 0; i < ctx->n_in && !st; i++) st = tap_need_dtype(ctx, i, TAP_BIT(TAP_STRING), "a text");
    return st ? st : tap_out_broadcast(ctx, 0, TAP_STRING, 0, ctx->n_in - 1);
}

static tap_status join_run(tap_ctx *ctx) {
    const separator *s = ctx->state;
    tap_string *y = ctx->out[0]->data;
    for (int k = 0; k < ctx->n_in; k++)
        if (ctx->in[k]->rank != 0 && ctx->in[k]->count != ctx->out[0]->count)
            return tap_fail(ctx, TAP_RUN, "input %d is neither a scalar nor of the others' shape", k);
    for (int64_t i = 0; i < ctx->out[0]->count; i++) {
        size_t n = (size_t)(ctx->n_in - 1) * s->s.n, at = 0;
        for (int k = 0; k < ctx->n_in; k++)
            n += ((const tap_string *)ctx->in[k]->data)[ctx->in[k]->rank ? i : 0].n;
        char *to = new_text(ctx, &y[i], n);
        if (!to) return TAP_MEMORY;
        for (int k = 0; k < ctx->n_in; k++) {
            const tap_string *x = (const tap_string *)ctx->in[k]->data + (ctx->in[k]->rank ? i : 0);
            if (k && s->s.n) memcpy(to + at, s->s.s, s->s.n);
            at += k ? s->s.n : 0;
            if (x->n) memcpy(to + at, x->s, x->n);
            at += x->n;
        }
    }
    return TAP_OK;
}

/* ---- Letters and spaces ---------------------------------------------------------------------------------
 */

static tap_status case_prepare(tap_ctx *ctx, void **state) {
    static const char *const encodings[] = {"", "utf-8", NULL};
    bool *unicode = tap_state(ctx, sizeof *unicode);
    if (!unicode) return TAP_MEMORY;
    *state = unicode;
    *unicode = tap_attr_choice(ctx, "encoding", "", encodings) == 1;
    return TAP_OK;
}

/* Letters that become several. */
static const struct {
    uint32_t code;
    const char *text;
} longer[] = {{0xDF, "SS"},    {0x149, "\xCA\xBCN"}, {0xFB00, "FF"}, {0xFB01, "FI"}, {0xFB02, "FL"},
              {0xFB03, "FFI"}, {0xFB04, "FFL"},      {0xFB05, "ST"}, {0xFB06, "ST"}};

static uint32_t mapped(uint32_t c, const tap_case_range *table, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (c >= table[i].first && c <= table[i].last && (c - table[i].first) % table[i].step == 0)
            return (uint32_t)((int64_t)c + table[i].delta);
    return c;
}

static bool has_case(uint32_t c) {
    return mapped(c, tap_to_lower, TAP_COUNT_OF(tap_to_lower)) != c ||
           mapped(c, tap_to_upper, TAP_COUNT_OF(tap_to_upper)) != c;
}

/* Whether a sigma at byte `at` of x, which takes two, ends a word. */
static bool ends_word(tap_string x, size_t at, bool after_letter) {
    uint32_t next = 0;
    if (at + 2 < x.n) tap_utf8_get(x.s + at + 2, x.n - at - 2, &next);
    return after_letter && !has_case(next);
}

/* x in the other case, as Unicode has it without a language, to `to` unless that is NULL. */
static size_t change_case(tap_string x, bool upper, char *to) {
    size_t n = 0;
    bool letter = false;
    for (size_t at = 0, step; at < x.n; at += step) {
        uint32_t c;
        char bytes[2 * TAP_UTF8_MAX];
        step = tap_utf8_get(x.s + at, x.n - at, &c);
        size_t m = 0;
        for (size_t i = 0; upper && i < TAP_COUNT_OF(longer); i++)
            if (longer[i].code == c) memcpy(bytes, longer[i].text, m = strlen(longer[i].text));
        if (!upper && c == 0x130) memcpy(bytes, "i\xCC\x87", m = 3);
        if (!upper && c == 0x3A3 && ends_word(x, at, letter)) m = tap_utf8_put(0x3C2, bytes);
        if (m == 0)
            m = tap_utf8_put(upper ? mapped(c, tap_to_upper, TAP_COUNT_OF(tap_to_upper))
                                   : mapped(c, tap_to_lower, TAP_COUNT_OF(tap_to_lower)),
                             bytes);
        if (to) memcpy(to + n, bytes, m);
        n += m;
        letter = has_case(c);
    }
    return n;
}

static tap_status case_run(tap_ctx *ctx) {
    const bool unicode = *(const bool *)ctx->state;
    const tap_string *x = ctx->in[0]->data;
    tap_string *y = ctx->out[0]->data;
    const char first = *(const char *)tap_ctx_op(ctx)->data;
    for (int64_t i = 0; i < ctx->in[0]->count; i++) {
        char *to = new_text(ctx, &y[i], unicode ? change_case(x[i], first == 'a', NULL) : x[i].n);
        if (!to) return TAP_MEMORY;
        if (unicode) change_case(x[i], first == 'a', to);
        for (size_t k = 0; k < x[i].n && !unicode; k++) {
            const char c = x[i].s[k];
            to[k] = c >= first && c < first + 26 ? (char)(c ^ 32) : c;
        }
    }
    return TAP_OK;
}

static tap_status strip_run(tap_ctx *ctx) {
    const tap_string *x = ctx->in[0]->data;
    tap_string *y = ctx->out[0]->data;
    for (int64_t i = 0; i < ctx->in[0]->count; i++) {
        size_t b = 0, e = x[i].n;
        while (b < e && is_space(x[i].s[b])) b++;
        while (e > b && is_space(x[i].s[e - 1])) e--;
        y[i] = e > b ? (tap_string){x[i].s + b, e - b} : (tap_string){"", 0};
    }
    return TAP_OK;
}

static tap_status length_prepare(tap_ctx *ctx, void **state) {
    static const char *const units[] = {"BYTE", "UTF8_CHAR", NULL};
    int *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    *s = tap_attr_choice(ctx, "unit", "BYTE", units);
    return TAP_OK;
}

static tap_status length_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    return tap_out_type(ctx, 0, TAP_INT32, x->rank, x->dims);
}

static tap_status length_run(tap_ctx *ctx) {
    const int *characters = ctx->state;
    const tap_string *x = ctx->in[0]->data;
    int32_t *y = ctx->out[0]->data;
    for (int64_t i = 0; i < ctx->in[0]->count; i++) {
        y[i] = *characters ? 0 : (int32_t)x[i].n;
        for (size_t k = 0; *characters && k < x[i].n; k++) y[i] += ((unsigned char)x[i].s[k] & 0xc0) != 0x80;
    }
    return TAP_OK;
}

/* ---- StringSplitV2: the words of all texts, where they stand, and how many there are --------------------
 */

typedef struct words {
    const tap_string *x;
    tap_string separator;
    int64_t most; /* cuts of one text; -1: any */
    int64_t n, row, column, widest;
    tap_string *values; /* NULL: only counted */
    int64_t *places;
} words;

static void add_word(words *w, const char *s, size_t n) {
    if (w->values) {
        w->values[w->n] = n ? (tap_string){s, n} : (tap_string){"", 0};
        w->places[2 * w->n] = w->row;
        w->places[2 * w->n + 1] = w->column;
    }
    w->n++;
    w->column++;
    if (w->column > w->widest) w->widest = w->column;
}

/* Without a separator: runs of white space, none in front. Behind the last cut that is allowed stands all
 * that is left, be it nothing. */
static void split_spaces(words *w, tap_string x) {
    size_t at = 0, end;
    for (;;) {
        while (at < x.n && is_space(x.s[at])) at++;
        if (w->most >= 0 && w->column == w->most) {
            add_word(w, x.s + at, x.n - at);
            return;
        }
        if (at == x.n) return;
        for (end = at; end < x.n && !is_space(x.s[end]);) end++;
        add_word(w, x.s + at, end - at);
        at = end;
    }
}

static void split_at(words *w, tap_string x) {
    const size_t m = w->separator.n;
    size_t at = 0;
    for (size_t k = 0; k + m <= x.n;) {
        if ((w->most >= 0 && w->column >= w->most) || memcmp(x.s + k, w->separator.s, m) != 0) {
            k++;
            continue;
        }
        add_word(w, x.s + at, k - at);
        at = k += m;
    }
    add_word(w, x.s + at, x.n - at);
}

static void split_all(words *w, int64_t n) {
    w->n = w->widest = 0;
    for (w->row = 0; w->row < n; w->row++) {
        const tap_string x = w->x[w->row].n ? w->x[w->row] : (tap_string){"", 0};
        w->column = 0;
        if (w->separator.n)
            split_at(w, x);
        else
            split_spaces(w, x);
    }
}

static tap_status split_prepare(tap_ctx *ctx, void **state) {
    int64_t *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    *s = tap_attr_int(ctx, "maxsplit", -1);
    if (*s == 0) *s = -1;
    return TAP_OK;
}

static tap_status split_infer(tap_ctx *ctx) {
    tap_status st = tap_need_rank(ctx, 0, 1, 1, "the text");
    if (!st) st = tap_need_dtype(ctx, 1, TAP_BIT(TAP_STRING), "the separator");
    if (!st) st = tap_need_one(ctx, 1, "the separator");
    if (!st) st = tap_out_type(ctx, 0, TAP_INT64, 2, (int64_t[]){-1, 2});
    if (!st) st = tap_out_type(ctx, 1, TAP_STRING, 1, (int64_t[]){-1});
    return st ? st : tap_out_type(ctx, 2, TAP_INT64, 1, (int64_t[]){2});
}

static tap_status split_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0];
    words w = {.x = x->data,
               .separator = *(const tap_string *)ctx->in[1]->data,
               .most = *(const int64_t *)ctx->state};
    split_all(&w, x->count);
    tap_tensor *places = tap_out(ctx, 0, TAP_INT64, 2, (int64_t[]){w.n, 2});
    tap_tensor *values = tap_out(ctx, 1, TAP_STRING, 1, (int64_t[]){w.n});
    tap_tensor *shape = tap_out(ctx, 2, TAP_INT64, 1, (int64_t[]){2});
    if (!places || !values || !shape) return TAP_MEMORY;
    w.values = values->data;
    w.places = places->data;
    split_all(&w, x->count);
    ((int64_t *)shape->data)[0] = x->count;
    ((int64_t *)shape->data)[1] = w.widest;
    return TAP_OK;
}

#define TEXT .dtypes = TAP_BIT(TAP_STRING)

static const tap_op ops[] = {
    {TAP_TF_ROW("StaticRegexReplace", 1, 1), TEXT, .prepare = pattern_prepare, .infer = text_infer,
     .run = replace_run, .release = pattern_release, .notes = "Needs libre2."},
    {TAP_TF_ROW("StaticRegexFullMatch", 1, 1), TEXT, .prepare = pattern_prepare, .infer = match_infer,
     .run = match_run, .release = pattern_release, .notes = "Needs libre2."},
    {.name = "StringJoin",
     .domain = TAP_TENSORFLOW,
     .since = 1,
     .in_min = 1,
     .in_max = -1,
     .out_min = 1,
     .out_max = 1,
     TEXT,
     .prepare = join_prepare,
     .infer = join_infer,
     .run = join_run},
    {TAP_TF_ROW("StringLower", 1, 1), TEXT, .prepare = case_prepare, .infer = text_infer, .run = case_run,
     .data = "A"},
    {TAP_TF_ROW("StringUpper", 1, 1), TEXT, .prepare = case_prepare, .infer = text_infer, .run = case_run,
     .data = "a"},
    {TAP_TF_ROW("StringStrip", 1, 1), TEXT, .infer = text_infer, .run = strip_run},
    {TAP_TF_ROW("StringLength", 1, 1), TEXT, .prepare = length_prepare, .infer = length_infer,
     .run = length_run},
    {TAP_TF_ROW("StringSplitV2", 2, 3), TEXT, .prepare = split_prepare, .infer = split_infer,
     .run = split_run},
    {0},
};

TAP_DEFINE_FAMILY(tensorflow_strings, ops);
