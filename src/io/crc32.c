/* CRC-32, eight bytes a step. */
#include "io/crc32.h"

void tap_crc_init(tap_crc_tables *tables) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++) c = (c >> 1) ^ (UINT32_C(0xEDB88320) & (0U - (c & 1U)));
        tables->t[0][i] = c;
    }
    for (int k = 1; k < 8; k++)
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t c = tables->t[k - 1][i];
            tables->t[k][i] = (c >> 8) ^ tables->t[0][c & 255];
        }
}

static uint32_t le32(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint32_t tap_crc32(const tap_crc_tables *tables, uint32_t crc, const void *data, size_t n) {
    const uint8_t *p = data;
    const uint32_t(*t)[256] = tables->t;
    uint32_t c = ~crc;
    for (; n >= 8; n -= 8, p += 8) {
        uint32_t a = c ^ le32(p), b = le32(p + 4);
        c = t[7][a & 255] ^ t[6][a >> 8 & 255] ^ t[5][a >> 16 & 255] ^ t[4][a >> 24] ^ t[3][b & 255] ^
            t[2][b >> 8 & 255] ^ t[1][b >> 16 & 255] ^ t[0][b >> 24];
    }
    for (; n > 0; n--, p++) c = (c >> 8) ^ t[0][(c ^ *p) & 255];
    return ~c;
}
