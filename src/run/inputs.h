/* What a run is given, against what the model declares. */
#ifndef TAP_RUN_INPUTS_H
#define TAP_RUN_INPUTS_H

#include "core/tensor.h"

/* Whether v (NULL: an absent optional) is of that type, as far as the type is known. */
bool tap_value_fits(const tap_value *v, const tap_type *want);

/* The same as a sentence: "NAME HAS float32[3], MUST float32[4]". Errors: TAP_DATA. */
tap_status tap_value_check(const char *name, const tap_value *v, const tap_type *want, const char *has,
                           const char *must, tap_error *err);

/* Puts given[0..n) in the order of the ports: values[n_ports], NULL where an input is left out, which only
 * those with a default, optionals, and (where that is known: not NULL) unneeded ones may be. Errors:
 * TAP_USAGE (unknown, missing, given twice), TAP_DATA (dtype, shape, kind). */
tap_status tap_inputs_collect(const tap_port *ports, size_t n_ports, const bool *unneeded,
                              const tap_input *given, size_t n, const tap_value **values, tap_error *err);

#endif
