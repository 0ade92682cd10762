/* Filling the caller's tap_error. */
#ifndef TAP_CORE_ERROR_H
#define TAP_CORE_ERROR_H

#include <stdarg.h>

#include "onnxtap/onnxtap.h"

/* All return code, so that `return tap_error_set(err, TAP_IO, ...)` is the usual line. err may be NULL. */
TAP_COLD tap_status tap_error_set(tap_error *err, tap_status code, const char *fmt, ...) TAP_PRINTF(3, 4);
TAP_COLD tap_status tap_error_setv(tap_error *err, tap_status code, const char *fmt, va_list args);
TAP_COLD tap_status tap_error_no_memory(tap_error *err, uint64_t n_bytes);
/* Names what it is about; NULL leaves a field as it is. */
TAP_COLD void tap_error_where(tap_error *err, const char *node, const char *op, const char *tensor);

/* Text that grows in a fixed buffer and ends in "..." where it did not fit. */
typedef struct tap_text {
    char *s;
    size_t room, n;
} tap_text;

void tap_text_add(tap_text *t, const char *fmt, ...) TAP_PRINTF(2, 3);
void tap_text_addv(tap_text *t, const char *fmt, va_list args);
/* "float32[1,3,?]", "sequence(float32)", "unknown" */
void tap_text_type(tap_text *t, const tap_type *type);
void tap_text_dims(tap_text *t, int rank, const int64_t *dims);

#endif
