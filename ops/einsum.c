/* Einsum: sums of products of tensors whose dimensions are named by letters.
 *
 * A dimension's letter, or its place in the ellipsis, is a label. First each operand is summed over the
 * labels that nobody else has (a repeated label is its diagonal); then two operands at a time become one, the
 * cheapest pair first: a product of matrices where a label is summed over, else an outer product. Operands
 * are read where they lie as far as the matrix product can step through them. Halves are computed with in
 * float32, integers modulo 2^32 or 2^64. */
#include <string.h>

#include "common/contract.h"
#include "common/real.h"
#include "common/shape.h"

#define ELLIPSIS '.'

/* ---- The equation ---- */

/* Letters of a term; ELLIPSIS stands for any number of dimensions. */
typedef struct term {
    int n;
    bool ellipsis;
    char letter[TAP_RANK_MAX + 1];
} term;

typedef struct einsum_state {
    int n_terms;
    term *terms;
    term output;
} einsum_state;

/* Reads a term from *p up to a comma, an arrow or the end. */
static tap_status read_term(tap_ctx *ctx, const char **p, term *t) {
    *t = (term){0};
    for (; **p && **p != ',' && **p != '-'; ++*p) {
        char c = **p;
        if (c == ' ') continue;
        if (c == '.') {
            if (strncmp(*p, "...", 3) != 0)
                return tap_fail(ctx, TAP_MODEL, "equation: an ellipsis has three dots");
            if (t->ellipsis) return tap_fail(ctx, TAP_MODEL, "equation: two ellipses in one term");
            t->ellipsis = true;
            *p += 2;
        } else if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))) {
            return tap_fail(ctx, TAP_MODEL, "equation: '%c' is neither a letter nor an ellipsis", c);
        }
        if (t->n > TAP_RANK_MAX)
            return tap_fail(ctx, TAP_MODEL, "equation: a term has more than %d letters", TAP_RANK_MAX);
        t->letter[t->n++] = c;
    }
    return TAP_OK;
}

/* Without an arrow: the ellipsis, then the letters that occur once, in ASCII order. */
static tap_status implicit_output(tap_ctx *ctx, einsum_state *s) {
    int count[128] = {0};
    for (int i = 0; i < s->n_terms; i++)
        for (int k = 0; k < s->terms[i].n; k++) count[(int)s->terms[i].letter[k]]++;
    if (count[ELLIPSIS]) {
        s->output.ellipsis = true;
        s->output.letter[s->output.n++] = ELLIPSIS;
    }
    for (int c = 'A'; c <= 'z'; c++) {
        if (count[c] != 1) continue;
        if (s->output.n > TAP_RANK_MAX)
            return tap_fail(ctx, TAP_MODEL, "equation: the output has too many dimensions");
        s->output.letter[s->output.n++] = (char)c;
    }
    return TAP_OK;
}

static tap_status check_output(tap_ctx *ctx, const einsum_state *s) {
    for (int i = 0; i < s->output.n; i++) {
        char c = s->output.letter[i];
        bool found = c == ELLIPSIS;
        for (int t = 0; t < s->n_terms && !found; t++)
            found = memchr(s->terms[t].letter, c, (size_t)s->terms[t].n) != NULL;
        if (!found) return tap_fail(ctx, TAP_MODEL, "equation: no input has the output's '%c'", c);
        if (memchr(s->output.letter, c, (size_t)i))
            return tap_fail(ctx, TAP_MODEL, "equation: '%c' is twice in the output", c);
    }
    return TAP_OK;
}

static tap_status parse(tap_ctx *ctx, einsum_state *s, const char *p) {
    for (int i = 0; i < s->n_terms; i++) {
        tap_status status = read_term(ctx, &p, &s->terms[i]);
        if (status) return status;
        bool last = i == s->n_terms - 1;
        if ((*p == ',') == last)
            return tap_fail(ctx, TAP_MODEL, "equation: it does not have a term for each of %d inputs",
                            s->n_terms);
        p += !last;
    }
    if (*p == 0) return implicit_output(ctx, s);
    if (strncmp(p, "->", 2) != 0) return tap_fail(ctx, TAP_MODEL, "equation: '->' expected at \"%.16s\"", p);
    p += 2;
    tap_status status = read_term(ctx, &p, &s->output);
    if (!status && *p) return tap_fail(ctx, TAP_MODEL, "equation: nothing may follow the output's term");
    return status ? status : check_output(ctx, s);
}

static tap_status prepare(tap_ctx *ctx, void **state) {
    einsum_state *s = tap_state(ctx, sizeof *s);
    const char *equation = tap_attr_string(ctx, "equation", "");
    if (!s || !(s->terms = tap_state(ctx, (size_t)ctx->n_in * sizeof *s->terms))) return TAP_MEMORY;
    *state = s;
    s->n_terms = ctx->n_in;
    return parse(ctx, s, equation);
}

/* ---- Labels ---- */

typedef struct labels {
    int n;
    int8_t of_letter[128], of_ellipsis[TAP_RANK_MAX]; /* -1: not met yet                         */
    int64_t extent[TAP_LABELS_MAX];                   /* -1: unknown, 1 until something else is met */
    int n_ellipsis;                                   /* -1: unknown                              */
} labels;

static void labels_init(labels *l) {
    l->n = 0;
    l->n_ellipsis = -1;
    memset(l->of_letter, -1, sizeof l->of_letter);
    memset(l->of_ellipsis, -1, sizeof l->of_ellipsis);
}

/* The label of a letter, or of dimension k of the ellipsis. */
static int label_of(labels *l, char letter, int k) {
    int8_t *id = letter == ELLIPSIS ? &l->of_ellipsis[k] : &l->of_letter[(int)letter];
    if (*id < 0 && l->n < TAP_LABELS_MAX) {
        l->extent[l->n] = 1;
        *id = (int8_t)l->n++;
    }
    return *id;
}

/* The labels of a tensor's dimensions. rank must fit the term; returns how many there are, -1: too many
 * labels. */
static int labels_of_term(labels *l, const term *t, int n_ellipsis, int *label) {
    int n = 0;
    for (int i = 0; i < t->n; i++) {
        int k = t->letter[i] == ELLIPSIS ? n_ellipsis : 1;
        for (int e = 0; e < k; e++)
            if (n >= TAP_RANK_MAX || (label[n++] = label_of(l, t->letter[i], e)) < 0) return -1;
    }
    return n;
}

static tap_status meet(tap_ctx *ctx, labels *l, int i, const term *t, const tap_type *type) {
    int label[TAP_RANK_MAX], letters = t->n - t->ellipsis;
    if (type->rank < 0) return TAP_OK;
    if (t->ellipsis ? type->rank < letters : type->rank != letters)
        return tap_fail(ctx, tap_misfit(ctx), "input %d has rank %d, but its term %d letters", i, type->rank,
                        letters);
    if (t->ellipsis) {
        if (l->n_ellipsis >= 0 && l->n_ellipsis != type->rank - letters)
            return tap_fail(ctx, tap_misfit(ctx), "the ellipsis stands for %d and for %d dimensions",
                            l->n_ellipsis, type->rank - letters);
        l->n_ellipsis = type->rank - letters;
    }
    if (labels_of_term(l, t, l->n_ellipsis, label) < 0)
        return tap_fail(ctx, TAP_MODEL, "more than %d different dimensions", TAP_LABELS_MAX);
    for (int d = 0; d < type->rank; d++) {
        int64_t *extent = &l->extent[label[d]], n = type->dims[d];
        if (n >= 0 && n != 1 && *extent >= 0 && *extent != 1 && n != *extent)
            return tap_fail(ctx, tap_misfit(ctx),
                            "dimension %d of input %d is %lld; under the same letter there is %lld", d, i,
                            (long long)n, (long long)*extent);
        if (*extent == 1 || (*extent < 0 && n != 1)) *extent = n;
    }
    return TAP_OK;
}

/* All labels with their extents; the output's labels (rank -1: unknown). */
static tap_status find_labels(tap_ctx *ctx, labels *l, int *out_label, int *out_rank) {
    const einsum_state *s = ctx->state;
    labels_init(l);
    for (int i = 0; i < s->n_terms; i++) {
        const tap_type *t = tap_in_type(ctx, i);
        tap_status status = tap_need_same_dtype(ctx, 0, i, "an input");
        if (!status) status = meet(ctx, l, i, &s->terms[i], t);
        if (status) return status;
    }
    *out_rank = -1;
    bool any = false;
    for (int i = 0; i < s->n_terms; i++) any = any || s->terms[i].ellipsis;
    if (s->output.ellipsis && any && l->n_ellipsis < 0) return TAP_OK;
    /* A letter whose input's rank is unknown has not been met, so that its extent is not known either. */
    int before = l->n;
    *out_rank = labels_of_term(l, &s->output, l->n_ellipsis < 0 ? 0 : l->n_ellipsis, out_label);
    if (*out_rank < 0)
        return tap_fail(ctx, TAP_MODEL, "the output has more than %d dimensions", TAP_RANK_MAX);
    for (int k = before; k < l->n; k++) l->extent[k] = -1;
    return TAP_OK;
}

static tap_status infer(tap_ctx *ctx) {
    labels l;
    int label[TAP_RANK_MAX], rank;
    int64_t dims[TAP_RANK_MAX];
    bool all_known = true;
    tap_dtype dtype = TAP_UNDEFINED;
    tap_status status = find_labels(ctx, &l, label, &rank);
    if (status) return status;
    for (int i = 0; i < ctx->n_in; i++) {
        const tap_type *t = tap_in_type(ctx, i);
        all_known = all_known && t->rank >= 0;
        if (!dtype) dtype = t->dtype;
    }
    /* Where an input is unknown, a 1 may still be stretched by it. */
    for (int d = 0; d < rank; d++) dims[d] = l.extent[label[d]] == 1 && !all_known ? -1 : l.extent[label[d]];
    return tap_out_type(ctx, 0, dtype, rank, dims);
}

/* ---- Run ---- */

/* What an element is computed as. */
static tap_dtype computed_as(tap_dtype t) {
    switch (t) {
    case TAP_FLOAT16:
    case TAP_BFLOAT16:
    case TAP_FLOAT: return TAP_FLOAT;
    case TAP_DOUBLE: return TAP_DOUBLE;
    case TAP_INT64:
    case TAP_UINT64: return TAP_UINT64;
    default: return TAP_UINT32;
    }
}

/* n elements between a dtype and what it is computed as: integers modulo its width. */
static void widen(tap_dtype t, int64_t n, const void *x, void *y) {
    uint32_t *to = y;
    switch (t) {
    case TAP_INT8:
        for (int64_t i = 0; i < n; i++) to[i] = (uint32_t)((const int8_t *)x)[i];
        return;
    case TAP_UINT8:
        for (int64_t i = 0; i < n; i++) to[i] = ((const uint8_t *)x)[i];
        return;
    case TAP_INT16:
        for (int64_t i = 0; i < n; i++) to[i] = (uint32_t)((const int16_t *)x)[i];
        return;
    case TAP_UINT16:
        for (int64_t i = 0; i < n; i++) to[i] = ((const uint16_t *)x)[i];
        return;
    default: tap_to_f32(t, n, x, y);
    }
}

static void narrow(tap_dtype t, int64_t n, const void *x, void *y) {
    const uint32_t *from = x;
    switch (tap_dtype_bytes(t)) {
    case 1:
        for (int64_t i = 0; i < n; i++) ((uint8_t *)y)[i] = (uint8_t)from[i];
        return;
    case 2:
        if (t == TAP_FLOAT16 || t == TAP_BFLOAT16) break;
        for (int64_t i = 0; i < n; i++) ((uint16_t *)y)[i] = (uint16_t)from[i];
        return;
    }
    tap_from_f32(t, n, x, y);
}

typedef struct conversion {
    void (*convert)(tap_dtype, int64_t, const void *, void *);
    tap_dtype dtype;
    const char *from;
    char *to;
    size_t from_bytes, to_bytes;
} conversion;

static void convert_task(void *arg, int64_t begin, int64_t end, int worker) {
    const conversion *c = arg;
    (void)worker;
    c->convert(c->dtype, end - begin, c->from + (size_t)begin * c->from_bytes,
               c->to + (size_t)begin * c->to_bytes);
}

/* The elements of t as they are computed with: where they lie, or in scratch. NULL: no memory. */
static const void *elements(tap_ctx *ctx, const tap_tensor *t) {
    size_t bytes = tap_dtype_bytes(t->dtype), wide = tap_dtype_bytes(computed_as(t->dtype)), n;
    if (bytes == wide) return t->data;
    if (!tap_mul_size((size_t)t->count, wide, &n)) {
        tap_fail(ctx, TAP_MEMORY, "an input does not fit in memory");
        return NULL;
    }
    conversion c = {widen, t->dtype, t->data, tap_scratch(ctx, n), bytes, wide};
    if (c.to) tap_parallel(ctx, t->count, 1 << 14, convert_task, &c);
    return c.to;
}

/* t seen by its labels. A repeated label steps along the diagonal; one of extent 1, stretched or not, is left
 * out. */
static void take_operand(labels *l, const term *letters, const tap_tensor *t, const void *data,
                         tap_labelled *o) {
    int label[TAP_RANK_MAX];
    int64_t step = 1;
    (void)labels_of_term(l, letters, l->n_ellipsis, label);
    *o = (tap_labelled){.data = data};
    for (int d = t->rank - 1; d >= 0; step *= t->dims[d--]) {
        if (t->dims[d] == 1) continue;
        int at = tap_label_find(o, label[d]);
        if (at < 0) {
            at = o->rank++;
            o->label[at] = label[d];
            o->step[at] = 0;
        }
        o->step[at] += step;
    }
    tap_label_reverse(o);
}

/* Labels that the operands other than a and b have, or the output. */
static tap_label_set needed(const tap_labelled *o, int n, int a, int b, tap_label_set output) {
    for (int i = 0; i < n; i++)
        if (i != a && i != b) output |= tap_label_set_of(&o[i]);
    return output;
}

static double multiply_adds(const labels *l, tap_label_set set) {
    double n = 1;
    for (int k = 0; k < l->n; k++)
        if (set & TAP_LABEL(k)) n *= (double)l->extent[k];
    return n;
}

static void cheapest_pair(const labels *l, const tap_labelled *o, int n, int *a, int *b) {
    double least = -1;
    for (int i = 0; i < n; i++)
        for (int k = i + 1; k < n; k++) {
            double cost = multiply_adds(l, tap_label_set_of(&o[i]) | tap_label_set_of(&o[k]));
            if (least >= 0 && cost >= least) continue;
            least = cost;
            *a = i;
            *b = k;
        }
}

/* Leaves one operand, which has the output's labels; it may be the output itself already. */
static tap_status contract_all(tap_ctx *ctx, tap_dtype dtype, const labels *l, tap_labelled *o, int n,
                               const tap_labelled *out) {
    tap_label_set output = tap_label_set_of(out);
    for (int i = 0; i < n; i++) {
        tap_status status = tap_label_sum(ctx, dtype, l->extent, &o[i], needed(o, n, i, i, output));
        if (status) return status;
    }
    while (n > 1) {
        int a = 0, b = 1;
        tap_labelled c;
        cheapest_pair(l, o, n, &a, &b);
        tap_status status = tap_contract(ctx, dtype, l->extent, &o[a], &o[b], needed(o, n, a, b, output),
                                         n == 2 ? out : NULL, &c);
        if (status) return status;
        o[a] = c;
        memmove(o + b, o + b + 1, (size_t)(--n - b) * sizeof *o);
    }
    return o[0].data == out->data ? TAP_OK : tap_label_copy(ctx, dtype, l->extent, &o[0], out);
}

static tap_status run(tap_ctx *ctx) {
    const einsum_state *s = ctx->state;
    tap_tensor *y = ctx->out[0];
    tap_dtype dtype = computed_as(y->dtype);
    labels l;
    int label[TAP_RANK_MAX], rank;
    bool empty = false;
    tap_status status = find_labels(ctx, &l, label, &rank);
    if (status) return status;
    for (int i = 0; i < ctx->n_in; i++) empty = empty || ctx->in[i]->count == 0;
    if (empty) memset(y->data, 0, (size_t)y->count * tap_dtype_bytes(y->dtype));
    if (empty || y->count == 0) return TAP_OK;
    tap_labelled *o = tap_scratch(ctx, (size_t)ctx->n_in * sizeof *o), out = {.data = y->data};
    if (!o) return TAP_MEMORY;
    for (int i = 0; i < ctx->n_in; i++) {
        const void *data = elements(ctx, ctx->in[i]);
        if (!data) return TAP_MEMORY;
        take_operand(&l, &s->terms[i], ctx->in[i], data, &o[i]);
    }
    bool narrowed = tap_dtype_bytes(y->dtype) != tap_dtype_bytes(dtype);
    if (narrowed && !(out.data = tap_scratch(ctx, (size_t)y->count * tap_dtype_bytes(dtype))))
        return TAP_MEMORY;
    tap_label_dense(&out, rank, label, l.extent);
    status = contract_all(ctx, dtype, &l, o, ctx->n_in, &out);
    if (status || !narrowed) return status;
    conversion c = {narrow, y->dtype, out.data, y->data, tap_dtype_bytes(dtype), tap_dtype_bytes(y->dtype)};
    tap_parallel(ctx, y->count, 1 << 14, convert_task, &c);
    return TAP_OK;
}

static const tap_op ops[] = {
    {.name = "Einsum",
     .since = 12,
     .in_min = 1,
     .in_max = -1,
     .out_min = 1,
     .out_max = 1,
     .dtypes = TAP_TYPES_NUMERIC,
     .prepare = prepare,
     .infer = infer,
     .run = run},
    {0},
};

TAP_DEFINE_FAMILY(einsum, ops);
