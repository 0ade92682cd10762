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

/* ---- Markdown: what docs/OPERATORS.md is made of ---- */

#define BIT(t) (UINT32_C(1) << TAP_##t)

/* Sets of types that have a name in the page; larger ones first. */
static const struct {
    const char *name;
    uint32_t dtypes;
} type_sets[] = {
    {"all", ((UINT32_C(1) << TAP_DTYPE_COUNT) - 1) & ~UINT32_C(1)},
    {"float", BIT(FLOAT16) | BIT(BFLOAT16) | BIT(FLOAT) | BIT(DOUBLE)},
    {"int", BIT(INT8) | BIT(INT16) | BIT(INT32) | BIT(INT64)},
    {"uint", BIT(UINT8) | BIT(UINT16) | BIT(UINT32) | BIT(UINT64)},
    {"complex", BIT(COMPLEX64) | BIT(COMPLEX128)},
    {"small float", BIT(FLOAT8E4M3FN) | BIT(FLOAT8E4M3FNUZ) | BIT(FLOAT8E5M2) | BIT(FLOAT8E5M2FNUZ) |
                        BIT(FLOAT8E8M0) | BIT(FLOAT6E2M3) | BIT(FLOAT6E3M2) | BIT(FLOAT4E2M1)},
    {"float8", BIT(FLOAT8E4M3FN) | BIT(FLOAT8E4M3FNUZ) | BIT(FLOAT8E5M2) | BIT(FLOAT8E5M2FNUZ)},
    {"float6", BIT(FLOAT6E2M3) | BIT(FLOAT6E3M2)},
    {"small int", BIT(INT4) | BIT(UINT4) | BIT(INT2) | BIT(UINT2)},
};

static void print_types(uint32_t dtypes) {
    const char *between = "";
    for (size_t i = 0; i < sizeof type_sets / sizeof *type_sets; i++) {
        if ((dtypes & type_sets[i].dtypes) != type_sets[i].dtypes) continue;
        printf("%s%s", between, type_sets[i].name);
        between = ", ";
        dtypes &= ~type_sets[i].dtypes;
    }
    for (int t = 1; t < TAP_DTYPE_COUNT; t++) {
        if (!(dtypes >> t & 1)) continue;
        printf("%s%s", between, tap_dtype_name((tap_dtype)t));
        between = ", ";
    }
}

static void print_pages(const tap_op_info *ops, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const bool first = i == 0 || strcmp(ops[i].domain, ops[i - 1].domain) != 0;
        if (first)
            printf("%s## %s\n\n| operator | opsets | types | notes |\n| --- | --- | --- | --- |\n",
                   i ? "\n" : "", ops[i].domain);
        printf("| %s | %d", ops[i].name, ops[i].since);
        if (ops[i].until != ops[i].since) {
            putchar('-');
            if (ops[i].until) printf("%d", ops[i].until);
        }
        printf(" | ");
        print_types(ops[i].dtypes);
        printf(" | %s |\n", ops[i].notes ? ops[i].notes : "");
    }
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
    const bool fine = args->usage.code == TAP_OK;
    if (fine && args->json)
        json_ops(list, n);
    else if (fine && args->markdown)
        print_pages(list, n);
    else if (fine)
        for (size_t i = 0; i < n; i++) print_op(&list[i]);
    free(list);
    return fine ? 0 : cli_fail(args, &args->usage);
}

static const cli_option which[] = {{"domain", 0, CLI_TEXT, "DOMAIN", offsetof(cli_args, domain),
                                    "only those of this domain (ai.onnx, ai.onnx.ml, ...)"},
                                   {"markdown", 0, CLI_FLAG, NULL, offsetof(cli_args, markdown),
                                    "as tables with notes, which docs/OPERATORS.md is made of"},
                                   {0}};
static const cli_group which_group = {"Which", which};
static const cli_group *const groups[] = {&which_group, &cli_common, NULL};

const cli_command cli_ops = {
    .name = "ops",
    .synopsis = "[--domain DOMAIN] [--markdown]",
    .about = "the operators that can run: domain, name, opsets, types of the operand that chooses the kernel",
    .example = "onnxtap ops --domain ai.onnx",
    .groups = groups,
    .run = ops};
