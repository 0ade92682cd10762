/* Sinks: one face (record.h), a table of functions per format behind it. */
#ifndef TAP_IO_SINK_H
#define TAP_IO_SINK_H

#include "core/map.h"
#include "core/memory.h"
#include "core/tensor.h"
#include "io/file.h"
#include "onnxtap/json.h"
#include "onnxtap/record.h"

/* Protobuf's side of the work, as onnx/load.h declares it: src/io does not know onnx/. */
typedef tap_status tap_pb_encode(const tap_value *v, const char *name, const tap_type *type, void **bytes,
                                 size_t *n_bytes, tap_error *err);

/* A value that arrives batch by batch. */
typedef struct tap_part {
    char *name, *key;
    tap_entry entry; /* strings are its own; batch is NULL */
    tap_dtype dtype;
    int rank;
    int64_t dims[TAP_RANK_MAX]; /* dims[0]: rows so far */
    int64_t each;               /* rows a sample */
    bool once;                  /* the same in every batch: the first is all */
    char *tmp;                  /* spooled: the file of its rows, as they are in memory */
    uint64_t n_bytes;           /* in it */
    tap_value **strings;        /* of a string tensor: its batches */
    size_t n_strings, room_strings;
    tap_type type; /* for entry.type */
    bool own;      /* the kind keeps it, not the spool */
    size_t member, header_bytes;
    const char *file; /* of the kind */
} tap_part;

/* What a format does. */
typedef struct tap_sink_kind {
    bool takes_any;     /* sequences and maps as they are; else they come as tensors */
    bool takes_batches; /* values of batches come as they are, with the entry's batch */
    tap_status (*open)(tap_sink *s, tap_error *err);
    /* NULL, or told that a batch is complete. */
    tap_status (*end_batch)(tap_sink *s, tap_error *err);
    /* key: unique among those before. */
    tap_status (*add)(tap_sink *s, const char *key, const tap_entry *e, const tap_value *v, tap_error *err);
    /* Finishes; reason NULL: all went well. Frees what open made. */
    tap_status (*finish)(tap_sink *s, const tap_error *reason, tap_error *err);
    /* NULL, or takes part p's next rows by itself where it can: sets p->own at the first (p->dims[0] is 0);
     * what it does not take is spooled, and added as a whole at the end. tmp is the name that a file of the
     * part may have. */
    tap_status (*join)(tap_sink *s, tap_part *p, const tap_entry *e, const tap_tensor *t, tap_error *err);
    tap_status (*end_part)(tap_sink *s, tap_part *p, tap_error *err);
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
    tap_part **parts; /* that arrive batch by batch */
    size_t n_parts, room_parts, n_tmp;
    tap_map part_of; /* name -> its number + 1 */
};

extern const tap_sink_kind tap_sink_npz, tap_sink_json, tap_sink_jsonl, tap_sink_csv, tap_sink_sqlite,
    tap_sink_npy_file, tap_sink_pb_file, tap_sink_png_file, tap_sink_npy_folder, tap_sink_pb_folder,
    tap_sink_png_folder;

/* tap_sink_open. */
tap_status tap_sink_make(const char *path, const tap_sink_options *options, tap_pb_encode *encode,
                         tap_sink **out, tap_error *err);

/* ---- Values of a data set (sink_join.c) ---- */

/* An entry's axis: the value is the same in every batch. */
#define TAP_SINK_ONCE (-3)

/* One tensor of one batch. */
tap_status tap_sink_join(tap_sink *s, const char *name, const tap_entry *e, const tap_value *v,
                         tap_error *err);
/* All parts are complete, or what they have is kept. */
tap_status tap_sink_end_parts(tap_sink *s, tap_error *err);
void tap_sink_drop_parts(tap_sink *s);
/* Elements appended to the file at path, which has n_bytes; a failure takes back what did not arrive. */
tap_status tap_spool_add(const char *path, uint64_t n_bytes, const tap_tensor *t, bool raw, uint64_t *n_after,
                         tap_error *err);

/* A part that becomes a .npy file by itself: `path` is its name at the end. */
tap_status tap_npy_join(tap_part *p, const char *path, const tap_tensor *t, bool raw, tap_error *err);
tap_status tap_npy_end_part(tap_part *p, bool raw, tap_error *err);

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

/* "dtype", "shape", figures and elements ("data") of a value, into an open object. */
void tap_json_value_body(tap_json *j, const tap_value *v);

/* A file name from a value's name: unsafe characters (a whole UTF-8 one counts once) as _, no dot in front,
 * not too long. NULL: no memory. */
char *tap_safe_name(tap_arena *a, const char *name);

/* A set of names. */
tap_names *tap_names_new(void);
void tap_names_free(tap_names *n);
/* The name itself, or with "#1", "#2", ... (separator '#') behind it, whichever is new; remembered, lives as
 * long as the set. fold: names that differ in case only count as the same. NULL: no memory. */
const char *tap_names_unique(tap_names *n, const char *name, char separator, bool fold);

#endif
