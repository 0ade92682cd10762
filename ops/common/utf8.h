/* UTF-8, one code point at a time. */
#ifndef TAP_OPS_COMMON_UTF8_H
#define TAP_OPS_COMMON_UTF8_H

#include "common/ops.h"

/* Reads the code point at s[0..n), n > 0. Returns the bytes it takes; where they are no UTF-8, one byte is
 * taken for a code point above all real ones, which tap_utf8_put writes back as it was. */
static inline size_t tap_utf8_get(const char *s, size_t n, uint32_t *code) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *p = (const unsigned char *)s;
    size_t len = p[0] < 0x80 ? 1 : p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : p[0] < 0xF5 ? 4 : 0;
    uint32_t c = len == 1 ? p[0] : p[0] & (0x7Fu >> len);
    if (len == 0 || len > n) len = 0;
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xC0) != 0x80)
            len = 0;
        else
            c = c << 6 | (p[i] & 0x3Fu);
    }
    if (len > 0 && c >= least[len] && c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF)) {
        *code = c;
        return len;
    }
    *code = 0x200000u | p[0];
    return 1;
}

enum { TAP_UTF8_MAX = 4 };

/* Writes it to s, which has room for TAP_UTF8_MAX bytes. Returns how many it took. */
static inline size_t tap_utf8_put(uint32_t c, char *s) {
    if (c < 0x80 || c >= 0x200000u) {
        s[0] = (char)(c & 0xFF);
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--, c >>= 6) s[i] = (char)(0x80 | (c & 0x3F));
    s[0] = (char)((0xF00u >> len & 0xFF) | c);
    return len;
}

static inline bool tap_utf8_is_space(uint32_t c) {
    return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
           c == 0x3000;
}

static inline bool tap_string_equal(tap_string a, tap_string b) {
    return a.n == b.n && (a.n == 0 || __builtin_memcmp(a.s, b.s, a.n) == 0);
}

/* FNV-1a, and its bits mixed once more for tables whose size is a power of two. */
static inline uint64_t tap_hash_bytes(const void *data, size_t n) {
    const unsigned char *p = data;
    uint64_t h = 0xCBF29CE484222325u;
    for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 0x100000001B3u;
    return h ^ h >> 29;
}

#endif
