/* What the operators with a looping body share. */
#ifndef TAP_OPS_COMMON_BODIES_H
#define TAP_OPS_COMMON_BODIES_H

#include "common/types.h"

/* A body that is run again on what it gave: out[first_out + k] of one run is in[first_in + k] of the next, k
 * < n. */
typedef struct tap_carry {
    tap_body *body;
    size_t n_in, n_out; /* of the body                                      */
    size_t first_in, first_out, n;
    const tap_type **in;     /* n_in; those that are not carried set by the caller */
    tap_type *out;           /* n_out                                            */
    tap_type_chain *carried; /* n                                                */
} tap_carry;

/* The attribute `name`, which has to be there, with n_in inputs and at least n_out outputs. */
#define tap_required_body TAP_ISA_NAME(tap_required_body)
tap_body *tap_required_body(tap_ctx *ctx, const char *name, size_t n_in, size_t n_out);

/* infer: makes the lists of c, whose counts and body are set. */
#define tap_carry_make TAP_ISA_NAME(tap_carry_make)
tap_status tap_carry_make(tap_ctx *ctx, tap_carry *c);

/* infer: widens c->carried, the types of the initial values, until they hold after any number of runs; c->out
 * is what the body then gives. Fails where a carried value changes its dtype. */
#define tap_carry_infer TAP_ISA_NAME(tap_carry_infer)
tap_status tap_carry_infer(tap_ctx *ctx, tap_carry *c);

#endif
