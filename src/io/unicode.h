/* UTF-8 to code points and back, one at a time. */
#ifndef TAP_IO_UNICODE_H
#define TAP_IO_UNICODE_H

#include "core/base.h"

/* The code point at *p, which moves behind it; a byte that starts no valid sequence (overlong forms,
 * surrogates, above U+10FFFF) gives U+DC80 + byte - 0x80 and is taken alone. *p < end. */
uint32_t tap_utf8_next(const char **p, const char *end);
/* Writes code point c, at most 4 bytes, and returns how many; U+DC80 .. U+DCFF give the byte that they stand
 * for. 0 where c is no code point. */
size_t tap_utf8_put(uint32_t c, char *out);

static inline bool tap_is_escaped_byte(uint32_t c) {
    return c >= 0xDC80 && c <= 0xDCFF;
}

#endif
