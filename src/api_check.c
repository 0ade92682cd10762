/* check.h: joins the look at a file with the rules. */
#include <string.h>

#include "api.h"
#include "check/check.h"
#include "run/model.h"

struct tap_check {
    tap_model *model; /* NULL where the file says nothing at all */
    tap_budget budget;
    tap_arena arena;
    tap_checker checker;
};

const char *tap_severity_name(tap_severity s) {
    return s == TAP_SEVERITY_ERROR ? "error" : s == TAP_SEVERITY_WARNING ? "warning" : "note";
}

/* A file that is no model, or damaged beyond a look at its nodes. */
static void add_failure(tap_check *c, const tap_error *err) {
    const char *node = tap_arena_string(&c->arena, err->node, strlen(err->node));
    tap_finding *f = tap_check_add(&c->checker, TAP_SEVERITY_ERROR,
                                   err->code == TAP_UNSUPPORTED ? "unsupported-file" : "invalid-file", NULL,
                                   NULL, "nothing more can be seen of it: export it again", "%s", err->text);
    if (node) f->node = node;
}

static tap_status look(tap_check *c, const char *path, const tap_model_options *options, tap_error *err) {
    tap_error own = TAP_ERROR_INIT;
    tap_status st = tap_model_look_at(path, options, &c->model, &own);
    if (st == TAP_OK) {
        c->checker.b = &c->model->bound;
        tap_check_run(&c->checker, &c->model->faults);
    } else if (st == TAP_MODEL || st == TAP_UNSUPPORTED || st == TAP_DATA) {
        add_failure(c, &own);
        st = TAP_OK;
    } else if (err) {
        *err = own;
    }
    return st == TAP_OK && c->checker.no_memory ? tap_error_no_memory(err, sizeof(tap_finding)) : st;
}

tap_status tap_check_file(const char *path, const tap_model_options *options, tap_check **out,
                          tap_error *err) {
    *out = NULL;
    tap_check *c = tap_mem_alloc_zero(NULL, sizeof *c);
    if (!c) return tap_error_no_memory(err, sizeof *c);
    tap_budget_init(&c->budget, UINT64_MAX);
    tap_arena_init(&c->arena, &c->budget);
    c->checker.arena = &c->arena;
    tap_status st = look(c, path, options, err);
    if (st == TAP_OK)
        *out = c;
    else
        tap_check_free(c);
    return st;
}

void tap_check_free(tap_check *c) {
    if (!c) return;
    tap_arena_clear(&c->arena);
    tap_model_free(c->model);
    tap_mem_free(NULL, c);
}

size_t tap_check_count(const tap_check *c) {
    return c->checker.n;
}

bool tap_check_at(const tap_check *c, size_t i, tap_finding *out) {
    if (i >= c->checker.n) return false;
    size_t size = out->size;
    memcpy(out, &c->checker.items[i], size < sizeof *out ? size : sizeof *out);
    out->size = size;
    return true;
}

tap_severity tap_check_worst(const tap_check *c) {
    tap_severity worst = TAP_SEVERITY_NOTE;
    for (size_t i = 0; i < c->checker.n; i++)
        if (c->checker.items[i].severity > worst) worst = c->checker.items[i].severity;
    return worst;
}
