/* What a series has recorded, and the tables that show it. */
#ifndef TAP_IO_SERIES_H
#define TAP_IO_SERIES_H

#include "onnxtap/series.h"

/* An epoch with its values. */
typedef struct tap_series_record {
    tap_series_epoch epoch;
    tap_series_value *values;
} tap_series_record;

/* Fills the drift of v, whose elements are in the file v->path, beside those in the file `before`. It stays
 * unknown where the two do not compare. */
void tap_series_compare(tap_series_value *v, const char *before);
/* series.csv and series.json in the folder, which ends in a slash, each whole or not at all. Errors: TAP_IO,
 * TAP_MEMORY. */
tap_status tap_series_write(const char *folder, const tap_series_record *const *epochs, size_t n,
                            tap_error *err);

#endif
