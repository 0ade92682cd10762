/* Finding the row of an operator by domain, name and opset. */
#ifndef TAP_GRAPH_LOOKUP_H
#define TAP_GRAPH_LOOKUP_H

#include "core/error.h"
#include "core/map.h"
#include "onnxtap/op.h"

typedef struct tap_lookup {
    tap_map by_name; /* "domain:name" -> place of its first row in `rows`, rows of one name adjacent */
    const tap_op **rows;
    size_t n_rows;
    tap_arena arena;
} tap_lookup;

/* Families that come first win. */
bool tap_lookup_init(tap_lookup *l, tap_budget *b, const tap_family *const *first, size_t n_first,
                     const tap_family *const *families, size_t n);
void tap_lookup_free(tap_lookup *l);

/* The row whose meaning holds in that opset; NULL with *why (from arena) = what is missing. domain "" =
 * ai.onnx. */
const tap_op *tap_lookup_find(const tap_lookup *l, const char *domain, const char *name, int64_t opset,
                              tap_arena *arena, const char **why);

/* What a converter left in ai.onnx under that name: the row of TensorFlow's operator, else the first row of
 * an operator that came with a later opset. NULL: neither. */
const tap_op *tap_lookup_left_behind(const tap_lookup *l, const char *name, int64_t opset);

/* The dtypes that a row's kernels take, and those of them that are the standard's. */
uint32_t tap_op_dtypes(const tap_op *op);

#endif
