/* TensorBoard's event files: records framed with masked CRC-32C, each an Event message
 * (tensorflow/core/util/event.proto) with a Summary (tensorflow/core/framework/summary.proto). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/error.h"
#include "core/memory.h"
#include "io/file.h"
#include "io/picture.h"
#include "io/sink.h"
#include "onnxtap/board.h"

#define BINS 30

struct tap_board {
    tap_writer *w;
    tap_board_options options;
    uint32_t crc[256];
    double wall_time;
    int64_t n;
    bool failed; /* no memory for a record */
};

/* ---- CRC-32C (Castagnoli) ---- */

static void crc_init(uint32_t *t) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++) c = (c >> 1) ^ (UINT32_C(0x82F63B78) & (0U - (c & 1U)));
        t[i] = c;
    }
}

static uint32_t masked_crc(const uint32_t *t, const void *p, size_t n) {
    const uint8_t *x = p;
    uint32_t c = UINT32_MAX;
    for (; n > 0; n--) c = (c >> 8) ^ t[(c ^ *x++) & 255];
    c = ~c;
    return ((c >> 15) | (c << 17)) + UINT32_C(0xA282EAD8);
}

/* ---- Messages ---- */

typedef struct message {
    uint8_t *p;
    size_t n, room;
    bool failed;
} message;

static void put(message *m, const void *p, size_t n) {
    if (m->n + n > m->room) {
        size_t room = 2 * (m->n + n) + 64;
        uint8_t *q = m->failed ? NULL : realloc(m->p, room);
        if (!q) {
            m->failed = true;
            return;
        }
        m->p = q;
        m->room = room;
    }
    if (n) memcpy(m->p + m->n, p, n);
    m->n += n;
}

static void put_varint(message *m, uint64_t v) {
    uint8_t b[10];
    size_t n = 0;
    do {
        b[n] = (uint8_t)((v & 127) | (v > 127 ? 128 : 0));
        v >>= 7;
        n++;
    } while (v);
    put(m, b, n);
}

static void put_fixed(message *m, uint64_t v, int width) {
    uint8_t b[8];
    for (int i = 0; i < width; i++, v >>= 8) b[i] = (uint8_t)v;
    put(m, b, (size_t)width);
}

static void put_key(message *m, uint32_t field, uint32_t wire) {
    put_varint(m, field << 3 | wire);
}

static void put_int(message *m, uint32_t field, int64_t v) {
    put_key(m, field, 0);
    put_varint(m, (uint64_t)v);
}

static void put_double_bits(message *m, double v) {
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    put_fixed(m, bits, 8);
}

static void put_double(message *m, uint32_t field, double v) {
    put_key(m, field, 1);
    put_double_bits(m, v);
}

static void put_float(message *m, uint32_t field, double v) {
    uint32_t bits;
    float f = (float)v;
    memcpy(&bits, &f, sizeof bits);
    put_key(m, field, 5);
    put_fixed(m, bits, 4);
}

static void put_bytes(message *m, uint32_t field, const void *p, size_t n) {
    put_key(m, field, 2);
    put_varint(m, n);
    put(m, p, n);
}

/* `inner` as a field of m; frees it. */
static void put_message(message *m, uint32_t field, message *inner) {
    put_bytes(m, field, inner->p, inner->n);
    m->failed = m->failed || inner->failed;
    free(inner->p);
}

/* ---- Records ---- */

static void write_record(tap_board *b, message *m) {
    uint8_t head[12], tail[4];
    uint64_t n = m->n;
    if (m->failed) b->failed = true;
    if (b->failed) {
        free(m->p);
        return;
    }
    for (int i = 0; i < 8; i++, n >>= 8) head[i] = (uint8_t)n;
    uint32_t crc = masked_crc(b->crc, head, 8);
    for (int i = 0; i < 4; i++, crc >>= 8) head[8 + i] = (uint8_t)crc;
    crc = masked_crc(b->crc, m->p, m->n);
    for (int i = 0; i < 4; i++, crc >>= 8) tail[i] = (uint8_t)crc;
    tap_writer_write(b->w, head, sizeof head);
    tap_writer_write(b->w, m->p, m->n);
    tap_writer_write(b->w, tail, sizeof tail);
    b->n++;
    free(m->p);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* An event with one summary value, whose kind is in `value`; frees it. */
static void write_value(tap_board *b, int64_t step, message *value) {
    message summary = {.p = NULL}, event = {.p = NULL};
    put_message(&summary, 1, value);
    put_double(&event, 1, now());
    put_int(&event, 2, step);
    put_message(&event, 5, &summary);
    write_record(b, &event);
}

static message begin_value(const char *tag) {
    message m = {.p = NULL};
    put_bytes(&m, 1, tag, strlen(tag));
    return m;
}

static tap_status check(const tap_board *b, tap_error *err) {
    return b->failed ? tap_error_no_memory(err, 1) : tap_writer_check(b->w, err);
}

/* ---- The file ---- */

tap_status tap_board_open(const char *folder, const tap_board_options *options, tap_board **out,
                          tap_error *err) {
    char host[64] = "localhost", path[4096];
    *out = NULL;
    tap_status s = tap_make_folder(folder, err);
    if (s != TAP_OK) return s;
    tap_board *b = calloc(1, sizeof *b);
    if (!b) return tap_error_no_memory(err, sizeof *b);
    if (options)
        memcpy(&b->options, options, options->size < sizeof b->options ? options->size : sizeof b->options);
    crc_init(b->crc);
    gethostname(host, sizeof host - 1);
    double time = now();
    for (int k = 0; k < 1000; k++) {
        snprintf(path, sizeof path, "%s/events.out.tfevents.%.0f.%s.%ld.%d", folder, time, host,
                 (long)getpid(), k);
        if (access(path, F_OK) != 0) break;
    }
    s = tap_writer_open(path, &b->w, err);
    if (s != TAP_OK) {
        free(b);
        return s;
    }
    message event = {.p = NULL};
    put_double(&event, 1, time);
    put_bytes(&event, 3, "brain.Event:2", 13);
    write_record(b, &event);
    *out = b;
    return TAP_OK;
}

tap_status tap_board_close(tap_board *b, tap_error *err) {
    tap_writer *w = b->w;
    bool failed = b->failed;
    free(b);
    if (!failed) return tap_writer_commit(w, true, err);
    tap_writer_discard(w);
    return tap_error_no_memory(err, 1);
}

/* ---- Values ---- */

tap_status tap_board_scalar(tap_board *b, const char *tag, int64_t step, double x, tap_error *err) {
    message value = begin_value(tag);
    put_float(&value, 2, x);
    write_value(b, step, &value);
    return check(b, err);
}

static void scalar_of(tap_board *b, const char *tag, const char *what, int64_t step, double x) {
    size_t n = strlen(tag) + 24;
    char *name = malloc(n);
    if (!name) {
        b->failed = true;
        return;
    }
    snprintf(name, n, "%s/%s", tag, what);
    tap_board_scalar(b, name, step, x, NULL);
    free(name);
}

static void put_packed(message *m, uint32_t field, const double *x, size_t n) {
    put_key(m, field, 2);
    put_varint(m, 8 * n);
    for (size_t i = 0; i < n; i++) put_double_bits(m, x[i]);
}

/* HistogramProto: bucket i ends at limit i; the first begins at min. */
static void histogram_of(tap_board *b, const char *tag, int64_t step, const tap_stats *s, size_t i,
                         const tap_stat *x) {
    double edges[BINS + 1], counts[BINS];
    int64_t n_of[BINS], finite = x->count - x->nonfinite;
    size_t n = tap_stats_histogram(s, i, SIZE_MAX, BINS, edges, n_of);
    if (n == 0) return;
    for (size_t k = 0; k < n; k++) counts[k] = (double)n_of[k];
    message h = {.p = NULL}, value = begin_value(tag);
    put_double(&h, 1, x->min);
    put_double(&h, 2, x->max);
    put_double(&h, 3, (double)finite);
    put_double(&h, 4, x->mean * (double)finite);
    put_double(&h, 5, x->norm * x->norm);
    put_packed(&h, 6, edges + 1, n);
    put_packed(&h, 7, counts, n);
    put_message(&value, 5, &h);
    write_value(b, step, &value);
}

tap_status tap_board_stats(tap_board *b, const char *tag, int64_t step, const tap_stats *s, size_t i,
                           tap_error *err) {
    tap_stat x = {.size = sizeof x};
    if (!tap_stats_get(s, i, SIZE_MAX, &x))
        return tap_error_set(err, TAP_USAGE, "there are no statistics %zu", i);
    scalar_of(b, tag, "mean", step, x.mean);
    scalar_of(b, tag, "std", step, sqrt(x.variance));
    scalar_of(b, tag, "zeros", step, x.count ? (double)x.zeros / (double)x.count : (double)NAN);
    scalar_of(b, tag, "norm", step, x.norm);
    if (x.nonfinite) scalar_of(b, tag, "nonfinite", step, (double)x.nonfinite);
    histogram_of(b, tag, step, s, i, &x);
    return check(b, err);
}

static tap_status add_image(tap_board *b, const char *tag, int64_t step, const tap_image *i, tap_error *err) {
    void *bytes;
    size_t n;
    tap_status s = tap_png_encode(i, &bytes, &n, err);
    if (s != TAP_OK) return s;
    message image = {.p = NULL}, value = begin_value(tag);
    put_int(&image, 1, i->height);
    put_int(&image, 2, i->width);
    put_int(&image, 3, i->channels);
    put_bytes(&image, 4, bytes, n);
    put_message(&value, 4, &image);
    write_value(b, step, &value);
    free(bytes);
    return check(b, err);
}

tap_status tap_board_image(tap_board *b, const char *tag, int64_t step, const tap_tensor *t,
                           bool channels_last, tap_error *err) {
    tap_image i = {.data = NULL};
    tap_settle(t);
    if (t->rank != 4 || t->count == 0 || t->dtype == TAP_STRING)
        return tap_error_set(err, TAP_USAGE, "'%s' is no picture: pictures have rank 4", tag);
    tap_status s =
        tap_is_picture(t) ? tap_picture_of(t, 0, &i, err) : tap_picture_maps(t, 0, channels_last, &i, err);
    if (s == TAP_OK) s = add_image(b, tag, step, &i, err);
    tap_image_free(&i);
    return s;
}

#ifdef TAP_HAVE_PNG
/* Under a tag of its own: TensorBoard shows a tag as one kind of thing only. */
static tap_status image_of(tap_board *b, const char *tag, int64_t step, const tap_tensor *t,
                           bool channels_last, tap_error *err) {
    size_t n = strlen(tag) + 8;
    char *name = malloc(n);
    if (!name) return tap_error_no_memory(err, n);
    snprintf(name, n, "%s/image", tag);
    tap_status s = tap_board_image(b, name, step, t, channels_last, err);
    free(name);
    return s;
}
#endif

tap_status tap_board_tensor(tap_board *b, const char *tag, int64_t step, const tap_tensor *t,
                            bool channels_last, tap_error *err) {
    tap_stats *s = NULL;
    tap_settle(t);
    tap_stats_source source = {.size = sizeof source, .name = tag, .axis = TAP_BATCH_UNKNOWN};
    if (t->dtype == TAP_STRING || t->count == 0) return TAP_OK;
    tap_status status = tap_stats_new(NULL, &s, err);
    if (status == TAP_OK) status = tap_stats_add(s, &source, t, err);
    if (status == TAP_OK) status = tap_board_stats(b, tag, step, s, 0, err);
#ifdef TAP_HAVE_PNG
    if (status == TAP_OK && t->rank == 4 && b->options.images)
        status = image_of(b, tag, step, t, channels_last, err);
#else
    (void)channels_last;
#endif
    tap_stats_free(s);
    return status;
}
