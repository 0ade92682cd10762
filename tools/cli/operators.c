/* Operators beyond the standard's: those of shared objects that --ops names, and what reports say of nodes
 * that are not ONNX's. */
#include <dlfcn.h>
#include <onnxtap/op.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#define SYMBOL "onnxtap_ops"

/* dlopen looks for a name without a slash where the system's libraries are, and says little of what is wrong.
 */
static void *open_object(const char *path, tap_error *err) {
    if (access(path, R_OK) != 0) {
        cli_error(err, TAP_IO, "--ops %s: there is no such file, or it may not be read", path);
        return NULL;
    }
    char *file = strchr(path, '/') ? cli_format("%s", path) : cli_format("./%s", path);
    void *object = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!object)
        cli_error(err, TAP_IO, "--ops %s: it cannot be loaded as a shared object: %s", path, dlerror());
    free(file);
    return object;
}

static tap_status check_set(const char *path, const tap_op_set *set, tap_error *err) {
    if (set->abi != TAP_OP_ABI || set->size != sizeof *set)
        return cli_error(
            err, TAP_USAGE,
            "--ops %s: it was built for another version of onnxtap/op.h (ABI %d, %zu bytes; this is "
            "ABI %d, %zu bytes): build it again with this version's headers",
            path, set->abi, set->size, TAP_OP_ABI, sizeof *set);
    size_t n = 0;
    for (size_t i = 0; set->families && i < set->n_families; i++)
        for (const tap_op *op = set->families[i].ops; op && op->name; op++) n++;
    return n > 0 ? TAP_OK : cli_error(err, TAP_USAGE, "--ops %s: " SYMBOL " has no operator", path);
}

static tap_status load(const char *path, const tap_op_set **out, tap_error *err) {
    void *object = open_object(path, err);
    if (!object) return err->code;
    *out = dlsym(object, SYMBOL);
    if (*out) return check_set(path, *out, err);
    return cli_error(err, TAP_USAGE,
                     "--ops %s: it has no symbol " SYMBOL
                     ", of type tap_op_set, that others may see; README.md shows one",
                     path);
}

tap_status cli_load_operators(const cli_args *args, const tap_op_set **out, tap_error *err) {
    static tap_op_set all; /* a line is one program's: its files are loaded once */
    static tap_family *families;
    *out = NULL;
    if (args->op_files.n == 0) return TAP_OK;
    for (size_t i = 0; i < args->op_files.n && !all.size; i++) {
        const tap_op_set *set = NULL;
        tap_status s = load(args->op_files.items[i], &set, err);
        if (s != TAP_OK) return s;
        families = cli_grow(families, all.n_families + set->n_families, sizeof *families);
        memcpy(families + all.n_families, set->families, set->n_families * sizeof *families);
        all.n_families += set->n_families;
    }
    all = (tap_op_set){sizeof all, TAP_OP_ABI, families, all.n_families};
    *out = &all;
    return TAP_OK;
}

tap_status cli_model_options(const cli_args *args, tap_model_options *out, tap_error *err) {
    *out = (tap_model_options){.size = sizeof *out,
                               .memory_limit_bytes = args->memory_limit_bytes,
                               .layer_list = args->layer_list,
                               .tf_ops = args->tf_ops};
    return cli_load_operators(args, &out->ops, err);
}

/* ---- Reports ---- */

cli_foreign *cli_list_foreign(const tap_model *m, size_t *n) {
    cli_foreign *all = NULL;
    *n = 0;
    for (size_t i = 0; i < tap_model_node_count(m); i++) {
        tap_node_info node = {.size = sizeof node};
        if (!tap_model_node(m, i, &node) || !node.foreign) continue;
        size_t k = 0;
        while (k < *n && (strcmp(all[k].op, node.op) != 0 || strcmp(all[k].what, node.foreign) != 0)) k++;
        if (k == *n) {
            all = cli_grow(all, ++*n, sizeof *all);
            all[k] = (cli_foreign){node.op, node.foreign, node.address, 0};
        }
        all[k].count++;
    }
    return all;
}

void cli_say_foreign(const tap_model *m) {
    size_t n;
    cli_foreign *all = cli_list_foreign(m, &n);
    for (size_t i = 0; i < n; i++)
        cli_say("--tf-ops: %s (%zu node%s) is %s", all[i].op, all[i].count, all[i].count == 1 ? "" : "s",
                all[i].what);
    free(all);
}

void cli_json_foreign(tap_json *j, const tap_model *m) {
    size_t n;
    cli_foreign *all = cli_list_foreign(m, &n);
    if (n) tap_json_array(j, "foreign");
    for (size_t i = 0; i < n; i++) {
        tap_json_flat_object(j, NULL);
        tap_json_string(j, "op", all[i].op);
        tap_json_string(j, "what", all[i].what);
        tap_json_string(j, "node", all[i].node);
        tap_json_uint(j, "count", all[i].count);
        tap_json_end(j);
    }
    if (n) tap_json_end(j);
    free(all);
}
