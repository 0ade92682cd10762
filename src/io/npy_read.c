/* Reading an array: the header, then the elements into C order and this machine's byte order. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/permute.h"
#include "io/npy.h"
#include "io/npy_header.h"
#include "io/unicode.h"

#define HEADER_LIMIT     ((size_t)1 << 20)
#define SHARE_FROM_BYTES ((size_t)1 << 16) /* smaller arrays are copied: a page of the file costs more */

static tap_status ends_early(const tap_source *s, const tap_npy_header *h, tap_error *err) {
    return tap_error_set(err, TAP_DATA, "%s: its header promises %zu bytes of data, %llu are there", s->name,
                         h->n_bytes, (unsigned long long)s->left);
}

tap_status tap_npy_read_header(tap_source *s, tap_npy_header *h, tap_error *err) {
    uint8_t magic[8], length[4];
    if (!tap_source_read(s, magic, 8) || memcmp(magic, "\x93NUMPY", 6) != 0)
        return tap_error_set(err, TAP_DATA, "%s: not a .npy array", s->name);
    int version = magic[6];
    if (version < 1 || version > 3)
        return tap_error_set(err, TAP_DATA, "%s: .npy version %d.%d is not known", s->name, version,
                             magic[7]);
    memset(length, 0, sizeof length);
    if (!tap_source_read(s, length, version == 1 ? 2 : 4))
        return tap_error_set(err, TAP_DATA, "%s: ends early", s->name);
    size_t n = (size_t)length[0] | (size_t)length[1] << 8 | (size_t)length[2] << 16 | (size_t)length[3] << 24;
    if (n > s->left || n > HEADER_LIMIT)
        return tap_error_set(err, TAP_DATA, "%s: ends inside its header", s->name);
    char *text = malloc(n + 1);
    if (!text) return tap_error_no_memory(err, n);
    tap_status status = tap_source_read(s, text, n)
                            ? tap_npy_parse(text, n, s->name, h, err)
                            : tap_error_set(err, TAP_DATA, "%s: damaged data", s->name);
    free(text);
    if (status == TAP_OK && h->n_bytes > s->left) return ends_early(s, h, err);
    return status;
}

static tap_dtype sized(size_t n, tap_dtype t1, tap_dtype t2, tap_dtype t4, tap_dtype t8) {
    return n == 1 ? t1 : n == 2 ? t2 : n == 4 ? t4 : t8;
}

/* The ONNX type of the array; TAP_UNDEFINED where only the reader's wish could tell, and does not. */
tap_dtype tap_npy_dtype(const tap_npy_header *h, tap_dtype want) {
    switch (h->kind) {
    case 'b': return TAP_BOOL;
    case 'i': return sized(h->item_bytes, TAP_INT8, TAP_INT16, TAP_INT32, TAP_INT64);
    case 'u': return sized(h->item_bytes, TAP_UINT8, TAP_UINT16, TAP_UINT32, TAP_UINT64);
    case 'f':
        if (h->item_bytes > 1) return sized(h->item_bytes, TAP_UNDEFINED, TAP_FLOAT16, TAP_FLOAT, TAP_DOUBLE);
        break;
    case 'c': return h->item_bytes == 8 ? TAP_COMPLEX64 : TAP_COMPLEX128;
    case 'S':
    case 'U': return TAP_STRING;
    default: break;
    }
    bool lacking = want == TAP_BFLOAT16 || want >= TAP_FLOAT8E4M3FN;
    return lacking && tap_dtype_bytes(want) == h->item_bytes ? want : TAP_UNDEFINED;
}

static void let_go_file(void *file) {
    tap_file_release(file);
}

/* A value whose elements are where the file has them. */
static tap_status share(tap_source *s, const tap_npy_header *h, tap_dtype dtype, tap_value **out,
                        tap_error *err) {
    tap_tensor t = {.data = (void *)(uintptr_t)s->p};
    tap_tensor_shape(&t, dtype, h->rank, h->dims);
    t.buffer = tap_buffer_wrap_owned(NULL, t.data, h->n_bytes, let_go_file, s->file);
    if (!t.buffer) return tap_error_no_memory(err, sizeof *t.buffer);
    tap_file_retain(s->file);
    *out = tap_value_share(NULL, &t);
    tap_buffer_release(t.buffer);
    return *out ? TAP_OK : tap_error_no_memory(err, sizeof **out);
}

static bool can_share(const tap_source *s, const tap_npy_header *h) {
    return s->p && s->file && s->file->mapped && !h->swapped && (!h->fortran || h->rank < 2) &&
           h->kind != 'b' && h->n_bytes >= SHARE_FROM_BYTES && (uintptr_t)s->p % TAP_ALIGN == 0;
}

static void swap_bytes(uint8_t *p, size_t width, size_t n) {
    for (size_t i = 0; i < n; i++, p += width)
        for (size_t a = 0, b = width - 1; a < b; a++, b--) {
            uint8_t x = p[a];
            p[a] = p[b];
            p[b] = x;
        }
}

/* Elements as they lie in the file, byte order put right. */
static bool read_plain(tap_source *s, const tap_npy_header *h, void *dst) {
    if (!tap_source_read(s, dst, h->n_bytes)) return false;
    if (h->swapped) {
        size_t width = h->kind == 'c' ? h->item_bytes / 2 : h->item_bytes;
        swap_bytes(dst, width, h->n_bytes / width);
    }
    uint8_t *p = dst;
    for (size_t i = 0; h->kind == 'b' && i < h->n_bytes; i++) p[i] = p[i] != 0;
    return true;
}

static uint32_t code_point(const uint8_t *p, bool swapped) {
    uint32_t c;
    memcpy(&c, p, 4);
    return swapped ? __builtin_bswap32(c) : c;
}

/* UTF-8 of one U element into out (item_bytes long at most: 4 bytes a code point); false where it is no text.
 */
static bool text_of(const uint8_t *item, const tap_npy_header *h, char *out, size_t *n) {
    size_t points = h->item_bytes / 4;
    while (points > 0 && code_point(item + 4 * (points - 1), false) == 0) points--;
    *n = 0;
    for (size_t i = 0; i < points; i++) {
        size_t k = tap_utf8_put(code_point(item + 4 * i, h->swapped), out + *n);
        if (k == 0) return false;
        *n += k;
    }
    return true;
}

static size_t trimmed(const uint8_t *item, size_t n) {
    while (n > 0 && item[n - 1] == 0) n--;
    return n;
}

static tap_status read_strings(tap_source *s, const tap_npy_header *h, tap_arena *bytes, tap_string *x,
                               tap_error *err) {
    uint8_t *item = malloc(h->item_bytes + 1);
    char *text = malloc(h->item_bytes + 1);
    tap_status status = item && text ? TAP_OK : tap_error_no_memory(err, h->item_bytes);
    for (int64_t i = 0; i < h->count && status == TAP_OK; i++) {
        size_t n = 0;
        if (!tap_source_read(s, item, h->item_bytes))
            status = tap_error_set(err, TAP_DATA, "%s: damaged data", s->name);
        else if (h->kind == 'S')
            memcpy(text, item, n = trimmed(item, h->item_bytes));
        else if (!text_of(item, h, text, &n))
            status = tap_error_set(err, TAP_DATA, "%s: string %lld holds what is no code point", s->name,
                                   (long long)i);
        if (status != TAP_OK) break;
        x[i] = (tap_string){n ? tap_arena_string(bytes, text, n) : "", n};
        if (!x[i].s) status = tap_error_no_memory(err, n);
    }
    free(item);
    free(text);
    return status;
}

static tap_status read_elements(tap_source *s, const tap_npy_header *h, tap_dtype dtype, tap_arena *bytes,
                                void *dst, tap_error *err) {
    if (dtype == TAP_STRING) return read_strings(s, h, bytes, dst, err);
    return read_plain(s, h, dst) ? TAP_OK : tap_error_set(err, TAP_DATA, "%s: damaged data", s->name);
}

tap_status tap_npy_read_rows(tap_source *s, const tap_npy_header *h, int64_t n, int64_t at, tap_value *v,
                             tap_error *err) {
    int64_t each = h->dims[0] > 0 ? h->count / h->dims[0] : 0;
    tap_npy_header part = *h;
    part.count = n * each;
    part.n_bytes = (size_t)part.count * h->item_bytes;
    char *dst = (char *)v->tensor.data + (size_t)(at * each) * tap_dtype_bytes(v->tensor.dtype);
    return read_elements(s, &part, v->tensor.dtype, &v->tensor.buffer->strings, dst, err);
}

/* Fortran order is C order of the reversed dimensions: read so, then transposed. */
static tap_status read_fortran(tap_source *s, const tap_npy_header *h, tap_dtype dtype, tap_value *v,
                               tap_error *err) {
    size_t width = tap_dtype_bytes(dtype);
    void *reversed = malloc((size_t)h->count * width + 1);
    tap_status status = reversed ? read_elements(s, h, dtype, &v->tensor.buffer->strings, reversed, err)
                                 : tap_error_no_memory(err, h->n_bytes);
    if (status == TAP_OK) {
        int64_t dims[TAP_RANK_MAX];
        int perm[TAP_RANK_MAX];
        for (int i = 0; i < h->rank; i++) {
            dims[i] = h->dims[h->rank - 1 - i];
            perm[i] = h->rank - 1 - i;
        }
        tap_copy_permuted(width, h->rank, dims, perm, reversed, v->tensor.data);
    }
    free(reversed);
    return status;
}

static tap_status read_copy(tap_source *s, const tap_npy_header *h, tap_dtype dtype, tap_value **out,
                            tap_error *err) {
    size_t n_bytes = 0;
    tap_status status = tap_mul_size((size_t)h->count, tap_dtype_bytes(dtype), &n_bytes)
                            ? tap_source_allows(s, n_bytes, err)
                            : tap_error_set(err, TAP_DATA, "%s: too many elements", s->name);
    if (status == TAP_OK) status = tap_value_new(dtype, h->rank, h->dims, out, err);
    if (status != TAP_OK) return status;
    if (h->fortran && h->rank > 1 && h->count > 0)
        status = read_fortran(s, h, dtype, *out, err);
    else
        status = read_elements(s, h, dtype, &(*out)->tensor.buffer->strings, (*out)->tensor.data, err);
    if (status == TAP_OK) return TAP_OK;
    tap_value_release(*out);
    *out = NULL;
    return status;
}

tap_status tap_npy_read(tap_source *s, tap_dtype want, tap_value **out, tap_error *err) {
    tap_npy_header h;
    *out = NULL;
    tap_status status = tap_npy_read_header(s, &h, err);
    if (status != TAP_OK) return status;
    tap_dtype dtype = tap_npy_dtype(&h, want);
    if (dtype == TAP_UNDEFINED)
        return tap_error_set(err, TAP_DATA,
                             "%s: raw elements of %zu bytes (a type that NumPy lacks): only the model's "
                             "input can tell what they are",
                             s->name, h.item_bytes);
    if (can_share(s, &h)) return share(s, &h, dtype, out, err);
    status = read_copy(s, &h, dtype, out, err);
    if (status != TAP_OK || tap_source_check(s)) return status;
    tap_value_release(*out);
    *out = NULL;
    return tap_error_set(err, TAP_DATA, "%s: damaged: its checksum is wrong", s->name);
}
