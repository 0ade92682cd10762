/* Names that were used, and new ones for what would come twice. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/map.h"
#include "io/sink.h"

struct tap_names {
    tap_map used; /* name, folded where asked for -> the number to try next */
    tap_arena arena;
};

tap_names *tap_names_new(void) {
    tap_names *n = calloc(1, sizeof *n);
    if (!n) return NULL;
    tap_map_init(&n->used, NULL);
    tap_arena_init(&n->arena, NULL);
    return n;
}

void tap_names_free(tap_names *n) {
    if (!n) return;
    tap_map_free(&n->used);
    tap_arena_clear(&n->arena);
    free(n);
}

/* What tells names apart: ASCII letters in lower case where folded. */
static char *key_of(tap_names *n, const char *name, bool fold) {
    char *key = tap_arena_string(&n->arena, name, strlen(name));
    for (char *p = key; fold && p && *p; p++)
        if (*p >= 'A' && *p <= 'Z') *p = (char)(*p - 'A' + 'a');
    return key;
}

static const char *remember(tap_names *n, const char *key, const char *name) {
    return tap_map_put(&n->used, key, 1) ? tap_arena_string(&n->arena, name, strlen(name)) : NULL;
}

const char *tap_names_unique(tap_names *n, const char *name, char separator, bool fold) {
    const char *key = key_of(n, name, fold);
    int32_t next = key ? tap_map_get(&n->used, key, 0) : 0;
    if (!key || next == 0) return key ? remember(n, key, name) : NULL;
    for (;; next++) {
        const char *other = tap_arena_printf(&n->arena, "%s%c%d", name, separator, (int)next);
        const char *other_key = other ? key_of(n, other, fold) : NULL;
        if (!other_key) return NULL;
        if (tap_map_get(&n->used, other_key, 0) != 0) continue;
        if (!tap_map_put(&n->used, key, next + 1)) return NULL;
        return remember(n, other_key, other);
    }
}

/* ---- Names of files ---- */

#define NAME_MOST 200 /* file systems allow 255 bytes; extension, ".tmp" and a number take some */

static bool is_safe(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
}

char *tap_safe_name(tap_arena *a, const char *key) {
    char *name = tap_arena_string(a, key, strlen(key));
    size_t n = 0;
    if (!name) return NULL;
    for (const char *p = key; *p && n < NAME_MOST; p++)
        if (((unsigned char)*p & 0xC0) != 0x80) name[n++] = is_safe(*p) ? *p : '_';
    name[n] = '\0';
    if (n == 0) return tap_arena_string(a, "_", 1);
    if (name[0] == '.') name[0] = '_';
    return name;
}
