/* The .npy dictionary: what Python's literal_eval would take of it, and no more. */
#include "io/npy_header.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"

typedef struct parser {
    const char *p, *end;
    const char *name;
    tap_error *err;
} parser;

static tap_status bad(const parser *at, const char *why) {
    return tap_error_set(at->err, TAP_DATA, "%s: damaged .npy header: %s", at->name, why);
}

static char peek(parser *at) {
    while (at->p < at->end && (*at->p == ' ' || *at->p == '\n' || *at->p == '\t' || *at->p == '\r')) at->p++;
    return at->p < at->end ? *at->p : '\0';
}

static bool take(parser *at, char c) {
    if (peek(at) != c) return false;
    at->p++;
    return true;
}

static bool take_word(parser *at, const char *word) {
    size_t n = strlen(word);
    peek(at);
    if ((size_t)(at->end - at->p) < n || memcmp(at->p, word, n) != 0) return false;
    at->p += n;
    return true;
}

/* A string without escapes: those that NumPy writes have none. */
static bool take_string(parser *at, const char **s, size_t *n) {
    char quote = peek(at);
    if (quote != '\'' && quote != '"') return false;
    const char *begin = ++at->p;
    while (at->p < at->end && *at->p != quote && *at->p != '\\' && *at->p != '\n') at->p++;
    if (at->p == at->end || *at->p != quote) return false;
    *s = begin;
    *n = (size_t)(at->p++ - begin);
    return true;
}

/* Python 2 wrote long integers as 3L. */
static bool take_int(parser *at, int64_t *v) {
    char c = peek(at);
    if (c < '0' || c > '9') return false;
    *v = 0;
    for (; at->p < at->end && *at->p >= '0' && *at->p <= '9'; at->p++)
        if (!tap_mul64(*v, 10, v) || !tap_add64(*v, *at->p - '0', v)) return false;
    if (at->p < at->end && *at->p == 'L') at->p++;
    return true;
}

static tap_status parse_shape(parser *at, tap_npy_header *h) {
    if (!take(at, '(')) return bad(at, "shape is no tuple");
    h->rank = 0;
    while (!take(at, ')')) {
        if (h->rank == TAP_RANK_MAX)
            return tap_error_set(at->err, TAP_DATA, "%s: more than %d dimensions", at->name, TAP_RANK_MAX);
        if (!take_int(at, &h->dims[h->rank]))
            return bad(at, "a dimension in shape is no number from 0 to 2^63 - 1");
        h->rank++;
        if (!take(at, ',') && peek(at) != ')') return bad(at, "shape is no tuple of numbers");
    }
    return TAP_OK;
}

static tap_status refuse(const parser *at, const char *descr, size_t n) {
    const char *hint = "save it with a numeric dtype, bool or str";
    if (descr[0] == 'O')
        hint = "pickled Python objects are never read; save strings with dtype=str, lists as .npz with a key "
               "each";
    if (descr[0] == 'M' || descr[0] == 'm') hint = "dates have no ONNX type; save them as int64";
    if (descr[0] == 'f' || descr[0] == 'c') hint = "save it as float64 or complex128";
    return tap_error_set(at->err, TAP_DATA, "%s: NumPy dtype '%.*s' has no ONNX type: %s", at->name,
                         (int)tap_min64((int64_t)n, 40), descr, hint);
}

static bool known_size(char kind, int64_t n) {
    switch (kind) {
    case 'b': return n == 1;
    case 'i':
    case 'u': return n == 1 || n == 2 || n == 4 || n == 8;
    case 'f': return n == 1 || n == 2 || n == 4 || n == 8; /* f1: ml_dtypes' float8_e5m2 */
    case 'c': return n == 8 || n == 16;
    case 'V': return n == 1 || n == 2; /* ml_dtypes: bfloat16, 8-bit floats, int4 */
    case 'S':
    case 'U': return n <= INT32_MAX;
    default: return false;
    }
}

static tap_status parse_descr(parser *at, tap_npy_header *h) {
    const char *s, *descr;
    size_t n;
    if (peek(at) == '[')
        return tap_error_set(at->err, TAP_DATA, "%s: a structured array; save each field for itself",
                             at->name);
    if (!take_string(at, &s, &n)) return bad(at, "descr is no string");
    char order = '=';
    descr = s;
    if (n > 0 && *descr && strchr("<>=|", *descr)) order = *descr++, n--;
    if (n == 1 && *descr == '?') descr = "b1", n = 2;
    if (n == 0) return bad(at, "descr is empty");
    h->kind = descr[0];
    parser digits = {descr + 1, descr + n, at->name, at->err};
    int64_t size = 0;
    bool sized = take_int(&digits, &size) && digits.p == digits.end;
    if (!sized || !known_size(h->kind, size)) return refuse(at, descr, n);
    h->item_bytes = (size_t)size * (h->kind == 'U' ? 4 : 1);
    h->swapped = order == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? '>' : '<');
    return TAP_OK;
}

enum { HAS_DESCR = 1, HAS_FORTRAN = 2, HAS_SHAPE = 4 };

static bool same(const char *s, size_t n, const char *word) {
    return n == strlen(word) && memcmp(s, word, n) == 0;
}

static tap_status parse_entry(parser *at, tap_npy_header *h, int *has) {
    const char *key;
    size_t n;
    if (!take_string(at, &key, &n) || !take(at, ':')) return bad(at, "no dictionary");
    if (same(key, n, "descr")) {
        *has |= HAS_DESCR;
        return parse_descr(at, h);
    }
    if (same(key, n, "shape")) {
        *has |= HAS_SHAPE;
        return parse_shape(at, h);
    }
    if (!same(key, n, "fortran_order")) return bad(at, "a key other than descr, fortran_order and shape");
    *has |= HAS_FORTRAN;
    h->fortran = take_word(at, "True");
    return h->fortran || take_word(at, "False") ? TAP_OK : bad(at, "fortran_order is neither True nor False");
}

tap_status tap_npy_parse(const char *text, size_t n, const char *name, tap_npy_header *h, tap_error *err) {
    parser at = {text, text + n, name, err};
    int has = 0;
    memset(h, 0, sizeof *h);
    if (!take(&at, '{')) return bad(&at, "no dictionary");
    while (!take(&at, '}')) {
        tap_status s = parse_entry(&at, h, &has);
        if (s != TAP_OK) return s;
        if (!take(&at, ',') && peek(&at) != '}') return bad(&at, "no dictionary");
    }
    if (peek(&at) != '\0' || at.p != at.end) return bad(&at, "text behind the dictionary");
    if (has != (HAS_DESCR | HAS_FORTRAN | HAS_SHAPE))
        return bad(&at, "descr, fortran_order or shape is missing");
    if (!tap_dims_count(h->rank, h->dims, &h->count) || (uint64_t)h->count > SIZE_MAX / 2 ||
        !tap_mul_size((size_t)h->count, h->item_bytes, &h->n_bytes))
        return bad(&at, "the shape's product does not fit");
    return TAP_OK;
}

#define MAGIC_BYTES 10 /* "\x93NUMPY", version 1.0, length in two bytes */

size_t tap_npy_format(const char *descr, int rank, const int64_t *dims, char *out) {
    char text[TAP_NPY_HEADER_ROOM - 128];
    tap_text t = {text, sizeof text, 0};
    tap_text_add(&t, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    for (int i = 0; i < rank; i++) tap_text_add(&t, i ? ", %" PRId64 : "%" PRId64, dims[i]);
    tap_text_add(&t, rank == 1 ? ",), }" : "), }");
    size_t all = tap_round_up(MAGIC_BYTES + t.n + 1, 64), n = all - MAGIC_BYTES;
    memcpy(out, "\x93NUMPY\x01\x00", 8);
    out[8] = (char)(n & 255);
    out[9] = (char)(n >> 8);
    memset(out + MAGIC_BYTES, ' ', n);
    memcpy(out + MAGIC_BYTES, text, t.n);
    out[all - 1] = '\n';
    return all;
}
