/* What the standard says of operators over all its versions: what is new in which opset, what went. For
 * findings alone; whether a model runs, the operators' own rows decide. */
#ifndef TAP_CHECK_SCHEMA_H
#define TAP_CHECK_SCHEMA_H

#include "onnxtap/onnxtap.h"

typedef struct tap_schema {
    const char *domain, *name; /* domain "" = ai.onnx */
    int16_t since, deprecated; /* opsets; deprecated 0: it is not */
    const char *attributes;    /* "name:FROM-TO name:FROM ..." */
    const char *types;         /* that came later than the operand: "i0@13:16@19:17,18 o0..." */
} tap_schema;

/* NULL: the standard has no such operator. domain NULL: of any domain. */
const tap_schema *tap_schema_find(const char *domain, const char *name);
/* The i-th of all; NULL: there are no more. */
const tap_schema *tap_schema_at(size_t i);

typedef struct tap_opsets {
    int from, to; /* to 0: still so */
} tap_opsets;

/* Whether the operator has the attribute in that opset; else *nearest, the opsets nearest to it that do ({0,
 * 0}: none). */
bool tap_schema_has_attribute(const tap_schema *s, const char *name, int64_t opset, tap_opsets *nearest);
/* The opset from which input (or output) i takes the type; 0: as long as there is that operand, or never. */
int tap_schema_type_since(const tap_schema *s, bool output, int i, tap_dtype t);

#endif
