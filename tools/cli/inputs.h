/* Inputs on their way from the command line: what the files about files and about made data share. */
#ifndef ONNXTAP_CLI_INPUTS_H
#define ONNXTAP_CLI_INPUTS_H

#include "cli.h"

typedef struct binder {
    const cli_args *args;
    tap_model *model;
    tap_value **values; /* by position of the input                              */
    bool *given;        /* likewise: something was said about it                 */
    uint64_t *held_bytes;
    tap_session *session;        /* NULL, or what does without some inputs                 */
    tap_dataset *data;           /* NULL, or what takes the files instead of `values`      */
    cli_otherwise_fn *otherwise; /* NULL, or asked for inputs that nothing was said about */
    void *user;
    tap_error *err;
} binder;

static inline const tap_port *binder_port(const binder *b, size_t i) {
    return tap_model_input(b->model, i);
}
static inline size_t binder_n(const binder *b) {
    return tap_model_input_count(b->model);
}

/* "WHATHINT; the model's inputs: ..." about one of them (NULL: none). Returns code. */
tap_status binder_wrong(const binder *b, tap_status code, const char *what, const char *input,
                        const char *hint);
/* Position of the input whose name and '=' text begins with, the longest such name, and what is behind the
 * '='; SIZE_MAX: none. */
size_t binder_named(const binder *b, const char *text, const char **rest);
/* Counts n bytes against the model's limit. */
tap_status binder_hold(const binder *b, uint64_t n_bytes);

/* Goes through -i; values that are made are in b->values. */
tap_status bind_inputs(binder *b, bool make_missing);

/* random, random:SEED, zeros, ones */
bool is_made(const char *text, tap_fill *fill, bool *seeded, uint64_t *seed);
/* Makes data for input i, of the shape that is declared or given. */
tap_status make_input(const binder *b, size_t i, tap_fill fill, uint64_t seed);
/* That --dim, --shape and --range name what there is. */
tap_status check_made_options(const binder *b);

#endif
