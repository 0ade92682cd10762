/* regex.h by libre2. */
#include "regex.h"

#include <re2/re2.h>

#include <cstdio>
#include <new>
#include <string>

struct tap_regex {
    RE2 re;
    tap_regex(const re2::StringPiece &pattern, const RE2::Options &options) : re(pattern, options) {}
};

/* What the pattern and its automata may hold; libre2 falls back to slower matching where this is not enough.
 */
static const long max_bytes = 8L << 20;

extern "C" tap_regex *tap_regex_new(const char *pattern, size_t n, bool longest, char *message, size_t room) {
    try {
        RE2::Options options;
        options.set_log_errors(false);
        options.set_max_mem(max_bytes);
        options.set_longest_match(longest);
        tap_regex *r = new tap_regex(re2::StringPiece(pattern, n), options);
        if (r->re.ok()) return r;
        std::snprintf(message, room, "%s", r->re.error().c_str());
        delete r;
    } catch (const std::bad_alloc &) {
        std::snprintf(message, room, "out of memory");
    }
    return nullptr;
}

extern "C" bool tap_regex_matches(const tap_regex *r, const char *s, size_t n) {
    return RE2::FullMatch(re2::StringPiece(s, n), r->re);
}

extern "C" bool tap_regex_find(const tap_regex *r, const char *s, size_t n, size_t from, size_t *begin,
                               size_t *end) {
    re2::StringPiece found;
    if (!r->re.Match(re2::StringPiece(s, n), from, n, RE2::UNANCHORED, &found, 1)) return false;
    *begin = static_cast<size_t>(found.data() - s);
    *end = *begin + found.size();
    return true;
}

extern "C" int tap_regex_n_groups(const tap_regex *r) {
    return r->re.NumberOfCapturingGroups();
}

extern "C" bool tap_regex_find_groups(const tap_regex *r, const char *s, size_t n, size_t from,
                                      size_t bounds[2 * TAP_REGEX_GROUPS]) {
    re2::StringPiece found[TAP_REGEX_GROUPS];
    const int wanted = r->re.NumberOfCapturingGroups() + 1;
    const int groups = wanted < TAP_REGEX_GROUPS ? wanted : static_cast<int>(TAP_REGEX_GROUPS);
    if (!r->re.Match(re2::StringPiece(s, n), from, n, RE2::UNANCHORED, found, groups)) return false;
    for (int i = 0; i < TAP_REGEX_GROUPS; i++) {
        const bool there = i < groups && found[i].data() != nullptr;
        bounds[2 * i] = there ? static_cast<size_t>(found[i].data() - s) : 0;
        bounds[2 * i + 1] = there ? bounds[2 * i] + found[i].size() : 0;
    }
    return true;
}

extern "C" void tap_regex_free(tap_regex *r) {
    delete r;
}
