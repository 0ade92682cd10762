/* Findings as text and JSON, and the taps that make those of a run. */
#include "finite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

tap_status cli_watch_finite(tap_session *s, tap_error *err) {
    static const char *const selectors[] = {"all", "input:*", "init:*"};
    for (size_t i = 0; i < sizeof selectors / sizeof *selectors; i++) {
        tap_status status = tap_session_tap(s, selectors[i], NULL, err);
        /* A model without initializers is fine. */
        if (status != TAP_OK && status != TAP_NOT_FOUND) return status;
    }
    return TAP_OK;
}

void cli_findings_add(cli_findings *f, const tap_finding *x, size_t spread, bool reaches_output) {
    f->items = cli_grow(f->items, f->n + 1, sizeof *f->items);
    f->spread = cli_grow(f->spread, f->n + 1, sizeof *f->spread);
    f->reaches_output = cli_grow(f->reaches_output, f->n + 1, sizeof *f->reaches_output);
    f->spread[f->n] = spread;
    f->reaches_output[f->n] = reaches_output;
    f->items[f->n++] = *x;
    if (x->severity > f->worst) f->worst = x->severity;
}

void cli_findings_add_run(cli_findings *f, const tap_finite *finite) {
    tap_finding x = {.size = sizeof x};
    size_t spread;
    bool reaches;
    for (size_t i = 0; tap_finite_at(finite, i, &x, &spread, &reaches); i++)
        cli_findings_add(f, &x, spread, reaches);
}

void cli_findings_free(cli_findings *f) {
    free(f->items);
    free(f->spread);
    free(f->reaches_output);
}

static void show_spread(const cli_findings *f, size_t i) {
    if (f->spread[i])
        printf("; it spreads to %zu value%s%s", f->spread[i], f->spread[i] == 1 ? "" : "s",
               f->reaches_output[i] ? ", outputs of the model among them"
                                    : ", and to no output of the model");
    else if (f->reaches_output[i])
        printf("; it is an output of the model");
}

void cli_findings_show(const cli_findings *all) {
    size_t counts[3] = {0};
    for (size_t i = 0; i < all->n; i++) {
        const tap_finding *f = &all->items[i];
        counts[f->severity]++;
        printf("%s: %s: %s", tap_severity_name(f->severity), f->code, f->message);
        show_spread(all, i);
        if (f->count > 1) printf(" (%zu nodes)", f->count);
        if (*f->hint) printf("\n    %s", f->hint);
        putchar('\n');
    }
    printf("%zu error%s, %zu warning%s, %zu note%s\n", counts[TAP_SEVERITY_ERROR],
           counts[TAP_SEVERITY_ERROR] == 1 ? "" : "s", counts[TAP_SEVERITY_WARNING],
           counts[TAP_SEVERITY_WARNING] == 1 ? "" : "s", counts[TAP_SEVERITY_NOTE],
           counts[TAP_SEVERITY_NOTE] == 1 ? "" : "s");
}

static void finding_json(const cli_findings *all, size_t i, tap_json *j) {
    const tap_finding *f = &all->items[i];
    tap_json_object(j, NULL);
    tap_json_string(j, "severity", tap_severity_name(f->severity));
    tap_json_string(j, "code", f->code);
    tap_json_string(j, "node", f->node);
    tap_json_string(j, "op", f->op);
    tap_json_string(j, "tensor", f->tensor);
    tap_json_string(j, "message", f->message);
    tap_json_string(j, "hint", f->hint);
    tap_json_uint(j, "count", f->count);
    tap_json_uint(j, "spread", all->spread[i]);
    tap_json_bool(j, "reaches_output", all->reaches_output[i]);
    tap_json_end(j);
}

void cli_findings_json(const cli_findings *f, tap_json *j) {
    tap_json_array(j, "findings");
    for (size_t i = 0; i < f->n; i++) finding_json(f, i, j);
    tap_json_end(j);
}

bool cli_findings_nonfinite(const cli_findings *f) {
    for (size_t i = 0; i < f->n; i++)
        if (f->items[i].severity == TAP_SEVERITY_ERROR || strcmp(f->items[i].code, "nonfinite-origin") == 0 ||
            strcmp(f->items[i].code, "nonfinite-input") == 0)
            return true;
    return false;
}
