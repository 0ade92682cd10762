/* Between the files that make a series of checkpoints. */
#ifndef TAP_API_SERIES_H
#define TAP_API_SERIES_H

#include "core/memory.h"
#include "io/series.h"
#include "onnxtap/pass.h"

struct tap_series {
    tap_series_options options;
    tap_arena arena;    /* strings and records */
    const char *folder; /* ends in a slash     */
    const tap_series_record **epochs;
    size_t n, room;
    int64_t number;   /* of the next checkpoint, those passed over counted        */
    tap_model *model; /* the last one that loaded: its weights may be used again */
    const char *model_path;
};

/* Runs the model, a checkpoint that has been opened, and fills r with what was recorded. On an error the
 * epoch's files are gone. */
tap_status tap_series_record_epoch(tap_series *s, tap_model *m, tap_series_record *r, tap_error *err);

#endif
