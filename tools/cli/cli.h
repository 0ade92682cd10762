/* The command: what its subcommands share. It is built on the public headers alone.
 *
 * A subcommand is a row in its own file: a name, texts, tables of options, and a function. Its options are
 * parsed and its
 * --help is printed from the same tables. Results go to stdout, everything else to stderr. */
#ifndef ONNXTAP_CLI_H
#define ONNXTAP_CLI_H

#include <onnxtap/json.h>
#include <onnxtap/onnxtap.h>
#include <onnxtap/record.h>

/* ---- Options (options.c) ---- */

/* Texts given one after another to an option that may be repeated. */
typedef struct text_list {
    const char **items;
    size_t n;
} text_list;

/* What the command line says. */
typedef struct cli_args {
    text_list words;  /* what is no option: the model, or folders                     */
    size_t words_max; /* of a subcommand that opens a model                          */
    text_list inputs, taps, dims, shapes, ranges;
    const char *output, *format, *iteration, *skip, *domain, *keys, *layout, *layer_list;
    bool markdown;
    bool json, help, layers, verbose, nodes, verify, raw_types, compress, cast, no_fusion;
    int64_t threads, seed, jobs, timeout_s;
    double seconds;
    uint64_t memory_limit_bytes, external_above_bytes;
    tap_error usage; /* the first thing that is wrong with the line itself; TAP_OK: nothing */
} cli_args;

typedef enum cli_kind { CLI_FLAG, CLI_TEXT, CLI_LIST, CLI_INT, CLI_NUMBER, CLI_BYTES } cli_kind;

typedef struct cli_option {
    const char *name; /* long, without dashes; NULL ends a table */
    char letter;
    cli_kind kind;
    const char *argument; /* as --help shows it; NULL for a flag     */
    size_t field;         /* offset in cli_args of a bool, text ...  */
    const char *help;     /* may have several lines                  */
} cli_option;

typedef struct cli_group {
    const char *title;
    const cli_option *options;
} cli_group;

/* Groups of options that several subcommands have. */
extern const cli_group cli_common, cli_inputs, cli_running;

typedef struct cli_command {
    const char *name, *synopsis, *about, *example;
    const cli_group *const *groups; /* NULL-terminated */
    int (*run)(cli_args *args);
    size_t words; /* at most so many words that are no options; 0: one, the model */
} cli_command;

extern const cli_command cli_run, cli_info, cli_ops, cli_test, cli_bench, cli_extract, cli_repro, cli_check;

/* Parses what follows the subcommand. What is wrong goes to args->usage: the model is looked at first. */
void cli_parse(const cli_command *command, int argc, char **argv, cli_args *args);
void cli_print_help(const cli_command *command);
void cli_args_free(cli_args *args);
/* Records the first thing that is wrong with the line. */
void cli_wrong(cli_args *args, const char *fmt, ...) TAP_PRINTF(2, 3);

/* ---- Reporting (report.c) ---- */

/* Prints the error to stderr, and with --json to stdout; returns the exit status. */
int cli_fail(const cli_args *args, const tap_error *err);
/* A message to stderr, with the command's name in front. */
void cli_say(const char *fmt, ...) TAP_PRINTF(1, 2);
/* A JSON writer to stdout; ends the program where there is no memory. */
tap_json *cli_json(void);
/* Fills *err; returns code. */
tap_status cli_error(tap_error *err, tap_status code, const char *fmt, ...) TAP_PRINTF(3, 4);
/* "float32[1,?,3]", with dim_names "float32[1,batch,3]"; cut at room. */
void cli_type_text(const tap_type *type, const char *const *dim_names, char *out, size_t room);
/* "dtype", "shape" (numbers, names, null) and for other kinds "type", in an open object. */
void cli_json_type(tap_json *j, const tap_type *type, const char *const *dim_names);
/* As printf into a fixed buffer behind what is there. */
void cli_append(char *out, size_t room, const char *fmt, ...) TAP_PRINTF(3, 4);
/* A new text as printf makes it; freed by the caller. */
char *cli_format(const char *fmt, ...) TAP_PRINTF(1, 2);
/* Memory, or the end of the program with a message. */
void *cli_alloc(size_t n, size_t each);
void *cli_grow(void *p, size_t n, size_t each);
/* Milliseconds of a clock that only goes forward. */
double cli_now_ms(void);

/* ---- Models (model.c) ---- */

/* Opens the model that the line names ("-": standard input), before anything else is judged. On failure
 * prints and returns the exit status, else 0. */
int cli_open_model(cli_args *args, bool allow_unsupported, tap_model **out);
void cli_close_model(tap_model *m);
/* A session as the options say. */
tap_status cli_open_session(const cli_args *args, tap_model *m, tap_session **out, tap_error *err);
/* Sets the taps that --tap picks, and the model's outputs too where `outputs` and anything is picked. *picked
 * (may be NULL): by value, whether --tap picks it; freed by the caller. */
tap_status cli_set_taps(const cli_args *args, tap_session *s, const tap_model *m, bool outputs, bool **picked,
                        tap_error *err);

/* ---- Values (show.c) ---- */

/* A line per tensor, under a header: name, dtype, shape, least, largest, mean, first elements (of a class
 * vector the five largest). */
typedef struct cli_table {
    int name_width;
    bool begun;
} cli_table;

/* What goes with a value; strings may be NULL. */
typedef struct cli_about {
    const char *node, *op, *layer;
    bool is_tap, is_output;
} cli_about;

void cli_show_line(cli_table *table, const char *name, const tap_value *v, const cli_about *about);
/* The same as an object for each tensor that the value is made of. */
void cli_show_json(tap_json *j, const char *name, const tap_value *v, const cli_about *about);
/* Whether both are the same down to the last bit. */
bool cli_same_bits(const tap_value *a, const tap_value *b);

/* ---- Layers (layers.c) ---- */

/* All n layers of the model, a line each, and as "layers" of an open object. */
void cli_print_layers(const tap_model *m, size_t n);
void cli_json_layers(tap_json *j, const tap_model *m, size_t n);
/* Key of the layer whose output the value is; NULL: of none. */
const char *cli_layer_of(const tap_model *m, size_t value);

/* ---- Inputs (inputs.c) ---- */

typedef struct cli_values {
    tap_input *items; /* names borrowed from the model              */
    size_t n;
    tap_model *model;
    uint64_t held_bytes; /* counted against the model's limit       */
} cli_values;

/* Loads and makes what -i asks for; where `make_missing`, random data for inputs that nothing was said about.
 * To be freed in any case, before the model. */
tap_status cli_load_inputs(const cli_args *args, tap_model *m, bool make_missing, cli_values *out,
                           tap_error *err);
void cli_free_inputs(cli_values *v);

/* ---- Interrupts (interrupt.c) ---- */

/* From now on SIGINT and SIGTERM are noted; the second one ends the program. tmp: a file to remove then, and
 * at the first one unless somebody polls; NULL: none. */
void cli_catch_interrupts(const char *tmp, bool polled);
bool cli_interrupted(void);

#endif
