/* Findings in JSON, and the taps that make those of a run. */
#include "finite.h"

tap_status cli_watch_finite(tap_session *s, tap_error *err) {
    static const char *const selectors[] = {"all", "input:*", "init:*"};
    for (size_t i = 0; i < sizeof selectors / sizeof *selectors; i++) {
        tap_status status = tap_session_tap(s, selectors[i], NULL, err);
        /* A model without initializers is fine. */
        if (status != TAP_OK && status != TAP_NOT_FOUND) return status;
    }
    return TAP_OK;
}

void cli_json_finding(tap_json *j, const tap_finding *f) {
    tap_json_object(j, NULL);
    tap_json_string(j, "severity", tap_severity_name(f->severity));
    tap_json_string(j, "code", f->code);
    tap_json_string(j, "node", f->node);
    tap_json_string(j, "op", f->op);
    tap_json_string(j, "tensor", f->tensor);
    tap_json_string(j, "message", f->message);
    tap_json_string(j, "hint", f->hint);
    tap_json_uint(j, "count", f->count);
    tap_json_end(j);
}
