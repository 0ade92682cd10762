/* Saying things: errors, types, JSON; and the few helpers that every file needs. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"

void cli_say(const char *fmt, ...) {
    va_list va;
    va_start(va, fmt);
    fflush(stdout);
    fputs("onnxtap: ", stderr);
    vfprintf(stderr, fmt, va);
    fputc('\n', stderr);
    va_end(va);
}

int cli_fail(const cli_args *args, const tap_error *err) {
    cli_say("%s", err->text[0] ? err->text : tap_status_text(err->code));
    if (args->json) {
        tap_json *j = cli_json();
        tap_json_object(j, NULL);
        tap_json_error(j, err);
        tap_json_free(j);
    }
    return tap_status_exit(err->code);
}

static void to_stdout(void *user, const char *text, size_t n) {
    (void)user;
    fwrite(text, 1, n, stdout);
}

tap_json *cli_json(void) {
    tap_json *j = tap_json_new(to_stdout, NULL, 2);
    if (!j) cli_alloc(SIZE_MAX, 1);
    return j;
}

tap_status cli_error(tap_error *err, tap_status code, const char *fmt, ...) {
    va_list va;
    va_start(va, fmt);
    *err = (tap_error)TAP_ERROR_INIT;
    err->code = code;
    vsnprintf(err->text, sizeof err->text, fmt, va);
    va_end(va);
    return code;
}

void cli_append(char *out, size_t room, const char *fmt, ...) {
    size_t n = strlen(out);
    va_list va;
    va_start(va, fmt);
    if (n < room) vsnprintf(out + n, room - n, fmt, va);
    va_end(va);
}

static void append_dims(const tap_type *type, const char *const *dim_names, char *out, size_t room) {
    cli_append(out, room, "[");
    for (int i = 0; i < type->rank; i++) {
        if (i) cli_append(out, room, ",");
        if (type->dims[i] >= 0)
            cli_append(out, room, "%" PRId64, type->dims[i]);
        else
            cli_append(out, room, "%s", dim_names && dim_names[i] ? dim_names[i] : "?");
    }
    cli_append(out, room, "]");
}

static void append_type(const tap_type *type, const char *const *dim_names, char *out, size_t room) {
    if (!type || type->kind == TAP_KIND_NONE) {
        cli_append(out, room, "unknown");
    } else if (type->kind == TAP_KIND_TENSOR) {
        cli_append(out, room, "%s", type->dtype ? tap_dtype_name(type->dtype) : "?");
        if (type->rank >= 0)
            append_dims(type, dim_names, out, room);
        else
            cli_append(out, room, "[...]");
    } else {
        if (type->kind == TAP_KIND_MAP)
            cli_append(out, room, "map(%s, ", tap_dtype_name(type->dtype));
        else
            cli_append(out, room, type->kind == TAP_KIND_SEQUENCE ? "sequence(" : "optional(");
        append_type(type->elem, NULL, out, room);
        cli_append(out, room, ")");
    }
}

void cli_type_text(const tap_type *type, const char *const *dim_names, char *out, size_t room) {
    out[0] = '\0';
    append_type(type, dim_names, out, room);
}

void cli_json_type(tap_json *j, const tap_type *type, const char *const *dim_names) {
    bool tensor = type && type->kind == TAP_KIND_TENSOR;
    tap_json_string(j, "dtype", tensor && type->dtype ? tap_dtype_name(type->dtype) : NULL);
    if (!tensor || type->rank < 0) {
        tap_json_null(j, "shape");
    } else {
        tap_json_flat_array(j, "shape");
        for (int i = 0; i < type->rank; i++)
            if (type->dims[i] >= 0)
                tap_json_int(j, NULL, type->dims[i]);
            else
                tap_json_string(j, NULL, dim_names ? dim_names[i] : NULL);
        tap_json_end(j);
    }
    char text[512];
    cli_type_text(type, dim_names, text, sizeof text);
    tap_json_string(j, "type", text);
}

void *cli_grow(void *p, size_t n, size_t each) {
    void *q = each && n <= SIZE_MAX / 2 / each ? realloc(p, n * each + 1) : NULL;
    if (q) return q;
    cli_say("out of memory");
    exit(5);
}

void *cli_alloc(size_t n, size_t each) {
    void *p = cli_grow(NULL, n, each);
    memset(p, 0, n * each);
    return p;
}

char *cli_format(const char *fmt, ...) {
    va_list va, again;
    va_start(va, fmt);
    va_copy(again, va);
    int n = vsnprintf(NULL, 0, fmt, va);
    char *p = cli_alloc(n < 0 ? SIZE_MAX : (size_t)n + 1, 1);
    vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(va);
    return p;
}

double cli_now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}
