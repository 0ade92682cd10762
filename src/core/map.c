/* A hash map from strings to 32-bit numbers: open addressing, linear probing, at most 3/4 full. */
#include "core/map.h"

#include <string.h>

static uint32_t hash_of(const char *key) {
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (; *key; key++) h = (h ^ (unsigned char)*key) * UINT64_C(0x100000001b3);
    return (uint32_t)(h ^ (h >> 32));
}

void tap_map_init(tap_map *m, tap_budget *b) {
    *m = (tap_map){.budget = b};
}

void tap_map_free(tap_map *m) {
    tap_mem_free(m->budget, m->slots);
    m->slots = NULL;
    m->room = m->n = 0;
}

static tap_map_slot *find(const tap_map *m, const char *key, uint32_t hash) {
    size_t i = hash & (m->room - 1);
    while (m->slots[i].key && (m->slots[i].hash != hash || strcmp(m->slots[i].key, key) != 0))
        i = (i + 1) & (m->room - 1);
    return &m->slots[i];
}

static bool grow(tap_map *m) {
    tap_map wider = {.budget = m->budget, .room = m->room ? m->room * 2 : 16, .n = m->n};
    wider.slots = tap_mem_alloc_zero(m->budget, wider.room * sizeof *wider.slots);
    if (!wider.slots) return false;
    for (size_t i = 0; i < m->room; i++)
        if (m->slots[i].key) *find(&wider, m->slots[i].key, m->slots[i].hash) = m->slots[i];
    tap_mem_free(m->budget, m->slots);
    *m = wider;
    return true;
}

bool tap_map_put(tap_map *m, const char *key, int32_t value) {
    if (m->n + 1 > m->room / 4 * 3 && !grow(m)) return false;
    uint32_t hash = hash_of(key);
    tap_map_slot *s = find(m, key, hash);
    if (!s->key) m->n++;
    *s = (tap_map_slot){key, hash, value};
    return true;
}

int32_t tap_map_get(const tap_map *m, const char *key, int32_t otherwise) {
    if (!m->room) return otherwise;
    const tap_map_slot *s = find(m, key, hash_of(key));
    return s->key ? s->value : otherwise;
}

const char *tap_map_key(const tap_map *m, const char *key) {
    return m->room ? find(m, key, hash_of(key))->key : NULL;
}
