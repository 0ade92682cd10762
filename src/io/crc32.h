/* CRC-32 as zip and gzip have it (ISO 3309, polynomial 0xEDB88320 reflected). */
#ifndef TAP_IO_CRC32_H
#define TAP_IO_CRC32_H

#include "core/base.h"

/* What one byte, followed by k zero bytes, does to the sum: made in microseconds by each user, so that
 * nothing is global. */
typedef struct tap_crc_tables {
    uint32_t t[8][256];
} tap_crc_tables;

void tap_crc_init(tap_crc_tables *tables);
/* Of n bytes, going on from crc (0 at first). */
uint32_t tap_crc32(const tap_crc_tables *tables, uint32_t crc, const void *p, size_t n_bytes);

#endif
