/* Files mapped for a model. */
#ifndef TAP_CORE_MAPPING_H
#define TAP_CORE_MAPPING_H

#include "core/error.h"
#include "core/memory.h"

/* Files mapped for a model: the model itself, its external data, and those of others whose weights it shares.
 * Kept as long as one of the models. */
typedef struct tap_mapping {
    struct tap_mapping *next;
    const char *path; /* "": of another model */
    const void *data;
    size_t n_bytes;
    struct tap_mapped *mapped; /* counts the models */
} tap_mapping;

/* Maps a whole regular file read-only, in front of *mappings. Errors: TAP_IO. */
tap_status tap_map_file(const char *path, tap_arena *arena, tap_mapping **mappings, tap_error *err);
void tap_unmap_all(tap_mapping *mappings);
/* Puts another model's mapping in front of *mappings, too. false: no memory. */
bool tap_map_share(const tap_mapping *m, tap_arena *arena, tap_mapping **mappings);
/* The one of the mappings in which these bytes lie; NULL: none. */
const tap_mapping *tap_mapping_of(const tap_mapping *mappings, const void *data, size_t n_bytes);
/* Whether the file is as it was when it was mapped, or gone from its path (what is mapped stays). */
bool tap_mapping_is_intact(const tap_mapping *m);
/* Pages that lie wholly in these bytes of a mapped file are not needed now; they come back when looked at. */
void tap_mapping_let_go(const void *data, size_t n_bytes);

#endif
