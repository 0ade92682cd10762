/* Rows of a folder of pictures, in the order of their names, or of one picture: as the model's input wants
 * channels, their place and their numbers. Sizes are not changed. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/error.h"
#include "io/element.h"
#include "io/image.h"
#include "io/rows.h"

typedef struct pictures {
    char **paths; /* of the arena */
    size_t n, room;
    int channels;
    bool channels_last;
} pictures;

static void pictures_free(void *state) {
    pictures *p = state;
    free(p->paths);
    free(p);
}

static tap_status pictures_rewind(tap_rows *r, tap_error *err) {
    (void)r, (void)err;
    return TAP_OK;
}

/* Channel c of a pixel: grey is repeated, colours become grey by their luma (ITU-R BT.601), alpha that is
 * missing is full, alpha that is not wanted is left out. */
static unsigned channel(const tap_image *i, const uint8_t *px, int wanted, int c) {
    bool grey = i->channels < 3, alpha = i->channels % 2 == 0;
    if (c == 3) return alpha ? px[i->channels - 1] : 255;
    if (grey) return px[0];
    if (wanted == 1) return (px[0] * 19595U + px[1] * 38470U + px[2] * 7471U + 0x8000U) >> 16;
    return px[c];
}

static void store(const tap_rows *r, tap_tensor *t, int64_t at, unsigned x) {
    tap_wide w;
    bool real = tap_class_of(t->dtype) == TAP_CLASS_REAL;
    if (real)
        w.f[0] = r->options->image_scale == TAP_IMAGE_0_1    ? (double)((float)x / 255.0F)
                 : r->options->image_scale == TAP_IMAGE_M1_1 ? (double)((float)x / 127.5F - 1.0F)
                                                             : (double)x;
    else
        w.u[0] = x;
    if (t->dtype == TAP_FLOAT)
        ((float *)t->data)[at] = (float)w.f[0];
    else if (t->dtype == TAP_UINT8)
        ((uint8_t *)t->data)[at] = (uint8_t)x;
    else
        tap_narrow(t->dtype, real ? TAP_CLASS_REAL : TAP_CLASS_UNSIGNED, &w, 1,
                   (char *)t->data + (size_t)at * tap_dtype_bytes(t->dtype));
}

static void place(const tap_rows *r, const pictures *p, const tap_image *i, int64_t row, tap_tensor *t) {
    int64_t plane = i->width * i->height, base = row * plane * p->channels;
    for (int64_t k = 0; k < plane; k++)
        for (int c = 0; c < p->channels; c++)
            store(r, t, base + (p->channels_last ? k * p->channels + c : c * plane + k),
                  channel(i, i->data + (size_t)(k * i->channels), p->channels, c));
}

/* The batch is made for the size of its first picture, which has to be the model's where that is known. */
static tap_status make_batch(const tap_rows *r, const pictures *p, const tap_image *i, int64_t n,
                             tap_value **out, tap_error *err) {
    int64_t dims[4] = {n, p->channels_last ? i->height : p->channels, p->channels_last ? i->width : i->height,
                       p->channels_last ? p->channels : i->width};
    return tap_value_new(r->type.dtype, 4, dims, out, err);
}

static tap_status check_size(const tap_rows *r, const pictures *p, const char *path, const tap_image *i,
                             const tap_value *batch, tap_error *err) {
    int y = p->channels_last ? 1 : 2;
    int64_t h = r->type.dims[y], w = r->type.dims[y + 1];
    if (batch && h < 0) h = batch->tensor.dims[y];
    if (batch && w < 0) w = batch->tensor.dims[y + 1];
    if ((h < 0 || h == i->height) && (w < 0 || w == i->width)) return TAP_OK;
    return tap_error_set(
        err, TAP_DATA,
        "%s: is %lld x %lld (width x height), the model's input '%s' takes %lld x %lld: bring the "
        "pictures to that size first",
        path, (long long)i->width, (long long)i->height, r->input ? r->input : "", (long long)w,
        (long long)h);
}

static tap_status pictures_read(tap_rows *r, const int64_t *rows, int64_t n, tap_value **out,
                                tap_error *err) {
    pictures *p = r->state;
    tap_status s = TAP_OK;
    *out = NULL;
    for (int64_t k = 0; s == TAP_OK && k < n; k++) {
        const char *path = p->paths[rows[k]];
        tap_image i;
        s = tap_image_load(path, r->options->limit_bytes, &i, err);
        if (s != TAP_OK) break;
        s = check_size(r, p, path, &i, *out, err);
        if (s == TAP_OK && !*out) s = make_batch(r, p, &i, n, out, err);
        if (s == TAP_OK) place(r, p, &i, k, &(*out)->tensor);
        tap_image_free(&i);
    }
    if (s == TAP_OK) return s;
    tap_value_release(*out);
    *out = NULL;
    return s;
}

static const tap_rows_kind pictures_kind = {pictures_read, pictures_rewind, pictures_free};

static bool is_picture(const char *name) {
    return tap_path_ends(name, ".png") || tap_path_ends(name, ".jpg") || tap_path_ends(name, ".jpeg");
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static tap_status add_path(tap_rows *r, pictures *p, char *path, tap_error *err) {
    if (p->n == p->room) {
        p->room = p->room ? 2 * p->room : 64;
        char **more = realloc(p->paths, p->room * sizeof *more);
        if (!more) return tap_error_no_memory(err, p->room);
        p->paths = more;
    }
    if (!path) return tap_error_no_memory(err, strlen(r->path));
    p->paths[p->n++] = path;
    return TAP_OK;
}

static tap_status list(tap_rows *r, pictures *p, tap_error *err) {
    struct stat st;
    if (stat(r->path, &st) != 0 || !S_ISDIR(st.st_mode))
        return add_path(r, p, tap_arena_string(r->arena, r->path, strlen(r->path)), err);
    DIR *d = opendir(r->path);
    if (!d) return tap_error_set(err, TAP_IO, "%s: the folder cannot be read", r->path);
    tap_status s = TAP_OK;
    for (struct dirent *e; s == TAP_OK && (e = readdir(d));)
        if (is_picture(e->d_name))
            s = add_path(r, p, tap_arena_printf(r->arena, "%s/%s", r->path, e->d_name), err);
    closedir(d);
    if (s == TAP_OK && p->n == 0)
        s = tap_error_set(err, TAP_DATA, "%s: no .png and no .jpg is in it", r->path);
    if (s == TAP_OK) qsort(p->paths, p->n, sizeof *p->paths, by_name);
    return s;
}

static bool is_channels(int64_t n) {
    return n == 1 || n == 3 || n == 4;
}

/* Which axis has the channels: the one that the model gives 1, 3 or 4. */
static tap_status choose_layout(const tap_rows *r, pictures *p, tap_error *err) {
    const tap_type *t = &r->type;
    char text[300] = "";
    tap_text type = {text, sizeof text, 0};
    tap_text_type(&type, t);
    bool tensor = t->kind == TAP_KIND_TENSOR && t->rank == 4 && t->dtype && t->dtype != TAP_STRING;
    bool first = tensor && is_channels(t->dims[1]), last = tensor && is_channels(t->dims[3]);
    if (first && last)
        first = last = (t->dims[1] >= 0 && t->dims[2] == t->dims[1]) != (t->dims[2] == t->dims[3]);
    if (first && last) first = t->dims[2] == t->dims[3], last = !first;
    if (first == last)
        return tap_error_set(err, TAP_DATA,
                             "%s: pictures need an input [batch,height,width,channels] or "
                             "[batch,channels,height,width] with 1, 3 or 4 channels; '%s' is %s",
                             r->path, r->input ? r->input : "", text);
    p->channels_last = last;
    p->channels = (int)t->dims[last ? 3 : 1];
    return TAP_OK;
}

tap_status tap_rows_of_images(tap_rows *r, tap_error *err) {
    pictures *p = calloc(1, sizeof *p);
    if (!p) return tap_error_no_memory(err, sizeof *p);
    tap_status s = choose_layout(r, p, err);
    if (s == TAP_OK) s = list(r, p, err);
    if (s != TAP_OK) {
        pictures_free(p);
        return s;
    }
    r->kind = &pictures_kind;
    r->state = p;
    r->n = (int64_t)p->n;
    return TAP_OK;
}
