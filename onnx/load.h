/* Model bytes -> what the file says (graph/source.h). The only way in for a model. Also data files of values.
 */
#ifndef TAP_ONNX_LOAD_H
#define TAP_ONNX_LOAD_H

#include "core/faults.h"
#include "core/mapping.h"
#include "graph/source.h"

/* Where external data may lie. */
typedef struct tap_onnx_folder {
    const char *path; /* locations are relative to it, and may not lead out of it */
    const char
        *real_path; /* NULL, or the folder in which the model lies after following a symbolic link to it:
                       caches of models link the model and its data, each by itself, into another folder */
} tap_onnx_folder;

/* Reads the model in bytes (already mapped, kept by the caller) into *out. Weights stay where they lie.
 * External data is looked for in folder (NULL: refused), mapped, and chained to *mappings, which the caller
 * unmaps with tap_unmap_all also after an error. Allocations come from arena. faults: NULL, or where
 * initializers and attributes that cannot be read are noted, which then does not end the loading. Errors:
 * TAP_MODEL; TAP_UNSUPPORTED (a type that this library does not have, a newer IR); TAP_IO; TAP_MEMORY. */
tap_status tap_onnx_load(const void *bytes, size_t n_bytes, const tap_onnx_folder *folder, tap_arena *arena,
                         tap_mapping **mappings, tap_faults *faults, tap_src_model *out, tap_error *err);

/* A data file of ONNX's tests: TensorProto, SequenceProto, OptionalProto or MapProto, as `type` says (NULL:
 * found out, as far as the bytes tell; else a tensor). The value owns its memory; *out is NULL for an empty
 * optional. limit_bytes: of memory while reading; 0 = as a model's default. Errors: TAP_DATA,
 * TAP_UNSUPPORTED, TAP_MEMORY. */
tap_status tap_onnx_load_value(const void *bytes, size_t n_bytes, const tap_type *type, uint64_t limit_bytes,
                               tap_value **out, tap_error *err);

/* The bytes of such a file for a value, TensorProto etc. as `type` says (NULL: by the value's kind). Freed
 * with free(). Errors: TAP_USAGE for a value that `type` does not fit; TAP_DATA where it does not fit into
 * the format's 2 GiB; TAP_MEMORY. */
tap_status tap_onnx_save_value(const tap_value *v, const char *name, const tap_type *type, void **bytes,
                               size_t *n_bytes, tap_error *err);

#endif
