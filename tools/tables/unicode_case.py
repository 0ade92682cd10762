#!/usr/bin/env python3
"""Writes ops/unicode_case.h: the simple case mappings of Unicode, as this Python knows them, in ranges.

    python3 tools/tables/unicode_case.py > ops/unicode_case.h
"""
import sys
import unicodedata


def simple_lower(c):
    return "i" if c == "\u0130" else c.lower() if len(c.lower()) == 1 else c


def simple_upper(c):
    # Where the full mapping is several characters, the simple one is the titlecase form, if that is one character.
    for mapped in (c.upper(), c.title()):
        if len(mapped) == 1:
            return mapped
    return c


def ranges(mapping):
    """[first, last, step, delta]: every step-th code point from first to last is moved by delta."""
    found = []
    for code in range(sys.maxunicode + 1):
        if 0xD800 <= code < 0xE000:
            continue
        delta = ord(mapping(chr(code))) - code
        if delta == 0:
            continue
        last = found[-1] if found else None
        gap = code - last[1] if last else 0
        if last and last[3] == delta and gap in (1, 2) and (last[0] == last[1] or gap == last[2]):
            last[1:3] = code, gap
        else:
            found.append([code, code, 1, delta])
    return found


def table(name, rows):
    print(f"static const tap_case_range {name}[] = {{")
    for i in range(0, len(rows), 4):
        print("    " + " ".join("{0x%04x, 0x%04x, %d, %d}," % tuple(r) for r in rows[i:i + 4]))
    print("};\n")


print(f"""/* Simple case mappings of Unicode {unicodedata.unidata_version}. Written by tools/tables/unicode_case.py. */
#ifndef TAP_OPS_UNICODE_CASE_H
#define TAP_OPS_UNICODE_CASE_H

#include <stdint.h>

/* Every step-th code point from first to last is moved by delta. */
typedef struct tap_case_range {{
    uint32_t first, last, step;
    int32_t  delta;
}} tap_case_range;

/* clang-format off */""")
table("tap_to_lower", ranges(simple_lower))
table("tap_to_upper", ranges(simple_upper))
print("/* clang-format on */\n\n#endif")
