/* Parts of models as the command line names them. */
#include "part.h"

tap_status cli_pick_part(cli_args *args, tap_model *m, tap_part **out, tap_error *err) {
    size_t *indices, n;
    if (args->words.n < 2)
        return cli_error(
            err, TAP_USAGE,
            "which part? A node (#17, its name), A..B for what lies between, or another selector");
    if (!args->output) return cli_error(err, TAP_USAGE, "where to? Give -o");
    tap_status s = tap_model_select(m, args->words.items + 1, args->words.n - 1, &indices, &n, err);
    if (s != TAP_OK) return s;
    s = tap_part_new(m, indices, n, out, err);
    tap_free(indices);
    return s;
}

void cli_part_names(const tap_model *m, const tap_part *p, bool inputs, char *out, size_t room) {
    size_t n = inputs ? tap_part_input_count(p) : tap_part_output_count(p);
    out[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        tap_value_info info = {.size = sizeof info};
        tap_model_value(m, inputs ? tap_part_input(p, i) : tap_part_output(p, i), &info);
        cli_append(out, room, "%s'%s'", i ? ", " : "", info.name);
    }
}
