/* A hash map from strings to 32-bit numbers. Keys are borrowed. */
#ifndef TAP_CORE_MAP_H
#define TAP_CORE_MAP_H

#include "core/memory.h"

typedef struct tap_map_slot {
    const char *key; /* NULL = free */
    uint32_t hash;
    int32_t value;
} tap_map_slot;

typedef struct tap_map {
    tap_budget *budget;
    tap_map_slot *slots;
    size_t room, n; /* room: 0 or a power of two */
} tap_map;

void tap_map_init(tap_map *m, tap_budget *b);
void tap_map_free(tap_map *m);
/* Adds or replaces; false: no memory. */
bool tap_map_put(tap_map *m, const char *key, int32_t value);
/* The value, or `otherwise`. */
int32_t tap_map_get(const tap_map *m, const char *key, int32_t otherwise);
/* The key as it was put; NULL: there is none. */
const char *tap_map_key(const tap_map *m, const char *key);

#endif
