/* BMP, with every header from OS/2's to version 5: 1 to 32 bits a pixel, bit fields, run lengths. */
#include <string.h>

#include "picture.h"

enum { RGB = 0, RLE8 = 1, RLE4 = 2, BITFIELDS = 3, ALPHABITFIELDS = 6 };

typedef struct bitmap {
    const uint8_t *pixels;
    size_t n; /* bytes of pixels */
    int64_t width, height;
    bool top_down;
    uint32_t bits, compression;
    uint32_t mask[3];        /* of red, green, blue */
    uint8_t colours[256][3]; /* red, green, blue    */
} bitmap;

static uint32_t u16(const uint8_t *p) {
    return (uint32_t)(p[0] | p[1] << 8);
}

static uint32_t u32(const uint8_t *p) {
    return u16(p) | u16(p + 2) << 16;
}

/* ---- Headers --------------------------------------------------------------------------------------- */

/* Colours, from `at` on, of `each` bytes: blue, green, red. Those that are not there are black. */
static void read_colours(bitmap *b, const uint8_t *bytes, size_t n, size_t at, size_t colours, size_t each) {
    const size_t most = b->bits <= 8 ? (size_t)1 << b->bits : 0;
    if (colours == 0 || colours > most) colours = most;
    for (size_t i = 0; i < colours && at + each <= n; i++, at += each)
        for (int c = 0; c < 3; c++) b->colours[i][c] = bytes[at + 2 - (size_t)c];
}

static void read_masks(bitmap *b, const uint8_t *bytes, size_t n, size_t at) {
    static const uint32_t usual[2][3] = {{0x7C00, 0x03E0, 0x001F}, {0xFF0000, 0x00FF00, 0x0000FF}};
    const bool given = b->compression == BITFIELDS || b->compression == ALPHABITFIELDS;
    for (size_t c = 0; c < 3; c++)
        b->mask[c] = given && at + 12 <= n ? u32(bytes + at + 4 * c) : usual[b->bits != 16][c];
}

/* A header of 12 bytes (OS/2 1, Windows 2), or of 40 and more. */
static bool read_header(bitmap *b, const uint8_t *bytes, size_t n) {
    if (n < 26) return false;
    const size_t offset = u32(bytes + 10), size = u32(bytes + 14);
    size_t colours = 0, each = 4, masks = 54;
    if (size == 12) {
        b->width = u16(bytes + 18);
        b->height = u16(bytes + 20);
        b->bits = u16(bytes + 24);
        each = 3;
    } else if (size >= 40 && size <= 256 && n >= 54) {
        b->width = (int32_t)u32(bytes + 18);
        b->height = (int32_t)u32(bytes + 22);
        b->bits = u16(bytes + 28);
        b->compression = u32(bytes + 30);
        colours = u32(bytes + 46);
    } else {
        return false;
    }
    b->top_down = b->height < 0;
    if (b->top_down) b->height = -b->height;
    read_masks(b, bytes, n, masks);
    size_t table = 14 + size; /* a header of 40 bytes has the masks behind it */
    if (size == 40 && b->compression == BITFIELDS) table += 12;
    if (size == 40 && b->compression == ALPHABITFIELDS) table += 16;
    read_colours(b, bytes, n, table, colours, each);
    if (offset < 14 + size || offset > n) return false;
    b->pixels = bytes + offset;
    b->n = n - offset;
    return b->width > 0 && b->height > 0;
}

static bool has_known_form(const bitmap *b) {
    switch (b->compression) {
    case RGB:
        return b->bits == 1 || b->bits == 2 || b->bits == 4 || b->bits == 8 || b->bits == 16 ||
               b->bits == 24 || b->bits == 32;
    case RLE8: return b->bits == 8 && !b->top_down;
    case RLE4: return b->bits == 4 && !b->top_down;
    case BITFIELDS:
    case ALPHABITFIELDS: return b->bits == 16 || b->bits == 32;
    default: return false;
    }
}

/* ---- Pixels ---------------------------------------------------------------------------------------- */

static uint8_t *row_of(const bitmap *b, tap_picture *p, int64_t y) {
    return p->rgb + (b->top_down ? y : b->height - 1 - y) * b->width * 3;
}

/* The bits of a mask as 0 .. 255. */
static uint8_t field(uint32_t v, uint32_t mask) {
    if (mask == 0) return 0;
    while (!(mask & 1)) {
        mask >>= 1;
        v >>= 1;
    }
    return tap_picture_sample(v & mask, mask);
}

static void pixel(const bitmap *b, const uint8_t *row, int64_t x, uint8_t *to) {
    if (b->bits <= 8) {
        const int64_t per = 8 / b->bits;
        const uint32_t i = row[x / per] >> (8 - (int64_t)b->bits * (x % per + 1)) & ((1U << b->bits) - 1);
        memcpy(to, b->colours[i], 3);
    } else if (b->bits == 24) {
        for (int c = 0; c < 3; c++) to[c] = row[3 * x + 2 - c];
    } else {
        const uint32_t v = b->bits == 16 ? u16(row + 2 * x) : u32(row + 4 * x);
        for (int c = 0; c < 3; c++) to[c] = field(v, b->mask[c]);
    }
}

/* Rows begin at multiples of 4 bytes. */
static bool plain_pixels(const bitmap *b, tap_picture *p) {
    const int64_t stride = (b->width * b->bits + 31) / 32 * 4;
    const int64_t last = (b->width * b->bits + 7) / 8; /* some writers leave out what fills the last row */
    if ((int64_t)b->n < last || ((int64_t)b->n - last) / stride < b->height - 1) return false;
    for (int64_t y = 0; y < b->height; y++) {
        uint8_t *to = row_of(b, p, y);
        for (int64_t x = 0; x < b->width; x++) pixel(b, b->pixels + y * stride, x, to + 3 * x);
    }
    return true;
}

/* A place in a picture of run lengths. What is out of the picture is left out. */
typedef struct pen {
    int64_t x, y;
} pen;

static void put(const bitmap *b, tap_picture *p, pen *at, uint32_t colour) {
    if (at->y < b->height && at->x < b->width) memcpy(row_of(b, p, at->y) + 3 * at->x, b->colours[colour], 3);
    at->x++;
}

/* Pixel i of a run's bytes. */
static uint32_t colour_at(const bitmap *b, const uint8_t *bytes, int64_t i) {
    if (b->bits == 8) return bytes[i];
    return i % 2 ? bytes[i / 2] & 15U : bytes[i / 2] >> 4U;
}

/* Pairs of bytes: n times a colour, or 0 and an escape: 0 end of line, 1 end, 2 a move, else so many pixels.
 */
static bool run_pixels(const bitmap *b, tap_picture *p) {
    const uint8_t *s = b->pixels, *end = s + b->n;
    pen at = {0, 0};
    for (int64_t i = 0; i < tap_picture_pixels(p); i++) memcpy(p->rgb + 3 * i, b->colours[0], 3);
    while (end - s >= 2 && at.y < b->height) {
        const int n = s[0], escape = s[1];
        s += 2;
        if (n > 0) {
            const uint8_t colour[2] = {(uint8_t)escape, (uint8_t)escape};
            for (int i = 0; i < n; i++) put(b, p, &at, colour_at(b, colour, b->bits == 8 ? 0 : i % 2));
        } else if (escape == 0) {
            at = (pen){0, at.y + 1};
        } else if (escape == 1) {
            return true;
        } else if (escape == 2) {
            if (end - s < 2) return false;
            at.x += s[0];
            at.y += s[1];
            s += 2;
        } else {
            const int64_t bytes = ((int64_t)escape * b->bits + 15) / 16 * 2; /* an even number */
            if (end - s < bytes) return false;
            for (int i = 0; i < escape; i++) put(b, p, &at, colour_at(b, s, i));
            s += bytes;
        }
    }
    return at.y >= b->height; /* else it is cut off */
}

tap_status tap_picture_bmp(tap_picture *p, const uint8_t *bytes, size_t n) {
    bitmap b = {0};
    if (!read_header(&b, bytes, n) || !has_known_form(&b)) return TAP_DATA;
    const tap_status status = tap_picture_make(p, b.width, b.height);
    if (status) return status;
    const bool runs = b.compression == RLE8 || b.compression == RLE4;
    return (runs ? run_pixels(&b, p) : plain_pixels(&b, p)) ? TAP_OK : TAP_DATA;
}
