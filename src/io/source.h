/* Bytes to read one after another: plain ones in a file, or the ones that a deflate stream unpacks to. */
#ifndef TAP_IO_SOURCE_H
#define TAP_IO_SOURCE_H

#include "io/crc32.h"
#include "io/file.h"

struct tap_inflate;

typedef struct tap_source {
    const char *name; /* for messages                                                                */
    const uint8_t *p; /* plain: the next byte; NULL where it is unpacked                             */
    uint64_t left;    /* bytes to come                                                               */
    tap_file *file;   /* plain: what p lies in, so that a value may keep it; NULL: it may not        */
    struct tap_inflate *inflate; /* packed */
    const tap_crc_tables
        *crc; /* not NULL: what is read is summed up, and the sum wanted at the end is `crc_want` */
    uint32_t crc_sum, crc_want;
    uint64_t limit_bytes; /* that a value may take; 0: half of the machine's memory                */
} tap_source;

/* All bytes of file. */
tap_source tap_source_of(tap_file *file, const char *name, uint64_t limit_bytes);
/* n bytes to dst; false where there are fewer, or the deflate stream is damaged. */
bool tap_source_read(tap_source *s, void *dst, size_t n_bytes);

/* Reads what is left; false where the bytes, all of them, are not those that the checksum was made of. */
bool tap_source_check(tap_source *s);

#ifdef TAP_HAVE_ZLIB
/* A source for the raw deflate stream of n_bytes at p which unpacks to n_plain bytes. Errors: TAP_MEMORY. */
tap_status tap_source_inflate(tap_source *s, const char *name, const uint8_t *p, size_t n_bytes,
                              uint64_t n_plain, uint64_t limit_bytes, tap_error *err);
#endif
void tap_source_close(tap_source *s);

/* Checks that the limit allows n bytes. Errors: TAP_MEMORY. */
tap_status tap_source_allows(const tap_source *s, uint64_t n_bytes, tap_error *err);

#endif
