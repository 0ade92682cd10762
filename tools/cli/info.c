/* onnxtap info: what is in a model file. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* An operator of the model. */
typedef struct kind {
    const char *domain, *op, *reason; /* reason: NULL, or why nodes of it cannot run */
    const char *first;                /* such a node                                 */
    const char *foreign;              /* NULL, or what it is that ONNX does not have, and runs all the same */
    size_t n, n_unsupported;
} kind;

typedef struct kinds {
    kind *items;
    size_t n;
} kinds;

static const char *domain_name(const char *domain) {
    return *domain ? domain : "ai.onnx";
}

static kind *kind_of(kinds *k, const tap_node_info *node) {
    for (size_t i = 0; i < k->n; i++)
        if (strcmp(k->items[i].op, node->op) == 0 &&
            strcmp(k->items[i].domain, domain_name(node->domain)) == 0)
            return &k->items[i];
    k->items = cli_grow(k->items, k->n + 1, sizeof *k->items);
    k->items[k->n] = (kind){.domain = domain_name(node->domain), .op = node->op};
    return &k->items[k->n++];
}

static int by_name(const void *a, const void *b) {
    const kind *x = a, *y = b;
    int order = strcmp(x->domain, y->domain);
    return order ? order : strcmp(x->op, y->op);
}

static kinds count_kinds(const tap_model *m) {
    kinds k = {NULL, 0};
    for (size_t i = 0; i < tap_model_node_count(m); i++) {
        tap_node_info node = {.size = sizeof node};
        if (!tap_model_node(m, i, &node)) continue;
        kind *at = kind_of(&k, &node);
        at->n++;
        if (node.foreign) at->foreign = node.foreign;
        if (!node.unsupported) continue;
        if (at->n_unsupported++ == 0) {
            at->reason = node.unsupported;
            at->first = node.address;
        }
    }
    if (k.n) qsort(k.items, k.n, sizeof *k.items, by_name);
    return k;
}

/* ---- Text ---- */

static void print_bytes(uint64_t n) {
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double x = (double)n;
    size_t u = 0;
    for (; x >= 1024 && u < 4; u++) x /= 1024;
    printf(u ? "%.1f %s" : "%.0f %s", x, units[u]);
}

static void print_port(const char *title, const tap_port *p) {
    char type[512];
    cli_type_text(p->type, p->dim_names, type, sizeof type);
    printf("%-11s %s  %s%s\n", title, p->name, type, p->has_default ? "  (has a default)" : "");
}

static void print_header(const tap_model *m) {
    tap_model_info info = {.size = sizeof info};
    tap_model_get_info(m, &info);
    printf("%-11s %s %s\n", "producer", info.producer_name, info.producer_version);
    printf("%-11s %" PRId64 "\n%-11s", "ir", info.ir_version, "opsets");
    for (size_t i = 0; i < tap_model_opset_count(m); i++) {
        int64_t version;
        const char *domain = tap_model_opset(m, i, &version);
        printf("%s %s %" PRId64, i ? "," : "", domain_name(domain), version);
    }
    printf("\n%-11s %" PRId64 " (", "parameters", info.n_parameters);
    print_bytes(info.parameter_bytes);
    printf(")\n%-11s %zu", "nodes", info.n_nodes);
    if (info.n_all_nodes != info.n_nodes) printf(", with those in bodies %zu", info.n_all_nodes);
    printf("\n");
    for (size_t i = 0; i < tap_model_input_count(m); i++)
        print_port(i ? "" : "inputs", tap_model_input(m, i));
    for (size_t i = 0; i < tap_model_output_count(m); i++)
        print_port(i ? "" : "outputs", tap_model_output(m, i));
    for (size_t i = 0; i < tap_model_metadata_count(m); i++) {
        const char *value, *key = tap_model_metadata(m, i, &value);
        printf("%-11s %s = %.200s\n", i ? "" : "metadata", key, value);
    }
}

static void print_kinds(const kinds *k) {
    bool any = false;
    for (size_t i = 0; i < k->n; i++) {
        bool standard = strcmp(k->items[i].domain, "ai.onnx") == 0;
        const char *foreign = k->items[i].foreign;
        printf("%-11s %6zu  %s%s%s%s%s%s%s\n", i ? "" : "operators", k->items[i].n,
               standard ? "" : k->items[i].domain, standard ? "" : ".", k->items[i].op,
               k->items[i].n_unsupported ? "  (unsupported)" : "", foreign ? "  (" : "",
               foreign ? foreign : "", foreign ? ")" : "");
    }
    for (size_t i = 0; i < k->n; i++) {
        const kind *x = &k->items[i];
        if (!x->n_unsupported) continue;
        printf("%-11s %s: %s (%zu, the first is %s)\n", any ? "" : "unsupported", x->op, x->reason,
               x->n_unsupported, x->first);
        any = true;
    }
}

static void print_names(const char *const *names, size_t n) {
    for (size_t i = 0; i < n; i++) printf("%s%s", i ? ", " : "", *names[i] ? names[i] : "-");
}

static void print_nodes(const tap_model *m) {
    printf("\n");
    for (size_t i = 0; i < tap_model_node_count(m); i++) {
        tap_node_info node = {.size = sizeof node};
        if (!tap_model_node(m, i, &node)) continue;
        printf("%*s%s  %s-%" PRId64 "  (", 2 * node.depth, "", node.address, node.op, node.opset);
        print_names(node.inputs, node.n_inputs);
        printf(") -> ");
        print_names(node.outputs, node.n_outputs);
        printf("%s%s%s%s%s\n", node.unsupported ? "  unsupported: " : "",
               node.unsupported ? node.unsupported : "", node.foreign ? "  (" : "",
               node.foreign ? node.foreign : "", node.foreign ? ")" : "");
    }
}

static void print_taps(const tap_model *m, const size_t *indices, size_t n) {
    printf("%zu value%s\n", n, n == 1 ? "" : "s");
    for (size_t i = 0; i < n; i++) {
        tap_value_info v = {.size = sizeof v};
        char type[256];
        if (!tap_model_value(m, indices[i], &v)) continue;
        cli_type_text(v.type, NULL, type, sizeof type);
        printf("%s  %s", v.name, type);
        if (*v.node) printf("  %s of %s", v.op, v.node);
        if (cli_layer_of(m, indices[i])) printf("  layer %s", cli_layer_of(m, indices[i]));
        printf("%s\n", v.is_input         ? "  input"
                       : v.is_initializer ? "  initializer"
                       : v.is_output      ? "  output"
                                          : "");
    }
}

/* ---- JSON ---- */

static void json_port(tap_json *j, const tap_port *p) {
    tap_json_object(j, NULL);
    tap_json_string(j, "name", p->name);
    cli_json_type(j, p->type, p->dim_names);
    if (p->has_default) tap_json_bool(j, "has_default", true);
    tap_json_end(j);
}

static void json_header(tap_json *j, const tap_model *m) {
    tap_model_info info = {.size = sizeof info};
    tap_model_get_info(m, &info);
    tap_json_int(j, "ir", info.ir_version);
    tap_json_flat_object(j, "opsets");
    for (size_t i = 0; i < tap_model_opset_count(m); i++) {
        int64_t version;
        const char *domain = tap_model_opset(m, i, &version);
        tap_json_int(j, domain_name(domain), version);
    }
    tap_json_end(j);
    tap_json_string(j, "producer", info.producer_name);
    tap_json_string(j, "producer_version", info.producer_version);
    tap_json_string(j, "graph", info.graph_name);
    tap_json_array(j, "inputs");
    for (size_t i = 0; i < tap_model_input_count(m); i++) json_port(j, tap_model_input(m, i));
    tap_json_end(j);
    tap_json_array(j, "outputs");
    for (size_t i = 0; i < tap_model_output_count(m); i++) json_port(j, tap_model_output(m, i));
    tap_json_end(j);
    tap_json_int(j, "parameters", info.n_parameters);
    tap_json_uint(j, "parameter_bytes", info.parameter_bytes);
    tap_json_uint(j, "node_count", info.n_nodes);
    tap_json_object(j, "metadata");
    for (size_t i = 0; i < tap_model_metadata_count(m); i++) {
        const char *value, *key = tap_model_metadata(m, i, &value);
        tap_json_string(j, key, value);
    }
    tap_json_end(j);
}

static void json_kinds(tap_json *j, const kinds *k) {
    tap_json_array(j, "operators");
    for (size_t i = 0; i < k->n; i++) {
        const kind *x = &k->items[i];
        tap_json_flat_object(j, NULL);
        tap_json_string(j, "domain", x->domain);
        tap_json_string(j, "op", x->op);
        tap_json_uint(j, "count", x->n);
        tap_json_bool(j, "supported", x->n_unsupported == 0);
        tap_json_string(j, "reason", x->reason);
        tap_json_string(j, "foreign", x->foreign);
        if (x->first) tap_json_string(j, "node", x->first);
        tap_json_end(j);
    }
    tap_json_end(j);
}

static void json_names(tap_json *j, const char *key, const char *const *names, size_t n) {
    tap_json_flat_array(j, key);
    for (size_t i = 0; i < n; i++) tap_json_string(j, NULL, names[i]);
    tap_json_end(j);
}

static void json_nodes(tap_json *j, const tap_model *m) {
    tap_json_array(j, "nodes");
    for (size_t i = 0; i < tap_model_node_count(m); i++) {
        tap_node_info node = {.size = sizeof node};
        if (!tap_model_node(m, i, &node)) continue;
        tap_json_flat_object(j, NULL);
        tap_json_string(j, "node", node.address);
        tap_json_string(j, "domain", domain_name(node.domain));
        tap_json_string(j, "op", node.op);
        tap_json_int(j, "opset", node.opset);
        json_names(j, "inputs", node.inputs, node.n_inputs);
        json_names(j, "outputs", node.outputs, node.n_outputs);
        tap_json_int(j, "depth", node.depth);
        tap_json_string(j, "unsupported", node.unsupported);
        tap_json_string(j, "foreign", node.foreign);
        tap_json_end(j);
    }
    tap_json_end(j);
}

static void json_taps(tap_json *j, const tap_model *m, const size_t *indices, size_t n) {
    tap_json_array(j, "taps");
    for (size_t i = 0; i < n; i++) {
        tap_value_info v = {.size = sizeof v};
        if (!tap_model_value(m, indices[i], &v)) continue;
        tap_json_flat_object(j, NULL);
        tap_json_string(j, "name", v.name);
        cli_json_type(j, v.type, NULL);
        tap_json_string(j, "node", v.node);
        tap_json_string(j, "op", v.op);
        tap_json_string(j, "layer", cli_layer_of(m, indices[i]));
        tap_json_bool(j, "input", v.is_input);
        tap_json_bool(j, "initializer", v.is_initializer);
        tap_json_bool(j, "output", v.is_output);
        tap_json_end(j);
    }
    tap_json_end(j);
}

/* ---- The subcommand ---- */

/* What a selector picks, or the layers, stand alone; everything else under the header. */
static void print_text(const cli_args *args, const tap_model *m, const kinds *k, const size_t *taps,
                       size_t n_taps, size_t n_layers) {
    bool header = args->nodes || (args->taps.n == 0 && !args->layers);
    if (header) {
        print_header(m);
        print_kinds(k);
    }
    if (args->nodes) print_nodes(m);
    if (args->layers) {
        if (header) putchar('\n');
        cli_print_layers(m, n_layers);
    }
    if (args->taps.n) {
        if (header || args->layers) putchar('\n');
        print_taps(m, taps, n_taps);
    }
}

static void print_all(const cli_args *args, const tap_model *m, const kinds *k, const size_t *taps,
                      size_t n_taps, size_t n_layers) {
    if (args->json) {
        tap_json *j = cli_json();
        tap_json_object(j, NULL);
        json_header(j, m);
        json_kinds(j, k);
        if (args->nodes) json_nodes(j, m);
        if (args->layers) cli_json_layers(j, m, n_layers);
        if (args->taps.n) json_taps(j, m, taps, n_taps);
        tap_json_free(j);
    } else {
        print_text(args, m, k, taps, n_taps, n_layers);
    }
}

static int info(cli_args *args) {
    tap_model *m;
    tap_error err = TAP_ERROR_INIT;
    size_t *taps = NULL, n_taps = 0, n_layers = 0;
    int status = cli_open_model(args, true, &m);
    if (status != 0) return status;
    if (args->taps.n && tap_model_select(m, args->taps.items, args->taps.n, &taps, &n_taps, &err) != TAP_OK)
        status = cli_fail(args, &err);
    if (status == 0 && args->layers && tap_model_layers(m, &n_layers, &err) != TAP_OK)
        status = cli_fail(args, &err);
    if (status == 0) {
        kinds k = count_kinds(m);
        print_all(args, m, &k, taps, n_taps, n_layers);
        free(k.items);
    }
    tap_free(taps);
    cli_close_model(m);
    return status;
}

static const cli_option what[] = {
    {"nodes", 0, CLI_FLAG, NULL, offsetof(cli_args, nodes),
     "every node in the order of execution, with its inputs and outputs"},
    {"layers", 0, CLI_FLAG, NULL, offsetof(cli_args, layers),
     "the framework's layers: the tensor that has each one's output, its shape\n"
     "there, and the transposition that leads back to the framework's axes"},
    {"layer-list", 0, CLI_TEXT, "FILE", offsetof(cli_args, layer_list),
     "the framework's own list of layers, for what the file alone cannot tell"},
    {"tap", 0, CLI_LIST, "SELECTOR", offsetof(cli_args, taps),
     "what a selector picks, as run --tap takes it; repeatable"},
    {"memory-limit", 0, CLI_BYTES, "N[K|M|G]", offsetof(cli_args, memory_limit_bytes),
     "memory for the model"},
    {0}};
static const cli_group what_group = {"What to show", what};
static const cli_group *const groups[] = {&what_group, &cli_operators, &cli_common, NULL};

const cli_command cli_info = {
    .name = "info",
    .synopsis = "MODEL [--nodes] [--layers] [--tap SELECTOR]...",
    .about = "what is in a model: inputs, outputs, operators, and which of them cannot run",
    .example = "onnxtap info model.onnx --tap 'op:Conv'",
    .groups = groups,
    .run = info};
