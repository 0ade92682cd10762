/* UTF-8 as RFC 3629 has it; other bytes survive as Python's surrogateescape. */
#include "io/unicode.h"

static bool continues(const uint8_t *p, const uint8_t *end, size_t n) {
    if ((size_t)(end - p) <= n) return false;
    for (size_t i = 1; i <= n; i++)
        if ((p[i] & 0xC0) != 0x80) return false;
    return true;
}

uint32_t tap_utf8_next(const char **at, const char *end_) {
    const uint8_t *p = (const uint8_t *)*at, *end = (const uint8_t *)end_;
    uint32_t c = p[0];
    size_t n = 0;
    if (c < 0x80) {
        *at += 1;
        return c;
    }
    if (c >= 0xC2 && c <= 0xDF && continues(p, end, 1)) {
        c = (c & 0x1F) << 6 | (p[1] & 0x3FU);
        n = 2;
    } else if ((c & 0xF0) == 0xE0 && continues(p, end, 2)) {
        c = (c & 0x0F) << 12 | (p[1] & 0x3FU) << 6 | (p[2] & 0x3FU);
        n = c >= 0x800 && (c < 0xD800 || c > 0xDFFF) ? 3 : 0;
    } else if (c >= 0xF0 && c <= 0xF4 && continues(p, end, 3)) {
        c = (c & 0x07) << 18 | (p[1] & 0x3FU) << 12 | (p[2] & 0x3FU) << 6 | (p[3] & 0x3FU);
        n = c >= 0x10000 && c <= 0x10FFFF ? 4 : 0;
    }
    if (n == 0) {
        *at += 1;
        return 0xDC80 + (p[0] - 0x80U);
    }
    *at += n;
    return c;
}

size_t tap_utf8_put(uint32_t c, char *out) {
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (tap_is_escaped_byte(c)) {
        out[0] = (char)(c - 0xDC80 + 0x80);
        return 1;
    }
    if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) return 0;
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t lead[5] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = n - 1; i > 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 0x3F));
    out[0] = (char)(lead[n] | c);
    return n;
}
