/* Collecting what is wrong. */
#include "core/faults.h"

#include <string.h>

tap_status tap_fault_note(tap_faults *f, const char *code, tap_status st, tap_error *err) {
    if (!f || !err || (st != TAP_MODEL && st != TAP_UNSUPPORTED && st != TAP_IO)) return st;
    tap_fault *x = tap_arena_zero(f->arena, sizeof *x);
    if (!x) return tap_error_no_memory(err, sizeof *x);
    *x = (tap_fault){.code = code, .status = st};
    x->node = tap_arena_string(f->arena, err->node, strlen(err->node));
    x->op = tap_arena_string(f->arena, err->op, strlen(err->op));
    x->tensor = tap_arena_string(f->arena, err->tensor, strlen(err->tensor));
    x->text = tap_arena_string(f->arena, err->text, strlen(err->text));
    if (!x->node || !x->op || !x->tensor || !x->text) return tap_error_no_memory(err, sizeof err->text);
    if (f->last)
        f->last->next = x;
    else
        f->first = x;
    f->last = x;
    f->n++;
    err->code = TAP_OK;
    err->node[0] = err->op[0] = err->tensor[0] = err->text[0] = '\0';
    return TAP_OK;
}
