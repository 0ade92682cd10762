/* Tensors in another dtype: the conversion that was asked for, and the one that loses nothing. */
#ifndef TAP_IO_CAST_H
#define TAP_IO_CAST_H

#include "core/tensor.h"

/* A tensor value read from a file, made what the model wants: as it is, or exactly converted where `want` is
 * a type that NumPy lacks and t the one that stands for it, or converted where `cast`. Takes over *v; *v is
 * NULL after an error. name is for messages. Errors: TAP_DATA, TAP_MEMORY. */
tap_status tap_fit(tap_value **v, tap_dtype want, bool cast, const char *name, tap_error *err);

#endif
