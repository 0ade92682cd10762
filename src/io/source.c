/* Plain bytes and deflate streams behind one way of reading. */
#include "io/source.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"

tap_source tap_source_of(tap_file *file, const char *name, uint64_t limit_bytes) {
    return (tap_source){
        .name = name, .p = file->data, .left = file->n_bytes, .file = file, .limit_bytes = limit_bytes};
}

tap_status tap_source_allows(const tap_source *s, uint64_t n_bytes, tap_error *err) {
    uint64_t limit = s->limit_bytes ? s->limit_bytes : tap_memory_default_limit();
    if (n_bytes <= limit) return TAP_OK;
    return tap_error_set(err, TAP_MEMORY,
                         "%s: takes %" PRIu64 " bytes in memory, the limit is %" PRIu64 " (--memory-limit)",
                         s->name, n_bytes, limit);
}

#ifdef TAP_HAVE_ZLIB
#define ZLIB_CONST
#include <zlib.h>

struct tap_inflate {
    z_stream z;
    uint64_t waiting; /* packed bytes that z has not been given: its counts have 32 bits */
};

tap_status tap_source_inflate(tap_source *s, const char *name, const uint8_t *p, size_t n_bytes,
                              uint64_t n_plain, uint64_t limit_bytes, tap_error *err) {
    *s = (tap_source){.name = name, .left = n_plain, .limit_bytes = limit_bytes};
    s->inflate = calloc(1, sizeof *s->inflate);
    if (!s->inflate || inflateInit2(&s->inflate->z, -MAX_WBITS) != Z_OK) {
        free(s->inflate);
        s->inflate = NULL;
        return tap_error_no_memory(err, sizeof *s->inflate);
    }
    s->inflate->z.next_in = p;
    s->inflate->waiting = n_bytes;
    return TAP_OK;
}

static bool read_inflate(struct tap_inflate *f, uint8_t *dst, size_t n) {
    while (n > 0) {
        if (f->z.avail_in == 0) {
            f->z.avail_in = f->waiting > INT32_MAX ? INT32_MAX : (uInt)f->waiting;
            f->waiting -= f->z.avail_in;
        }
        uInt step = n > INT32_MAX ? INT32_MAX : (uInt)n;
        f->z.next_out = dst;
        f->z.avail_out = step;
        int status = inflate(&f->z, Z_NO_FLUSH);
        size_t done = step - f->z.avail_out;
        dst += done;
        n -= done;
        if (n > 0 && (status != Z_OK || (done == 0 && f->z.avail_in == 0 && f->waiting == 0))) return false;
    }
    return true;
}

void tap_source_close(tap_source *s) {
    if (s->inflate) inflateEnd(&s->inflate->z);
    free(s->inflate);
    s->inflate = NULL;
}
#else
static bool read_inflate(struct tap_inflate *f, uint8_t *dst, size_t n) {
    (void)f, (void)dst;
    return n == 0;
}

void tap_source_close(tap_source *s) {
    (void)s;
}
#endif

bool tap_source_read(tap_source *s, void *dst, size_t n) {
    if (n > s->left) return false;
    s->left -= n;
    if (s->p) {
        if (n) memcpy(dst, s->p, n);
        s->p += n;
    } else if (!read_inflate(s->inflate, dst, n)) {
        return false;
    }
    if (s->crc) s->crc_sum = tap_crc32(s->crc, s->crc_sum, dst, n);
    return true;
}

bool tap_source_check(tap_source *s) {
    uint8_t block[4096];
    while (s->crc && s->left > 0)
        if (!tap_source_read(s, block, s->left < sizeof block ? (size_t)s->left : sizeof block)) return false;
    return !s->crc || s->crc_sum == s->crc_want;
}
