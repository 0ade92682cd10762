/* What is behind a tap_reference. */
#ifndef TAP_DIFF_REFERENCE_H
#define TAP_DIFF_REFERENCE_H

#include "core/map.h"
#include "onnxtap/diff.h"
#include "onnxtap/record.h"

typedef struct tap_ref_item {
    const char *name;
    const char *path;  /* of its own file; NULL: in the archive */
    int input, output; /* position among the model's in a test data set; -1 */
    size_t value;      /* of the other model; SIZE_MAX */
} tap_ref_item;

struct tap_reference {
    tap_arena arena;
    tap_archive *archive;
    tap_ref_item *items;
    size_t n, room;
    tap_map by_name;
    tap_model *other; /* a reference that was run */
};

/* Position of that name: as it is, or the only one equal to it once all but letters, digits, '.' and '-' are
 * '_' in both. SIZE_MAX: none. */
size_t tap_reference_find(const tap_reference *r, const char *name);

#endif
