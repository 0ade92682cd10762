/* Between the files that join the parts. */
#ifndef TAP_API_H
#define TAP_API_H

#include "onnxtap/onnxtap.h"

/* Opens a model to look at, not to run: what is wrong with it is collected in its `faults`. err: not NULL.
 * Errors: as tap_model_open where the file says nothing at all. */
tap_status tap_model_look_at(const char *path, const tap_model_options *options, tap_model **out,
                             tap_error *err);

#endif
