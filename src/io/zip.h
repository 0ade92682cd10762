/* Zip archives as .npz uses them (PKWARE APPNOTE 6.3.10): members stored or deflated, zip64. */
#ifndef TAP_IO_ZIP_H
#define TAP_IO_ZIP_H

#include "io/crc32.h"
#include "io/source.h"

/* ---- Reading ---- */

typedef struct tap_zip_member {
    const char *name; /* not terminated: name_bytes of the file                                             */
    size_t name_bytes;
    uint32_t crc;
    int method; /* 0 stored, 8 deflated; others cannot be read                                        */
    bool encrypted;
    uint64_t packed_bytes, n_bytes, header_at;
} tap_zip_member;

typedef struct tap_zip {
    tap_file *file;
    const char *name; /* for messages; borrowed                                                             */
    tap_zip_member *members;
    size_t n;
    tap_crc_tables crc;
} tap_zip;

/* Reads the directory; a reference to file is taken. Errors: TAP_DATA, TAP_MEMORY. */
tap_status tap_zip_open(tap_file *file, const char *name, tap_zip *zip, tap_error *err);
void tap_zip_close(tap_zip *zip);
/* Member i as a source named `label`, to be closed with tap_source_close. A stored one lies in the file and
 * may be shared; of what is read, tap_source_check compares the checksum. Errors: TAP_DATA, TAP_MEMORY,
 * TAP_UNSUPPORTED (zlib is missing). */
tap_status tap_zip_source(const tap_zip *zip, size_t i, const char *label, uint64_t limit_bytes,
                          tap_source *out, tap_error *err);

/* ---- Writing ---- */

typedef struct tap_zip_writer tap_zip_writer;

/* compress: deflate the members. Takes over `out`, also where it fails. Errors: TAP_MEMORY, TAP_UNSUPPORTED
 * (zlib missing). */
tap_status tap_zip_create(tap_writer *out, bool compress, tap_zip_writer **zip, tap_error *err);
/* Tests: writes zip64 records as if every number were too large for 32 bits. */
void tap_zip_force64(tap_zip_writer *zip);
/* A member of exactly n_bytes: begin, the bytes in any pieces, end. One that is not ended is taken back. The
 * bytes of a stored member start at a multiple of 64. Errors: TAP_DATA (a name over 65535 bytes), TAP_MEMORY,
 * TAP_IO. */
tap_status tap_zip_begin(tap_zip_writer *zip, const char *name, uint64_t n_bytes, tap_error *err);
void tap_zip_write(void *zip, const void *p, size_t n_bytes); /* a tap_npy_write_fn */
tap_status tap_zip_end(tap_zip_writer *zip, tap_error *err);
/* A member whose bytes come later, in order, while others are written: room for n_bytes is left. Stored
 * members only. *member is for the next two. */
tap_status tap_zip_reserve(tap_zip_writer *zip, const char *name, uint64_t n_bytes, size_t *member,
                           tap_error *err);
/* The next bytes of it. */
tap_status tap_zip_put(tap_zip_writer *zip, size_t member, const void *p, size_t n_bytes, tap_error *err);
/* Bytes given so far, and going back to so many. */
uint64_t tap_zip_given(const tap_zip_writer *zip, size_t member);
void tap_zip_back(tap_zip_writer *zip, size_t member, uint64_t n_bytes);
/* It ends with what it was given, the first n_head bytes of which become `head`. */
tap_status tap_zip_seal(tap_zip_writer *zip, size_t member, const void *head, size_t n_head, tap_error *err);
/* Gives up the room behind the last byte of reserved members that got less than was reserved. */
void tap_zip_shrink(tap_zip_writer *zip);
/* Writes the directory behind the members that were ended, and gives the file its name. Frees zip. */
tap_status tap_zip_finish(tap_zip_writer *zip, tap_error *err);
/* Removes it all. */
void tap_zip_discard(tap_zip_writer *zip);

#endif
