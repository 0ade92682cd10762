/* What a model shares with one that was opened before. */
#ifndef TAP_API_SHARE_H
#define TAP_API_SHARE_H

#include "run/model.h"

/* Initializers of m, read but not yet bound, that equal some of `like`'s: from now on they lie where its own
 * do. Errors: TAP_MEMORY. */
tap_status tap_share_initializers(tap_model *m, tap_model *like, tap_error *err);
/* Packed forms of shared initializers, once m is prepared. Errors: TAP_MEMORY. */
tap_status tap_share_packed(tap_model *m, tap_model *like, tap_error *err);

#endif
