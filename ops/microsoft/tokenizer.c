/* Tokenizer of com.microsoft: strings cut into tokens, at separators or where an expression matches, along a
 * new last axis. */
#include <string.h>

#include "common/shape.h"
#include "common/utf8.h"
#include "microsoft/microsoft.h"
#include "regex.h"

typedef struct tokenizer {
    bool mark, by_character;
    int64_t least; /* characters of a token */
    tap_string pad;
    tap_regex *expression; /* of tokens; NULL: separators cut */
    tap_regex **separators;
    size_t n_separators;
} tokenizer;

static tap_status compile(tap_ctx *ctx, tap_string pattern, tap_regex **out) {
#ifdef TAP_HAVE_RE2
    char message[512] = "";
    *out = tap_regex_new(pattern.s ? pattern.s : "", pattern.n, true, message, sizeof message);
    if (*out) return TAP_OK;
    return tap_fail(ctx, TAP_MODEL, "'%.*s' is no regular expression of RE2: %s", (int)pattern.n, pattern.s,
                    message);
#else
    (void)pattern, *out = NULL;
    return tap_fail(ctx, TAP_UNSUPPORTED,
                    "this onnxtap was built without libre2, which it needs for regular expressions");
#endif
}

static bool is(tap_string s, const char *text) {
    return tap_string_equal(s, (tap_string){text, strlen(text)});
}

static tap_status prepare_cuts(tap_ctx *ctx, tokenizer *s) {
    size_t n;
    const tap_string *separators = tap_attr_strings(ctx, "separators", &n);
    const bool expression = tap_attr_has(ctx, "tokenexp");
    const tap_string token = tap_attr_bytes(ctx, "tokenexp");
    if (expression == (n > 0))
        return tap_fail(ctx, TAP_MODEL, "one of separators and tokenexp must be given, and not both");
    s->by_character = expression ? is(token, ".") : n == 1 && separators[0].n == 0;
    if (s->by_character) {
        if (s->least == 1) return TAP_OK;
        return tap_fail(ctx, TAP_MODEL, "mincharnum is %lld, but tokens are single characters",
                        (long long)s->least);
    }
    if (expression) return compile(ctx, token, &s->expression);
    if (!(s->separators = tap_state(ctx, n * sizeof *s->separators))) return TAP_MEMORY;
    for (; s->n_separators < n; s->n_separators++) {
        tap_status st = compile(ctx, separators[s->n_separators], &s->separators[s->n_separators]);
        if (st != TAP_OK) return st;
    }
    return TAP_OK;
}

static tap_status prepare(tap_ctx *ctx, void **state) {
    tokenizer *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    static const char *const needed[] = {"mark", "mincharnum", "pad_value"};
    for (size_t i = 0; i < TAP_COUNT_OF(needed); i++)
        if (!tap_attr_has(ctx, needed[i]))
            return tap_fail(ctx, TAP_MODEL, "attribute %s is missing", needed[i]);
    s->mark = tap_attr_int(ctx, "mark", 0) != 0;
    s->least = tap_attr_int(ctx, "mincharnum", 0);
    s->pad = tap_attr_bytes(ctx, "pad_value");
    if (s->least < 1)
        return tap_fail(ctx, TAP_MODEL, "mincharnum is %lld; it must be positive", (long long)s->least);
    return prepare_cuts(ctx, s);
}

static void release(void *state) {
    tokenizer *s = state;
    if (s && s->expression) tap_regex_free(s->expression);
    for (size_t i = 0; s && i < s->n_separators; i++) tap_regex_free(s->separators[i]);
}

static tap_status infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    tap_status st = tap_need_rank(ctx, 0, 1, 2, "X");
    if (st) return st;
    if (!x || x->rank < 0) return tap_out_type(ctx, 0, TAP_STRING, -1, NULL);
    /* Without strings there is no new axis. */
    bool unknown = false;
    for (int d = 0; d < x->rank; d++) {
        if (x->dims[d] == 0) return tap_out_type(ctx, 0, TAP_STRING, x->rank, x->dims);
        unknown = unknown || x->dims[d] < 0;
    }
    const int64_t dims[3] = {x->dims[0], x->rank == 2 ? x->dims[1] : -1, -1};
    return tap_out_type(ctx, 0, TAP_STRING, unknown ? -1 : x->rank + 1, dims);
}

/* ---- Cutting ---- */

/* Tokens of all strings, counted (to NULL) or written down. */
typedef struct sink {
    tap_string *to; /* NULL: only counted */
    int64_t n;
} sink;

static void put(sink *k, const char *s, size_t n) {
    if (k->to) k->to[k->n] = (tap_string){s, n};
    k->n++;
}

static size_t character(const char *s, size_t n) {
    uint32_t code;
    return tap_utf8_get(s, n, &code);
}

static int64_t characters(const char *s, size_t n) {
    int64_t count = 0;
    for (size_t i = 0; i < n; i += character(s + i, n - i)) count++;
    return count;
}

static void put_long(const tokenizer *t, sink *k, const char *s, size_t n) {
    if (characters(s, n) >= t->least) put(k, s, n);
}

/* The matches of the expression. */
static void take_matches(const tokenizer *t, tap_string x, sink *k) {
    size_t begin, end;
    for (size_t at = 0; at <= x.n && tap_regex_find(t->expression, x.s, x.n, at, &begin, &end);) {
        if (end > begin) put_long(t, k, x.s + begin, end - begin);
        at = end > begin ? end : end < x.n ? end + character(x.s + end, x.n - end) : x.n + 1;
    }
}

/* What lies between matches of separator i and those behind it. */
static void cut(const tokenizer *t, size_t i, const char *s, size_t n, sink *k) {
    size_t at = 0, from = 0, begin, end;
    if (i == t->n_separators) {
        put_long(t, k, s, n);
        return;
    }
    while (from <= n && tap_regex_find(t->separators[i], s, n, from, &begin, &end)) {
        if (end == begin) {
            from = end < n ? end + character(s + end, n - end) : n + 1;
            if (begin == 0 || begin == n) continue;
        } else {
            from = end;
        }
        if (begin > at) cut(t, i + 1, s + at, begin - at, k);
        at = end;
    }
    if (n > at) cut(t, i + 1, s + at, n - at, k);
}

static void tokens_of(const tokenizer *t, tap_string x, sink *k) {
    if (!x.n) return;
    if (t->by_character)
        for (size_t i = 0, n; i < x.n; i += n) put(k, x.s + i, n = character(x.s + i, x.n - i));
    else if (t->expression)
        take_matches(t, x, k);
    else
        cut(t, 0, x.s, x.n, k);
}

static tap_status run(tap_ctx *ctx) {
    static const char begin[] = "\x02", end[] = "\x03";
    const tokenizer *t = ctx->state;
    const tap_tensor *x = ctx->in[0];
    const tap_string *strings = x->data;
    const int64_t marks = t->mark ? 2 : 0;
    int64_t most = 0;
    if (x->count == 0) return tap_out(ctx, 0, TAP_STRING, x->rank, x->dims) ? TAP_OK : TAP_MEMORY;
    for (int64_t i = 0; i < x->count; i++) {
        sink k = {NULL, 0};
        tokens_of(t, strings[i], &k);
        most = tap_max64(most, k.n);
    }
    const int64_t columns = most ? most + marks : 0;
    const int64_t dims[3] = {x->dims[0], x->rank == 2 ? x->dims[1] : columns, columns};
    tap_tensor *y = tap_out(ctx, 0, TAP_STRING, x->rank + 1, dims);
    if (!y) return TAP_MEMORY;
    for (int64_t i = 0; i < x->count && columns; i++) {
        sink k = {(tap_string *)y->data + i * columns, 0};
        if (t->mark) put(&k, begin, 1);
        tokens_of(t, strings[i], &k);
        if (t->mark) put(&k, end, 1);
        while (k.n < columns) put(&k, t->pad.s, t->pad.n);
    }
    return TAP_OK;
}

static const tap_op ops[] = {
    {TAP_MS_ROW("Tokenizer", 1, 1, 1, 1), .dtypes = TAP_BIT(TAP_STRING), .prepare = prepare, .infer = infer,
     .run = run, .release = release,
     .notes = "By libre2; a build without it refuses all but single characters as tokens."},
    {0},
};

TAP_DEFINE_FAMILY(microsoft_tokenizer, ops);
