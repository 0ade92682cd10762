/* Reading a zip directory. Every offset and length is checked against the file before it is used. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "io/zip.h"

#define END_BYTES     22
#define LOCATOR_BYTES 20
#define END64_BYTES   56
#define ENTRY_BYTES   46
#define LOCAL_BYTES   30
#define COMMENT_MOST  65535
#define INFLATES_MOST 1032 /* bytes that deflate can make of one */

static uint32_t le16(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}
static uint32_t le32(const uint8_t *p) {
    return le16(p) | le16(p + 2) << 16;
}
static uint64_t le64(const uint8_t *p) {
    return le32(p) | (uint64_t)le32(p + 4) << 32;
}

static tap_status bad(const tap_zip *zip, const char *why, tap_error *err) {
    return tap_error_set(err, TAP_DATA, "%s: %s", zip->name, why);
}

/* The bytes [at, at + n) of the file, or NULL where it has no such bytes. */
static const uint8_t *part(const tap_zip *zip, uint64_t at, uint64_t n) {
    uint64_t size = zip->file->n_bytes;
    return at <= size && n <= size - at ? zip->file->data + at : NULL;
}

static bool find_end(const tap_zip *zip, uint64_t *at) {
    uint64_t size = zip->file->n_bytes;
    for (uint64_t comment = 0; comment <= COMMENT_MOST && comment + END_BYTES <= size; comment++) {
        const uint8_t *p = zip->file->data + (size - END_BYTES - comment);
        if (le32(p) == 0x06054b50 && le16(p + 20) == comment) {
            *at = size - END_BYTES - comment;
            return true;
        }
    }
    return false;
}

typedef struct directory {
    uint64_t at, n_bytes, n;
} directory;

static tap_status find_directory(const tap_zip *zip, directory *d, tap_error *err) {
    uint64_t end_at;
    if (!find_end(zip, &end_at))
        return bad(zip, "not a complete .npz (zip) archive: it has no directory at its end", err);
    const uint8_t *end = zip->file->data + end_at;
    *d = (directory){le32(end + 16), le32(end + 12), le16(end + 10)};
    const uint8_t *locator =
        end_at >= LOCATOR_BYTES ? part(zip, end_at - LOCATOR_BYTES, LOCATOR_BYTES) : NULL;
    if (!locator || le32(locator) != 0x07064b50) return TAP_OK;
    const uint8_t *end64 = part(zip, le64(locator + 8), END64_BYTES);
    if (!end64 || le32(end64) != 0x06064b50) return bad(zip, "damaged zip64 directory", err);
    *d = (directory){le64(end64 + 48), le64(end64 + 40), le64(end64 + 32)};
    return TAP_OK;
}

/* The 64-bit numbers of an entry, in the order in which its 32-bit ones say that they are too large. */
static bool read_zip64(const uint8_t *extra, size_t n, tap_zip_member *m) {
    uint64_t *const wide[3] = {&m->n_bytes, &m->packed_bytes, &m->header_at};
    while (n >= 4) {
        size_t size = le16(extra + 2);
        if (size > n - 4) return false;
        const uint8_t *p = extra + 4, *end = p + size;
        for (size_t i = 0; le16(extra) == 1 && i < 3; i++) {
            if (*wide[i] != UINT32_MAX) continue;
            if (end - p < 8) return false;
            *wide[i] = le64(p);
            p += 8;
        }
        extra = end;
        n -= 4 + size;
    }
    return true;
}

static tap_status read_member(const tap_zip *zip, uint64_t *at, tap_zip_member *m, tap_error *err) {
    const uint8_t *p = part(zip, *at, ENTRY_BYTES);
    if (!p || le32(p) != 0x02014b50) return bad(zip, "damaged zip directory", err);
    size_t n_name = le16(p + 28), n_extra = le16(p + 30), n_comment = le16(p + 32);
    if (!part(zip, *at, ENTRY_BYTES + n_name + n_extra + n_comment))
        return bad(zip, "damaged zip directory", err);
    *m = (tap_zip_member){.name = (const char *)p + ENTRY_BYTES,
                          .name_bytes = n_name,
                          .crc = le32(p + 16),
                          .method = (int)le16(p + 10),
                          .encrypted = (le16(p + 8) & 1) != 0,
                          .packed_bytes = le32(p + 20),
                          .n_bytes = le32(p + 24),
                          .header_at = le32(p + 42)};
    if (!read_zip64(p + ENTRY_BYTES + n_name, n_extra, m)) return bad(zip, "damaged zip64 sizes", err);
    *at += ENTRY_BYTES + n_name + n_extra + n_comment;
    return TAP_OK;
}

tap_status tap_zip_open(tap_file *file, const char *name, tap_zip *zip, tap_error *err) {
    *zip = (tap_zip){.file = file, .name = name};
    directory d = {0, 0, 0};
    tap_status s = find_directory(zip, &d, err);
    if (s != TAP_OK) return s;
    if (!part(zip, d.at, d.n_bytes) || d.n > d.n_bytes / ENTRY_BYTES)
        return bad(zip, "damaged zip directory", err);
    zip->members = malloc((size_t)d.n * sizeof *zip->members + 1);
    if (!zip->members) return tap_error_no_memory(err, d.n * sizeof *zip->members);
    for (uint64_t at = d.at; s == TAP_OK && zip->n < d.n; zip->n += s == TAP_OK)
        s = read_member(zip, &at, &zip->members[zip->n], err);
    if (s != TAP_OK) {
        free(zip->members);
        return s;
    }
    tap_crc_init(&zip->crc);
    tap_file_retain(file);
    return TAP_OK;
}

void tap_zip_close(tap_zip *zip) {
    free(zip->members);
    tap_file_release(zip->file);
}

static tap_status open_packed(const tap_zip_member *m, const char *label, const uint8_t *p, uint64_t limit,
                              tap_source *out, tap_error *err) {
    if (m->n_bytes > m->packed_bytes * INFLATES_MOST)
        return tap_error_set(err, TAP_DATA, "%s: damaged: %" PRIu64 " bytes cannot unpack to %" PRIu64, label,
                             m->packed_bytes, m->n_bytes);
#ifdef TAP_HAVE_ZLIB
    return tap_source_inflate(out, label, p, (size_t)m->packed_bytes, m->n_bytes, limit, err);
#else
    (void)p, (void)limit, (void)out;
    return tap_error_set(err, TAP_UNSUPPORTED,
                         "%s: compressed, and this build has no zlib: save it with numpy.savez", label);
#endif
}

tap_status tap_zip_source(const tap_zip *zip, size_t i, const char *label, uint64_t limit, tap_source *out,
                          tap_error *err) {
    const tap_zip_member *m = &zip->members[i];
    *out = (tap_source){.name = label};
    if (m->encrypted) return tap_error_set(err, TAP_DATA, "%s: encrypted", label);
    const uint8_t *local = part(zip, m->header_at, LOCAL_BYTES);
    if (!local || le32(local) != 0x04034b50)
        return tap_error_set(err, TAP_DATA, "%s: damaged zip member", label);
    uint64_t data_at = m->header_at + LOCAL_BYTES + le16(local + 26) + le16(local + 28);
    const uint8_t *p = part(zip, data_at, m->packed_bytes);
    if (!p) return tap_error_set(err, TAP_DATA, "%s: damaged: it ends behind the end of the archive", label);
    if (m->method == 8) {
        tap_status s = open_packed(m, label, p, limit, out, err);
        if (s != TAP_OK) return s;
    } else if (m->method == 0 && m->packed_bytes == m->n_bytes) {
        *out =
            (tap_source){.name = label, .p = p, .left = m->n_bytes, .file = zip->file, .limit_bytes = limit};
    } else {
        return tap_error_set(err, TAP_DATA, "%s: packed in a way other than stored or deflate (method %d)",
                             label, m->method);
    }
    out->crc = &zip->crc;
    out->crc_want = m->crc;
    return TAP_OK;
}
