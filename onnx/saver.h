/* What the parts of saving share. Messages are put together in an arena; protobuf-c only reads them. */
#ifndef TAP_ONNX_SAVER_H
#define TAP_ONNX_SAVER_H

#include "onnx/loader.h"

/* A loader's arena, status and error; its other fields are not used here. */
typedef tap_loader tap_saver;

/* protobuf-c's structs are not const, but packing only reads. */
static inline void *tap_unconst(const void *p) {
    return (void *)(uintptr_t)p;
}

/* n strings of any bytes. false: no memory, which is recorded. */
bool tap_save_strings(tap_saver *s, const tap_string *x, size_t n, size_t *n_out, ProtobufCBinaryData **out);

/* A TensorProto of n elements as they lie in memory, which it refers to. NULL: no memory, or too large. */
TapOnnx__TensorProto *tap_save_tensor(tap_saver *s, tap_dtype dtype, int rank, const int64_t *dims, int64_t n,
                                      const void *x);

#endif
