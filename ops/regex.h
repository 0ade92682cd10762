/* Regular expressions in RE2's syntax, by libre2: the only C++ in the library, left out where libre2 is not
 * installed. */
#ifndef TAP_OPS_REGEX_H
#define TAP_OPS_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tap_regex tap_regex;

/* Compiles a pattern of n bytes, for UTF-8 text. NULL: message, of room bytes, says what is wrong with it. */
tap_regex *tap_regex_new(const char *pattern, size_t n, char *message, size_t room);
/* Whether all of s matches. Time is linear in n. May be called by threads at the same time. */
bool tap_regex_matches(const tap_regex *r, const char *s, size_t n);
void tap_regex_free(tap_regex *r);

#ifdef __cplusplus
}
#endif
#endif
