/* Parsing a command line by tables, and printing them as help. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define FIELD(name) offsetof(cli_args, name)

static const cli_option common[] = {
    {"json", 0, CLI_FLAG, NULL, FIELD(json), "one JSON document on standard output"},
    {"help", 'h', CLI_FLAG, NULL, FIELD(help), "this text"},
    {0}};
const cli_group cli_common = {"General", common};

static const cli_option inputs[] = {
    {"input", 'i', CLI_LIST, "[NAME=]FILE", FIELD(inputs),
     "an input: .npy, FILE.npz:KEY, .pb (ONNX test data), .csv, .png, .jpg or a\n"
     "folder of pictures, - (standard input);\n"
     "NAME is not needed where the model has one input, nor for FILE.npz,\n"
     "whose arrays are taken by their keys; random, random:SEED, zeros and ones\n"
     "make data of the declared shape (without NAME: for all inputs not given)"},
    {"range", 0, CLI_LIST, "[NAME=]LO,HI", FIELD(ranges),
     "random numbers from LO to HI (floats [0,1), integers 0 and 1)"},
    {"seed", 0, CLI_INT, "N", FIELD(seed), "of random data and of random operators (0)"},
    {"dim", 0, CLI_LIST, "NAME=N", FIELD(dims), "the size of a named dimension, for data that is made"},
    {"shape", 0, CLI_LIST, "NAME=N,N,...", FIELD(shapes), "the shape of an input that is made"},
    {"cast", 0, CLI_FLAG, NULL, FIELD(cast), "convert arrays of another dtype than the model's"},
    {0}};
const cli_group cli_inputs = {"Inputs", inputs};

static const cli_option data[] = {
    {"batch", 0, CLI_INT, "N", FIELD(batch),
     "the files' first axis is a data set: N rows at a time (the model's own batch\n"
     "if that is fixed, else 32); .csv and folders of pictures are read so, too"},
    {"limit", 0, CLI_INT, "N", FIELD(limit), "the first N rows only"},
    {"sample", 0, CLI_INT, "K", FIELD(sample), "K rows drawn without replacement (--seed)"},
    {"every", 0, CLI_INT, "K", FIELD(every), "each K-th batch"},
    {"shard", 0, CLI_TEXT, "I/N", FIELD(shard), "part I, from 0, of N"},
    {"labels", 0, CLI_TEXT, "FILE", FIELD(labels), ".npy, .csv: a row a sample"},
    {"loss", 0, CLI_TEXT, "KIND", FIELD(loss),
     "against the labels: mse, cross_entropy or sparse_cross_entropy (by the labels)"},
    {"from-logits", 0, CLI_FLAG, NULL, FIELD(from_logits), "for it: the output has no softmax or sigmoid"},
    {"image-scale", 0, CLI_TEXT, "RANGE", FIELD(image_scale),
     "what a picture's 0..255 becomes: 0..1, -1..1 or 0..255 (as they are)"},
    {"no-mmap", 0, CLI_FLAG, NULL, FIELD(no_map), "read the files instead of mapping them"},
    {0}};
const cli_group cli_data = {"Data sets", data};

static const cli_option running[] = {
    {"tap", 0, CLI_LIST, "SELECTOR", FIELD(taps),
     "values to look at; repeatable: a name, a glob *conv*, op:Conv, #17, A..B,\n"
     "layer:conv1, input:x, init:w, @names.txt, all; !SELECTOR takes away"},
    {"layer-list", 0, CLI_TEXT, "FILE", FIELD(layer_list),
     "the framework's own list of layers, for what the file alone cannot tell"},
    {"threads", 0, CLI_INT, "N", FIELD(threads), "threads to run with (the machine's cores)"},
    {"memory-limit", 0, CLI_BYTES, "N[K|M|G]", FIELD(memory_limit_bytes),
     "memory for the model and its values (half of the machine's)"},
    {"no-fusion", 0, CLI_FLAG, NULL, FIELD(no_fusion),
     "each node by itself, for tests: the results are the same"},
    {0}};
const cli_group cli_running = {"Running", running};

static const cli_option operators[] = {
    {"ops", 0, CLI_LIST, "FILE.so", FIELD(op_files),
     "operators of your own: a shared object with tap_op_set onnxtap_ops\n(README.md has one); repeatable"},
    {"tf-ops", 0, CLI_FLAG, NULL, FIELD(tf_ops),
     "run what converters left as it was: operators of TensorFlow with TensorFlow's\n"
     "meaning, ONNX's below their opset, calls of functions by name"},
    {0}};
const cli_group cli_operators = {"Operators that are not the model's ONNX", operators};

void cli_wrong(cli_args *args, const char *fmt, ...) {
    if (args->usage.code != TAP_OK) return;
    va_list va;
    va_start(va, fmt);
    args->usage.code = TAP_USAGE;
    vsnprintf(args->usage.text, sizeof args->usage.text, fmt, va);
    va_end(va);
}

static void add(text_list *list, const char *text) {
    list->items = cli_grow(list->items, list->n + 1, sizeof *list->items);
    list->items[list->n++] = text;
}

static bool parse_int(const char *text, int64_t *v) {
    char *end;
    errno = 0;
    *v = strtoll(text, &end, 10);
    return *text && !*end && errno == 0 && *v >= 0;
}

static bool parse_number(const char *text, double *v) {
    char *end;
    *v = strtod(text, &end);
    return *text && !*end && *v >= 0 && *v < 1e18;
}

/* 512M, 2G, 1.5g, 4096 */
static bool parse_bytes(const char *text, uint64_t *v) {
    static const char units[] = "kKmMgGtT";
    char *end;
    double n = strtod(text, &end);
    const char *unit = *end ? strchr(units, *end) : NULL;
    if (unit) end += 1 + (end[1] == 'B' || end[1] == 'b');
    if (end == text || *end || !(n > 0)) return false;
    for (int64_t k = unit ? (unit - units) / 2 + 1 : 0; k > 0; k--) n *= 1024;
    if (n < 1 || n >= 0x1p63) return false;
    *v = (uint64_t)n;
    return true;
}

static void set(cli_args *args, const cli_option *o, const char *text) {
    void *field = (char *)args + o->field;
    bool good = true;
    switch (o->kind) {
    case CLI_FLAG: *(bool *)field = true; break;
    case CLI_TEXT: *(const char **)field = text; break;
    case CLI_LIST: add(field, text); break;
    case CLI_INT: good = parse_int(text, field); break;
    case CLI_NUMBER: good = parse_number(text, field); break;
    case CLI_BYTES: good = parse_bytes(text, field); break;
    }
    if (!good) cli_wrong(args, "--%s %s: not of the form %s", o->name, text, o->argument);
}

static const cli_option *find(const cli_command *command, const char *name, size_t n, char letter) {
    for (const cli_group *const *g = command->groups; *g; g++)
        for (const cli_option *o = (*g)->options; o->name; o++)
            if (letter ? o->letter == letter : strlen(o->name) == n && memcmp(o->name, name, n) == 0)
                return o;
    return NULL;
}

/* Letters in common at the front: enough to guess what was meant. */
static const char *nearest(const cli_command *command, const char *name, size_t n) {
    const char *best = NULL;
    size_t most = 1;
    for (const cli_group *const *g = command->groups; *g; g++)
        for (const cli_option *o = (*g)->options; o->name; o++) {
            size_t same = 0;
            while (same < n && o->name[same] == name[same]) same++;
            if (same > most) most = same, best = o->name;
        }
    return best;
}

static void unknown(cli_args *args, const cli_command *command, const char *word) {
    const char *name = word + strspn(word, "-");
    const char *near = nearest(command, name, strcspn(name, "="));
    cli_wrong(args, "%s: no such option of %s%s%s; onnxtap %s --help lists them", word, command->name,
              near ? "; --" : "", near ? near : "", command->name);
}

/* Handles argv[i], which is an option; returns the position of the next word. */
static int parse_option(const cli_command *command, int argc, char **argv, int i, cli_args *args) {
    const char *word = argv[i], *name = word + 2, *value = NULL;
    const cli_option *o;
    if (word[1] == '-') {
        size_t n = strcspn(name, "=");
        o = find(command, name, n, 0);
        if (name[n]) value = name + n + 1;
    } else {
        o = find(command, NULL, 0, word[1]);
        if (word[2]) value = word + 2;
    }
    if (!o) {
        unknown(args, command, word);
        return i + 1;
    }
    if (o->kind == CLI_FLAG) {
        if (value) cli_wrong(args, "%s: --%s takes no value", word, o->name);
        set(args, o, NULL);
        return i + 1;
    }
    if (!value && i + 1 < argc) value = argv[++i];
    if (value)
        set(args, o, value);
    else
        cli_wrong(args, "--%s takes %s", o->name, o->argument);
    return i + 1;
}

void cli_parse(const cli_command *command, int argc, char **argv, cli_args *args) {
    *args = (cli_args){.usage = TAP_ERROR_INIT, .words_max = command->words ? command->words : 1};
    bool only_words = false;
    for (int i = 0; i < argc;) {
        const char *word = argv[i];
        if (!only_words && strcmp(word, "--") == 0) {
            only_words = true;
            i++;
        } else if (!only_words && word[0] == '-' && word[1]) {
            i = parse_option(command, argc, argv, i, args);
        } else {
            add(&args->words, word);
            i++;
        }
    }
}

void cli_args_free(cli_args *args) {
    text_list *const lists[] = {&args->words,  &args->inputs, &args->taps,   &args->dims,
                                &args->shapes, &args->ranges, &args->prints, &args->rtol,
                                &args->atol,   &args->sets,   &args->stops,  &args->op_files};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) free(lists[i]->items);
}

/* ---- Help ---- */

#define HELP_COLUMN 28

static void print_option(const cli_option *o) {
    char left[80] = "  ";
    if (o->letter) cli_append(left, sizeof left, "-%c, ", o->letter);
    cli_append(left, sizeof left, "--%s", o->name);
    if (o->argument) cli_append(left, sizeof left, " %s", o->argument);
    if (strlen(left) < HELP_COLUMN)
        printf("%-*s", HELP_COLUMN, left);
    else
        printf("%s\n%*s", left, HELP_COLUMN, "");
    for (const char *p = o->help; *p; p++) {
        putchar(*p);
        if (*p == '\n') printf("%*s", HELP_COLUMN, "");
    }
    putchar('\n');
}

void cli_print_help(const cli_command *command) {
    printf("onnxtap %s %s\n\n%s\n\nExample:\n  %s\n", command->name, command->synopsis, command->about,
           command->example);
    for (const cli_group *const *g = command->groups; *g; g++) {
        printf("\n%s:\n", (*g)->title);
        for (const cli_option *o = (*g)->options; o->name; o++) print_option(o);
    }
}
