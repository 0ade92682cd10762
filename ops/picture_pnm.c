/* The portable formats: PBM, PGM and PPM as text (P1 to P3) and in bytes (P4 to P6), and PAM (P7). */
#include <string.h>

#include "picture.h"

typedef struct reader {
    const uint8_t *at, *end;
} reader;

typedef struct header {
    char kind; /* '1' .. '7' */
    uint32_t width, height, most, samples /* of a pixel */;
} header;

static bool is_space(int c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* White space, and comments from # to the end of the line. */
static void skip_space(reader *r) {
    bool comment = false;
    for (; r->at < r->end && (comment || *r->at == '#' || is_space(*r->at)); r->at++)
        comment = *r->at == '#' || (comment && *r->at != '\n' && *r->at != '\r');
}

static bool read_number(reader *r, uint32_t *y) {
    uint64_t v = 0;
    skip_space(r);
    const uint8_t *from = r->at;
    for (; r->at < r->end && *r->at >= '0' && *r->at <= '9' && v < UINT32_MAX; r->at++)
        v = v * 10 + *r->at - '0';
    *y = (uint32_t)v;
    return r->at > from && v <= INT32_MAX;
}

/* ---- Headers --------------------------------------------------------------------------------------- */

/* PAM's header: lines of a name and a value, up to ENDHDR. */
static bool read_pam_header(reader *r, header *h) {
    uint32_t ignored;
    for (;;) {
        skip_space(r);
        const uint8_t *word = r->at;
        while (r->at < r->end && !is_space(*r->at)) r->at++;
        const size_t n = (size_t)(r->at - word);
        const struct {
            const char *name;
            uint32_t *to;
        } fields[] = {
            {"WIDTH", &h->width}, {"HEIGHT", &h->height}, {"MAXVAL", &h->most}, {"DEPTH", &h->samples}};
        if (n == 0) return false;
        if (n == 6 && memcmp(word, "ENDHDR", n) == 0) return true;
        uint32_t *to = NULL;
        for (size_t i = 0; i < TAP_COUNT_OF(fields); i++)
            if (n == strlen(fields[i].name) && memcmp(word, fields[i].name, n) == 0) to = fields[i].to;
        if (to && !read_number(r, to ? to : &ignored)) return false;
        while (r->at < r->end && *r->at != '\n') r->at++;
    }
}

static bool read_header(reader *r, header *h) {
    if (r->end - r->at < 3 || r->at[0] != 'P' || r->at[1] < '1' || r->at[1] > '7') return false;
    *h = (header){.kind = (char)r->at[1], .most = 1};
    r->at += 2;
    if (!is_space(*r->at) && *r->at != '#') return false;
    bool ok;
    if (h->kind == '7') {
        ok = read_pam_header(r, h);
    } else {
        h->samples = h->kind == '3' || h->kind == '6' ? 3 : 1;
        ok = read_number(r, &h->width) && read_number(r, &h->height);
        if (h->kind != '1' && h->kind != '4') ok = ok && read_number(r, &h->most);
    }
    if (h->kind >= '4' && ok && (r->at == r->end || !is_space(*r->at++)))
        ok = false; /* one, before the pixels */
    return ok && h->width > 0 && h->height > 0 && h->most > 0 && h->most <= 65535 && h->samples > 0 &&
           h->samples <= 16;
}

/* ---- Pixels ---------------------------------------------------------------------------------------- */

static bool read_text_sample(reader *r, const header *h, uint32_t *v) {
    if (h->kind != '1') return read_number(r, v);
    skip_space(r); /* digits of PBM may follow each other without space; 1 is black */
    if (r->at == r->end || (*r->at != '0' && *r->at != '1')) return false;
    *v = *r->at++ == '0';
    return true;
}

static bool text_pixels(reader *r, const header *h, tap_picture *p) {
    for (int64_t i = 0; i < tap_picture_pixels(p); i++)
        for (uint32_t c = 0; c < 3; c++) {
            uint32_t v;
            if (c >= h->samples) {
                p->rgb[3 * i + c] = p->rgb[3 * i];
                continue;
            }
            if (!read_text_sample(r, h, &v)) return false;
            p->rgb[3 * i + c] = tap_picture_sample(v, h->most);
        }
    return true;
}

static bool bit_pixels(const reader *r, tap_picture *p) {
    const int64_t stride = (p->width + 7) / 8;
    if ((r->end - r->at) / stride < p->height) return false;
    for (int64_t i = 0; i < tap_picture_pixels(p); i++) {
        const int64_t x = i % p->width, y = i / p->width;
        const bool black = r->at[y * stride + x / 8] >> (7 - x % 8) & 1;
        memset(p->rgb + 3 * i, black ? 0 : 255, 3);
    }
    return true;
}

static bool byte_pixels(const reader *r, const header *h, tap_picture *p) {
    const int64_t each = h->most > 255 ? 2 : 1, pixel = each * h->samples;
    if ((r->end - r->at) / pixel < tap_picture_pixels(p)) return false;
    for (int64_t i = 0; i < tap_picture_pixels(p); i++)
        for (int64_t c = 0; c < 3; c++) {
            const uint8_t *s = r->at + i * pixel + (h->samples >= 3 ? c * each : 0);
            const uint32_t v = each == 2 ? (uint32_t)(s[0] << 8 | s[1]) : s[0];
            p->rgb[3 * i + c] = tap_picture_sample(v, h->most);
        }
    return true;
}

tap_status tap_picture_pnm(tap_picture *p, const uint8_t *bytes, size_t n) {
    reader r = {bytes, bytes + n};
    header h;
    if (!read_header(&r, &h)) return TAP_DATA;
    const tap_status status = tap_picture_make(p, h.width, h.height);
    if (status) return status;
    const bool ok = h.kind < '4'    ? text_pixels(&r, &h, p)
                    : h.kind == '4' ? bit_pixels(&r, p)
                                    : byte_pixels(&r, &h, p);
    return ok ? TAP_OK : TAP_DATA;
}
