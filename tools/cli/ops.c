/* onnxtap ops: the operators that can run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static int by_name(const void *a, const void *b) {
    const tap_op_info *x = a, *y = b;
    int c = strcmp(x->domain, y->domain);
    if (!c) c = strcmp(x->name, y->name);
    return c ? c : (x->since > y->since) - (x->since < y->since);
}

/* The rows of that domain (NULL: of all), by domain, name and opset. *n of them, to be freed. */
static tap_op_info *collect(const char *domain, size_t *n) {
    const size_t all = tap_op_count();
    tap_op_info *ops = cli_grow(NULL, all, sizeof *ops);
    *n = 0;
    for (size_t i = 0; i < all; i++) {
        ops[*n] = (tap_op_info){.size = sizeof *ops};
        *n += tap_op_at(i, &ops[*n]) && (!domain || strcmp(domain, ops[*n].domain) == 0);
    }
    qsort(ops, *n, sizeof *ops, by_name);
    return ops;
}

static void print_op(const tap_op_info *op) {
    char range[32];
    if (op->until)
        snprintf(range, sizeof range, "%d-%d", op->since, op->until);
    else
        snprintf(range, sizeof range, "%d-", op->since);
    printf("%-24s %-28s %-7s", op->domain, op->name, range);
    for (int t = 1; t < TAP_DTYPE_COUNT; t++)
        if (op->dtypes >> t & 1) printf(" %s", tap_dtype_name((tap_dtype)t));
    printf("\n");
}

static void json_op(tap_json *j, const tap_op_info *op) {
    tap_json_flat_object(j, NULL);
    tap_json_string(j, "domain", op->domain);
    tap_json_string(j, "op", op->name);
    tap_json_int(j, "since", op->since);
    if (op->until)
        tap_json_int(j, "until", op->until);
    else
        tap_json_null(j, "until");
    tap_json_int(j, "operand", op->operand);
    tap_json_flat_array(j, "dtypes");
    for (int t = 1; t < TAP_DTYPE_COUNT; t++)
        if (op->dtypes >> t & 1) tap_json_string(j, NULL, tap_dtype_name((tap_dtype)t));
    tap_json_end(j);
    if (op->notes)
        tap_json_string(j, "notes", op->notes);
    else
        tap_json_null(j, "notes");
    tap_json_end(j);
}

static void json_ops(const tap_op_info *list, size_t n) {
    tap_json *j = cli_json();
    tap_json_object(j, NULL);
    tap_json_array(j, "operators");
    for (size_t i = 0; i < n; i++) json_op(j, &list[i]);
    tap_json_free(j);
}

static int ops(cli_args *args) {
    size_t n;
    tap_op_info *list = collect(args->domain, &n);
    if (args->words.n > 0) cli_wrong(args, "%s: ops takes no file", args->words.items[0]);
    if (args->domain && n == 0)
        cli_wrong(args, "--domain %s: no operator of that domain is known", args->domain);
    if (args->usage.code == TAP_OK && args->json)
        json_ops(list, n);
    else if (args->usage.code == TAP_OK)
        for (size_t i = 0; i < n; i++) print_op(&list[i]);
    free(list);
    return args->usage.code == TAP_OK ? 0 : cli_fail(args, &args->usage);
}

static const cli_option which[] = {{"domain", 0, CLI_TEXT, "DOMAIN", offsetof(cli_args, domain),
                                    "only those of this domain (ai.onnx, ai.onnx.ml, ...)"},
                                   {0}};
static const cli_group which_group = {"Which", which};
static const cli_group *const groups[] = {&which_group, &cli_common, NULL};

const cli_command cli_ops = {
    .name = "ops",
    .synopsis = "[--domain DOMAIN]",
    .about = "the operators that can run: domain, name, opsets, types of the operand that chooses the kernel",
    .example = "onnxtap ops --domain ai.onnx",
    .groups = groups,
    .run = ops};
