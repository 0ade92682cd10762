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

/* Compiles a pattern of n bytes, for UTF-8 text. NULL: message, of room bytes, says what is wrong with it.
 * longest: of several matches at a place the longest counts, not the first alternative's. */
tap_regex *tap_regex_new(const char *pattern, size_t n, bool longest, char *message, size_t room);
/* Whether all of s matches. Time is linear in n. May be called by threads at the same time. */
bool tap_regex_matches(const tap_regex *r, const char *s, size_t n);
/* The first match in s from byte `from` on; false: there is none. */
bool tap_regex_find(const tap_regex *r, const char *s, size_t n, size_t from, size_t *begin, size_t *end);
enum { TAP_REGEX_GROUPS = 10 };
/* How many groups in parentheses the pattern has. */
int tap_regex_n_groups(const tap_regex *r);
/* The same match, and what its groups matched, as bounds[2 i], bounds[2 i + 1]: group 0 is all of it. Groups
 * that took no part, and those that the pattern does not have, are empty. */
bool tap_regex_find_groups(const tap_regex *r, const char *s, size_t n, size_t from,
                           size_t bounds[2 * TAP_REGEX_GROUPS]);
void tap_regex_free(tap_regex *r);

#ifdef __cplusplus
}
#endif
#endif
