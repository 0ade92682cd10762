/* What a run is given, against what the model declares. */
#include "run/inputs.h"

#include <string.h>

#include "core/error.h"

static bool tensor_fits(const tap_tensor *t, const tap_type *want) {
    if (want->dtype != TAP_UNDEFINED && t->dtype != want->dtype) return false;
    /* Files say {} for a number, while what feeds them says [1], as all runtimes take it. */
    if (want->rank == 0 && t->count == 1) return true;
    if (want->rank >= 0 && t->rank != want->rank) return false;
    for (int i = 0; i < want->rank; i++)
        if (want->dims[i] >= 0 && want->dims[i] != t->dims[i]) return false;
    return true;
}

static bool items_fit(const tap_value *v, const tap_type *elem) {
    if (!elem) return true;
    bool known =
        elem->kind == TAP_KIND_TENSOR && elem->dtype != TAP_UNDEFINED && v->elem_dtype != TAP_UNDEFINED;
    if (v->n == 0 && known && v->elem_dtype != elem->dtype) return false;
    for (size_t i = 0; i < v->n; i++)
        if (!v->items[i] || !tap_value_fits(v->items[i], elem)) return false;
    return true;
}

static bool map_fits(const tap_value *v, const tap_type *want) {
    const tap_type *elem = want->elem;
    if (want->dtype != TAP_UNDEFINED && v->items[0]->tensor.dtype != want->dtype) return false;
    return !elem || elem->kind != TAP_KIND_TENSOR || elem->dtype == TAP_UNDEFINED ||
           v->items[1]->tensor.dtype == elem->dtype;
}

bool tap_value_fits(const tap_value *v, const tap_type *want) {
    if (want->kind == TAP_KIND_NONE) return true;
    if (want->kind == TAP_KIND_OPTIONAL) return !v || !want->elem || tap_value_fits(v, want->elem);
    if (!v || v->kind != want->kind) return false;
    if (v->kind == TAP_KIND_TENSOR) return tensor_fits(&v->tensor, want);
    return v->kind == TAP_KIND_SEQUENCE ? items_fit(v, want->elem) : map_fits(v, want);
}

static void describe(tap_text *t, const tap_value *v) {
    tap_type elem = {.kind = TAP_KIND_TENSOR, .rank = -1};
    switch (tap_value_kind(v)) {
    case TAP_KIND_TENSOR:
        tap_text_add(t, "%s", tap_dtype_name(v->tensor.dtype));
        tap_text_dims(t, v->tensor.rank, v->tensor.dims);
        break;
    case TAP_KIND_SEQUENCE:
        tap_text_add(t, "sequence(");
        elem.dtype = v->elem_dtype;
        if (v->n)
            describe(t, v->items[0]);
        else
            tap_text_type(t, &elem);
        tap_text_add(t, ")");
        break;
    case TAP_KIND_MAP:
        tap_text_add(t, "map(%s, %s)", tap_dtype_name(v->items[0]->tensor.dtype),
                     tap_dtype_name(v->items[1]->tensor.dtype));
        break;
    default: tap_text_add(t, "absent");
    }
}

tap_status tap_value_check(const char *name, const tap_value *v, const tap_type *want, const char *has,
                           const char *must, tap_error *err) {
    char is[200] = "", wanted[200] = "";
    tap_text a = {is, sizeof is, 0}, b = {wanted, sizeof wanted, 0};
    if (tap_value_fits(v, want)) return TAP_OK;
    const tap_tensor *t = tap_value_tensor(v);
    describe(&a, v);
    tap_text_type(&b, want);
    bool cast = t && want->kind == TAP_KIND_TENSOR && want->dtype != TAP_UNDEFINED && t->dtype != want->dtype;
    tap_error_set(err, TAP_DATA, "%s %s %s, %s %s%s", name, has, is, must, wanted,
                  cast ? " (--cast converts)" : "");
    tap_error_where(err, NULL, NULL, name);
    return TAP_DATA;
}

static tap_status check_input(const tap_port *port, const tap_value *v, tap_error *err) {
    if (!v || tap_value_fits(v, port->type)) return TAP_OK; /* words cost more than a small model's run */
    char name[600] = "";
    tap_text t = {name, sizeof name, 0};
    tap_text_add(&t, "input '%s'", port->name);
    tap_status st = tap_value_check(name, v, port->type, "is", "the model takes", err);
    if (st != TAP_OK) tap_error_where(err, NULL, NULL, port->name);
    return st;
}

static tap_status unknown_input(const tap_port *ports, size_t n, const char *name, tap_error *err) {
    char list[1000] = "";
    tap_text t = {list, sizeof list, 0};
    for (size_t i = 0; i < n; i++) tap_text_add(&t, "%s%s", i ? ", " : "", ports[i].name);
    tap_error_set(err, TAP_USAGE, "the model has no input '%s'; its inputs are: %s", name, n ? list : "none");
    tap_error_where(err, NULL, NULL, name);
    return TAP_USAGE;
}

static tap_status given_twice(const char *name, tap_error *err) {
    tap_error_set(err, TAP_USAGE, "input '%s' is given twice", name);
    tap_error_where(err, NULL, NULL, name);
    return TAP_USAGE;
}

static tap_status missing_input(const tap_port *port, tap_error *err) {
    char text[200] = "";
    tap_text t = {text, sizeof text, 0};
    tap_text_type(&t, port->type);
    tap_error_set(err, TAP_USAGE, "input '%s' (%s) is missing", port->name, text);
    tap_error_where(err, NULL, NULL, port->name);
    return TAP_USAGE;
}

tap_status tap_inputs_collect(const tap_port *ports, size_t n_ports, const bool *unneeded,
                              const tap_input *given, size_t n, const tap_value **values, tap_error *err) {
    for (size_t k = 0; k < n_ports; k++) values[k] = NULL;
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < n_ports && strcmp(ports[k].name, given[i].name) != 0) k++;
        if (k == n_ports) return unknown_input(ports, n_ports, given[i].name, err);
        if (values[k]) return given_twice(given[i].name, err);
        tap_status st = check_input(&ports[k], given[i].value, err);
        if (st != TAP_OK) return st;
        tap_settle(tap_value_tensor(given[i].value));
        values[k] = given[i].value;
    }
    for (size_t k = 0; k < n_ports; k++)
        if (!values[k] && !ports[k].has_default && ports[k].type->kind != TAP_KIND_OPTIONAL &&
            !(unneeded && unneeded[k]))
            return missing_input(&ports[k], err);
    return TAP_OK;
}
