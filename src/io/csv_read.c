/* Reading comma-separated values, record by record. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "io/csv.h"
#include "io/number.h"

/* The end of the record at p, behind its line end; *n_fields of it. NULL: a quote is not closed. */
static const char *scan(const char *p, const char *end, size_t *n_fields) {
    bool quoted = false;
    *n_fields = 1;
    for (; p < end; p++) {
        if (*p == '"') quoted = !quoted;
        if (quoted) continue;
        if (*p == ',') ++*n_fields;
        if (*p == '\n') return p + 1;
    }
    return quoted ? NULL : end;
}

/* A field at *p into out, unquoted; *p is moved behind it and its comma. Returns its length. */
static size_t unquote(const char **p, const char *end, char *out) {
    const char *x = *p;
    size_t n = 0;
    bool quoted = x < end && *x == '"';
    if (quoted) x++;
    for (; x < end; x++) {
        if (quoted && *x == '"') {
            if (x + 1 < end && x[1] == '"')
                x++;
            else {
                quoted = false;
                continue;
            }
        } else if (!quoted && *x == ',') {
            break;
        }
        out[n++] = *x;
    }
    *p = x < end ? x + 1 : end;
    out[n] = '\0';
    return n;
}

static void split(tap_csv *c, const char *p, const char *end) {
    if (end > p && end[-1] == '\n') end--;
    if (end > p && end[-1] == '\r') end--;
    char *out = c->text;
    for (size_t i = 0; i < c->n_columns; i++) {
        c->fields[i] = out;
        c->lengths[i] = unquote(&p, end, out);
        out += c->lengths[i] + 1;
    }
}

static bool is_empty_line(const char *p, const char *end) {
    return p == end || *p == '\n' || (*p == '\r' && p + 1 < end && p[1] == '\n');
}

bool tap_csv_next(tap_csv *c) {
    size_t n;
    if (c->at >= c->end || (c->n_columns > 1 && is_empty_line(c->at, c->end))) return false;
    const char *after = scan(c->at, c->end, &n);
    split(c, c->at, after);
    c->at = after;
    c->next++;
    return true;
}

void tap_csv_skip(tap_csv *c, int64_t n) {
    size_t n_fields;
    for (; n > 0 && c->at < c->end; n--, c->next++) c->at = scan(c->at, c->end, &n_fields);
}

void tap_csv_rewind(tap_csv *c) {
    c->at = c->body;
    c->next = 0;
}

int tap_csv_column(const tap_csv *c, const char *name) {
    for (size_t i = 0; c->header && i < c->n_columns; i++)
        if (strcmp(c->header[i], name) == 0) return (int)i;
    return -1;
}

/* Counts records, and finds the longest. */
static tap_status count(tap_csv *c, const char *begin, tap_error *err) {
    int64_t line = 1;
    size_t longest = 0;
    c->n_records = 0;
    for (const char *p = begin; p < c->end;) {
        size_t n;
        const char *after = scan(p, c->end, &n);
        if (!after)
            return tap_error_set(err, TAP_DATA, "%s: record %lld: a quote is not closed", c->path,
                                 (long long)line);
        if (c->n_records == 0) c->n_columns = n;
        bool blank = is_empty_line(p, c->end) && c->n_columns > 1;
        if (!blank && n != c->n_columns)
            return tap_error_set(err, TAP_DATA, "%s: record %lld has %zu fields, the first has %zu", c->path,
                                 (long long)line, n, c->n_columns);
        if (blank && !is_empty_line(after, c->end) && after < c->end)
            return tap_error_set(err, TAP_DATA, "%s: record %lld is empty", c->path, (long long)line);
        if ((size_t)(after - p) > longest) longest = (size_t)(after - p);
        c->n_records += !blank;
        line++;
        p = after;
    }
    c->room = longest;
    return c->n_records ? TAP_OK : tap_error_set(err, TAP_DATA, "%s: is empty", c->path);
}

static bool is_header(const tap_csv *c) {
    double x;
    for (size_t i = 0; i < c->n_columns; i++)
        if (c->lengths[i] > 0 && !tap_number_parse(c->fields[i], c->lengths[i], &x) &&
            strcasecmp(c->fields[i], "nan") != 0 && strcasecmp(c->fields[i], "inf") != 0)
            return true;
    return false;
}

/* The first record, where it is a header, becomes that. */
static tap_status take_header(tap_csv *c, tap_arena *arena, tap_error *err) {
    tap_csv_next(c);
    if (!is_header(c)) return TAP_OK;
    c->header = tap_arena_array(arena, c->n_columns, sizeof *c->header);
    for (size_t i = 0; c->header && i < c->n_columns; i++)
        if (!(c->header[i] = tap_arena_string(arena, c->fields[i], c->lengths[i]))) c->header = NULL;
    if (!c->header) return tap_error_no_memory(err, c->room);
    c->body = c->at;
    c->n_records--;
    return TAP_OK;
}

tap_status tap_csv_open(const char *path, tap_csv *c, tap_arena *arena, tap_error *err) {
    *c = (tap_csv){.path = path};
    tap_status s = tap_file_open(path, 0, &c->file, err);
    if (s != TAP_OK) return s;
    const char *p = (const char *)c->file->data;
    c->end = p + c->file->n_bytes;
    c->body = c->file->n_bytes >= 3 && memcmp(p, "\xEF\xBB\xBF", 3) == 0 ? p + 3 : p;
    s = count(c, c->body, err);
    if (s == TAP_OK) {
        c->fields = calloc(c->n_columns, sizeof *c->fields);
        c->lengths = calloc(c->n_columns, sizeof *c->lengths);
        c->text = malloc(c->room + c->n_columns + 2);
        if (!c->fields || !c->lengths || !c->text) s = tap_error_no_memory(err, c->room);
    }
    tap_csv_rewind(c);
    if (s == TAP_OK) s = take_header(c, arena, err);
    tap_csv_rewind(c);
    if (s != TAP_OK) tap_csv_close(c);
    return s;
}

void tap_csv_close(tap_csv *c) {
    tap_file_release(c->file);
    free(c->fields);
    free(c->lengths);
    free(c->text);
    c->file = NULL;
    c->fields = NULL;
    c->lengths = NULL;
    c->text = NULL;
}
