/* A tensor in memory -> TensorProto. Numbers go into raw_data and are copied only where the file packs them
 * more densely. */
#include "core/tensor.h"
#include "onnx/saver.h"

bool tap_save_strings(tap_saver *s, const tap_string *x, size_t n, size_t *n_out, ProtobufCBinaryData **out) {
    ProtobufCBinaryData *b = tap_load_make(s, n, sizeof *b);
    *out = b;
    *n_out = n;
    for (size_t i = 0; b && i < n; i++) b[i] = (ProtobufCBinaryData){x[i].n, tap_unconst(x[i].s)};
    return b != NULL;
}

/* n elements of x as they lie in a file. */
static bool fill_raw(tap_saver *s, tap_dtype dtype, int64_t n, const void *x, TapOnnx__TensorProto *p) {
    p->has_raw_data = true;
    if (!tap_packed_bytes(dtype, n, &p->raw_data.len))
        return tap_load_fail(s, TAP_DATA, "the tensor is too large");
    p->raw_data.data = tap_unconst(x);
    if (tap_dtype_bits(dtype) >= 8) return true;
    p->raw_data.data = tap_load_make(s, p->raw_data.len, 1);
    if (p->raw_data.data) tap_pack_bits(dtype, n, x, p->raw_data.data);
    return p->raw_data.data != NULL;
}

TapOnnx__TensorProto *tap_save_tensor(tap_saver *s, tap_dtype dtype, int rank, const int64_t *dims, int64_t n,
                                      const void *x) {
    TapOnnx__TensorProto *p = tap_load_make(s, 1, sizeof *p);
    if (!p) return NULL;
    tap_onnx__tensor_proto__init(p);
    p->n_dims = (size_t)rank;
    p->dims = tap_unconst(dims);
    p->has_data_type = true;
    p->data_type = (int32_t)dtype;
    bool fine = dtype == TAP_STRING ? tap_save_strings(s, x, (size_t)n, &p->n_string_data, &p->string_data)
                                    : fill_raw(s, dtype, n, x, p);
    return fine ? p : NULL;
}
