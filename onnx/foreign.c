/* Recognising files that are not ONNX by their first bytes. */
#include "onnx/foreign.h"

#include <string.h>

#include "core/base.h"

static const struct {
    size_t offset;
    const char *magic;
    const char *text;
} formats[] = {
    {0, "version https://git-lfs", "a Git LFS pointer, not the file itself; fetch it with `git lfs pull`"},
    {0, "\x89HDF\r\n",
     "an HDF5 file (a Keras .h5, or weights); export the model to ONNX with tf2onnx or keras.export"},
    {4, "TFL3", "a TensorFlow Lite model; convert it to ONNX with tf2onnx --tflite"},
    {4, "ORTM", "a model in ONNX Runtime's own .ort format; use the .onnx file that it was made from"},
    {0, "\x93NUMPY", "a NumPy .npy array"},
    {0, "PK\x03\x04", "a zip archive (.keras, .pt, .npz, ...); export the model to ONNX first, or unpack it"},
    {0, "\x1f\x8b", "compressed with gzip; unpack it first"},
    {0, "<!DOCTYPE", "a web page, perhaps an error page saved instead of the file"},
    {0, "<!doctype", "a web page, perhaps an error page saved instead of the file"},
    {0, "<html", "a web page, perhaps an error page saved instead of the file"},
};

const char *tap_foreign_format(const void *bytes, size_t n_bytes) {
    for (size_t i = 0; i < TAP_COUNT_OF(formats); i++) {
        size_t n = strlen(formats[i].magic), at = formats[i].offset;
        if (n_bytes >= at + n && memcmp((const char *)bytes + at, formats[i].magic, n) == 0)
            return formats[i].text;
    }
    return NULL;
}
