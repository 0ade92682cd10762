/* Watching a run for values that are not finite: what check and run share. */
#ifndef ONNXTAP_CLI_FINITE_H
#define ONNXTAP_CLI_FINITE_H

#include <onnxtap/check.h>

#include "cli.h"

/* Taps on all that a tap_finite looks at. */
tap_status cli_watch_finite(tap_session *s, tap_error *err);
/* A finding as an object in an open array. */
void cli_json_finding(tap_json *j, const tap_finding *f);

#endif
