/* Values from data files: which format it is, which array of it, and what the model wants it to be. */
#ifndef TAP_IO_LOAD_H
#define TAP_IO_LOAD_H

#include "io/file.h"
#include "onnxtap/record.h"

struct tap_source;

/* Protobuf's side of the work, as onnx/load.h declares it: src/io does not know onnx/. */
typedef tap_status tap_pb_decode(const void *bytes, size_t n_bytes, const tap_type *type,
                                 uint64_t limit_bytes, tap_value **out, tap_error *err);

/* tap_value_load. */
tap_status tap_load_any(const char *path, const tap_load_options *options, tap_pb_decode *decode,
                        tap_value **out, tap_error *err);

/* The options that apply: the caller's, as far as his struct goes. */
tap_load_options tap_load_options_of(const tap_load_options *o);

/* Opens an archive whose file is open already (a reference is taken). */
tap_status tap_archive_of(tap_file *file, const char *name, tap_archive **out, tap_error *err);

/* Where the key begins in FILE.npz:KEY; NULL where there is none. A file of that whole name wins. */
const char *tap_split_key(const char *path);
/* The bytes of the array of that key; `label` is for messages and has to outlive *out, as the archive has to.
 */
tap_status tap_archive_source(const tap_archive *a, const char *key, const char *label, uint64_t limit_bytes,
                              struct tap_source *out, tap_error *err);

#endif
