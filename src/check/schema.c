/* Reading the table of the standard's operators. */
#include "check/schema.h"

#include <stdlib.h>
#include <string.h>

#include "core/base.h"

static const tap_schema schemas[] = {
#include "check/schema.inc"
};

const tap_schema *tap_schema_at(size_t i) {
    return i < TAP_COUNT_OF(schemas) ? &schemas[i] : NULL;
}

const tap_schema *tap_schema_find(const char *domain, const char *name) {
    for (size_t i = 0; i < TAP_COUNT_OF(schemas); i++)
        if (strcmp(schemas[i].name, name) == 0 && (!domain || strcmp(schemas[i].domain, domain) == 0))
            return &schemas[i];
    return NULL;
}

static int64_t distance(tap_opsets o, int64_t opset) {
    if (opset < o.from) return o.from - opset;
    return o.to && opset > o.to ? opset - o.to : 0;
}

bool tap_schema_has_attribute(const tap_schema *s, const char *name, int64_t opset, tap_opsets *nearest) {
    size_t n = strlen(name);
    int64_t least = INT64_MAX;
    *nearest = (tap_opsets){0, 0};
    for (const char *p = s->attributes; *p; p += strspn(p, " ")) {
        size_t word = strcspn(p, " ");
        if (word > n && memcmp(p, name, n) == 0 && p[n] == ':') {
            char *end;
            tap_opsets o = {(int)strtol(p + n + 1, &end, 10), 0};
            if (*end == '-') o.to = (int)strtol(end + 1, NULL, 10);
            if (distance(o, opset) < least) least = distance(o, opset), *nearest = o;
        }
        p += word;
    }
    return least == 0;
}

/* The part of `types` about an operand; of a list of operands, the last that is written down. */
static const char *operand(const tap_schema *s, char letter, int i) {
    const char *found = NULL;
    for (const char *p = s->types; *p; p += strspn(p, " ")) {
        if (*p == letter && strtol(p + 1, NULL, 10) == i) found = strchr(p, '@');
        p += strcspn(p, " ");
    }
    return found;
}

int tap_schema_type_since(const tap_schema *s, bool output, int i, tap_dtype t) {
    const char *p = operand(s, output ? 'o' : 'i', i);
    while (p && *p == '@') {
        char *at;
        int since = (int)strtol(p + 1, &at, 10);
        while (*at == ':' || *at == ',')
            if (strtol(at + 1, &at, 10) == (long)t) return since;
        p = at;
    }
    return 0;
}
