/* Sinks: one face (record.h), a table of functions per format behind it. */
#ifndef TAP_IO_SINK_H
#define TAP_IO_SINK_H

#include "core/memory.h"
#include "core/tensor.h"
#include "io/file.h"
#include "onnxtap/json.h"
#include "onnxtap/record.h"

/* Protobuf's side of the work, as onnx/load.h declares it: src/io does not know onnx/. */
typedef tap_status tap_pb_encode(const tap_value *v, const char *name, const tap_type *type, void **bytes,
                                 size_t *n_bytes, tap_error *err);

/* What a format does. */
typedef struct tap_sink_kind {
    bool takes_any; /* sequences and maps as they are; else they come as tensors */
    tap_status (*open)(tap_sink *s, tap_error *err);
    /* key: unique among those before. */
    tap_status (*add)(tap_sink *s, const char *key, const tap_entry *e, const tap_value *v, tap_error *err);
    /* Finishes; reason NULL: all went well. Frees what open made. */
    tap_status (*finish)(tap_sink *s, const tap_error *reason, tap_error *err);
    /* Removes what open made: nothing was added, or it is past saving. */
    void (*discard)(tap_sink *s);
} tap_sink_kind;

typedef struct tap_names tap_names;

struct tap_sink {
    const tap_sink_kind *kind;
    tap_sink_options options;
    tap_pb_encode *encode;
    char *path;
    void *state;     /* of the kind */
    tap_names *keys; /* used so far */
    size_t n;
};

extern const tap_sink_kind tap_sink_npz, tap_sink_json, tap_sink_npy_file, tap_sink_pb_file,
    tap_sink_npy_folder, tap_sink_pb_folder;

/* tap_sink_open. */
tap_status tap_sink_make(const char *path, const tap_sink_options *options, tap_pb_encode *encode,
                         tap_sink **out, tap_error *err);

/* ---- Shared by the kinds ---- */

/* Writes a tensor as .npy, or any value as .pb, to a file of its own. */
tap_status tap_write_npy(const char *path, const tap_tensor *t, bool raw, bool sync, tap_error *err);
tap_status tap_write_pb(const tap_sink *s, const char *path, const tap_entry *e, const tap_value *v,
                        bool sync, tap_error *err);

/* A JSON writer into a file. */
tap_json *tap_json_to(tap_writer *w, int indent);
/* The keys that index.json and .json share: tensor, node, operator, layer, dtype, shape, layout, iteration.
 */
void tap_json_entry(tap_json *j, const tap_entry *e, const tap_value *v);

/* A set of names. */
tap_names *tap_names_new(void);
void tap_names_free(tap_names *n);
/* The name itself, or with "#1", "#2", ... (separator '#') behind it, whichever is new; remembered, lives as
 * long as the set. fold: names that differ in case only count as the same. NULL: no memory. */
const char *tap_names_unique(tap_names *n, const char *name, char separator, bool fold);

#endif
