/* Layers of a model as text and as JSON: info --layers. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

static const char *tensor_of(const tap_model *m, const tap_layer_info *l) {
    tap_value_info v = {.size = sizeof v};
    return tap_model_value(m, l->value, &v) ? v.name : NULL;
}

static void append_perm(const tap_layer_info *l, char *out, size_t room) {
    for (int32_t i = 0; i < l->rank; i++) cli_append(out, room, "%s%" PRId32, i ? "," : "", l->perm[i]);
}

static void append_dims(const tap_layer_info *l, char *out, size_t room) {
    cli_append(out, room, "[");
    for (int32_t i = 0; i < l->rank; i++)
        if (l->dims[i] < 0)
            cli_append(out, room, "%s?", i ? "," : "");
        else
            cli_append(out, room, "%s%" PRId64, i ? "," : "", l->dims[i]);
    cli_append(out, room, "]");
}

static bool is_identity(const tap_layer_info *l) {
    for (int32_t i = 0; i < l->rank; i++)
        if (l->perm[i] != i) return false;
    return true;
}

static void print_layer(const tap_model *m, const tap_layer_info *l, int width) {
    char shape[200] = "", perm[100] = "";
    const char *tensor = tensor_of(m, l);
    if (l->dims) append_dims(l, shape, sizeof shape);
    if (l->perm && !is_identity(l)) append_perm(l, perm, sizeof perm);
    printf("%-*s  %-8s  %-18s", width, l->key, tap_layer_status_name(l->status), shape);
    if (tensor) printf("  %s", tensor);
    if (tensor && !l->perm) printf("  (order of axes unknown)");
    if (*perm) printf("  transposed by %s", perm);
    for (size_t i = 0; i < l->n_merged; i++) printf("%s%s", i ? ", " : "  with ", l->merged[i]);
    putchar('\n');
}

void cli_print_layers(const tap_model *m, size_t n) {
    int width = 5;
    tap_layer_info l = {.size = sizeof l};
    for (size_t i = 0; i < n && tap_model_layer(m, i, &l); i++) {
        size_t length = strlen(l.key);
        if (length > (size_t)width && length <= 60) width = (int)length;
    }
    printf("%zu layer%s\n", n, n == 1 ? "" : "s");
    for (size_t i = 0; i < n && tap_model_layer(m, i, &l); i++) print_layer(m, &l, width);
}

static void json_layer(tap_json *j, const tap_model *m, const tap_layer_info *l) {
    tap_json_flat_object(j, NULL);
    tap_json_string(j, "layer", l->layer);
    tap_json_int(j, "call", l->call);
    tap_json_int(j, "output", l->output);
    tap_json_string(j, "key", l->key);
    tap_json_string(j, "kind", l->kind);
    tap_json_string(j, "status", tap_layer_status_name(l->status));
    tap_json_string(j, "tensor", tensor_of(m, l));
    if (l->perm) {
        tap_json_flat_array(j, "perm");
        for (int32_t i = 0; i < l->rank; i++) tap_json_int(j, NULL, l->perm[i]);
        tap_json_end(j);
    } else {
        tap_json_null(j, "perm");
    }
    if (l->dims) {
        tap_json_flat_array(j, "shape");
        for (int32_t i = 0; i < l->rank; i++)
            if (l->dims[i] < 0)
                tap_json_null(j, NULL);
            else
                tap_json_int(j, NULL, l->dims[i]);
        tap_json_end(j);
    } else {
        tap_json_null(j, "shape");
    }
    tap_json_flat_array(j, "merged");
    for (size_t i = 0; i < l->n_merged; i++) tap_json_string(j, NULL, l->merged[i]);
    tap_json_end(j);
    tap_json_end(j);
}

void cli_json_layers(tap_json *j, const tap_model *m, size_t n) {
    tap_layer_info l = {.size = sizeof l};
    tap_json_array(j, "layers");
    for (size_t i = 0; i < n && tap_model_layer(m, i, &l); i++) json_layer(j, m, &l);
    tap_json_end(j);
}

tap_status cli_name_layers(const cli_args *args, const tap_model *m, tap_recorder *r, tap_error *err) {
    size_t *layers = NULL;
    if (!args->keys) return TAP_OK;
    tap_status s = tap_model_select_layers(m, args->taps.items, args->taps.n, &layers, &r->n_layers, err);
    r->layers = layers;
    return s;
}

void cli_say_layouts(const cli_args *args, const tap_model *m, const bool *picked) {
    int32_t perm[TAP_RANK_MAX];
    tap_value_info v = {.size = sizeof v};
    size_t n = 0;
    const char *first = NULL;
    for (size_t i = 0; args->layout && tap_model_value(m, i, &v); i++) {
        if (!picked[i] || v.type->kind != TAP_KIND_TENSOR || tap_model_layout(m, i, perm) >= 0) continue;
        if (n++ == 0) first = v.name;
    }
    if (n == 1)
        cli_say("'%s' is written as the file has it: the framework's order of axes is not known", first);
    if (n > 1)
        cli_say(
            "'%s' and %zu more are written as the file has them: the framework's order of axes is not known",
            first, n - 1);
}

const char *cli_layer_of(const tap_model *m, size_t value) {
    tap_layer_info l = {.size = sizeof l};
    size_t i = tap_model_layer_of(m, value);
    return i != SIZE_MAX && tap_model_layer(m, i, &l) ? l.key : NULL;
}
