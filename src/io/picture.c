/* Tensors as pictures: as they are, as tiles of feature maps, as heat maps; the latter two with a colour map
 * and a scale. */
#include "io/picture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "onnxtap/record.h"

#define SIDE_MOST 2048

/* viridis (Smith, van der Walt; CC0) at 0, 1/16, ... 1: even in lightness, and readable for the colour-blind.
 */
static const uint8_t viridis[17][3] = {
    {68, 1, 84},    {72, 24, 106},  {71, 45, 123},  {66, 64, 134},  {59, 82, 139},  {51, 99, 141},
    {44, 114, 142}, {38, 130, 142}, {33, 145, 140}, {31, 160, 136}, {40, 174, 128}, {63, 188, 115},
    {94, 201, 98},  {132, 212, 75}, {173, 220, 48}, {216, 226, 25}, {253, 231, 37}};

static void colour(double x, uint8_t *rgb) {
    if (!(x >= 0)) x = 0;
    if (x > 1) x = 1;
    double at = x * 16;
    int i = at >= 16 ? 15 : (int)at;
    for (int c = 0; c < 3; c++) {
        double y = viridis[i][c] + (at - i) * (viridis[i + 1][c] - viridis[i][c]);
        rgb[c] = (uint8_t)(y + 0.5);
    }
}

static tap_status canvas(tap_image *i, int64_t width, int64_t height, int channels, uint8_t shade,
                         tap_error *err) {
    *i = (tap_image){.width = width, .height = height, .channels = channels};
    uint64_t n = (uint64_t)width * (uint64_t)height * (uint64_t)channels;
    if (width > INT32_MAX / 4 || height > INT32_MAX / 4 || n > UINT32_MAX)
        return tap_error_set(err, TAP_DATA, "a picture of %lld x %lld is too large", (long long)width,
                             (long long)height);
    i->data = malloc((size_t)n + 1);
    if (!i->data) return tap_error_no_memory(err, n);
    memset(i->data, shade, (size_t)n);
    return TAP_OK;
}

/* ---- Numbers on pictures ---- */

/* 3 x 5 dots: bit 14 is the upper left one. */
static uint16_t glyph(char c) {
    static const char letters[] = "0123456789.-+enaif";
    static const uint16_t dots[] = {075557, 026227, 071747, 071717, 055711, 074717, 074757, 071111, 075757,
                                    075717, 000002, 000700, 002720, 007747, 006555, 003553, 020222, 034644};
    const char *p = strchr(letters, c);
    return p && c ? dots[p - letters] : 0;
}

static void put_number(tap_image *i, int64_t x, int64_t y, double v) {
    char text[24];
    snprintf(text, sizeof text, "%.3g", v);
    for (const char *p = text; *p; p++, x += 4) {
        uint16_t g = glyph(*p);
        for (int dot = 0; dot < 15; dot++) {
            int64_t px = x + dot % 3, py = y + dot / 3;
            if (!(g >> (14 - dot) & 1) || px >= i->width || py >= i->height) continue;
            memset(i->data + (size_t)((py * i->width + px) * 3), 0, 3);
        }
    }
}

#define SCALE_HEIGHT 18

/* A bar with all colours, the least number at its left end and the largest at its right. */
static void put_scale(tap_image *i, int64_t y, double lo, double hi) {
    char text[24];
    int64_t n = i->width - 4, right;
    for (int64_t x = 0; x < n; x++)
        for (int64_t k = 0; k < 8; k++)
            colour(n > 1 ? (double)x / (double)(n - 1) : 0,
                   i->data + (size_t)(((y + 2 + k) * i->width + x + 2) * 3));
    put_number(i, 2, y + 12, lo);
    right = i->width - 2 - 4 * snprintf(text, sizeof text, "%.3g", hi);
    if (right > 2 + 4 * snprintf(text, sizeof text, "%.3g", lo)) put_number(i, right, y + 12, hi);
}

/* ---- Ranges ---- */

typedef struct range {
    double lo, hi;
} range;

static range range_of(const double *x, int64_t n) {
    range r = {(double)INFINITY, -(double)INFINITY};
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(x[i])) continue;
        if (x[i] < r.lo) r.lo = x[i];
        if (x[i] > r.hi) r.hi = x[i];
    }
    if (r.lo > r.hi) r = (range){0, 0};
    return r;
}

static double place(range r, double x) {
    return r.hi > r.lo ? (x - r.lo) / (r.hi - r.lo) : 0;
}

/* Elements of one row of t[n][...]; freed by the caller. */
static tap_status row_of(const tap_tensor *t, int64_t row, double **out, int64_t *n, tap_error *err) {
    *n = t->dims[0] > 0 ? t->count / t->dims[0] : 0;
    *out = malloc((size_t)*n * sizeof **out + 1);
    if (!*out) return tap_error_no_memory(err, (uint64_t)*n * sizeof **out);
    if (!tap_tensor_doubles(t, row * *n, *n, *out)) memset(*out, 0, (size_t)*n * sizeof **out);
    return TAP_OK;
}

/* ---- As they are ---- */

static bool is_channels(int64_t n) {
    return n == 1 || n == 3 || n == 4;
}

/* Both ends may look like channels: those of a square picture are the other one. */
static bool has_channels_last(const tap_tensor *t) {
    if (!is_channels(t->dims[1])) return true;
    return is_channels(t->dims[3]) && t->dims[1] == t->dims[2];
}

bool tap_is_picture(const tap_tensor *t) {
    return t->rank == 4 && t->dtype != TAP_STRING && (is_channels(t->dims[1]) || is_channels(t->dims[3]));
}

static uint8_t shade(const tap_tensor *t, range r, double x) {
    double y = 255 * place(r, x);
    if (t->dtype == TAP_UINT8)
        y = x;
    else if (r.lo >= 0 && r.hi <= 1)
        y = 255 * x;
    else if (r.lo >= -1 && r.hi <= 1)
        y = 127.5 * (x + 1);
    else if (r.lo >= 0 && r.hi <= 255)
        y = x;
    return !(y > 0) ? 0 : y >= 255 ? 255 : (uint8_t)(y + 0.5);
}

tap_status tap_picture_of(const tap_tensor *t, int64_t row, tap_image *out, tap_error *err) {
    bool last = has_channels_last(t);
    int64_t h = t->dims[last ? 1 : 2], w = t->dims[last ? 2 : 3], n;
    int c = (int)t->dims[last ? 3 : 1];
    double *x;
    tap_status s = row_of(t, row, &x, &n, err);
    if (s != TAP_OK) return s;
    s = canvas(out, w, h, c, 0, err);
    range r = range_of(x, n);
    for (int64_t p = 0; s == TAP_OK && p < h * w; p++)
        for (int k = 0; k < c; k++) out->data[p * c + k] = shade(t, r, x[last ? p * c + k : k * h * w + p]);
    free(x);
    return s;
}

/* ---- Feature maps ---- */

/* Small ones are enlarged so that a tile can be seen. */
static int64_t zoom_for(int64_t side, int64_t wanted) {
    int64_t z = side > 0 ? wanted / side : 1;
    return z < 1 ? 1 : z;
}

tap_status tap_picture_maps(const tap_tensor *t, int64_t row, bool last, tap_image *out, tap_error *err) {
    int64_t c = t->dims[last ? 3 : 1], h = t->dims[last ? 1 : 2], w = t->dims[last ? 2 : 3], n;
    int64_t across = (int64_t)ceil(sqrt((double)(c > 0 ? c : 1))),
            down = across > 0 ? (c + across - 1) / across : 1;
    int64_t z = zoom_for(h > w ? h : w, 48), tile_w = w * z + 2, tile_h = h * z + 2;
    double *x;
    tap_status s = row_of(t, row, &x, &n, err);
    if (s != TAP_OK) return s;
    int64_t width = across * tile_w + 2;
    s = canvas(out, width < 80 ? 80 : width, down * tile_h + 2 + SCALE_HEIGHT, 3, 255, err);
    range r = range_of(x, n);
    for (int64_t k = 0; s == TAP_OK && k < c; k++)
        for (int64_t p = 0; p < h * w * z * z; p++) {
            int64_t py = p / (w * z), px = p % (w * z), at = (py / z) * w + px / z;
            int64_t X = 2 + k % across * tile_w + px, Y = 2 + k / across * tile_h + py;
            colour(place(r, x[last ? at * c + k : k * h * w + at]),
                   out->data + (size_t)((Y * out->width + X) * 3));
        }
    if (s == TAP_OK) put_scale(out, out->height - SCALE_HEIGHT, r.lo, r.hi);
    free(x);
    return s;
}

/* ---- Heat maps ---- */

/* The matrix rows x cols at x, averaged down to at most SIDE_MOST a side. */
static tap_status shrink(const tap_tensor *t, int64_t first, int64_t rows, int64_t cols, int64_t h, int64_t w,
                         double *y, tap_error *err) {
    double *line = malloc((size_t)cols * sizeof *line + 1);
    if (!line) return tap_error_no_memory(err, (uint64_t)cols * sizeof *line);
    memset(y, 0, (size_t)(h * w) * sizeof *y);
    for (int64_t r = 0; r < rows; r++) {
        int64_t Y = r * h / rows, in_y = ((Y + 1) * rows + h - 1) / h - (Y * rows + h - 1) / h;
        tap_tensor_doubles(t, first + r * cols, cols, line);
        for (int64_t c = 0; c < cols; c++) {
            int64_t X = c * w / cols, in_x = ((X + 1) * cols + w - 1) / w - (X * cols + w - 1) / w;
            y[Y * w + X] += line[c] / (double)(in_y * in_x);
        }
    }
    free(line);
    return TAP_OK;
}

static tap_status heat(const tap_tensor *t, int64_t first, int64_t rows, int64_t cols, tap_image *out,
                       tap_error *err) {
    int64_t h = rows < SIDE_MOST ? rows : SIDE_MOST, w = cols < SIDE_MOST ? cols : SIDE_MOST;
    int64_t zy = zoom_for(h, 256), zx = zoom_for(w, 256);
    if (zy > 12) zy = 12;
    if (zx > 12) zx = 12;
    double *y = malloc((size_t)(h * w) * sizeof *y + 1);
    if (!y) return tap_error_no_memory(err, (uint64_t)(h * w) * sizeof *y);
    tap_status s = shrink(t, first, rows, cols, h, w, y, err);
    int64_t width = w * zx + 4;
    if (s == TAP_OK) s = canvas(out, width < 80 ? 80 : width, h * zy + 4 + SCALE_HEIGHT, 3, 255, err);
    range r = range_of(y, h * w);
    for (int64_t Y = 0; s == TAP_OK && Y < h * zy; Y++)
        for (int64_t X = 0; X < w * zx; X++)
            colour(place(r, y[Y / zy * w + X / zx]),
                   out->data + (size_t)(((Y + 2) * out->width + X + 2) * 3));
    if (s == TAP_OK) put_scale(out, out->height - SCALE_HEIGHT, r.lo, r.hi);
    free(y);
    return s;
}

tap_status tap_picture_heat(const tap_tensor *t, tap_image *out, tap_error *err) {
    int64_t rows = t->rank > 0 ? t->dims[0] : 1, cols = rows > 0 ? t->count / rows : 0;
    return heat(t, 0, rows, cols, out, err);
}

tap_status tap_picture_heat_of(const tap_tensor *t, int64_t row, tap_image *out, tap_error *err) {
    int64_t each = t->dims[0] > 0 ? t->count / t->dims[0] : 0, rows = t->dims[1];
    return heat(t, row * each, rows, rows > 0 ? each / rows : 0, out, err);
}
