/* Filling the caller's tap_error, and text in a fixed buffer. */
#include "core/error.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base.h"

void tap_text_addv(tap_text *t, const char *fmt, va_list args) {
    if (t->n + 1 >= t->room) return;
    int n = vsnprintf(t->s + t->n, t->room - t->n, fmt, args);
    if (n < 0) return;
    if ((size_t)n < t->room - t->n) {
        t->n += (size_t)n;
        return;
    }
    t->n = t->room - 1;
    /* Cut at a character, not inside one. */
    size_t cut = t->n < 3 ? 0 : t->n - 3;
    while (cut > 0 && ((unsigned char)t->s[cut] & 0xC0) == 0x80) cut--;
    snprintf(t->s + cut, t->room - cut, "...");
}

void tap_text_add(tap_text *t, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    tap_text_addv(t, fmt, args);
    va_end(args);
}

void tap_text_dims(tap_text *t, int rank, const int64_t *dims) {
    tap_text_add(t, "[");
    for (int i = 0; i < rank; i++) {
        if (i) tap_text_add(t, ",");
        if (dims[i] < 0)
            tap_text_add(t, "?");
        else
            tap_text_add(t, "%" PRId64, dims[i]);
    }
    tap_text_add(t, "]");
}

void tap_text_type(tap_text *t, const tap_type *type) {
    if (!type) {
        tap_text_add(t, "unknown");
        return;
    }
    switch (type->kind) {
    case TAP_KIND_TENSOR:
        tap_text_add(t, "%s", type->dtype == TAP_UNDEFINED ? "?" : tap_dtype_name(type->dtype));
        if (type->rank >= 0)
            tap_text_dims(t, type->rank, type->dims);
        else
            tap_text_add(t, "[...]");
        break;
    case TAP_KIND_SEQUENCE:
    case TAP_KIND_OPTIONAL:
        tap_text_add(t, type->kind == TAP_KIND_SEQUENCE ? "sequence(" : "optional(");
        tap_text_type(t, type->elem);
        tap_text_add(t, ")");
        break;
    case TAP_KIND_MAP:
        tap_text_add(t, "map(%s, ", tap_dtype_name(type->dtype));
        tap_text_type(t, type->elem);
        tap_text_add(t, ")");
        break;
    case TAP_KIND_NONE: tap_text_add(t, "unknown"); break;
    }
}

tap_status tap_error_setv(tap_error *err, tap_status code, const char *fmt, va_list args) {
    if (!err) return code;
    err->code = code;
    err->node[0] = err->op[0] = err->tensor[0] = '\0';
    tap_text t = {err->text, sizeof err->text, 0};
    err->text[0] = '\0';
    tap_text_addv(&t, fmt, args);
    return code;
}

tap_status tap_error_set(tap_error *err, tap_status code, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    tap_error_setv(err, code, fmt, args);
    va_end(args);
    return code;
}

tap_status tap_error_no_memory(tap_error *err, uint64_t n_bytes) {
    return tap_error_set(
        err, TAP_MEMORY,
        "no memory for %" PRIu64 " bytes: the limit (--memory-limit) or the machine has no more", n_bytes);
}

void tap_error_where(tap_error *err, const char *node, const char *op, const char *tensor) {
    if (!err) return;
    if (node) snprintf(err->node, sizeof err->node, "%s", node);
    if (op) snprintf(err->op, sizeof err->op, "%s", op);
    if (tensor) snprintf(err->tensor, sizeof err->tensor, "%s", tensor);
}

static const struct {
    const char *text;
    int exit;
} statuses[] = {
#define TAP_X(name, exit_status, text) {text, exit_status},
    TAP_STATUS_LIST(TAP_X)
#undef TAP_X
};

const char *tap_status_text(tap_status s) {
    return (size_t)s < TAP_COUNT_OF(statuses) ? statuses[s].text : "unknown status";
}

int tap_status_exit(tap_status s) {
    return (size_t)s < TAP_COUNT_OF(statuses) ? statuses[s].exit : 5;
}
