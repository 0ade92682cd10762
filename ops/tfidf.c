/* TfIdfVectorizer: counts the n-grams of a pool in rows of tokens, also those with gaps. */
#include <string.h>

#include "common/types.h"
#include "common/utf8.h"

enum { MODE_TF, MODE_IDF, MODE_TFIDF };

/* The pool as a tree: an edge is a token that follows what its node stands for. Node 0 is the root. Tokens
 * are numbered from 0; those of the input that no n-gram has are NO_TOKEN. Both tables are open hash tables,
 * at most half full. */
enum { NO_TOKEN = -1, NO_GRAM = -1 };

typedef struct token_slot {
    tap_string string; /* of a pool of strings */
    int64_t number;    /* of a pool of numbers */
    int32_t token;     /* NO_TOKEN: free       */
} token_slot;

typedef struct edge {
    int32_t node, token; /* token NO_TOKEN: free                                  */
    int32_t to;
    int32_t gram; /* the n-gram that ends here, or NO_GRAM                 */
} edge;

typedef struct tfidf_state {
    int mode;
    int64_t min_length, max_length, max_skip;
    bool strings;
    size_t n_slots, n_edges; /* sizes of the tables, powers of two                    */
    token_slot *slot;
    edge *edges;
    int32_t n_tokens, n_nodes;
    size_t n_grams;
    const int64_t *column; /* of the output, per n-gram                             */
    const float *weight;   /* per n-gram; NULL: 1                                   */
    int64_t n_columns;
} tfidf_state;

/* ---- the pool ------------------------------------------------------------------------------------------ */

static uint64_t mixed(uint64_t x) {
    x *= 0x9E3779B97F4A7C15u;
    return x ^ x >> 32;
}

/* The slot of a token: where it is, or a free one. */
static token_slot *token_at(const tfidf_state *s, tap_string string, int64_t number) {
    uint64_t h = s->strings ? tap_hash_bytes(string.s, string.n) : mixed((uint64_t)number);
    for (size_t i = (size_t)h & (s->n_slots - 1);; i = (i + 1) & (s->n_slots - 1)) {
        token_slot *t = &s->slot[i];
        if (t->token == NO_TOKEN) return t;
        if (s->strings ? tap_string_equal(t->string, string) : t->number == number) return t;
    }
}

static edge *edge_at(const tfidf_state *s, int32_t node, int32_t token) {
    uint64_t key = (uint64_t)(uint32_t)node << 32 | (uint32_t)token;
    for (size_t i = (size_t)mixed(key) & (s->n_edges - 1);; i = (i + 1) & (s->n_edges - 1)) {
        edge *e = &s->edges[i];
        if (e->token == NO_TOKEN || (e->node == node && e->token == token)) return e;
    }
}

static int32_t add_token(tfidf_state *s, tap_string string, int64_t number) {
    token_slot *t = token_at(s, string, number);
    if (t->token == NO_TOKEN) *t = (token_slot){string, number, s->n_tokens++};
    return t->token;
}

/* Follows the edge from *node, made where there is none. */
static edge *add_edge(tfidf_state *s, int32_t *node, int32_t token) {
    edge *e = edge_at(s, *node, token);
    if (e->token == NO_TOKEN) *e = (edge){*node, token, ++s->n_nodes, NO_GRAM};
    *node = e->to;
    return e;
}

typedef struct pool {
    const tap_string *strings;
    const int64_t *numbers;
    size_t n;
} pool;

static tap_status read_pool(tap_ctx *ctx, tfidf_state *s, pool *p) {
    size_t n_strings, n_numbers;
    p->strings = tap_attr_strings(ctx, "pool_strings", &n_strings);
    p->numbers = tap_attr_ints(ctx, "pool_int64s", &n_numbers);
    if ((n_strings > 0) == (n_numbers > 0))
        return tap_fail(ctx, TAP_MODEL,
                        "one of the attributes pool_strings and pool_int64s has to be given, and not both");
    s->strings = n_strings > 0;
    p->n = n_strings + n_numbers;
    if (p->n > INT32_MAX / 4) return tap_fail(ctx, TAP_UNSUPPORTED, "a pool of %zu tokens", p->n);
    return TAP_OK;
}

/* Tables with room for all tokens of the pool. */
static tap_status make_tables(tap_ctx *ctx, tfidf_state *s, size_t n) {
    for (s->n_slots = 4; s->n_slots < 2 * n;) s->n_slots *= 2;
    s->n_edges = s->n_slots;
    s->slot = tap_state(ctx, s->n_slots * sizeof *s->slot);
    s->edges = tap_state(ctx, s->n_edges * sizeof *s->edges);
    if (!s->slot || !s->edges) return TAP_MEMORY;
    for (size_t i = 0; i < s->n_slots; i++) s->slot[i].token = NO_TOKEN;
    for (size_t i = 0; i < s->n_edges; i++) s->edges[i].token = NO_TOKEN;
    return TAP_OK;
}

/* Puts the n-grams of `length` tokens, pool[begin..end), into the tree. *gram: number of the next. */
static tap_status add_grams(tap_ctx *ctx, tfidf_state *s, const pool *p, size_t begin, size_t end,
                            int64_t length, size_t *gram) {
    bool wanted = length >= s->min_length && length <= s->max_length;
    for (size_t at = begin; at < end; ++*gram) {
        int32_t node = 0;
        edge *e = NULL;
        for (int64_t k = 0; k < length; k++, at++) {
            if (!wanted) continue;
            tap_string string = s->strings ? p->strings[at] : (tap_string){"", 0};
            e = add_edge(s, &node, add_token(s, string, s->strings ? 0 : p->numbers[at]));
        }
        if (!e) continue;
        if (e->gram != NO_GRAM)
            return tap_fail(ctx, TAP_MODEL, "the pool has an n-gram twice, as %d and %zu", e->gram, *gram);
        e->gram = (int32_t)*gram;
    }
    return TAP_OK;
}

/* counts[k]: where the n-grams of k + 1 tokens begin in the pool. */
static tap_status read_grams(tap_ctx *ctx, tfidf_state *s, const pool *p) {
    size_t n_counts, gram = 0;
    const int64_t *counts = tap_attr_ints(ctx, "ngram_counts", &n_counts);
    if (s->max_length > (int64_t)n_counts)
        return tap_fail(ctx, TAP_MODEL, "max_gram_length is %lld, and ngram_counts has %zu entries",
                        (long long)s->max_length, n_counts);
    for (size_t k = 0; k < n_counts; k++) {
        int64_t begin = counts[k], end = k + 1 < n_counts ? counts[k + 1] : (int64_t)p->n,
                length = (int64_t)k + 1;
        if (begin < 0 || begin > end || end > (int64_t)p->n || (k == 0 && begin != 0) ||
            (end - begin) % length != 0)
            return tap_fail(ctx, TAP_MODEL,
                            "ngram_counts[%zu] is %lld, which does not fit the pool of %zu tokens", k,
                            (long long)begin, p->n);
        tap_status status = add_grams(ctx, s, p, (size_t)begin, (size_t)end, length, &gram);
        if (status != TAP_OK) return status;
    }
    s->n_grams = gram;
    return TAP_OK;
}

static tap_status read_columns(tap_ctx *ctx, tfidf_state *s) {
    size_t n_columns, n_weights;
    s->column = tap_attr_ints(ctx, "ngram_indexes", &n_columns);
    s->weight = tap_attr_floats(ctx, "weights", &n_weights);
    if (n_columns != s->n_grams || (s->weight && n_weights != s->n_grams))
        return tap_fail(ctx, TAP_MODEL,
                        "the pool has %zu n-grams; ngram_indexes has %zu entries, and weights %zu",
                        s->n_grams, n_columns, n_weights);
    for (size_t i = 0; i < n_columns; i++) {
        if (s->column[i] < 0 || s->column[i] == INT64_MAX)
            return tap_fail(ctx, TAP_MODEL, "ngram_indexes[%zu] is %lld", i, (long long)s->column[i]);
        s->n_columns = tap_max64(s->n_columns, s->column[i] + 1);
    }
    return TAP_OK;
}

static tap_status tfidf_prepare(tap_ctx *ctx, void **state) {
    static const char *const modes[] = {"TF", "IDF", "TFIDF", NULL};
    tfidf_state *s = tap_state(ctx, sizeof *s);
    pool p = {NULL, NULL, 0};
    if (!s) return TAP_MEMORY;
    *state = s;
    s->mode = tap_attr_choice(ctx, "mode", "", modes);
    s->min_length = tap_attr_int(ctx, "min_gram_length", 0);
    s->max_length = tap_attr_int(ctx, "max_gram_length", 0);
    s->max_skip = tap_attr_int(ctx, "max_skip_count", 0);
    if (!tap_attr_has(ctx, "max_skip_count"))
        return tap_fail(ctx, TAP_MODEL, "attribute max_skip_count is missing");
    if (s->min_length < 1 || s->max_length < s->min_length || s->max_skip < 0)
        return tap_fail(ctx, TAP_MODEL, "n-grams of %lld to %lld tokens, gaps up to %lld",
                        (long long)s->min_length, (long long)s->max_length, (long long)s->max_skip);
    tap_status status = read_pool(ctx, s, &p);
    if (status == TAP_OK) status = make_tables(ctx, s, p.n);
    if (status == TAP_OK) status = read_grams(ctx, s, &p);
    return status == TAP_OK ? read_columns(ctx, s) : status;
}

/* ---- infer, run ---------------------------------------------------------------------------------------- */

static tap_status tfidf_infer(tap_ctx *ctx) {
    const tfidf_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0);
    if (x && x->dtype != TAP_UNDEFINED && (x->dtype == TAP_STRING) != s->strings)
        return tap_fail(ctx, TAP_MODEL, "the pool has %s, and the input is %s",
                        s->strings ? "strings" : "integers", tap_dtype_name(x->dtype));
    if (!x || x->rank < 0) return tap_out_type(ctx, 0, TAP_FLOAT, -1, NULL);
    if (x->rank != 1 && x->rank != 2)
        return tap_fail(ctx, TAP_MODEL, "the input has to have the shape [C] or [N,C]");
    int64_t dims[2] = {x->dims[0], s->n_columns};
    return x->rank == 2 ? tap_out_type(ctx, 0, TAP_FLOAT, 2, dims)
                        : tap_out_type(ctx, 0, TAP_FLOAT, 1, dims + 1);
}

typedef struct tfidf {
    const tfidf_state *s;
    const tap_tensor *x;
    float *y;         /* y[rows][n_columns]                */
    int64_t length;   /* tokens of a row                   */
    int32_t *tokens;  /* tokens[worker][length]            */
    uint32_t *counts; /* counts[worker][n_grams]           */
} tfidf;

static int32_t token_of(const tfidf_state *s, const tap_tensor *x, int64_t i) {
    if (x->dtype == TAP_STRING) return token_at(s, ((const tap_string *)x->data)[i], 0)->token;
    int64_t number = x->dtype == TAP_INT32 ? ((const int32_t *)x->data)[i] : ((const int64_t *)x->data)[i];
    return token_at(s, (tap_string){"", 0}, number)->token;
}

/* Counts the n-grams that begin at `begin`, of at least `least` tokens, each `step` behind the one before. */
static void count_from(const tfidf_state *s, const int32_t *token, int64_t length, int64_t begin,
                       int64_t step, int64_t least, uint32_t *counts) {
    int32_t node = 0;
    int64_t at = begin;
    for (int64_t n = 1; n <= s->max_length; n++, at += step) {
        if (token[at] == NO_TOKEN) return;
        const edge *e = edge_at(s, node, token[at]);
        if (e->token == NO_TOKEN) return;
        if (n >= least && e->gram != NO_GRAM) counts[e->gram]++;
        node = e->to;
        if (step >= length - at) return;
    }
}

static void count_row(const tfidf_state *s, const int32_t *token, int64_t length, uint32_t *counts) {
    int64_t last_step = tap_min64(s->max_skip, length - 1) + 1;
    for (int64_t step = 1; step <= last_step; step++) {
        /* A single token has no gaps: it is counted once. */
        int64_t least = step > 1 ? tap_max64(2, s->min_length) : s->min_length;
        if (least > s->max_length) return;
        for (int64_t begin = 0; begin < length; begin++)
            count_from(s, token, length, begin, step, least, counts);
    }
}

static void weigh_row(const tfidf_state *s, const uint32_t *counts, float *y) {
    memset(y, 0, (size_t)s->n_columns * sizeof *y);
    for (size_t i = 0; i < s->n_grams; i++) {
        if (counts[i] == 0) continue;
        float n = s->mode == MODE_IDF ? 1.0f : (float)counts[i];
        y[s->column[i]] += s->mode != MODE_TF && s->weight ? n * s->weight[i] : n;
    }
}

static void tfidf_rows(void *arg, int64_t begin, int64_t end, int worker) {
    const tfidf *t = arg;
    int32_t *token = t->tokens + worker * t->length;
    uint32_t *counts = t->counts + (size_t)worker * t->s->n_grams;
    for (int64_t row = begin; row < end; row++) {
        memset(counts, 0, t->s->n_grams * sizeof *counts);
        for (int64_t i = 0; i < t->length; i++) token[i] = token_of(t->s, t->x, row * t->length + i);
        if (t->length > 0) count_row(t->s, token, t->length, counts);
        weigh_row(t->s, counts, t->y + row * t->s->n_columns);
    }
}

static tap_status tfidf_run(tap_ctx *ctx) {
    tfidf t = {.s = ctx->state, .x = ctx->in[0], .y = ctx->out[0]->data};
    t.length = t.x->dims[t.x->rank - 1];
    size_t n = (size_t)tap_workers(ctx);
    t.tokens = tap_scratch(ctx, n * (size_t)t.length * sizeof *t.tokens);
    t.counts = tap_scratch(ctx, n * t.s->n_grams * sizeof *t.counts);
    if (!t.tokens || !t.counts) return TAP_MEMORY;
    tap_parallel(ctx, t.x->rank == 2 ? t.x->dims[0] : 1, 1, tfidf_rows, &t);
    return TAP_OK;
}

/* clang-format off */
static const tap_op ops[] = {
    {.name = "TfIdfVectorizer", .since = 9, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
     .dtypes = TAP_BIT(TAP_STRING) | TAP_BIT(TAP_INT32) | TAP_BIT(TAP_INT64),
     .prepare = tfidf_prepare, .infer = tfidf_infer, .run = tfidf_run},
    {0},
};
/* clang-format on */

TAP_DEFINE_FAMILY(tfidf, ops);
