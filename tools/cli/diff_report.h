/* What onnxtap diff prints. */
#ifndef ONNXTAP_CLI_DIFF_REPORT_H
#define ONNXTAP_CLI_DIFF_REPORT_H

#include <onnxtap/diff.h>

#include "cli.h"

/* Prints the result as text or JSON, writes --csv, and returns the exit status: 0 the same, 1 differs, 6
 * nothing compared, 3 where the .csv cannot be written. */
int diff_report(const cli_args *args, const tap_diff *d, const tap_diff_options *o, const char *reference);

#endif
