/* A part of a model as an ONNX model of its own: a node, what lies between two values, a body of a Loop.
 *
 *     tap_part *part;  tap_part_new(model, indices, n, &part, &err);      indices of tap_model_select
 *     tap_part_save(part, "part.onnx", NULL, &err);
 *     tap_part_free(part);
 *
 * The part has the nodes that make the chosen values. Initializers and Constants that they use come along;
 * what else they use are its inputs; what they make that others use, that the model gives, or that nobody
 * uses are its outputs. Names are the model's full names. Functions are written out. */
#ifndef ONNXTAP_PART_H
#define ONNXTAP_PART_H

#include "onnxtap.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tap_part tap_part;

/* values: indices for tap_model_value; graph inputs and initializers among them do not count. They lie in one
 * graph; values in bodies of nodes of the part belong to these nodes. Ownership: freed by tap_part_free; the
 * model lives at least as long. Errors: TAP_USAGE (nothing that a node makes; several graphs), TAP_MEMORY. */
TAP_API tap_status tap_part_new(tap_model *m, const size_t *values, size_t n, tap_part **out, tap_error *err);
TAP_API void tap_part_free(tap_part *p); /* NULL is fine */

/* Indices for tap_model_value of what crosses the border, in execution order. SIZE_MAX out of range. */
TAP_API size_t tap_part_input_count(const tap_part *p);
TAP_API size_t tap_part_input(const tap_part *p, size_t i);
TAP_API size_t tap_part_output_count(const tap_part *p);
TAP_API size_t tap_part_output(const tap_part *p, size_t i);

/* What the part's model declares of that input or output instead of what inference found in the file: the
 * type of this value (all dimensions known). Errors: TAP_NOT_FOUND (it does not cross the border),
 * TAP_MEMORY. */
TAP_API tap_status tap_part_declare(tap_part *p, size_t index, const tap_value *value, tap_error *err);

typedef struct tap_part_options {
    size_t size;
    uint64_t external_above_bytes; /* initializers of more bytes go into a file beside the model, named like
                                      it with .data behind; 0: 1 MiB; UINT64_MAX: all stay in the model */
} tap_part_options;

/* Writes the model, and its data file where there is one: both whole, or neither. Errors: TAP_IO; TAP_USAGE
 * (an input whose type is not known); TAP_UNSUPPORTED; TAP_DATA (more than the format's 2 GiB); TAP_MEMORY.
 */
TAP_API tap_status tap_part_save(const tap_part *p, const char *path, const tap_part_options *options,
                                 tap_error *err);
/* The model in memory, with all weights in it. Ownership: the caller frees *bytes with tap_free. */
TAP_API tap_status tap_part_bytes(const tap_part *p, void **bytes, size_t *n_bytes, tap_error *err);

#ifdef __cplusplus
}
#endif
#endif
