/* Why a node's output is not finite: the words for it. */
#ifndef TAP_CHECK_FINITE_H
#define TAP_CHECK_FINITE_H

#include "onnxtap/onnxtap.h"

/* A value as it was last seen. */
typedef struct tap_seen {
    bool known;
    double min, max;               /* of its finite elements; NaN where there are none */
    int64_t count, nonfinite, nan; /* elements                                         */
    int64_t first;                 /* the first element that is not finite             */
    tap_dtype dtype;
    size_t origin; /* which finding it comes from; SIZE_MAX: none                       */
} tap_seen;

/* "log of 0" and the like, from the operator, its inputs (NULL where absent) and its output; "" where nothing
 * explains it. */
const char *tap_nonfinite_cause(const char *op, const tap_seen *const *in, size_t n_in, const tap_seen *out);

#endif
