/* What graph/source.h says -> the bytes of a model. */
#ifndef TAP_ONNX_SAVE_H
#define TAP_ONNX_SAVE_H

#include "graph/source.h"

/* Takes n bytes; false stops the saving, after which the caller knows why. */
typedef bool tap_onnx_write(void *user, const void *bytes, size_t n_bytes);

typedef struct tap_onnx_out {
    tap_onnx_write *write;
    void *user;
    const char *location;       /* NULL: weights lie inside; else the name of a data file beside the model, */
    size_t above_bytes;         /* for initializers of more bytes than that,                              */
    tap_onnx_write *write_data; /* and its bytes                                                    */
    void *data_user;
} tap_onnx_out;

/* Writes the model piece by piece: weights are passed on where they lie. Errors: TAP_MEMORY; TAP_DATA where
 * it does not fit into the format's 2 GiB; TAP_IO where a write said no (no message then). */
tap_status tap_onnx_save_model(const tap_src_model *m, const tap_onnx_out *out, tap_error *err);

#endif
