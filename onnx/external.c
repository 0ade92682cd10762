/* External data: values of a tensor in a file beside the model. A model is untrusted, so the file must lie in
 * the model's folder, wherever links and `..` lead. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "onnx/loader.h"

typedef struct external {
    const char *location;
    uint64_t offset, n_bytes;
    bool has_length;
} external;

/* ---- what the model says ---- */

static bool read_number(tap_loader *l, const TapOnnx__StringStringEntryProto *e, uint64_t *v) {
    const char *s = e->value ? e->value : "";
    *v = 0;
    for (const char *p = s; *p; p++) {
        unsigned digit = (unsigned)(*p - '0');
        if (digit > 9 || *v > (UINT64_MAX - digit) / 10)
            return tap_load_fail(l, TAP_MODEL, "%s of its external data is '%s', which is no number of bytes",
                                 e->key, s);
        *v = *v * 10 + digit;
    }
    return true;
}

static bool read_entry(tap_loader *l, const TapOnnx__StringStringEntryProto *e, external *x) {
    const char *key = e->key ? e->key : "";
    if (strcmp(key, "location") == 0) x->location = e->value;
    if (strcmp(key, "offset") == 0) return read_number(l, e, &x->offset);
    if (strcmp(key, "length") == 0) {
        x->has_length = e->value && e->value[0];
        return read_number(l, e, &x->n_bytes);
    }
    return true;
}

static bool goes_up(const char *location) {
    for (const char *p = location; p; p = strchr(p, '/')) {
        p += *p == '/';
        if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || p[2] == '\0')) return true;
    }
    return false;
}

static bool check_location(tap_loader *l, const char *location) {
    if (!location || !location[0]) return tap_load_fail(l, TAP_MODEL, "its external data has no location");
    if (location[0] == '/')
        return tap_load_fail(l, TAP_MODEL,
                             "its external data is in '%s': an absolute path is not allowed, the file must "
                             "lie in the model's folder",
                             location);
    if (goes_up(location))
        return tap_load_fail(l, TAP_MODEL,
                             "its external data is in '%s': `..` is not allowed, the file must lie in the "
                             "model's folder",
                             location);
    if (!l->folder)
        return tap_load_fail(l, TAP_MODEL,
                             "its external data is in '%s', but the model was opened without a folder to "
                             "look in (tap_model_options.folder)",
                             location);
    return true;
}

/* ---- the file ---- */

static bool lies_in(const char *path, const char *folder) {
    char *real = realpath(folder[0] ? folder : ".", NULL);
    if (!real) return false;
    size_t n = strlen(real);
    bool inside = strncmp(path, real, n) == 0 && (real[n - 1] == '/' || path[n] == '/');
    free(real);
    return inside;
}

/* The path without links. Ownership: the caller frees it. */
static char *resolve(tap_loader *l, const char *location) {
    const char *folder = l->folder->path[0] ? l->folder->path : ".";
    const char *path = tap_arena_printf(l->arena, "%s/%s", folder, location);
    if (!path) {
        tap_load_fail(l, TAP_MEMORY, "no memory for a path");
        return NULL;
    }
    char *real = realpath(path, NULL);
    if (!real) {
        const char *why = errno == ENOENT ? "is missing" : strerror(errno);
        tap_load_fail(l, TAP_IO, "the file of its external data, '%s' in folder '%s', %s%s", location, folder,
                      errno == ENOENT ? "" : "cannot be read: ", why);
    }
    return real;
}

static const tap_mapping *find_mapping(const tap_loader *l, const char *path) {
    const tap_mapping *m = *l->mappings;
    while (m && strcmp(m->path, path) != 0) m = m->next;
    return m;
}

static const tap_mapping *map_resolved(tap_loader *l, const char *location, const char *real) {
    if (!lies_in(real, l->folder->path) && !(l->folder->real_path && lies_in(real, l->folder->real_path))) {
        tap_load_fail(l, TAP_MODEL,
                      "its external data is in '%s', a link that leads out of the model's folder, to '%s'",
                      location, real);
        return NULL;
    }
    const tap_mapping *m = find_mapping(l, real);
    if (m) return m;
    tap_error err = TAP_ERROR_INIT;
    tap_status st = tap_map_file(real, l->arena, l->mappings, &err);
    if (st) {
        tap_load_fail(l, st, "its external data: %s", err.text);
        return NULL;
    }
    return *l->mappings;
}

/* location lives in the model's arena. */
static const tap_mapping *map_location(tap_loader *l, const char *location) {
    if (l->last_location && strcmp(l->last_location, location) == 0) return l->last_file;
    char *real = resolve(l, location);
    const tap_mapping *m = real ? map_resolved(l, location, real) : NULL;
    free(real);
    if (m) l->last_file = m, l->last_location = location;
    return m;
}

/* ---- both together ---- */

bool tap_load_external(tap_loader *l, const TapOnnx__TensorProto *p, size_t n_bytes, tap_src_tensor *t) {
    external x = {0};
    for (size_t i = 0; i < p->n_external_data; i++)
        if (!read_entry(l, p->external_data[i], &x)) return false;
    if (t->dtype == TAP_STRING) return tap_load_fail(l, TAP_MODEL, "strings cannot be external data");
    if (!check_location(l, x.location)) return false;
    if (x.has_length && x.n_bytes != n_bytes)
        return tap_load_fail(l, TAP_MODEL,
                             "its shape takes %zu bytes, but its external data in '%s' has length %" PRIu64,
                             n_bytes, x.location, x.n_bytes);
    if (!(t->location = tap_load_string(l, x.location))) return false;
    const tap_mapping *m = map_location(l, t->location);
    if (!m) return false;
    if (x.offset > m->n_bytes || n_bytes > m->n_bytes - x.offset)
        return tap_load_fail(l, TAP_MODEL,
                             "its external data takes %zu bytes from byte %" PRIu64
                             " of '%s', which has only %zu",
                             n_bytes, x.offset, x.location, m->n_bytes);
    t->external = true;
    if (n_bytes == 0) return true;
    t->data = (const uint8_t *)m->data + x.offset;
    t->encoding = TAP_LITTLE_ENDIAN;
    return true;
}
