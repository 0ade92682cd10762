/* Reading comma-separated values (RFC 4180; line ends may be LF alone, a byte order mark is skipped). */
#ifndef TAP_IO_CSV_H
#define TAP_IO_CSV_H

#include "core/memory.h"
#include "io/file.h"

typedef struct tap_csv {
    tap_file *file;
    const char *path; /* for messages; borrowed */
    const char *body; /* the first record that is no header */
    const char *at, *end;
    char **header; /* n_columns names; NULL: there is none */
    size_t n_columns;
    int64_t n_records; /* without the header */
    int64_t next;      /* number of the record at `at` */
    char **fields;     /* of the record read last: unquoted, terminated */
    size_t *lengths;
    char *text;
    size_t room;
} tap_csv;

/* Looks through the whole file: every record has to have as many fields as the first. The first is a header
 * if a field of it is neither empty nor a number. Errors: TAP_IO, TAP_DATA with the line, TAP_MEMORY. */
tap_status tap_csv_open(const char *path, tap_csv *csv, tap_arena *arena, tap_error *err);
void tap_csv_close(tap_csv *csv);
void tap_csv_rewind(tap_csv *csv);
/* Reads record csv->next into csv->fields; false at the end. */
bool tap_csv_next(tap_csv *csv);
/* Passes over n records. */
void tap_csv_skip(tap_csv *csv, int64_t n);
/* The column of that name; -1: none. */
int tap_csv_column(const tap_csv *csv, const char *name);

#endif
