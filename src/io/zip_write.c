/* Writing a zip archive member by member. Sizes and checksum go into a member's header once they are known;
 * the directory comes last, so that it can be written behind any complete member. Times are fixed: the same
 * values give the same bytes. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "io/zip.h"

#ifdef TAP_HAVE_ZLIB
#define ZLIB_CONST
#include <zlib.h>
#define PACKED_BLOCK ((size_t)1 << 15)
#endif

#define LOCAL_BYTES   30
#define ALIGN_EXTRA   0xD935 /* the id that Android's zipalign gives to padding */
#define DOS_DATE      0x21   /* 1980-01-01 */
#define FITS          UINT64_C(0xFFFFFFFE)
#define UTF8_FLAG     0x800
#define DEFLATE_SLACK 1024 /* what deflate may add is below n / 1000 + this */

typedef struct member {
    char *name;
    uint32_t crc;
    uint64_t packed_bytes, n_bytes, header_at;
    bool stale;             /* crc is not that of its bytes */
    bool wide;              /* its header has 64-bit sizes */
    uint64_t data_at, room; /* reserved: where its bytes are, and how many there may be */
    uint64_t end;           /* not reserved: behind its last byte */
} member;

struct tap_zip_writer {
    tap_writer *out;
    member *members;
    size_t n, room;
    bool compress, open, force64;
    member now; /* the one that is open                */
    uint64_t data_at, given;
    uint64_t end; /* behind the last complete member     */
    tap_crc_tables crc;
#ifdef TAP_HAVE_ZLIB
    z_stream z;
    uint8_t packed[PACKED_BLOCK];
#endif
};

typedef struct bytes {
    uint8_t p[128];
    size_t n;
} bytes;

static void put(bytes *b, uint64_t v, size_t width) {
    for (size_t i = 0; i < width; i++, v >>= 8) b->p[b->n++] = (uint8_t)v;
}

static void put_wide(bytes *b, bool wide, uint64_t v) {
    put(b, wide ? UINT32_MAX : v, 4);
}

static void send(tap_zip_writer *zip, const bytes *b) {
    tap_writer_write(zip->out, b->p, b->n);
}

tap_status tap_zip_create(tap_writer *out, bool compress, tap_zip_writer **zip, tap_error *err) {
#ifndef TAP_HAVE_ZLIB
    if (compress) {
        tap_writer_discard(out);
        return tap_error_set(err, TAP_UNSUPPORTED, "compressing takes zlib, which this build lacks");
    }
#endif
    tap_zip_writer *z = *zip = calloc(1, sizeof *z);
    if (!z) {
        tap_writer_discard(out);
        return tap_error_no_memory(err, sizeof *z);
    }
    z->out = out;
    z->compress = compress;
    tap_crc_init(&z->crc);
    return TAP_OK;
}

void tap_zip_force64(tap_zip_writer *zip) {
    zip->force64 = true;
}

static bool is_ascii(const char *s) {
    for (; *s; s++)
        if ((unsigned char)*s > 0x7F) return false;
    return true;
}

static void put_common(const tap_zip_writer *zip, const member *m, bytes *b) {
    put(b, m->wide ? 45 : 20, 2);
    put(b, is_ascii(m->name) ? 0 : UTF8_FLAG, 2);
    put(b, zip->compress ? 8 : 0, 2);
    put(b, (uint64_t)DOS_DATE << 16, 4);
}

/* Bytes of padding that let the data start at a multiple of TAP_ALIGN. */
static size_t padding(uint64_t at, size_t before) {
    size_t least = 6, over = (size_t)((at + before + least) % TAP_ALIGN);
    return least + (over ? TAP_ALIGN - over : 0);
}

static void write_header(tap_zip_writer *zip, const member *m) {
    size_t n_name = strlen(m->name), n_wide = m->wide ? 20 : 0;
    size_t pad = zip->compress ? 0 : padding(m->header_at, LOCAL_BYTES + n_name + n_wide);
    bytes b = {.n = 0}, extra = {.n = 0};
    put(&b, 0x04034b50, 4);
    put_common(zip, m, &b);
    put(&b, 0, 4);
    put_wide(&b, m->wide, 0);
    put_wide(&b, m->wide, m->n_bytes);
    put(&b, n_name, 2);
    put(&b, n_wide + pad, 2);
    if (m->wide) {
        put(&extra, 1 | 16 << 16, 4);
        put(&extra, m->n_bytes, 8);
        put(&extra, 0, 8);
    }
    if (pad) {
        put(&extra, ALIGN_EXTRA | (uint64_t)(pad - 4) << 16, 4);
        put(&extra, TAP_ALIGN, 2);
        while (extra.n < n_wide + pad) put(&extra, 0, 1);
    }
    send(zip, &b);
    tap_writer_write(zip->out, m->name, n_name);
    send(zip, &extra);
}

/* Back to the last complete member. */
static void take_back(tap_zip_writer *zip) {
    if (!zip->open) return;
#ifdef TAP_HAVE_ZLIB
    if (zip->compress) deflateEnd(&zip->z);
#endif
    free(zip->now.name);
    zip->open = false;
    tap_writer_cut(zip->out, zip->end);
}

static bool reserve(tap_zip_writer *zip) {
    if (zip->n < zip->room) return true;
    size_t room = zip->room ? 2 * zip->room : 64;
    member *m = realloc(zip->members, room * sizeof *m);
    if (!m) return false;
    zip->members = m;
    zip->room = room;
    return true;
}

tap_status tap_zip_begin(tap_zip_writer *zip, const char *name, uint64_t n_bytes, tap_error *err) {
    take_back(zip);
    size_t n = strlen(name);
    if (n > UINT16_MAX)
        return tap_error_set(err, TAP_DATA, "a name of %zu bytes is too long for a zip archive", n);
    char *copy = malloc(n + 1);
    if (!copy || !reserve(zip)) {
        free(copy);
        return tap_error_no_memory(err, n);
    }
    memcpy(copy, name, n + 1);
#ifdef TAP_HAVE_ZLIB
    memset(&zip->z, 0, sizeof zip->z);
    if (zip->compress &&
        deflateInit2(&zip->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        free(copy);
        return tap_error_no_memory(err, PACKED_BLOCK);
    }
#endif
    uint64_t most = n_bytes + (zip->compress ? n_bytes / 1000 + DEFLATE_SLACK : 0);
    zip->now = (member){
        .name = copy, .n_bytes = n_bytes, .header_at = zip->end, .wide = zip->force64 || most > FITS};
    zip->open = true;
    zip->given = 0;
    write_header(zip, &zip->now);
    zip->data_at = tap_writer_at(zip->out);
    return tap_writer_check(zip->out, err);
}

#ifdef TAP_HAVE_ZLIB
static void deflate_some(tap_zip_writer *zip, const uint8_t *p, size_t n, int flush) {
    int status;
    do {
        uInt step = n > INT32_MAX ? INT32_MAX : (uInt)n;
        zip->z.next_in = p;
        zip->z.avail_in = step;
        do {
            zip->z.next_out = zip->packed;
            zip->z.avail_out = PACKED_BLOCK;
            status = deflate(&zip->z, n == step ? flush : Z_NO_FLUSH);
            tap_writer_write(zip->out, zip->packed, PACKED_BLOCK - zip->z.avail_out);
        } while (zip->z.avail_out == 0);
        p += step;
        n -= step;
    } while (n > 0);
    assert(flush != Z_FINISH || status == Z_STREAM_END);
    (void)status;
}
#endif

void tap_zip_write(void *user, const void *p, size_t n) {
    tap_zip_writer *zip = user;
    zip->now.crc = tap_crc32(&zip->crc, zip->now.crc, p, n);
    zip->given += n;
#ifdef TAP_HAVE_ZLIB
    if (zip->compress) {
        deflate_some(zip, p, n, Z_NO_FLUSH);
        return;
    }
#endif
    tap_writer_write(zip->out, p, n);
}

tap_status tap_zip_end(tap_zip_writer *zip, tap_error *err) {
    member *m = &zip->now;
    assert(zip->open && zip->given == m->n_bytes);
#ifdef TAP_HAVE_ZLIB
    if (zip->compress) {
        deflate_some(zip, NULL, 0, Z_FINISH);
        deflateEnd(&zip->z);
        memset(&zip->z, 0, sizeof zip->z);
    }
#endif
    uint64_t end = tap_writer_at(zip->out);
    bytes crc = {.n = 0}, packed = {.n = 0};
    m->packed_bytes = end - zip->data_at;
    put(&crc, m->crc, 4);
    put(&packed, m->packed_bytes, m->wide ? 8 : 4);
    uint64_t packed_at = m->wide ? m->header_at + LOCAL_BYTES + strlen(m->name) + 12 : m->header_at + 18;
    tap_writer_patch(zip->out, m->header_at + 14, crc.p, crc.n);
    tap_writer_patch(zip->out, packed_at, packed.p, packed.n);
    tap_status s = tap_writer_check(zip->out, err);
    if (s != TAP_OK) {
        take_back(zip);
        return s;
    }
    m->end = end;
    zip->members[zip->n++] = *m;
    zip->open = false;
    zip->end = end;
    return TAP_OK;
}

/* ---- Members that grow ---- */

tap_status tap_zip_reserve(tap_zip_writer *zip, const char *name, uint64_t n_bytes, size_t *which,
                           tap_error *err) {
    tap_status s = tap_zip_begin(zip, name, n_bytes, err);
    if (s != TAP_OK) return s;
    member *m = &zip->now;
    m->data_at = zip->data_at;
    m->room = n_bytes;
    m->n_bytes = 0;
    tap_writer_skip(zip->out, n_bytes);
    s = tap_writer_check(zip->out, err);
    if (s != TAP_OK) {
        take_back(zip);
        return s;
    }
    *which = zip->n;
    zip->members[zip->n++] = *m;
    zip->open = false;
    zip->end = m->data_at + n_bytes;
    return TAP_OK;
}

tap_status tap_zip_put(tap_zip_writer *zip, size_t which, const void *p, size_t n, tap_error *err) {
    member *m = &zip->members[which];
    if (n > m->room - m->n_bytes)
        return tap_error_set(err, TAP_DATA, "'%s' has more rows than the data set", m->name);
    tap_writer_patch(zip->out, m->data_at + m->n_bytes, p, n);
    tap_status s = tap_writer_check(zip->out, err);
    if (s != TAP_OK) return s;
    m->crc = tap_crc32(&zip->crc, m->crc, p, n);
    m->n_bytes += n;
    return TAP_OK;
}

uint64_t tap_zip_given(const tap_zip_writer *zip, size_t which) {
    return zip->members[which].n_bytes;
}

void tap_zip_back(tap_zip_writer *zip, size_t which, uint64_t n_bytes) {
    zip->members[which].n_bytes = n_bytes;
    zip->members[which].stale = true;
}

/* Of what the member has in the file. */
static bool sum_up(tap_zip_writer *zip, member *m) {
    uint8_t block[4096];
    m->crc = 0;
    for (uint64_t at = 0; at < m->n_bytes;) {
        size_t n = m->n_bytes - at < sizeof block ? (size_t)(m->n_bytes - at) : sizeof block;
        if (!tap_writer_read(zip->out, m->data_at + at, block, n)) return false;
        m->crc = tap_crc32(&zip->crc, m->crc, block, n);
        at += n;
    }
    return true;
}

void tap_zip_shrink(tap_zip_writer *zip) {
    uint64_t end = 0;
    take_back(zip);
    for (size_t i = 0; i < zip->n; i++) {
        const member *m = &zip->members[i];
        uint64_t at = m->room ? m->data_at + m->n_bytes : m->end;
        if (at > end) end = at;
    }
    tap_writer_cut(zip->out, end);
    zip->end = end;
}

tap_status tap_zip_seal(tap_zip_writer *zip, size_t which, const void *head, size_t n_head, tap_error *err) {
    if (tap_writer_failed(zip->out)) tap_zip_shrink(zip);
    member *m = &zip->members[which];
    bytes crc = {.n = 0}, sizes = {.n = 0};
    uint8_t before[1024];
    bool same = !m->stale && n_head <= sizeof before && m->n_bytes >= n_head &&
                tap_writer_read(zip->out, m->data_at, before, n_head) && memcmp(before, head, n_head) == 0;
    if (m->n_bytes < n_head) m->n_bytes = n_head;
    if (!same) {
        tap_writer_patch(zip->out, m->data_at, head, n_head);
        if (!sum_up(zip, m))
            return tap_error_set(err, TAP_IO, "%s: cannot be read back", tap_writer_path(zip->out));
    }
    m->packed_bytes = m->n_bytes;
    put(&crc, m->crc, 4);
    /* In the zip64 field, too, the size as it is in full comes before the packed one. */
    put(&sizes, m->n_bytes, m->wide ? 8 : 4);
    put(&sizes, m->n_bytes, m->wide ? 8 : 4);
    tap_writer_patch(zip->out, m->header_at + 14, crc.p, crc.n);
    tap_writer_patch(zip->out, m->wide ? m->header_at + LOCAL_BYTES + strlen(m->name) + 4 : m->header_at + 18,
                     sizes.p, sizes.n);
    return tap_writer_check(zip->out, err);
}

static void write_entry(tap_zip_writer *zip, const member *m) {
    bool wide_at = zip->force64 || m->header_at > FITS;
    bytes b = {.n = 0}, extra = {.n = 0};
    size_t n_wide = (m->wide ? 16U : 0U) + (wide_at ? 8U : 0U);
    if (n_wide) put(&extra, 1 | (uint64_t)n_wide << 16, 4);
    if (m->wide) {
        put(&extra, m->n_bytes, 8);
        put(&extra, m->packed_bytes, 8);
    }
    if (wide_at) put(&extra, m->header_at, 8);
    put(&b, 0x02014b50, 4);
    put(&b, 45 | 3 << 8, 2);
    put_common(zip, m, &b);
    put(&b, m->crc, 4);
    put_wide(&b, m->wide, m->packed_bytes);
    put_wide(&b, m->wide, m->n_bytes);
    put(&b, strlen(m->name), 2);
    put(&b, extra.n, 2);
    put(&b, 0, 6); /* comment, disk, internal attributes */
    put(&b, (uint64_t)0100644 << 16, 4);
    put_wide(&b, wide_at, m->header_at);
    send(zip, &b);
    tap_writer_write(zip->out, m->name, strlen(m->name));
    send(zip, &extra);
}

static void write_end(tap_zip_writer *zip, uint64_t at, uint64_t n_bytes) {
    uint64_t end64_at = at + n_bytes;
    bool wide = zip->force64 || at > FITS || n_bytes > FITS || zip->n >= UINT16_MAX;
    bytes b = {.n = 0};
    if (wide) {
        put(&b, 0x06064b50, 4);
        put(&b, 44, 8);
        put(&b, 45 | 3 << 8, 2);
        put(&b, 45, 2);
        put(&b, 0, 8);
        put(&b, zip->n, 8);
        put(&b, zip->n, 8);
        put(&b, n_bytes, 8);
        put(&b, at, 8);
        put(&b, 0x07064b50, 4);
        put(&b, 0, 4);
        put(&b, end64_at, 8);
        put(&b, 1, 4);
    }
    put(&b, 0x06054b50, 4);
    put(&b, 0, 4);
    put(&b, wide ? UINT16_MAX : zip->n, 2);
    put(&b, wide ? UINT16_MAX : zip->n, 2);
    put_wide(&b, wide, n_bytes);
    put_wide(&b, wide, at);
    put(&b, 0, 2);
    send(zip, &b);
}

static void zip_free(tap_zip_writer *zip) {
    for (size_t i = 0; i < zip->n; i++) free(zip->members[i].name);
    free(zip->members);
    free(zip);
}

tap_status tap_zip_finish(tap_zip_writer *zip, tap_error *err) {
    take_back(zip);
    uint64_t at = tap_writer_at(zip->out);
    for (size_t i = 0; i < zip->n; i++) write_entry(zip, &zip->members[i]);
    write_end(zip, at, tap_writer_at(zip->out) - at);
    tap_status s = tap_writer_commit(zip->out, true, err);
    zip_free(zip);
    return s;
}

void tap_zip_discard(tap_zip_writer *zip) {
    take_back(zip);
    tap_writer_discard(zip->out);
    zip_free(zip);
}
