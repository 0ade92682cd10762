/* Models and sessions as the command line asks for them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

/* The bytes of a model from standard input: they have to live as long as the model. */
static void *stdin_bytes;

static tap_status read_stdin(size_t *n, tap_error *err) {
    char *p = NULL;
    size_t room = 0;
    *n = 0;
    for (;;) {
        if (*n == room) p = cli_grow(p, room = room ? 2 * room : 1 << 16, 1);
        ssize_t got = read(STDIN_FILENO, p + *n, room - *n);
        if (got < 0) return cli_error(err, TAP_IO, "standard input cannot be read");
        if (got == 0) break;
        *n += (size_t)got;
    }
    stdin_bytes = p;
    return TAP_OK;
}

int cli_open_model(cli_args *args, bool allow_unsupported, tap_model **out) {
    tap_error err = TAP_ERROR_INIT;
    tap_model_options o;
    tap_status s = cli_model_options(args, &o, &err);
    o.allow_unsupported = allow_unsupported;
    *out = NULL;
    if (args->words.n == 0) cli_wrong(args, "which model? Give the file's name, or - for standard input");
    if (args->words.n > args->words_max)
        cli_wrong(args, "%s: %s", args->words.items[args->words_max],
                  args->words_max == 1 ? "one model at a time" : "one word too many");
    if (s != TAP_OK) return cli_fail(args, &err);
    if (args->words.n > 0 && strcmp(args->words.items[0], "-") == 0) {
        size_t n;
        s = read_stdin(&n, &err);
        if (s == TAP_OK) s = tap_model_open_memory(stdin_bytes, n, &o, out, &err);
    } else if (args->words.n > 0) {
        s = tap_model_open(args->words.items[0], &o, out, &err);
    }
    if (s != TAP_OK) return cli_fail(args, &err);
    if (args->tf_ops && !allow_unsupported) cli_say_foreign(*out);
    if (args->usage.code == TAP_OK) return 0;
    cli_close_model(*out);
    return cli_fail(args, &args->usage);
}

void cli_close_model(tap_model *m) {
    tap_model_free(m);
    free(stdin_bytes);
    stdin_bytes = NULL;
}

tap_session_options cli_session_options(const cli_args *args) {
    return (tap_session_options){.size = sizeof(tap_session_options),
                                 .threads = args->threads > 1024 ? 1024 : (int)args->threads,
                                 .no_fusion = args->no_fusion,
                                 .partial = args->partial,
                                 .seed = (uint64_t)args->seed};
}

tap_status cli_open_session(const cli_args *args, tap_model *m, tap_session **out, tap_error *err) {
    tap_session_options o = cli_session_options(args);
    return tap_session_new(m, &o, out, err);
}

tap_status cli_set_taps(const cli_args *args, tap_session *s, const tap_model *m, bool outputs, bool **picked,
                        tap_error *err) {
    size_t n_values = tap_model_value_count(m), n, n_all = 0;
    size_t *indices, *all = cli_alloc(n_values, sizeof *all);
    bool *is_picked = cli_alloc(n_values, sizeof *is_picked);
    if (picked) *picked = is_picked;
    if (args->taps.n == 0) {
        free(all);
        if (!picked) free(is_picked);
        return TAP_OK;
    }
    tap_status status = tap_model_select(m, args->taps.items, args->taps.n, &indices, &n, err);
    for (size_t i = 0; status == TAP_OK && i < n; i++) is_picked[indices[i]] = true;
    for (size_t i = 0; status == TAP_OK && i < n_values; i++) {
        tap_value_info info = {.size = sizeof info};
        bool output = outputs && tap_model_value(m, i, &info) && info.is_output;
        if (is_picked[i] || output) all[n_all++] = i;
    }
    if (status == TAP_OK) {
        tap_free(indices);
        status = tap_session_set_taps(s, all, n_all, err);
    }
    free(all);
    if (!picked) free(is_picked);
    return status;
}
