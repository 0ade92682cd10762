/* Data files in and out: arrays and test data for a model's inputs, and sinks for what it computes.
 *
 *     tap_sink *sink;  tap_sink_open("trace.npz", NULL, &sink, &err);
 *     tap_recorder recorder = {sizeof recorder, sink, model};
 *     tap_session_listen(session, tap_record, &recorder);          taps stream to the file while the model
 * runs s = tap_session_run(session, inputs, n, &err); if (s == TAP_OK) s = tap_sink_close(sink, &err); else
 * tap_sink_abort(sink, &err);
 *
 * Formats in: .npy, .npz (stored and deflated, zip64), .pb (TensorProto, SequenceProto, OptionalProto,
 * MapProto). Formats out: .npz, .npy, .pb, .json, .jsonl, .csv, .png,
 * .sqlite, and folders of them. A file appears under its name whole or
 * not at all. */
#ifndef ONNXTAP_RECORD_H
#define ONNXTAP_RECORD_H

#include "dataset.h"
#include "onnxtap.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Values from files ---- */

typedef struct tap_load_options {
    size_t size;
    const tap_type *type; /* what the value is for; NULL: as the file says                               */
    bool cast;            /* numbers of another dtype are converted (tap_value_cast); else they are refused */
    uint64_t limit_bytes; /* of memory for the value; 0: half of the machine's                           */
} tap_load_options;

/* Loads FILE.npy, FILE.npz:KEY (FILE.npz where it has one array), FILE.pb, or "-", standard input, in any of
 * the three formats. A large array in a regular file is mapped, not read: the file has to stay unchanged
 * while the value lives. What the type wants and NumPy lacks is taken from what tap_sink writes in its place
 * (bfloat16 and 8-bit floats from float32, 4- and 2-bit integers from int8 or uint8) where that is exact, and
 * from ml_dtypes' arrays of raw bytes. *out is NULL for an empty optional. Errors: TAP_IO, TAP_DATA,
 * TAP_MEMORY, TAP_USAGE (which key?). */
TAP_API tap_status tap_value_load(const char *path, const tap_load_options *options, tap_value **out,
                                  tap_error *err);

/* An open .npz. */
typedef struct tap_archive tap_archive;

TAP_API tap_status tap_archive_open(const char *path, tap_archive **out, tap_error *err);
TAP_API void tap_archive_free(tap_archive *a); /* NULL is fine; values stay               */
TAP_API size_t tap_archive_count(const tap_archive *a);
TAP_API const char *tap_archive_key(const tap_archive *a,
                                    size_t i); /* as numpy.load has it; NULL out of range */
/* The key under which a value of that name is found: the name itself, or else the only key that equals it
 * once all but letters, digits, '.' and '-' are '_' in both; for a sequence or a map, whose arrays are
 * NAME[0], NAME[1], ... or NAME and NAME.keys, the name. NULL where there is none. Borrowed. */
TAP_API const char *tap_archive_find(const tap_archive *a, const char *name);
/* The value of that key; sequences and maps, where options->type asks for one, from the arrays that tap_sink
 * makes of them. */
TAP_API tap_status tap_archive_load(const tap_archive *a, const char *key, const tap_load_options *options,
                                    tap_value **out, tap_error *err);

/* ---- Values made up, and made fit ---- */

typedef enum tap_fill { TAP_FILL_ZEROS, TAP_FILL_ONES, TAP_FILL_RANDOM } tap_fill;

/* RANDOM: element i is drawn from SplitMix64, state seed + (i + 1) * 0x9E3779B97F4A7C15, in which each
 * element depends on seed and position only. u, the upper 53 bits / 2^53, gives lo + u * (hi - lo) for floats
 * (complex: both parts, elements 2i and 2i + 1 of the stream) and lo + floor(u * (hi - lo + 1)) for integers
 * and bool. Default ranges: floats [0, 1); uint8 and int8 their whole range; other integers and bool 0 and 1,
 * which suits indices and masks alike. Strings: the decimal digits of an integer in [0, 9]; zeros "", ones
 * "1". */
typedef struct tap_fill_options {
    size_t size;
    tap_fill fill;
    uint64_t seed;
    bool ranged; /* lo and hi are given                                                         */
    double lo, hi;
} tap_fill_options;

/* Errors: TAP_USAGE (dims below 0, lo > hi), TAP_MEMORY. */
TAP_API tap_status tap_value_fill(tap_dtype dtype, int rank, const int64_t *dims,
                                  const tap_fill_options *options, tap_value **out, tap_error *err);
/* A seed for a thing of that name, so that each input gets numbers of its own whatever else there is. */
TAP_API uint64_t tap_seed_for(uint64_t seed, const char *name);

/* The tensor in another dtype. To integers: truncated towards zero, the nearest end of the range where it
 * does not fit, NaN is 0; integers to narrower ones: the same ends. To floats: to nearest, ties to even. To
 * bool: not zero. Errors: TAP_DATA (strings, complex to real), TAP_MEMORY. */
TAP_API tap_status tap_value_cast(const tap_value *v, tap_dtype to, tap_value **out, tap_error *err);

/* ---- Looking at tensors ---- */

/* Elements first to first + n as float64: exact for all but 64-bit integers beyond 2^53; complex: the
 * magnitude. false for strings. */
TAP_API bool tap_tensor_doubles(const tap_tensor *t, int64_t first, int64_t n, double *out);
/* Element i as text: shortest form that reads back, true, (1+2j), "text". Terminated, cut at room. Returns
 * the whole length. */
TAP_API size_t tap_tensor_text(const tap_tensor *t, int64_t i, char *out, size_t room);

/* As NumPy prints it (numpy.array2string, lines of 75 characters). Fields that are 0: edge_items 3, threshold
 * 1000 elements, beyond which only the edges of each axis are shown, precision 8. */
typedef struct tap_print_options {
    size_t size;
    int64_t edge_items, threshold;
    int precision;
} tap_print_options;

/* Freed with tap_free. NULL: no memory. */
TAP_API char *tap_tensor_print(const tap_tensor *t, const tap_print_options *options);

/* What a line about a tensor says. Over finite elements (complex: magnitudes); NaN where there are none, or
 * for strings. */
typedef struct tap_summary {
    size_t size;
    double min, max, mean;
    int64_t min_at, max_at; /* where first; -1 where there is none                                         */
    int64_t nonfinite, nan; /* elements; nonfinite counts NaN, too                                         */
} tap_summary;

TAP_API void tap_tensor_summary(const tap_tensor *t, tap_summary *out);

/* The tensors that a value is made of, each a call of fn with a name and a tensor value (borrowed): a tensor
 * under the name itself; a sequence as NAME[0], NAME[1], ...; a sequence of maps with the same keys as a
 * matrix NAME and NAME.keys; a map as NAME and NAME.keys; NULL, an absent optional, as nothing. Ends with the
 * first status that is not TAP_OK. */
typedef tap_status tap_each_fn(void *user, const char *name, const tap_value *tensor, tap_error *err);
TAP_API tap_status tap_value_each(const tap_value *v, const char *name, tap_each_fn *fn, void *user,
                                  tap_error *err);

/* ---- Sinks ---- */

typedef enum tap_format {
    TAP_FORMAT_AUTO,
    TAP_FORMAT_NPZ,
    TAP_FORMAT_NPY,
    TAP_FORMAT_PB,
    TAP_FORMAT_JSON,
    TAP_FORMAT_JSONL, /* a line a value (and batch)                                          */
    TAP_FORMAT_CSV,   /* a line a sample: row number, label, elements of all values          */
    TAP_FORMAT_PNG,   /* a picture a sample of pictures and feature maps, else a heat map     */
    TAP_FORMAT_SQLITE /* a run of tables runs, tensors, statistics, rows                     */
} tap_format;

TAP_API tap_format tap_format_from_name(const char *name); /* "npz", ...; AUTO where there is none */

typedef struct tap_sink_options {
    size_t size;
    tap_format format;     /* AUTO: by the path's extension; a folder: npy                                */
    bool raw_types;        /* types that NumPy lacks: their bits as uint8, uint16                         */
    bool compress;         /* .npz: deflate                                                               */
    bool append;           /* .csv: lines are added to the file                                           */
    tap_dtype cast_output; /* floating-point values are written in this type; TAP_UNDEFINED: in their own */
} tap_sink_options;

/* Where values go, one by one, as they are made: nothing of them is kept in memory. */
typedef struct tap_sink tap_sink;

/* path: a file whose extension or options->format tells the format, or a folder (it ends in a slash or
 * exists), which is made. A single .npy or .pb takes one value. NULL options: the defaults. Errors: TAP_USAGE
 * (unknown format), TAP_IO, TAP_MEMORY. */
TAP_API tap_status tap_sink_open(const char *path, const tap_sink_options *options, tap_sink **out,
                                 tap_error *err);

/* What a value is, for keys and indices. Strings may be NULL where they do not apply. */
typedef struct tap_entry {
    size_t size;
    const char *name;   /* its key; not NULL                                                           */
    const char *tensor; /* the value's full name in the model; NULL: as name                           */
    const char *node, *op, *layer;
    const char *layout;   /* of the tensor's axes, such as "NCHW"                                        */
    const tap_type *type; /* as the model declares it; NULL: by the value. For .pb and empty sequences   */
    const int64_t *iterations; /* of the bodies around it */
    size_t n_iterations;
    int output;             /* its position among the model's outputs; -1: a tap                           */
    const tap_batch *batch; /* of a data set: the rows that the value belongs to; NULL: of none        */
    int axis;               /* with batch: the value's batch axis, as tap_session_batch_axes has it    */
    bool apart;             /* with batch: not joined, but kept as NAME/batch_0, NAME/batch_1, ...     */
} tap_entry;

/* Values of a data set's batches are joined along their first axis, which has to be the batch's, unless
 * `apart`; what has arrived lies in files, not in memory. TAP_USAGE: its batch axis is another one, or it has
 * none.
 *
 * Writes one value (borrowed), as tap_value_each takes it apart; .pb and .json take sequences and maps as
 * they are. A name that came before gets "#1", "#2", ... . In a folder of .pb output i is output_i.pb, and
 * taps go to taps/. After an error (but TAP_USAGE) the value is not there, everything before it is. Errors:
 * TAP_IO, TAP_DATA, TAP_MEMORY, TAP_USAGE (a second value for a file that takes one). */
TAP_API tap_status tap_sink_add(tap_sink *s, const tap_entry *entry, const tap_value *v, tap_error *err);
/* Writes what belongs at the end, gives the file its name, and frees the sink. Errors: TAP_IO, TAP_USAGE
 * (nothing was added to a file that takes one value). */
TAP_API tap_status tap_sink_close(tap_sink *s, tap_error *err);
/* The same after a failure: what is complete is kept, with a note about reason: `__error__` in a .npz (a
 * string), "error" in index.json or the .json document. A file that takes one value is kept if it has it.
 * Where nothing was added nothing is left. reason->text says more only if keeping fails too. */
TAP_API tap_status tap_sink_abort(tap_sink *s, tap_error *reason);
/* Says that the batch at hand has all its values, so that its lines can be written: a pass does. A .csv, whose
 * lines have something of each value, would else find out with the next batch. Errors: TAP_IO, TAP_DATA. */
TAP_API tap_status tap_sink_end_batch(tap_sink *s, tap_error *err);
/* Values added so far. */
TAP_API size_t tap_sink_count(const tap_sink *s);

/* The user data of tap_record, a tap_listener that adds each tapped value to a sink. */
typedef struct tap_recorder {
    size_t size;
    tap_sink *sink;
    const tap_model *model;
    tap_status status;      /* of the first tap_sink_add that failed: the run then ends with TAP_CANCELLED */
    tap_error *err;         /* filled by it; may be NULL                                                   */
    bool layer_keys;        /* the key of a layer's output is the layer's (tap_layer_info)               */
    bool original_layout;   /* tensors in the framework's order of axes, where that is known             */
    const tap_batch *batch; /* NULL, or the batch of a data set that the run is for                       */
    const int *axes;        /* with batch: of tap_session_batch_axes                                      */
    bool apart;             /* with batch: batches are kept apart                                         */
    const size_t *layers;   /* with layer_keys: layers that were asked for (tap_model_layer): a value that is
                               the   output of several is there once for each; another's has the key of the
                               layer   that   computed it. May be NULL */
    size_t n_layers;
} tap_recorder;

TAP_API int tap_record(const tap_event *event, void *recorder);
/* Adds value `index` of recorder->model, as tap_record does for a tapped one: entry's layer and layout are
 * filled in, and its name and the order of axes are as the recorder's options say. Errors: as tap_sink_add.
 */
TAP_API tap_status tap_recorder_add(tap_recorder *recorder, const tap_entry *entry, size_t index,
                                    const tap_value *v, tap_error *err);

/* ---- Printing ---- */

/* Takes n bytes of text, whole lines. */
typedef void tap_text_fn(void *user, const char *text, size_t n);

/* The user data of tap_print, a tap_listener that shows each tapped value as text while the model runs: a
 * line with name, layer, dtype, shape, least, largest, mean and count of non-finite elements, and under it
 * the elements as NumPy prints them. */
typedef struct tap_printer {
    size_t size;
    const tap_model *model;           /* for the layers; may be NULL */
    const tap_print_options *options; /* NULL: the defaults          */
    tap_text_fn *text;
    void *user; /* of text */
} tap_printer;

TAP_API int tap_print(const tap_event *event, void *printer);

#ifdef __cplusplus
}
#endif
#endif
