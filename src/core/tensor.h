/* Tensors, the buffers that hold their elements, and values: tensors, sequences, maps. */
#ifndef TAP_CORE_TENSOR_H
#define TAP_CORE_TENSOR_H

#include "core/memory.h"
#include "onnxtap/op.h"

/* Counted memory of tensors. Strings made for one element at a time live in `strings`. */
typedef struct tap_buffer {
    atomic_int refs;
    tap_budget *budget; /* NULL: malloc, no budget (values made by a program) */
    void *data;
    size_t n_bytes;
    bool owned; /* data is freed with the buffer */
    bool drops; /* data are pages of a file, read once: who has read them may give them back */
    void (*let_go)(void *owner); /* NULL, or called instead, when data lies in */
    void *owner;                 /* something else, such as a mapped file */
    tap_arena strings;
    void (*fill)(tap_tensor *t); /* NULL, or makes the elements of a tensor whose data is NULL until then */
} tap_buffer;

/* A tensor that a listener is shown may have no elements yet: many are looked at by their name and shape
 * alone. Each public function that is given a tensor calls this before it reads. NULL is fine. */
static inline const tap_tensor *tap_settle(const tap_tensor *t) {
    if (t && !t->data && t->buffer && t->buffer->fill) t->buffer->fill((tap_tensor *)(uintptr_t)t);
    return t;
}

tap_buffer *tap_buffer_new(tap_budget *b, size_t n_bytes); /* elements uninitialised; NULL: no memory */
tap_buffer *tap_buffer_wrap(tap_budget *b, void *data, size_t n_bytes);
/* Around memory that lies in owner; let_go(owner) is called with the last reference. NULL: no memory, owner
 * is untouched. */
tap_buffer *tap_buffer_wrap_owned(tap_budget *b, void *data, size_t n_bytes, void (*let_go)(void *owner),
                                  void *owner);
void tap_buffer_retain(tap_buffer *b);
void tap_buffer_release(tap_buffer *b); /* NULL is fine */

/* Items of sequences and maps, counted. Sequences that differ by what was appended share them: each sees its
 * first n. */
typedef struct tap_items {
    atomic_int refs;
    atomic_size_t used; /* items that belong to somebody */
    size_t room;
    tap_budget *budget;
    tap_value *item[];
} tap_items;

struct tap_value {
    atomic_int refs;
    tap_kind kind;
    tap_budget *budget;
    tap_tensor tensor; /* TENSOR: owns a reference to tensor.buffer */
    tap_items *store;  /* SEQUENCE, MAP: owns a reference; what items points at */
    tap_value **items; /* SEQUENCE: n; MAP: keys, values */
    size_t n;
    tap_dtype elem_dtype; /* SEQUENCE: of its tensors, known when it is empty too */
};

/* Sets shape fields; false where the product of dims and element size overflows, or a dim is negative. */
bool tap_tensor_shape(tap_tensor *t, tap_dtype dtype, int rank, const int64_t *dims);
/* Elements in dims; false where it does not fit or one is negative. */
bool tap_dims_count(int rank, const int64_t *dims, int64_t *count);

/* A tensor value with a buffer of its own under budget b, uninitialised but for strings, which are empty.
 * NULL: no memory. */
tap_value *tap_value_make(tap_budget *b, tap_dtype dtype, int rank, const int64_t *dims);
/* A tensor value that shares buffer (a reference is taken). */
tap_value *tap_value_share(tap_budget *b, const tap_tensor *t);
tap_value *tap_value_make_sequence(tap_budget *b, tap_value *const *items, size_t n, tap_dtype dtype);
/* The sequence with one item more, which is used up, also on failure. Takes a time that does not depend on
 * the length, but for doubling its room now and then, where nobody else has appended to the same sequence. */
tap_value *tap_value_append(tap_budget *b, const tap_value *sequence, tap_value *item);
tap_value *tap_value_make_map(tap_budget *b, tap_value *keys, tap_value *values);
tap_value *tap_value_make_copy(tap_budget *b, const tap_value *v);
tap_value *tap_tensor_make_copy(tap_budget *b, const tap_tensor *t);

/* Bytes of n elements in a file: sub-byte types packed, first element in the low bits. */
bool tap_packed_bytes(tap_dtype t, int64_t n, size_t *n_bytes);
/* n elements of a sub-byte type from packed to one per byte (signed ones sign-extended), and back. */
void tap_unpack_bits(tap_dtype t, int64_t n, const void *packed, void *out);
void tap_pack_bits(tap_dtype t, int64_t n, const void *in, void *packed);
int tap_dtype_bits(tap_dtype t); /* of an element in a file: 2, 4, 6, 8, ...; 0 for strings */

#endif
