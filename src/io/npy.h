/* Arrays as NumPy stores them: reading any .npy that has an ONNX type, writing one for any tensor. */
#ifndef TAP_IO_NPY_H
#define TAP_IO_NPY_H

#include "core/tensor.h"
#include "io/npy_header.h"
#include "io/source.h"

/* Reads one array, all header versions, either byte order, either index order. want: a type that NumPy lacks
 * (bfloat16, 8-bit floats, int4, ...), which ml_dtypes stores as raw bytes (V1, V2); TAP_UNDEFINED: such
 * bytes are an error. Fixed-width strings become TAP_STRING: U as UTF-8, S as it is. A large array of a
 * mapped file that lies in the right order is not copied: the value keeps the file. Errors: TAP_DATA (with
 * the source's name), TAP_MEMORY. */
tap_status tap_npy_read(tap_source *s, tap_dtype want, tap_value **out, tap_error *err);

/* The same a part at a time: the header, and then n rows from where s is, to row `at` of v, whose type is
 * tap_npy_dtype's. Not for Fortran order. */
tap_status tap_npy_read_header(tap_source *s, tap_npy_header *h, tap_error *err);
tap_dtype tap_npy_dtype(const tap_npy_header *h, tap_dtype want); /* TAP_UNDEFINED: only `want` could tell */
tap_status tap_npy_read_rows(tap_source *s, const tap_npy_header *h, int64_t n, int64_t at, tap_value *v,
                             tap_error *err);

/* Where the bytes of an array go. */
typedef void tap_npy_write_fn(void *user, const void *p, size_t n_bytes);

/* How a tensor is stored: as tap_npy_plan found out. */
typedef struct tap_npy_plan {
    const tap_tensor *tensor;
    bool raw; /* types that NumPy lacks as uint8, uint16 with their bits         */
    size_t item_bytes;
    uint64_t n_bytes; /* header and data                                                 */
    size_t header_bytes;
    char header[TAP_NPY_HEADER_ROOM];
} tap_npy_plan;

/* bfloat16, 8- and 4-bit floats become float32 (exact), 4- and 2-bit integers int8 or uint8, strings <U as
 * long as the longest. Bytes that are no UTF-8 become U+DC80 + byte - 0x80 each (Python's surrogateescape),
 * which reading turns back. Errors: TAP_DATA where the strings, padded to the longest, would take more than
 * limit_bytes (0: half of the memory). */
tap_status tap_npy_plan_of(const tap_tensor *t, bool raw, uint64_t limit_bytes, tap_npy_plan *plan,
                           tap_error *err);
/* Makes a header of n bytes `to` bytes long, a multiple of 64 and at most TAP_NPY_HEADER_ROOM. Returns its
 * length. */
size_t tap_npy_pad(char *header, size_t n, size_t to);
/* Hands the bytes over, in pieces. */
void tap_npy_emit(const tap_npy_plan *plan, tap_npy_write_fn *write, void *user);

/* The elements alone. */
void tap_npy_emit_data(const tap_npy_plan *plan, tap_npy_write_fn *write, void *user);

#endif
