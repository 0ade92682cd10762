/* The operator contract: ops/ is written against it, and so is a program's own operator.
 *
 * An operator is one row (tap_op) in one file. A row tells what it takes and has up to five functions that
 * meet a node through a tap_ctx:
 *
 *   prepare   once a node of a model: attributes -> immutable state, shared by all sessions
 *   infer     types of the outputs from types (and known values) of the inputs
 *   pack      once a node of a model, before its first run: constant inputs -> packed form, kept in the state
 *   run       inputs -> outputs
 *   release   frees what the state holds outside the model's memory (rarely needed)
 *
 * Rules for kernels
 * - The value of an output element depends on the model, the shapes and the CPU only: never on threads,
 * addresses, on where in a buffer the element lies, or on whether somebody looks. Work is split by
 * tap_parallel at points that the shape fixes; a long reduction is combined in a fixed order. A loop's vector
 * body and its tail give the same bits.
 * - Tensors are dense and row-major. An output may be the memory of an input only where the row says so.
 * - No malloc: outputs, scratch, strings and state come from the context. No global state, no printing.
 * - Everything that comes from the model or its inputs is checked before use; a failure goes through
 * tap_fail. */
#ifndef ONNXTAP_OP_H
#define ONNXTAP_OP_H

#include "onnxtap.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TAP_OP_ABI 1

/* The domain of operators of TensorFlow, which stand in ONNX's own domain where a converter left them. Only
 * tap_model_options.tf_ops finds them. */
#define TAP_TENSORFLOW "tensorflow"

struct tap_buffer;

/* A dense, row-major array. Programs use the accessors of onnxtap.h; operators the fields. */
struct tap_tensor {
    tap_dtype dtype;
    int32_t rank;               /* 0 .. TAP_RANK_MAX */
    int64_t dims[TAP_RANK_MAX]; /* each >= 0 */
    int64_t count;              /* product of dims */
    void *data;                 /* count elements; never NULL, not even where count is 0 */
    struct tap_buffer *buffer;  /* the memory's owner, for the executor only */
};

typedef struct tap_body tap_body; /* a graph attribute: the body of If, Loop, Scan */
typedef struct tap_ctx tap_ctx;

/* A node at work. The fields hold in run; in prepare, infer and pack only `state`, `n_in` and `n_out` do, and
 * in infer `zeros`. */
struct tap_ctx {
    const void *state;           /* what prepare returned */
    int32_t n_in, n_out;         /* as written in the node, absent ones included */
    const tap_tensor *const *in; /* NULL where absent, or where the value is no tensor */
    tap_tensor *const *out;      /* made as infer said; NULL where absent or known only at run time */
    bool channels_last;          /* tensors of rank >= 3 have dims N, spatial..., C */
    bool has_epilogue;           /* output 0 goes through tap_epilogue */
    const int64_t *zeros;        /* how many stand around input 0, which is of rank >= 3, and count as part of
                                    it: before and after each spatial axis (tap_op.takes_zeros); NULL: none */
};

/* ---- The row ---- */

/* One stride of an elementwise operator: n elements; p[0..] the inputs (NULL where absent), then the outputs,
 * in the row's order; step[k] bytes from one element of p[k] to the next, 0 where it is broadcast. An output
 * may equal an input exactly (same p and step). */
typedef void tap_loop(int64_t n, char *const *p, const int64_t *step, const void *state);

typedef tap_status tap_prepare_fn(tap_ctx *ctx, void **state);
typedef tap_status tap_infer_fn(tap_ctx *ctx);
typedef tap_status tap_pack_fn(tap_ctx *ctx, void *state);
typedef tap_status tap_run_fn(tap_ctx *ctx);
typedef void tap_release_fn(void *state);
typedef struct tap_expansion tap_expansion;
typedef tap_status tap_expand_fn(tap_expansion *e);

/* What a stage's loop computes, for kernels that do it in registers: x is the running value. Anything else is
 * TAP_STAGE_LOOP. */
typedef enum tap_stage_kind {
    TAP_STAGE_LOOP,
    TAP_STAGE_SCALE, /* x * operand 0 + operand 1, two roundings                                      */
    TAP_STAGE_ADD,   /* x + operand 0                                                                 */
    TAP_STAGE_RELU,  /* x < 0 ? 0 : x                                                                 */
    TAP_STAGE_CLIP   /* x < operand 0 ? operand 0 : x, of that: > operand 1 ? operand 1 : itself; absent
                        operands are the least and the greatest number                                */
} tap_stage_kind;

/* A later elementwise node inside this node's kernel: see tap_epilogue. */
typedef struct tap_stage {
    tap_stage_kind kind;
    tap_loop *loop;
    const void *state;      /* for the loop */
    int32_t n_operands;     /* beside the running value */
    int32_t running;        /* position of the running value among the loop's inputs */
    const void *operand[4]; /* the others, in the loop's order, without the running value */
    int64_t bytes[4];       /* of an element of that operand; 0: one element for all */
    bool last_axis[4];      /* one element per index of the last axis, else one per element */
    int64_t repeats;        /* such operands hold their row so many times, one after the other, so that
                               the loop can take several rows in one go; 0: once            */
    bool keeps;             /* the running value is kept as it is before this stage, ...           */
    int32_t rejoined;       /* ... and is operand number rejoined - 1 of this one; 0: of none      */
} tap_stage;

enum tap_op_flag {
    TAP_VIEW = 1 << 0,        /* output 0 is input 0's memory under another shape: run is never called */
    TAP_IN_PLACE = 1 << 1,    /* output 0 may be the memory of an input of equal count and element width */
    TAP_ELEMENTWISE = 1 << 2, /* multidirectional broadcasting of all inputs through `loops`; run by the
                                 shared driver; may join an epilogue; works in any layout */
    TAP_EPILOGUE = 1 << 3,    /* its run calls tap_epilogue for all it writes to output 0 */
    TAP_WANTS_CHANNELS_LAST = 1 << 4, /* run gets inputs of `image_inputs`, and gives output 0, channels-last
                                         where rank >= 3 */
    TAP_TAKES_CHANNELS_LAST =
        1 << 5,              /* the same where an input already is; else run gets them as ONNX has them */
    TAP_RANDOM = 1 << 6,     /* two runs may differ: never computed ahead */
    TAP_SHAPE_ONLY = 1 << 7, /* the value depends on input 0's shape alone (Shape, Size) */
    TAP_HAS_BODY = 1 << 8,   /* runs bodies */
    TAP_PACKS = 1 << 9,      /* `pack` reads constant inputs of `packed_inputs` at any alignment; run does not
                                read them then */
    TAP_ANY_KIND = 1 << 10,  /* takes or gives sequences, optionals or maps */
    TAP_BRANCHES = 1 << 11,  /* runs one of its bodies: types that do not fit in another are no error */
    TAP_STORED_VALUE = 1 << 12, /* where its only attribute is the tensor `value`, output 0 is that: it lies
                                   where the file has it, as an initializer does, and no function is called */
};

typedef struct tap_op {
    const char *name, *domain; /* domain NULL = ai.onnx; TAP_TENSORFLOW */
    int16_t since, until;      /* opsets in which this MEANING holds; until 0 = still does */
    int8_t in_min, in_max;     /* inputs; max -1 = variadic */
    int8_t out_min, out_max;
    uint32_t flags; /* of tap_op_flag */
    /* The dtypes of the operand `typed_by` (input position; -1: output 0 of a node without inputs), by one
     * of: */
    int8_t typed_by;
    tap_loop *const *loops;     /* TAP_ELEMENTWISE: by dtype; NULL entry = not supported */
    tap_run_fn *const *kernels; /* by dtype; the executor takes the entry instead of `run` */
    uint32_t dtypes;            /* where neither is set: bits TAP_BIT(dtype) */
    uint32_t beyond;            /* dtypes that have a kernel but are not the standard's: not listed, and
                                   refused in a model file */
    tap_dtype gives;            /* TAP_ELEMENTWISE: dtype of the output; TAP_UNDEFINED = as typed_by */
    uint32_t image_inputs;      /* *_CHANNELS_LAST: bits of the inputs that are images */
    uint32_t packed_inputs;     /* TAP_PACKS: bits of the inputs */
    tap_prepare_fn *prepare;    /* NULL: no state, and the node may have no attributes */
    tap_infer_fn *infer;        /* NULL: TAP_ELEMENTWISE broadcasts inputs of one dtype; others: output 0
                                   is like input 0 */
    tap_pack_fn *pack;
    tap_run_fn *run;
    tap_release_fn *release;
    /* How this node becomes a stage of an epilogue. NULL: from `loops`, its other inputs as operands.
     * Returns false where it cannot. Called after pack. */
    bool (*stage)(tap_ctx *ctx, tap_stage *stage);
    tap_stage_kind stage_kind; /* where `stage` is NULL: what the loops for FLOAT and DOUBLE compute */
    /* Output 0 is numpy.transpose(input 0, perm): lets the plan do without it, and layouts be traced. perm:
     * rank entries. */
    bool (*permutation)(const tap_ctx *ctx, int rank, int *perm);
    /* Output 0 is input 0, of that rank >= 3, with zeros around its spatial axes. zeros: how many, as in
     * tap_ctx. Returns false where it is something else, or not known yet. Called while planning. */
    bool (*gives_zeros)(tap_ctx *ctx, int rank, int64_t *zeros);
    /* Whether the node gives the same from the input of a node with gives_zeros, and ctx->zeros, as from its
     * output. Called while planning, after pack. */
    bool (*takes_zeros)(tap_ctx *ctx);
    const void *data;  /* of a shared driver */
    const char *notes; /* what the standard leaves open and how it is here, in sentences; NULL: nothing */
    /* The operator is a function of others, which take the node's place when the model is opened; of the rest
     * of the row name, opsets, numbers of inputs and outputs, `dtypes` (for lists) and notes hold. */
    tap_expand_fn *expand;
} tap_op;

#define TAP_BIT(dtype) (UINT32_C(1) << (dtype))

/* A family of operators: rows, ended by one whose name is NULL. */
typedef struct tap_family {
    const char *name;
    const tap_op *ops;
} tap_family;

/* ---- Errors: prepare, infer, pack, run ---- */

/* Fails with a message; node, operator, opset, inputs with shapes and dtypes are put around it. Returns what
 * the caller is to return: code, but TAP_RUN for a TAP_MODEL that only the inputs of a run have shown; where
 * the node has failed before, the code of that failure, whose message stays. */
TAP_API TAP_COLD tap_status tap_fail(tap_ctx *ctx, tap_status code, const char *fmt, ...) TAP_PRINTF(3, 4);

/* The opset of the node's domain; where the row came later (tap_model_options.tf_ops), its first. The row.
 * Both in every phase. */
TAP_API int64_t tap_opset(const tap_ctx *ctx);
TAP_API const tap_op *tap_ctx_op(const tap_ctx *ctx);
/* Whether input or output i is written in the node and not empty. In every phase. */
TAP_API bool tap_has_in(const tap_ctx *ctx, int i);
TAP_API bool tap_has_out(const tap_ctx *ctx, int i);

/* ---- expand ---- */

/* What the function calls the node's inputs and outputs: "X, W, B?" and "Y"; inputs with a '?' may be absent.
 * At least as many as the node has. To be called once, before the first tap_expand_add. */
TAP_API void tap_expand_names(tap_expansion *e, const char *inputs, const char *outputs);
/* Adds a node, written as in ONNX's text syntax, of ai.onnx opset 24 or com.microsoft opset 1:
 *     "Y = Conv <group=@group, strides=[1, 2], auto_pad="SAME_UPPER"> (X, W, B)"
 *     "Y = com.microsoft.QuickGelu <alpha=1.702> (X)"
 * @name is what the node gives as attribute `name`; where it gives none, this node has none either. Inputs
 * that the node leaves out may be used: they are absent then. Names of values must be new. */
TAP_API void tap_expand_add(tap_expansion *e, const char *fmt, ...) TAP_PRINTF(2, 3);
/* Fails the model; the node is put in front. Returns the code. */
TAP_API TAP_COLD tap_status tap_expand_fail(tap_expansion *e, tap_status code, const char *fmt, ...)
    TAP_PRINTF(3, 4);
/* What the node has. Attributes as in prepare: of the wrong type fails, one not asked for is unknown. */
TAP_API bool tap_expand_has_in(const tap_expansion *e, int i);
TAP_API bool tap_expand_has_out(const tap_expansion *e, int i);
TAP_API int tap_expand_n_in(const tap_expansion *e);
TAP_API bool tap_expand_has(tap_expansion *e, const char *name);
TAP_API int64_t tap_expand_int(tap_expansion *e, const char *name, int64_t otherwise);
TAP_API double tap_expand_float(tap_expansion *e, const char *name, double otherwise);
TAP_API const char *tap_expand_string(tap_expansion *e, const char *name, const char *otherwise);
TAP_API const int64_t *tap_expand_ints(tap_expansion *e, const char *name, size_t *n);
TAP_API const float *tap_expand_floats(tap_expansion *e, const char *name, size_t *n);

/* ---- prepare ---- */

/* Zeroed memory that lives as long as the model; NULL fails the node (the failure is already recorded). Also
 * in pack. */
TAP_API void *tap_state(tap_ctx *ctx, size_t n_bytes);
/* In pack: such memory for a packed form of constant inputs, which hangs on these, the row and the attributes
 * alone. *ready: it is filled already, by a model with which this one shares the inputs
 * (tap_model_options.like). Calls of one node come in the same order each time. */
TAP_API void *tap_packed(tap_ctx *ctx, size_t n_bytes, bool *ready);

/* Attributes by name. Where one has the wrong type the failure is recorded, the default returned, and prepare
 * fails after it has returned: no check is needed at each call. An attribute that no call asked for is
 * unknown to the operator: an error. Arrays are borrowed from the model. */
TAP_API bool tap_attr_has(tap_ctx *ctx, const char *name);
TAP_API int64_t tap_attr_int(tap_ctx *ctx, const char *name, int64_t otherwise);
TAP_API float tap_attr_float(tap_ctx *ctx, const char *name, float otherwise);
TAP_API const char *tap_attr_string(tap_ctx *ctx, const char *name, const char *otherwise);
TAP_API const int64_t *tap_attr_ints(tap_ctx *ctx, const char *name, size_t *n); /* NULL, 0 where absent */
TAP_API const float *tap_attr_floats(tap_ctx *ctx, const char *name, size_t *n);
TAP_API const tap_string *tap_attr_strings(tap_ctx *ctx, const char *name, size_t *n);
TAP_API tap_string tap_attr_bytes(tap_ctx *ctx, const char *name);         /* a string with any bytes */
TAP_API const tap_tensor *tap_attr_tensor(tap_ctx *ctx, const char *name); /* NULL where absent */
TAP_API const tap_type *tap_attr_type(tap_ctx *ctx, const char *name);
TAP_API tap_body *tap_attr_body(tap_ctx *ctx, const char *name); /* NULL where absent */
/* The position of the string attribute's value in a NULL-terminated list; fails the node where it is none of
 * them. */
TAP_API int tap_attr_choice(tap_ctx *ctx, const char *name, const char *otherwise,
                            const char *const *choices);
/* Asks for an attribute that has no meaning any more (consumed_inputs) so that it is known. */
TAP_API void tap_attr_ignore(tap_ctx *ctx, const char *name);

/* ---- infer ---- */

/* Type of input i; NULL where absent. Unknown parts: dtype TAP_UNDEFINED, rank -1, dims -1. Also in prepare
 * (as far as known then) and run. */
TAP_API const tap_type *tap_in_type(const tap_ctx *ctx, int i);
/* Its value where it is known now: a constant, or any value when shapes are inferred while running; else
 * NULL. In prepare and pack: constants of the model only. */
TAP_API const tap_tensor *tap_in_known(const tap_ctx *ctx, int i);
/* True when infer is called with all inputs at hand: what is unknown then is found only by running. Also in
 * run. */
TAP_API bool tap_infer_final(const tap_ctx *ctx);

/* Says what output i is. dims may be NULL where rank <= 0; rank -1 = unknown; a dim -1 = unknown. A product
 * that overflows, or a negative dim other than -1, fails the node. No-op where the output is absent. */
TAP_API tap_status tap_out_type(tap_ctx *ctx, int i, tap_dtype dtype, int rank, const int64_t *dims);
TAP_API tap_status tap_out_like(tap_ctx *ctx, int i, const tap_type *type); /* copied; NULL: unknown */
/* What else the file says of output i (value_info): for operators that cannot tell. */
TAP_API const tap_type *tap_out_declared(const tap_ctx *ctx, int i);
/* Of bodies: types of its outputs for these input types (NULL entries or n_in 0: as declared in the body).
 * What the types in `out` point at lives as long as this call of infer. */
TAP_API tap_status tap_body_infer(tap_ctx *ctx, tap_body *body, const tap_type *const *in, size_t n_in,
                                  size_t n_out, tap_type *out);
TAP_API size_t tap_body_n_in(const tap_body *body);
TAP_API size_t tap_body_n_out(const tap_body *body);
/* What the body declares of its input i; NULL: nothing. Loop's iteration number is a scalar or [1] as the
 * body says. In every phase. */
TAP_API const tap_type *tap_body_in_type(const tap_body *body, size_t i);

/* ---- run ---- */

/* Makes output i now, for what is known only at run time; where it is made already, with this dtype and
 * shape, gives that. NULL fails the node (already recorded); an absent output gives a tensor that goes
 * nowhere, so that kernels need no special case. */
TAP_API tap_tensor *tap_out(tap_ctx *ctx, int i, tap_dtype dtype, int rank, const int64_t *dims);
/* What infer said of output i; NULL: nothing. For what no value tells: the dtype of an empty sequence. */
TAP_API const tap_type *tap_out_inferred(const tap_ctx *ctx, int i);
/* Input i as a value of any kind; NULL: absent, or an empty optional (tap_has_in tells them apart). */
TAP_API const tap_value *tap_in_value(const tap_ctx *ctx, int i);
/* Output i is this value of any kind; NULL: an empty optional. Takes over the caller's reference, also where
 * it fails. In place of what infer had made, if it had: a body's result is handed on and not copied. */
TAP_API tap_status tap_set_out(tap_ctx *ctx, int i, tap_value *value);
/* A new reference to input i that outlives the run of this node (shares memory where it can, copies where it
 * must). */
TAP_API tap_value *tap_keep_in(tap_ctx *ctx, int i);
/* A new value with memory from the session, elements uninitialised (strings empty); its tensor to be filled.
 * NULL: failed. */
TAP_API tap_value *tap_make(tap_ctx *ctx, tap_dtype dtype, int rank, const int64_t *dims,
                            tap_tensor **tensor);
/* Both take over the references, also where they fail. */
TAP_API tap_value *tap_make_sequence(tap_ctx *ctx, tap_value *const *items, size_t n, tap_dtype dtype);
TAP_API tap_value *tap_make_map(tap_ctx *ctx, tap_value *keys, tap_value *values);
/* The sequence with one item more at its end, as a new value; the sequence stays as it is, and its items are
 * not copied. Takes over the item's reference, also where it fails. */
TAP_API tap_value *tap_append(tap_ctx *ctx, const tap_value *sequence, tap_value *item);
TAP_API tap_dtype tap_sequence_dtype(const tap_value *sequence);

/* Scratch memory, 64-byte aligned, uninitialised, gone when run returns; it stays through tap_body_run. Also
 * in infer (lists as long as the node's inputs and outputs). NULL fails the node (already recorded). */
TAP_API void *tap_scratch(tap_ctx *ctx, size_t n_bytes);
/* n bytes for a string element, kept until the session's next run. NULL fails the node (already recorded).
 * The bytes of all strings that a kernel meets live that long: elements may be copied as they are. */
TAP_API char *tap_string_bytes(tap_ctx *ctx, size_t n);

/* Equals: for (b = 0; b < n; b += grain) fn(arg, b, min(b + grain, n), worker), the pieces in any order and
 * at the same time. worker is from 0 to tap_workers - 1 and tells pieces apart that run at the same time (for
 * scratch). Pieces depend on n and grain only: choose grain by shape. */
typedef void tap_task(void *arg, int64_t begin, int64_t end, int worker);
TAP_API void tap_parallel(tap_ctx *ctx, int64_t n, int64_t grain, tap_task *fn, void *arg);
TAP_API int tap_workers(const tap_ctx *ctx);

/* TAP_EPILOGUE: sends elements of output 0 through the stages behind this node, in place: rows of the last
 * axis from row to row + n_rows, columns col to col + n_cols. To be called once for each element after its
 * final store, while it is in cache; from any worker. Does nothing where has_epilogue is false. */
TAP_API void tap_epilogue(const tap_ctx *ctx, int64_t row, int64_t n_rows, int64_t col, int64_t n_cols);
/* The stages, for a kernel that applies the first ones in registers (with the same expression as the loop),
 * and what is left of the epilogue behind these n. */
TAP_API const tap_stage *tap_epilogue_stages(const tap_ctx *ctx, int *n);
TAP_API void tap_epilogue_from(const tap_ctx *ctx, int n, int64_t row, int64_t n_rows, int64_t col,
                               int64_t n_cols);

/* Runs a body. Inputs are borrowed (NULL: an empty optional); each output is a new reference (NULL: an empty
 * optional), none where it fails. iteration: for the names of taps; -1 where the body is no loop's. */
TAP_API tap_status tap_body_run(tap_ctx *ctx, tap_body *body, int64_t iteration, const tap_value *const *in,
                                size_t n_in, tap_value **out, size_t n_out);

/* A 64-bit seed for this node, from the session's seed, the node, the number of the session's run and the
 * iterations of the bodies around it: whatever else has run, the same seed gives the same. For TAP_RANDOM
 * operators. */
TAP_API uint64_t tap_random_seed(tap_ctx *ctx);

/* ---- Shared drivers ---- */

/* Runs loop over the broadcast of in[0..n_in) into out[0..n_out), whose shapes are that of the broadcast.
 * Dimensions are merged first. Splits the work over the workers. in[i] may be NULL: so is its pointer in the
 * loop, and its step 0. */
TAP_API tap_status tap_broadcast(tap_ctx *ctx, tap_loop *loop, const void *state, const tap_tensor *const *in,
                                 int n_in, tap_tensor *const *out, int n_out);
/* infer: the numpy broadcast of the shapes of inputs first..last (absent ones are skipped) as output i. */
TAP_API tap_status tap_out_broadcast(tap_ctx *ctx, int i, tap_dtype dtype, int first, int last);

/* ---- A program's own operators ---- */

/* Adds rows for models opened afterwards with these options (the array must outlive them). They come before
 * the library's own rows of the same domain and name. */
typedef struct tap_op_set {
    size_t size; /* sizeof(tap_op_set) */
    int abi;     /* TAP_OP_ABI */
    const tap_family *families;
    size_t n_families;
} tap_op_set;

#ifdef __cplusplus
}
#endif
#endif
