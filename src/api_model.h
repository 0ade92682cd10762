/* Models that the library makes for itself. */
#ifndef TAP_API_MODEL_H
#define TAP_API_MODEL_H

#include "run/model.h"

/* A model of a source, which outlives it, with the operators that `like` has. Kernels beyond the standard's
 * types may be used; nodes without a kernel are no error. */
tap_status tap_model_of_source(const tap_src_model *src, const tap_model *like, uint64_t memory_limit_bytes,
                               tap_model **out, tap_error *err);

#endif
