/* What a series of checkpoints has recorded so far, and the files that show it. */
#ifndef ONNXTAP_CLI_SERIES_H
#define ONNXTAP_CLI_SERIES_H

#include "cli.h"

/* How far a value moved from one epoch to the next, over all samples. */
typedef struct series_drift {
    bool known;
    double mean_abs, rms, relative,
        cosine; /* relative: root of the squares of the difference, by that of the older */
} series_drift;

typedef struct series_value {
    char *tensor, *layer;
    bool is_output;
    tap_stat stat;
    double median;
    series_drift drift;
    char *path; /* of the .npy; NULL: only figures */
} series_value;

typedef struct series_epoch {
    int64_t number;
    char *model;
    char *error; /* NULL: all went well */
    series_value *values;
    size_t n;
    tap_score score;
    double ms;
    bool same_model; /* the file is the one before, byte for byte */
} series_epoch;

typedef struct series {
    series_epoch *epochs;
    size_t n;
    const char *folder;
} series;

void series_free(series *s);
/* Elements of both files, compared. */
series_drift series_compare(const char *path, const char *before);
/* series.csv and series.json anew, each whole or not at all. Errors: TAP_IO. */
tap_status series_write(const series *s, tap_error *err);

#endif
