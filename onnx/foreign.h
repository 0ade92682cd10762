/* Files that people take for a model or its data, and what to do about each. */
#ifndef TAP_ONNX_FOREIGN_H
#define TAP_ONNX_FOREIGN_H

#include <stddef.h>

/* What the bytes are instead of ONNX, with advice; NULL where nothing is known about them. */
const char *tap_foreign_format(const void *bytes, size_t n_bytes);

#endif
