/* onnxtap: run an ONNX model and look at any tensor inside it while it runs.
 *
 * This header is what most programs need: a model, a session that runs it, tensors that go in and come out,
 * taps that mark values of the graph, and a listener that sees each marked value the moment it is computed.
 *
 *     tap_model   *model;   tap_model_open("model.onnx", NULL, &model, &err);
 *     tap_session *session; tap_session_new(model, NULL, &session, &err);
 *     tap_session_tap(session, "op:Conv", NULL, &err);
 *     tap_session_run(session, inputs, 1, &err);
 *     const tap_tensor *y = tap_value_tensor(tap_session_output(session, 0));
 *
 * Conventions
 * - A function that can fail returns tap_status and takes a caller-owned tap_error last, which may be NULL.
 * - The library never prints, exits, aborts or keeps global state.
 * - A model is immutable and may be shared by threads; each thread has a session of its own.
 * - Structs cross the boundary by pointer. Those that may grow open with `size`, set by the caller to sizeof
 * of it.
 * - Strings are UTF-8, terminated by NUL. "Borrowed" means: owned by the object that gave it, valid as long
 * as that says.
 * - Names of dtypes, attributes and operators are those of the ONNX specification (onnx.ai). */
#ifndef ONNXTAP_H
#define ONNXTAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TAP_API             __attribute__((visibility("default")))
#define TAP_PRINTF(fmt, va) __attribute__((format(printf, fmt, va)))
#define TAP_COLD            __attribute__((cold)) /* only where something failed: what leads there is laid apart */
#else
#define TAP_API
#define TAP_PRINTF(fmt, va)
#define TAP_COLD
#endif

#define TAP_VERSION_MAJOR 0
#define TAP_VERSION_MINOR 1
#define TAP_VERSION_PATCH 0

/* "0.1.0" */
TAP_API const char *tap_version(void);

/* ---- Errors ---- */

/* X(name, exit status of the command, text). The only list of statuses. */
#define TAP_STATUS_LIST(X)                                                                    \
    X(OK, 0, "ok")                                                                            \
    X(USAGE, 2, "wrong use")          /* wrong argument, unknown option                    */ \
    X(NOT_FOUND, 2, "not found")      /* a selector or name that matches nothing           */ \
    X(IO, 3, "cannot read or write")  /* the system refused a file                         */ \
    X(MODEL, 3, "invalid model")      /* the model's bytes or its graph break the standard */ \
    X(DATA, 3, "invalid data")        /* an input file, or a tensor of wrong dtype, shape  */ \
    X(UNSUPPORTED, 4, "unsupported")  /* operator, opset or dtype without a kernel         */ \
    X(RUN, 5, "failed while running") /* a node met values that it must refuse             */ \
    X(MEMORY, 5, "out of memory")     /* the memory limit, or the machine's memory         */ \
    X(CANCELLED, 130, "cancelled")    /* a listener asked to stop */

typedef enum tap_status {
#define TAP_X(name, exit_status, text) TAP_##name,
    TAP_STATUS_LIST(TAP_X)
#undef TAP_X
        TAP_STATUS_COUNT
} tap_status;

/* What went wrong. Set `size`; a function that fails fills the rest, one that succeeds leaves it alone.
 * Fields that do not apply are empty. Text that does not fit ends in "...". */
typedef struct tap_error {
    size_t size; /* sizeof(tap_error) */
    tap_status code;
    char node[256];   /* the node's name, or its address such as #17:Conv */
    char op[64];      /* the operator, with its domain where that is not the default */
    char tensor[256]; /* the value concerned */
    char text[4096];  /* the whole message: where, what, and what to do */
} tap_error;

#define TAP_ERROR_INIT \
    { sizeof(tap_error), TAP_OK, "", "", "", "" }

TAP_API const char *tap_status_text(tap_status s); /* "out of memory" */
TAP_API int tap_status_exit(tap_status s);         /* the command's exit status for it */

/* ---- Types ---- */

/* X(name, number in ONNX's TensorProto.DataType, NumPy-style name, bytes an element takes in memory).
 * Sub-byte types are unpacked in memory, one element a byte. A string element is a tap_string. */
#define TAP_DTYPE_LIST(X)                      \
    X(FLOAT, 1, "float32", 4)                  \
    X(UINT8, 2, "uint8", 1)                    \
    X(INT8, 3, "int8", 1)                      \
    X(UINT16, 4, "uint16", 2)                  \
    X(INT16, 5, "int16", 2)                    \
    X(INT32, 6, "int32", 4)                    \
    X(INT64, 7, "int64", 8)                    \
    X(STRING, 8, "string", 16)                 \
    X(BOOL, 9, "bool", 1)                      \
    X(FLOAT16, 10, "float16", 2)               \
    X(DOUBLE, 11, "float64", 8)                \
    X(UINT32, 12, "uint32", 4)                 \
    X(UINT64, 13, "uint64", 8)                 \
    X(COMPLEX64, 14, "complex64", 8)           \
    X(COMPLEX128, 15, "complex128", 16)        \
    X(BFLOAT16, 16, "bfloat16", 2)             \
    X(FLOAT8E4M3FN, 17, "float8e4m3fn", 1)     \
    X(FLOAT8E4M3FNUZ, 18, "float8e4m3fnuz", 1) \
    X(FLOAT8E5M2, 19, "float8e5m2", 1)         \
    X(FLOAT8E5M2FNUZ, 20, "float8e5m2fnuz", 1) \
    X(UINT4, 21, "uint4", 1)                   \
    X(INT4, 22, "int4", 1)                     \
    X(FLOAT4E2M1, 23, "float4e2m1", 1)         \
    X(FLOAT8E8M0, 24, "float8e8m0", 1)         \
    X(UINT2, 25, "uint2", 1)                   \
    X(INT2, 26, "int2", 1)                     \
    X(FLOAT6E2M3, 27, "float6e2m3", 1)         \
    X(FLOAT6E3M2, 28, "float6e3m2", 1)

typedef enum tap_dtype {
    TAP_UNDEFINED = 0,
#define TAP_X(name, number, text, bytes) TAP_##name = number,
    TAP_DTYPE_LIST(TAP_X)
#undef TAP_X
        TAP_DTYPE_COUNT
} tap_dtype;

TAP_API const char *tap_dtype_name(tap_dtype t);         /* "float32"; "undefined" for 0; NULL out of range */
TAP_API size_t tap_dtype_bytes(tap_dtype t);             /* of one element in memory; 0 for TAP_UNDEFINED */
TAP_API tap_dtype tap_dtype_from_name(const char *name); /* TAP_UNDEFINED where there is none */

#define TAP_RANK_MAX 16

/* An element of a string tensor: n bytes at s, UTF-8, not terminated. */
typedef struct tap_string {
    const char *s;
    size_t n;
} tap_string;

/* What a value of the graph is. An optional that has an element is that element; an empty one is
 * TAP_KIND_NONE. A map is two tensors of rank 1 and equal length: keys (int64 or string) and values. */
typedef enum tap_kind {
    TAP_KIND_NONE,
    TAP_KIND_TENSOR,
    TAP_KIND_SEQUENCE,
    TAP_KIND_MAP,
    TAP_KIND_OPTIONAL
} tap_kind;

typedef struct tap_tensor tap_tensor; /* a dense, row-major array */
typedef struct tap_value
    tap_value; /* a tensor, a sequence of values, a map, or nothing; counted references */

TAP_API tap_dtype tap_tensor_dtype(const tap_tensor *t);
TAP_API int tap_tensor_rank(const tap_tensor *t);
TAP_API const int64_t *tap_tensor_dims(const tap_tensor *t); /* rank of them; borrowed from t */
TAP_API int64_t tap_tensor_count(const tap_tensor *t);       /* elements: the product of dims, 1 for rank 0 */
TAP_API size_t tap_tensor_bytes(const tap_tensor *t);        /* count x bytes of an element */
TAP_API const void *tap_tensor_data(const tap_tensor *t);    /* borrowed from t; row-major */

/* A value that holds a tensor of its own, its elements zero (strings empty). Ownership: the caller releases
 * it. */
TAP_API tap_status tap_value_new(tap_dtype dtype, int rank, const int64_t *dims, tap_value **out,
                                 tap_error *err);
/* The same around memory of the caller, which must outlive the value and everything made from it; nothing is
 * copied. */
TAP_API tap_status tap_value_wrap(tap_dtype dtype, int rank, const int64_t *dims, const void *data,
                                  tap_value **out, tap_error *err);
/* A deep copy, independent of any session. Of a tensor borrowed from a listener, too. */
TAP_API tap_status tap_value_copy(const tap_value *v, tap_value **out, tap_error *err);
TAP_API tap_status tap_tensor_copy(const tap_tensor *t, tap_value **out, tap_error *err);
/* A sequence of n values, or a map of two; the caller's references go over to it, unless it fails. dtype is
 * that of the elements of an empty sequence. */
TAP_API tap_status tap_value_new_sequence(tap_value *const *items, size_t n, tap_dtype dtype, tap_value **out,
                                          tap_error *err);
TAP_API tap_status tap_value_new_map(tap_value *keys, tap_value *values, tap_value **out, tap_error *err);

TAP_API void tap_value_retain(tap_value *v);
TAP_API void tap_value_release(tap_value *v);                   /* NULL is fine */
TAP_API tap_kind tap_value_kind(const tap_value *v);            /* of NULL: TAP_KIND_NONE */
TAP_API const tap_tensor *tap_value_tensor(const tap_value *v); /* NULL unless it is a tensor; borrowed */
TAP_API void *tap_value_data(tap_value *v);                     /* writable; only of tap_value_new */
TAP_API size_t tap_value_length(const tap_value *v);            /* items of a sequence; 2 for a map */
TAP_API const tap_value *tap_value_item(const tap_value *v,
                                        size_t i); /* borrowed; of a map: 0 keys, 1 values */
/* Sets element i of a string tensor made by tap_value_new to a copy of n bytes. */
TAP_API tap_status tap_value_set_string(tap_value *v, int64_t i, const char *s, size_t n, tap_error *err);

/* What the model declares, or inference found, about a value. */
typedef struct tap_type {
    tap_kind kind;               /* TAP_KIND_OPTIONAL: declared optional, `elem` tells of what */
    tap_dtype dtype;             /* of a tensor; of a map's keys; TAP_UNDEFINED = unknown */
    int32_t rank;                /* of a tensor; -1 = unknown */
    int64_t dims[TAP_RANK_MAX];  /* -1 = unknown */
    const struct tap_type *elem; /* of a sequence, an optional, a map's values; NULL otherwise */
} tap_type;

/* ---- Models ---- */

typedef struct tap_model tap_model;

typedef struct tap_model_options {
    size_t size;                 /* sizeof(tap_model_options) */
    uint64_t memory_limit_bytes; /* 0: half of the memory of the machine or its cgroup */
    const char *folder;          /* of external data, for a model from memory; NULL: none is allowed */
    bool allow_unsupported; /* load the graph though operators lack a kernel (to look at it, not to run it) */
    const struct tap_op_set *ops; /* a program's own operators (op.h); NULL: none */
    const char *layer_list;       /* a file with the framework's own list of layers; NULL: none */
    struct tap_model
        *like; /* a model that is open, such as the checkpoint before: initializers that equal its
                  own, and what was packed of them, are shared with it. It may be freed. NULL: none */
    /* Run what converters left in ONNX's own domain: operators of TensorFlow with TensorFlow's meaning (rows
     * of the domain "tensorflow"), ONNX's below their opset with their first version's, calls of the file's
     * functions by name. Each such node says so (tap_node_info.foreign). */
    bool tf_ops;
} tap_model_options;

/* Opens a model file. It is mapped, its weights are used where they lie: keep the file unchanged while the
 * model lives. Errors: TAP_IO, TAP_MODEL, TAP_UNSUPPORTED (all unsupported operators listed at once),
 * TAP_MEMORY. */
TAP_API tap_status tap_model_open(const char *path, const tap_model_options *options, tap_model **out,
                                  tap_error *err);
/* The same from bytes, which must stay unchanged while the model lives. */
TAP_API tap_status tap_model_open_memory(const void *bytes, size_t n_bytes, const tap_model_options *options,
                                         tap_model **out, tap_error *err);
/* Frees it once the last session made from it is freed too. NULL is fine. */
TAP_API void tap_model_free(tap_model *m);

/* Counts n_bytes that the program holds for the model's sake, such as inputs that it made, against the
 * model's memory limit, so that the limit is one for all; and lets go of them again. Errors: TAP_MEMORY. */
TAP_API tap_status tap_model_hold(tap_model *m, uint64_t n_bytes, tap_error *err);
TAP_API void tap_model_let_go(tap_model *m, uint64_t n_bytes);

/* A value at the model's border. All pointers are borrowed from the model. */
typedef struct tap_port {
    const char *name;
    const tap_type *type;
    const char *const *dim_names; /* rank entries, NULL where a dimension has no name (dim_param) */
    bool has_default;             /* an input that an initializer gives a value */
} tap_port;

TAP_API size_t tap_model_input_count(const tap_model *m);
TAP_API const tap_port *tap_model_input(const tap_model *m, size_t i); /* NULL out of range */
TAP_API size_t tap_model_output_count(const tap_model *m);
TAP_API const tap_port *tap_model_output(const tap_model *m, size_t i);

typedef struct tap_model_info {
    size_t size; /* sizeof(tap_model_info), set by the caller */
    int64_t ir_version;
    const char *producer_name, *producer_version, *domain, *graph_name, *doc_string;
    int64_t model_version;
    size_t n_nodes;       /* of the main graph, functions written out */
    size_t n_all_nodes;   /* bodies of If, Loop, Scan included */
    int64_t n_parameters; /* elements of all float initializers */
    uint64_t parameter_bytes;
    uint64_t shared_bytes; /* of these, those that lie with another model (tap_model_options.like) */
} tap_model_info;

TAP_API void tap_model_get_info(const tap_model *m, tap_model_info *info);
TAP_API size_t tap_model_opset_count(const tap_model *m);
TAP_API const char *tap_model_opset(const tap_model *m, size_t i,
                                    int64_t *version); /* domain, "" = ai.onnx */
TAP_API size_t tap_model_metadata_count(const tap_model *m);
TAP_API const char *tap_model_metadata(const tap_model *m, size_t i, const char **value); /* key */

/* A node, as `info --nodes` shows it. In execution order of the main graph, each followed by those of its
 * bodies. */
typedef struct tap_node_info {
    size_t size;
    const char *address; /* its path: name, or #17:Conv where it has none; `loop/body/...` in a body */
    const char *op, *domain;
    int64_t opset;
    size_t n_inputs, n_outputs;
    const char *const *inputs, *const *outputs; /* full value names; "" = absent */
    const char *unsupported;                    /* NULL, or why it cannot run */
    int depth;                                  /* 0 in the main graph */
    const char *foreign; /* NULL, or whose meaning it runs with, for it is not ONNX's (tf_ops) */
} tap_node_info;

TAP_API size_t tap_model_node_count(const tap_model *m);
TAP_API bool tap_model_node(const tap_model *m, size_t i, tap_node_info *info);

/* ---- Selectors ---- */

/* A value that can be tapped. Pointers are borrowed from the model. */
typedef struct tap_value_info {
    size_t size;
    const char *name; /* full name: `loop_node/body/value` in a body, `call_node/value` in a function */
    const char *node; /* address of the node that makes it; "" for graph inputs and initializers */
    const char *op, *domain; /* "" likewise */
    const tap_type *type;    /* as inferred from the file alone */
    bool is_input, is_initializer, is_output, in_body;
} tap_value_info;

/* What a selector (see docs/SELECTORS.md) picks, in execution order, as indices for tap_model_value.
 * Selectors are applied in turn; one that begins with `!` takes away. Ownership: the caller frees *indices
 * with tap_free. Errors: TAP_NOT_FOUND with the nearest names; TAP_IO for an unreadable @file. */
TAP_API tap_status tap_model_select(const tap_model *m, const char *const *selectors, size_t n,
                                    size_t **indices, size_t *n_indices, tap_error *err);
TAP_API size_t tap_model_value_count(const tap_model *m);
TAP_API bool tap_model_value(const tap_model *m, size_t i, tap_value_info *info);
TAP_API void tap_free(void *p);

/* ---- Layers ---- */

/* People think in layers, a file has nodes. The index of layers is read from names, from what exporters leave
 * in node metadata, and from the structure between (docs/LAYERS.md); with tap_model_options.layer_list from
 * the framework's own list, too. It is made when first asked for. */
typedef enum tap_layer_status {
    TAP_LAYER_FOUND,  /* a node of its own makes the output */
    TAP_LAYER_ALIAS,  /* it does nothing at inference: its output is its input */
    TAP_LAYER_FOLDED, /* the exporter merged it into another: no tensor has its output */
    TAP_LAYER_UNKNOWN /* which tensor has its output is not known */
} tap_layer_status;

TAP_API const char *tap_layer_status_name(tap_layer_status s); /* "found", "alias", "folded", "unknown" */

/* One output of one call of a layer. Pointers are borrowed from the model. */
typedef struct tap_layer_info {
    size_t size;
    const char *key;   /* unique among outputs: "outer/inner", and as the framework counts, "dense_1" for the
                          second call in Keras, "act#1" in PyTorch; with several outputs "lstm:1" */
    const char *layer; /* without the call: "dense" */
    int32_t call, output; /* from 0 */
    const char *kind;     /* the layer's class; NULL where that is not known */
    tap_layer_status status;
    size_t value;        /* for tap_model_value; SIZE_MAX: none */
    const int32_t *perm; /* transpose(value, perm) has the framework's order of axes; NULL: not known */
    int32_t rank;        /* of the value and of perm; -1: not known */
    const int64_t
        *dims; /* of the layer's output in the framework's order of axes, -1 = any; NULL: not known */
    const char *const *merged; /* keys of layers whose work the same tensor carries */
    size_t n_merged;
} tap_layer_info;

/* *n = how many there are. In the order in which they are called. Errors: TAP_MEMORY. */
TAP_API tap_status tap_model_layers(const tap_model *m, size_t *n, tap_error *err);
TAP_API bool tap_model_layer(const tap_model *m, size_t i, tap_layer_info *info);
/* The layers that selectors of the form `layer:NAME` name, as indices for tap_model_layer, in their order;
 * those without a tensor too. Other selectors name none; `!layer:NAME` takes away. Ownership: the caller
 * frees *indices with tap_free. Errors: TAP_MEMORY. */
TAP_API tap_status tap_model_select_layers(const tap_model *m, const char *const *selectors, size_t n,
                                           size_t **indices, size_t *n_indices, tap_error *err);
/* The layer whose output value `value` is, for tap_model_layer; of several the one that computed it.
 * SIZE_MAX: none, or the value is something inside a layer. */
TAP_API size_t tap_model_layer_of(const tap_model *m, size_t value);
/* The order of axes that the framework had: transpose(value, perm) is its array. Fills perm[TAP_RANK_MAX] and
 * returns the rank; -1: not known. */
TAP_API int32_t tap_model_layout(const tap_model *m, size_t value, int32_t *perm);

/* ---- Sessions ---- */

typedef struct tap_session tap_session;

typedef struct tap_session_options {
    size_t size;
    int threads;    /* 0: the machine's cores */
    bool no_fusion; /* for tests: the results are the same */
    uint64_t seed;  /* of the random operators: with one seed, run n of a session always gives the same, and
                       other  numbers than run n + 1 */
    bool partial;   /* runs what is supported of a model opened with allow_unsupported: outputs and taps that
                       need what is not are left out (tap_session_reaches), unless tap_session_set feeds them */
} tap_session_options;

TAP_API tap_status tap_session_new(tap_model *m, const tap_session_options *options, tap_session **out,
                                   tap_error *err);
TAP_API void tap_session_free(tap_session *s);

/* Adds what one selector picks to the taps (or takes it away, `!`). *n_picked (may be NULL) = how many it
 * picked. */
TAP_API tap_status tap_session_tap(tap_session *s, const char *selector, size_t *n_picked, tap_error *err);
/* Replaces all taps by these values (indices for tap_model_value). */
TAP_API tap_status tap_session_set_taps(tap_session *s, const size_t *indices, size_t n, tap_error *err);

/* ---- A part of a run ---- */

/* From the next run on value `index` (for tap_model_value) is this one, for each iteration where it lies in a
 * body: what it replaces is not computed, and nodes that are needed for that alone do not run. Taps show the
 * replacement. v is retained; NULL: computed again. batch_axis: along which it grows with the batch, for
 * tap_session_batch_axes; -1: it does not. Errors: TAP_USAGE (index), TAP_DATA (dtype, rank; a run fails with
 * it where the shape is not that of the run), TAP_MEMORY. */
TAP_API tap_status tap_session_set(tap_session *s, size_t index, tap_value *v, int batch_axis,
                                   tap_error *err);
/* Runs end where these values are there: a node that they do not need does not run, and a tap beyond them is
 * not shown. n 0: to the end again. Errors: TAP_USAGE, TAP_MEMORY. */
TAP_API tap_status tap_session_stop_after(tap_session *s, const size_t *indices, size_t n, tap_error *err);

/* Whether a run has value `index`, as the session is now. Inputs that it does not have may be left out of a
 * run. *blocker (may be NULL): the address of the unsupported node that keeps it from being computed; NULL:
 * none, it is beyond where the run ends, or needed only for what is set. Errors: TAP_MEMORY. */
TAP_API tap_status tap_session_reaches(tap_session *s, size_t index, bool *reaches, const char **blocker,
                                       tap_error *err);

/* A tapped value on its way to a listener. */
typedef struct tap_event {
    size_t size;
    bool ask;     /* true: do you want this one? value and tensor are NULL. false: here it is */
    size_t index; /* for tap_model_value */
    const char
        *name; /* full name; inside a body with its iterations, `loop/body/v[3]`; borrowed for the call */
    const char *node, *op;
    const int64_t *iterations; /* of the bodies around it, outermost first */
    size_t n_iterations;
    const tap_value *value;   /* borrowed for the call; tap_value_copy keeps it */
    const tap_tensor *tensor; /* the same where it is a tensor, else NULL; its elements are brought into
                                 ONNX's order when they are first read */
    const tap_tensor *lying;  /* its elements in the order in which they lie in memory, which costs nothing to
                                 read: numpy.transpose(lying, perm) is `tensor`. Which order that is hangs on
                                 the model and the shapes alone. NULL where `tensor` is */
    const int32_t *perm;      /* rank of them; borrowed for the call */
} tap_event;

/* Answer to `ask`: TAP_WANT or TAP_SKIP. Answer to a shown value: TAP_WANT to go on. TAP_STOP to either
 * cancels the run. */
typedef enum tap_answer { TAP_WANT = 0, TAP_SKIP = 1, TAP_STOP = -1 } tap_answer;
typedef int tap_listener(const tap_event *event, void *user);

/* With a listener, taps go to it and are not kept; without, tap_session_value has them after the run. NULL
 * takes it off. */
TAP_API void tap_session_listen(tap_session *s, tap_listener *listener, void *user);

typedef struct tap_input {
    const char *name;
    const tap_value *value; /* borrowed for the run */
} tap_input;

/* Runs the model. Missing inputs are an error unless an initializer gives their value, or the run does not
 * need them.
 * Errors: TAP_USAGE (an input missing or unknown), TAP_DATA (dtype or shape), TAP_RUN, TAP_MEMORY,
 * TAP_CANCELLED. */
TAP_API tap_status tap_session_run(tap_session *s, const tap_input *inputs, size_t n_inputs, tap_error *err);

/* Results of the last run, borrowed: valid until the next run, a change of taps, or tap_session_free. */
TAP_API const tap_value *tap_session_output(const tap_session *s, size_t i); /* i-th output of the model;
                                                                 NULL: absent, or not reached */
TAP_API const tap_value *tap_session_value(const tap_session *s,
                                           const char *name); /* an output or tapped value */
/* The tapped values without a listener, in the order in which they were computed. */
TAP_API size_t tap_session_tapped_count(const tap_session *s);
TAP_API const tap_value *tap_session_tapped(const tap_session *s, size_t i, const char **name, size_t *index);

typedef struct tap_runtime_info {
    size_t size;
    const char *isa; /* instruction set in use: "sse2", "avx2", "avx512", "generic" */
    int threads;
    uint64_t memory_bytes, memory_peak_bytes; /* held by the model and its sessions now, and at most */
    size_t plans;                             /* input shapes planned for and kept */
    size_t steps, fused_steps; /* of the last run's plan; nodes that ran inside another's kernel */
} tap_runtime_info;

TAP_API void tap_session_get_info(const tap_session *s, tap_runtime_info *info);

/* ---- Operators ---- */

typedef struct tap_op_info {
    size_t size;
    const char *domain, *name; /* domain "ai.onnx" written out */
    int since, until;          /* opsets in which this meaning holds; until 0 = still does */
    uint32_t dtypes;           /* bit 1 << dtype for each type of its operand `operand` */
    int operand;               /* an input's position, from 0; -1: output 0 */
    const char *notes;         /* what the standard leaves to the implementation; NULL: nothing */
} tap_op_info;

TAP_API size_t tap_op_count(void);
TAP_API bool tap_op_at(size_t i, tap_op_info *info);

#ifdef __cplusplus
}
#endif
#endif
