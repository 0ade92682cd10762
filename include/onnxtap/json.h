/* JSON (RFC 8259), written and read: what sinks, reports and indices are made of.
 *
 * The writer streams: it holds nothing but the nesting. NaN and infinities become the strings "NaN",
 * "Infinity" and
 * "-Infinity"; numbers are the shortest that read back as the same value; bytes that are no UTF-8 become
 * U+FFFD. */
#ifndef ONNXTAP_JSON_H
#define ONNXTAP_JSON_H

#include "onnxtap.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Writing ---- */

typedef struct tap_json tap_json;

/* Takes n bytes of text. */
typedef void tap_json_sink(void *user, const char *text, size_t n);

/* indent: spaces a level, 0 = all on one line. NULL: no memory. */
TAP_API tap_json *tap_json_new(tap_json_sink *sink, void *user, int indent);
/* Ends the line and frees the writer. What is open is closed. NULL is fine. */
TAP_API void tap_json_free(tap_json *j);

/* Each writes one value. key: its name in an object, NULL in an array and at the top. `flat` ones have their
 * values on one line. */
TAP_API void tap_json_object(tap_json *j, const char *key);
TAP_API void tap_json_array(tap_json *j, const char *key);
TAP_API void tap_json_flat_object(tap_json *j, const char *key);
TAP_API void tap_json_flat_array(tap_json *j, const char *key);
TAP_API void tap_json_end(tap_json *j); /* of the object or array opened last */

TAP_API void tap_json_string(tap_json *j, const char *key, const char *s); /* NULL s: null */
TAP_API void tap_json_bytes(tap_json *j, const char *key, const char *s, size_t n);
TAP_API void tap_json_int(tap_json *j, const char *key, int64_t v);
TAP_API void tap_json_uint(tap_json *j, const char *key, uint64_t v);
TAP_API void tap_json_double(tap_json *j, const char *key, double v);
TAP_API void tap_json_float(tap_json *j, const char *key, float v);
TAP_API void tap_json_bool(tap_json *j, const char *key, bool v);
TAP_API void tap_json_null(tap_json *j, const char *key);

/* "error": {"code": "data", "message", "node", "op", "tensor"}; code is the status' name in lower case. */
TAP_API void tap_json_error(tap_json *j, const tap_error *err);

/* ---- Reading ---- */

typedef enum tap_json_kind {
    TAP_JSON_NULL,
    TAP_JSON_BOOL,
    TAP_JSON_NUMBER,
    TAP_JSON_STRING,
    TAP_JSON_ARRAY,
    TAP_JSON_OBJECT
} tap_json_kind;

/* A value of a document. All functions take NULL for "not there" and answer it with null, 0, "" or NULL. */
typedef struct tap_json_value tap_json_value;

/* The document in n bytes. Nesting deeper than 200 is refused. Ownership: the caller frees it. Errors:
 * TAP_DATA with the line, TAP_MEMORY. */
TAP_API tap_status tap_json_parse(const char *text, size_t n, tap_json_value **out, tap_error *err);
TAP_API void tap_json_value_free(tap_json_value *root); /* NULL is fine */

TAP_API tap_json_kind tap_json_kind_of(const tap_json_value *v);
TAP_API size_t tap_json_length(const tap_json_value *v); /* items of an array or object, bytes of a string */
TAP_API const tap_json_value *tap_json_first(const tap_json_value *v); /* of an array or object */
TAP_API const tap_json_value *tap_json_next(const tap_json_value *v);  /* of the same array or object */
TAP_API const tap_json_value *tap_json_get(const tap_json_value *v,
                                           const char *key); /* the last of that name */
TAP_API const char *tap_json_key(const tap_json_value *v);   /* its name in its object */
TAP_API const char *tap_json_text(const tap_json_value *v);  /* of a string, terminated; "" else */
TAP_API double tap_json_number(const tap_json_value *v,
                               double otherwise); /* of a number, or of "NaN", "Infinity" ... */
TAP_API bool tap_json_true(const tap_json_value *v);

#ifdef __cplusplus
}
#endif
#endif
