/* Which values a run in double precision takes over from the model's own run. */
#ifndef TAP_DIFF_HOLD_H
#define TAP_DIFF_HOLD_H

#include "diff/lab.h"

/* held: by value of the main graph. Held are: what is discrete though it comes from floats (comparisons,
 * ArgMax, indices of TopK, Casts to integers, Round, Floor, ...), for there a difference in the last place
 * may change the result and with it all that follows; what is random; and the outputs of nodes that cannot be
 * run in double. Shapes are not held. Errors: TAP_MEMORY. */
tap_status tap_find_held(const tap_lab *lab, const tap_bound *b, uint8_t *held, tap_error *err);

#endif
