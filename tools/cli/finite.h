/* Watching runs for values that are not finite: what check and run share. */
#ifndef ONNXTAP_CLI_FINITE_H
#define ONNXTAP_CLI_FINITE_H

#include <onnxtap/check.h>

#include "cli.h"

/* All findings of a check: of the file, then of runs. */
typedef struct cli_findings {
    tap_finding *items;
    size_t *spread;       /* by finding: values further on that are not finite because of it */
    bool *reaches_output; /* by finding */
    size_t n;
    tap_severity worst;
} cli_findings;

void cli_findings_add(cli_findings *f, const tap_finding *x, size_t spread, bool reaches_output);
/* What a watched run has shown. */
void cli_findings_add_run(cli_findings *f, const tap_finite *finite);
void cli_findings_free(cli_findings *f);
/* A finding a paragraph, then the counts. */
void cli_findings_show(const cli_findings *f);
/* "findings": [...] in an open object. */
void cli_findings_json(const cli_findings *f, tap_json *j);
/* Whether a run met what it was watched for: all but infinities that a weight has on purpose (a mask's) and
 * that reach no output, and but near misses. */
bool cli_findings_nonfinite(const cli_findings *f);

/* Taps on all that a tap_finite looks at. */
tap_status cli_watch_finite(tap_session *s, tap_error *err);

#endif
