/* The command: what its subcommands share. It is built on the public headers alone.
 *
 * A subcommand is a row in its own file: a name, texts, tables of options, and a function. Its options are
 * parsed and its
 * --help is printed from the same tables. Results go to stdout, everything else to stderr. */
#ifndef ONNXTAP_CLI_H
#define ONNXTAP_CLI_H

#include <onnxtap/board.h>
#include <onnxtap/json.h>
#include <onnxtap/onnxtap.h>
#include <onnxtap/pass.h>
#include <onnxtap/record.h>
#include <onnxtap/stats.h>

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
    const char *map, *tolerance, *csv, *profile;
    text_list rtol, atol;
    bool oracle, no_oracle, no_why, all;
    bool json, help, layers, verbose, nodes, verify, raw_types, compress, cast, no_fusion;
    int64_t threads, seed, jobs, timeout_s;
    double seconds;
    uint64_t memory_limit_bytes, external_above_bytes;
    /* Data sets and what is made of them. */
    const char *shard, *labels, *image_scale, *split, *loss, *per, *average, *tensorboard, *watch;
    bool no_map, from_logits, append, health, merge;
    int64_t batch, sample, limit, every, channel_axis, until;
    double idle_s;
    /* Values on their way. */
    text_list prints, sets, stops;
    bool check_finite, partial;
    const char *cast_output;
    int64_t edge_items, precision;
    /* Operators beyond the standard's. */
    text_list op_files;
    bool tf_ops;
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
extern const cli_group cli_common, cli_inputs, cli_data, cli_running, cli_operators;

typedef struct cli_command {
    const char *name, *synopsis, *about, *example;
    const cli_group *const *groups; /* NULL-terminated */
    int (*run)(cli_args *args);
    size_t words; /* at most so many words that are no options; 0: one, the model */
} cli_command;

extern const cli_command cli_run, cli_info, cli_ops, cli_test, cli_bench, cli_extract, cli_repro, cli_check;
extern const cli_command cli_diff;

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

/* How models are opened, as the options say. Operators of --ops live until the program ends. Errors: TAP_IO,
 * TAP_USAGE. */
tap_status cli_model_options(const cli_args *args, tap_model_options *out, tap_error *err);
/* The same of --ops alone; NULL: none. */
tap_status cli_load_operators(const cli_args *args, const struct tap_op_set **out, tap_error *err);
/* Opens the model that the line names ("-": standard input), before anything else is judged. On failure
 * prints and returns the exit status, else 0. */
int cli_open_model(cli_args *args, bool allow_unsupported, tap_model **out);
void cli_close_model(tap_model *m);
tap_session_options cli_session_options(const cli_args *args);

/* Kinds of nodes that are not ONNX's (tap_node_info.foreign), in the model's order. */
typedef struct cli_foreign {
    const char *op, *what, *node; /* node: the first */
    size_t count;
} cli_foreign;

/* *n of them, freed by the caller. */
cli_foreign *cli_list_foreign(const tap_model *m, size_t *n);
/* Says on stderr that there are any; "foreign" in an open object of --json: operator, what it is, count. */
void cli_say_foreign(const tap_model *m);
void cli_json_foreign(tap_json *j, const tap_model *m);
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
/* With --keys layer the layers that --tap names, into r; freed by the caller (r->layers). */
tap_status cli_name_layers(const cli_args *args, const tap_model *m, tap_recorder *r, tap_error *err);
/* With --layout original: says which of the picked values (by value) stay as they are, for the framework's
 * order of their axes is not known. */
void cli_say_layouts(const cli_args *args, const tap_model *m, const bool *picked);
/* Key of the layer whose output the value is; NULL: of none. */
const char *cli_layer_of(const tap_model *m, size_t value);

/* ---- Parts of a run (way.c) ---- */

/* Values that --set gives on the way. */
typedef struct cli_sets {
    size_t n;
    size_t *index; /* for tap_model_value                                        */
    tap_value **values;
    int *axes;     /* data sets: along which rows are taken; -1: each batch has it whole */
    int64_t *each; /* places a row                                               */
} cli_sets;

/* --stop-after; what it names is shown as taps are, in `picked` (by value; NULL: not shown). */
tap_status cli_stop_after(const cli_args *args, const tap_model *m, tap_session *s, bool *picked,
                          tap_error *err);
/* --set's files; all values are set as they are in them. */
tap_status cli_load_sets(const cli_args *args, tap_model *m, cli_sets *out, tap_error *err);
tap_status cli_set_whole(const cli_sets *sets, tap_session *s, tap_error *err);
/* For a data set: once, before anything is set, by the axes of the first batch; then for each batch. */
tap_status cli_sets_by_row(cli_sets *sets, const tap_model *m, const tap_dataset *d, const int *axes,
                           tap_error *err);
tap_status cli_set_batch(const cli_sets *sets, const tap_model *m, tap_session *s, const tap_batch *batch,
                         tap_error *err);
void cli_free_sets(cli_sets *sets);
/* With --set, --stop-after or --partial: outputs and picked taps that the run does not reach, and why; all
 * unsupported nodes, and what would feed what they keep from running. As text, or as "unreached"
 * and "unsupported" of an open object. */
void cli_tell_unreached(const cli_args *args, const tap_model *m, tap_session *s, const bool *picked);
void cli_json_unreached(const cli_args *args, const tap_model *m, tap_session *s, const bool *picked,
                        tap_json *j);

/* ---- Inputs (inputs.c) ---- */

typedef struct cli_values {
    tap_input *items; /* names borrowed from the model              */
    size_t n;
    tap_model *model;
    uint64_t held_bytes; /* counted against the model's limit       */
} cli_values;

/* A value for input i where nothing was said about it; *v stays NULL: there is none. */
typedef tap_status cli_otherwise_fn(void *user, size_t i, tap_value **v, tap_error *err);
/* As cli_load_inputs, asking for what is missing. */
tap_status cli_load_inputs_or(const cli_args *args, tap_model *m, cli_otherwise_fn *otherwise, void *user,
                              cli_values *out, tap_error *err);
/* Loads and makes what -i asks for; where `make_missing`, random data for inputs that nothing was said about.
 * To be freed in any case, before the model. */
tap_status cli_load_inputs(const cli_args *args, tap_model *m, bool make_missing, cli_values *out,
                           tap_error *err);
/* The same; what runs of s do not need may be left out. */
tap_status cli_load_inputs_for(const cli_args *args, tap_model *m, tap_session *s, cli_values *out,
                               tap_error *err);
/* Whether runs of s (NULL: of any) do without that input. */
bool cli_is_unneeded(const tap_model *m, tap_session *s, const char *input);
void cli_free_inputs(cli_values *v);

/* ---- Data sets (data.c) ---- */

/* Whether the line asks for rows of files, a batch at a time. */
bool cli_wants_data(const cli_args *args, const tap_model *m);
/* The data set of -i and --labels, started. What runs of s do not need may be left out. */
tap_status cli_open_data(const cli_args *args, tap_model *m, tap_session *s, tap_dataset **out,
                         tap_error *err);

/* A bar on stderr, where that is a terminal: rows done, rate, time left. */
typedef struct cli_progress {
    double begin_ms, shown_ms;
    bool shown;
} cli_progress;

void cli_progress_show(cli_progress *p, int64_t done, int64_t total);
void cli_progress_end(cli_progress *p); /* takes it off the screen */

/* What -i says: rows of files, or inputs as they are. */
typedef struct cli_feed {
    tap_dataset *data; /* NULL: inputs */
    cli_values inputs;
} cli_feed;

/* Inputs that are no data set, where nobody asked for one, are run once as they are. */
tap_status cli_open_feed(const cli_args *args, tap_model *m, cli_feed *f, tap_error *err);
/* The same for runs of s, with --set; what they do not need may be left out. */
tap_status cli_open_feed_for(const cli_args *args, tap_model *m, tap_session *s, const cli_sets *sets,
                             cli_feed *f, tap_error *err);
void cli_close_feed(cli_feed *f); /* before the model */

/* A run over what -i says. */
typedef struct cli_pass {
    const cli_args *args;
    tap_model *model;
    tap_session *session;
    cli_feed feed;
    cli_sets sets;  /* of --set */
    bool *picked;   /* by value: --tap asks for it */
    bool *printed;  /* by value: --print asks for it; NULL: it is not there */
    tap_pass *pass; /* of cli_pass_run */
    tap_status (*after)(struct cli_pass *p, tap_error *err); /* NULL, or called after each batch */
    tap_listener *listener;
    void *user; /* of the listener, and for `after` */
    cli_progress progress;
} cli_pass;

/* Opens session and data for p->model, and taps what --tap picks and the outputs. */
tap_status cli_pass_open(cli_pass *p, tap_error *err);
/* o: those who look and the score; the rest is filled in. */
tap_status cli_pass_run(cli_pass *p, tap_pass_options *o, tap_error *err);
/* All but the model. */
void cli_pass_close(cli_pass *p);
/* The entry of a score as --loss and --from-logits have it. Errors: TAP_USAGE. */
tap_status cli_score_of(const cli_args *args, tap_score *s, tap_error *err);

/* ---- run over a data set (run_data.c) ---- */

extern const cli_command cli_stats, cli_series;
int cli_run_data(cli_args *args, tap_model *m);
/* --keys and --layout. Errors: TAP_USAGE. */
tap_status cli_check_layout(const cli_args *args, tap_error *err);
tap_status cli_check_naming(const cli_args *args, tap_error *err);
/* A sink for -o, as the options say. Errors: TAP_USAGE, those of tap_sink_open. */
tap_status cli_open_sink(const cli_args *args, tap_sink **out, tap_error *err);

/* ---- Interrupts (interrupt.c) ---- */

/* From now on SIGINT and SIGTERM are noted; the second one ends the program. tmp: a file to remove then, and
 * at the first one unless somebody polls; NULL: none. */
void cli_catch_interrupts(const char *tmp, bool polled);
bool cli_interrupted(void);
bool cli_stop(void *user); /* the same, as a pass asks */

#endif
