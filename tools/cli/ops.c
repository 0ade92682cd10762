/* onnxtap ops: the operators that can run. */
#include <stdio.h>
#include <string.h>

#include "cli.h"

static bool wanted(const cli_args *args, const tap_op_info *op) {
    return !args->domain || strcmp(args->domain, op->domain) == 0;
}

static void print_op(const tap_op_info *op) {
    char range[32];
    if (op->until)
        snprintf(range, sizeof range, "%d-%d", op->since, op->until);
    else
        snprintf(range, sizeof range, "%d-", op->since);
    printf("%-20s %-28s %-7s", op->domain, op->name, range);
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
    tap_json_flat_array(j, "dtypes");
    for (int t = 1; t < TAP_DTYPE_COUNT; t++)
        if (op->dtypes >> t & 1) tap_json_string(j, NULL, tap_dtype_name((tap_dtype)t));
    tap_json_end(j);
    tap_json_end(j);
}

static int ops(cli_args *args) {
    size_t n = 0;
    if (args->words.n > 0) cli_wrong(args, "%s: ops takes no file", args->words.items[0]);
    for (size_t i = 0; i < tap_op_count() && args->domain; i++) {
        tap_op_info op = {.size = sizeof op};
        n += tap_op_at(i, &op) && wanted(args, &op);
    }
    if (args->domain && n == 0)
        cli_wrong(args, "--domain %s: no operator of that domain is known", args->domain);
    if (args->usage.code != TAP_OK) return cli_fail(args, &args->usage);
    tap_json *j = args->json ? cli_json() : NULL;
    if (j) {
        tap_json_object(j, NULL);
        tap_json_array(j, "operators");
    }
    for (size_t i = 0; i < tap_op_count(); i++) {
        tap_op_info op = {.size = sizeof op};
        if (!tap_op_at(i, &op) || !wanted(args, &op)) continue;
        if (j)
            json_op(j, &op);
        else
            print_op(&op);
    }
    tap_json_free(j);
    return 0;
}

static const cli_option which[] = {{"domain", 0, CLI_TEXT, "DOMAIN", offsetof(cli_args, domain),
                                    "only those of this domain (ai.onnx, ai.onnx.ml, ...)"},
                                   {0}};
static const cli_group which_group = {"Which", which};
static const cli_group *const groups[] = {&which_group, &cli_common, NULL};

const cli_command cli_ops = {
    .name = "ops",
    .synopsis = "[--domain DOMAIN]",
    .about = "the operators that can run: domain, name, opsets, types of the first typed operand",
    .example = "onnxtap ops --domain ai.onnx",
    .groups = groups,
    .run = ops};
