/* Writing an array: the plan (dtype, sizes, header), then the bytes in pieces of at most a block. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/error.h"
#include "core/half.h"
#include "io/npy.h"
#include "io/npy_header.h"
#include "io/unicode.h"

#define BLOCK      1024 /* elements widened at a time */
#define DROP_BYTES ((size_t)1 << 22)

static bool is_small_float(tap_dtype t) {
    return t == TAP_BFLOAT16 || t == TAP_FLOAT8E8M0 || tap_small_float_of(t) != NULL;
}

/* The dtype letter and the bytes of an element in the file; 0 for strings. */
static char letter_of(tap_dtype t, bool raw, size_t *item_bytes) {
    *item_bytes = tap_dtype_bytes(t);
    if (is_small_float(t)) {
        if (raw) return 'u';
        *item_bytes = 4;
        return 'f';
    }
    switch (t) {
    case TAP_BOOL: return 'b';
    case TAP_INT8:
    case TAP_INT16:
    case TAP_INT32:
    case TAP_INT64:
    case TAP_INT4:
    case TAP_INT2: return 'i';
    case TAP_COMPLEX64:
    case TAP_COMPLEX128: return 'c';
    case TAP_FLOAT:
    case TAP_DOUBLE:
    case TAP_FLOAT16: return 'f';
    case TAP_STRING: *item_bytes = 0; return 'U';
    default: return 'u';
    }
}

static size_t code_points(const tap_string *x) {
    size_t n = 0;
    const char *p = x->s, *end = x->s + x->n;
    for (; p < end; n++) tap_utf8_next(&p, end);
    return n;
}

/* <U has one length for all: that of the longest, at least 1 as NumPy has it. */
static size_t longest(const tap_tensor *t) {
    const tap_string *x = t->data;
    size_t most = 1;
    for (int64_t i = 0; i < t->count; i++) {
        if (x[i].n <= most) continue;
        size_t n = code_points(&x[i]);
        if (n > most) most = n;
    }
    return most;
}

static tap_status plan_strings(const tap_tensor *t, uint64_t limit, tap_npy_plan *plan, size_t *points,
                               tap_error *err) {
    size_t n_bytes;
    *points = longest(t);
    if (limit == 0) limit = tap_memory_default_limit();
    if (*points > INT32_MAX / 4 || !tap_mul_size((size_t)t->count, 4 * *points, &n_bytes) || n_bytes > limit)
        return tap_error_set(
            err, TAP_DATA,
            "%" PRId64 " strings, the longest of %zu characters: a .npy array pads them all to that length; "
            "write .pb or .json",
            t->count, *points);
    plan->item_bytes = 4 * *points;
    return TAP_OK;
}

tap_status tap_npy_plan_of(const tap_tensor *t, bool raw, uint64_t limit, tap_npy_plan *plan,
                           tap_error *err) {
    char descr[24], order = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? '<' : '>';
    size_t number, data;
    char letter = letter_of(t->dtype, raw, &plan->item_bytes);
    plan->tensor = t;
    plan->raw = raw;
    number = plan->item_bytes;
    if (letter == 'U') {
        tap_status s = plan_strings(t, limit, plan, &number, err);
        if (s != TAP_OK) return s;
    }
    if (!tap_mul_size((size_t)t->count, plan->item_bytes, &data) || data > SIZE_MAX / 2)
        return tap_error_set(err, TAP_DATA, "a tensor too large for .npy");
    snprintf(descr, sizeof descr, "%c%c%zu", plan->item_bytes == 1 ? '|' : order, letter, number);
    plan->header_bytes = tap_npy_format(descr, t->rank, t->dims, plan->header);
    plan->n_bytes = plan->header_bytes + data;
    return TAP_OK;
}

size_t tap_npy_pad(char *header, size_t n, size_t to) {
    if (n >= to) return n;
    memset(header + n - 1, ' ', to - n);
    header[to - 1] = '\n';
    header[8] = (char)((to - 10) & 255);
    header[9] = (char)((to - 10) >> 8);
    return to;
}

static void emit_floats(const tap_tensor *t, tap_npy_write_fn *write, void *user) {
    float block[BLOCK];
    size_t width = tap_dtype_bytes(t->dtype);
    const char *x = t->data;
    for (int64_t i = 0; i < t->count; i += BLOCK) {
        int64_t n = tap_min64(BLOCK, t->count - i);
        tap_floats_to_f32(t->dtype, n, x + (size_t)i * width, block);
        write(user, block, (size_t)n * sizeof *block);
    }
}

static void emit_string(const tap_string *x, size_t points, tap_npy_write_fn *write, void *user) {
    uint32_t block[BLOCK];
    const char *p = x->s, *end = x->s + x->n;
    while (points > 0) {
        size_t n = 0, room = points < BLOCK ? points : BLOCK;
        while (n < room && p < end) block[n++] = tap_utf8_next(&p, end);
        memset(block + n, 0, (room - n) * sizeof *block);
        write(user, block, room * sizeof *block);
        points -= room;
    }
}

/* Memory holds any byte that is not 0 for true; NumPy holds 1. */
static void emit_bools(const tap_tensor *t, tap_npy_write_fn *write, void *user) {
    uint8_t block[BLOCK];
    const uint8_t *x = t->data;
    for (int64_t i = 0; i < t->count; i += BLOCK) {
        int64_t n = tap_min64(BLOCK, t->count - i);
        for (int64_t k = 0; k < n; k++) block[k] = x[i + k] != 0;
        write(user, block, (size_t)n);
    }
}

/* Pages of a file that is read but once go as they were read, so that memory does not fill with them. */
static void emit_plain(const tap_tensor *t, size_t n_bytes, tap_npy_write_fn *write, void *user) {
    const uint8_t *p = t->data;
    bool drops = t->buffer && t->buffer->drops;
    for (size_t at = 0, n; at < n_bytes; at += n) {
        n = drops && n_bytes - at > DROP_BYTES ? DROP_BYTES : n_bytes - at;
        write(user, p + at, n);
        if (drops) madvise((void *)(uintptr_t)(p + at), n, MADV_DONTNEED);
    }
}

void tap_npy_emit(const tap_npy_plan *plan, tap_npy_write_fn *write, void *user) {
    write(user, plan->header, plan->header_bytes);
    tap_npy_emit_data(plan, write, user);
}

void tap_npy_emit_data(const tap_npy_plan *plan, tap_npy_write_fn *write, void *user) {
    const tap_tensor *t = plan->tensor;
    if (t->dtype == TAP_STRING) {
        const tap_string *x = t->data;
        for (int64_t i = 0; i < t->count; i++) emit_string(&x[i], plan->item_bytes / 4, write, user);
    } else if (t->dtype == TAP_BOOL) {
        emit_bools(t, write, user);
    } else if (is_small_float(t->dtype) && !plan->raw) {
        emit_floats(t, write, user);
    } else {
        emit_plain(t, (size_t)t->count * plan->item_bytes, write, user);
    }
}
