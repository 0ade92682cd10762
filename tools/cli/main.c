/* onnxtap: run an ONNX model and look at any tensor inside it. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

static const cli_command *const commands[] = {&cli_run,   &cli_diff,  &cli_info,    &cli_ops,
                                              &cli_test,  &cli_bench, &cli_extract, &cli_repro,
                                              &cli_check, &cli_stats, &cli_series};

#define N_COMMANDS (sizeof commands / sizeof *commands)

/* The first line of what a subcommand says about itself. */
static void print_line(const cli_command *c) {
    printf("  %-7s %.*s\n", c->name, (int)strcspn(c->about, "\n"), c->about);
}

static void print_usage(void) {
    printf("onnxtap %s: run an ONNX model and look at any tensor inside it\n\nonnxtap SUBCOMMAND ...\n\n",
           tap_version());
    for (size_t i = 0; i < N_COMMANDS; i++) print_line(commands[i]);
    printf("\nExample:\n  onnxtap run model.onnx -i input.npy --tap 'op:Conv' -o trace.npz\n\n"
           "onnxtap SUBCOMMAND --help tells about each.\n\n"
           "Exit status: 0 fine; 1 a test failed, or outputs differ; 2 wrong use; 3 model or data unreadable "
           "or invalid;\n"
           "4 unsupported operator or type; 5 failed while running; 6 nothing compared; 130 interrupted\n");
}

static const cli_command *find(const char *name) {
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(commands[i]->name, name) == 0) return commands[i];
    return NULL;
}

/* Results that did not reach their reader are no success. */
static int finish(int status) {
    bool failed = fflush(stdout) != 0 || ferror(stdout);
    if (failed) fputs("onnxtap: standard output cannot be written\n", stderr);
    return failed && status == 0 ? 3 : status;
}

static int run(const cli_command *c, int argc, char **argv) {
    cli_args args;
    cli_parse(c, argc, argv, &args);
    int status = 0;
    if (args.help)
        cli_print_help(c);
    else
        status = c->run(&args);
    cli_args_free(&args);
    return status;
}

int main(int argc, char **argv) {
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a failed write, with a message */
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--version") == 0) {
        printf("onnxtap %s\n", tap_version());
        return finish(0);
    }
    if (strcmp(name, "help") == 0 && argc > 2 && find(argv[2])) {
        cli_print_help(find(argv[2]));
        return finish(0);
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_usage();
        return finish(0);
    }
    const cli_command *c = find(name);
    if (c) return finish(run(c, argc - 2, argv + 2));
    if (*name)
        cli_say("'%s' is no subcommand; there are:", name);
    else
        cli_say("which subcommand? There are:");
    for (size_t i = 0; i < N_COMMANDS; i++) fprintf(stderr, "  %s\n", commands[i]->name);
    return 2;
}
