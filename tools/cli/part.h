/* What extract and repro share. */
#ifndef ONNXTAP_CLI_PART_H
#define ONNXTAP_CLI_PART_H

#include <onnxtap/part.h>

#include "cli.h"

/* The part of the model that the words behind it pick; checks that -o is given. */
tap_status cli_pick_part(cli_args *args, tap_model *m, tap_part **out, tap_error *err);
/* "name, name, ..." of values by index, cut at room. */
void cli_part_names(const tap_model *m, const tap_part *p, bool inputs, char *out, size_t room);

#endif
