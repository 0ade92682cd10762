/* Finding the row of an operator by domain, name and opset. */
#include "graph/lookup.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *domain_of(const tap_op *op) {
    return op->domain && strcmp(op->domain, "ai.onnx") != 0 ? op->domain : "";
}

typedef struct ranked_row {
    const tap_op *op;
    size_t rank; /* earlier families first */
} ranked_row;

static int by_name(const void *a, const void *b) {
    const ranked_row *x = a, *y = b;
    int c = strcmp(domain_of(x->op), domain_of(y->op));
    if (!c) c = strcmp(x->op->name, y->op->name);
    return c ? c : (x->rank > y->rank) - (x->rank < y->rank);
}

static size_t collect(const tap_family *const *families, size_t n, ranked_row *rows, size_t at) {
    for (size_t f = 0; f < n; f++)
        for (const tap_op *op = families[f]->ops; op->name; op++, at++)
            if (rows) rows[at] = (ranked_row){op, at};
    return at;
}

static bool index_rows(tap_lookup *l) {
    for (size_t i = 0; i < l->n_rows; i++) {
        const tap_op *op = l->rows[i], *before = i ? l->rows[i - 1] : NULL;
        if (before && strcmp(before->name, op->name) == 0 && strcmp(domain_of(before), domain_of(op)) == 0)
            continue;
        const char *key = tap_arena_printf(&l->arena, "%s:%s", domain_of(op), op->name);
        if (!key || !tap_map_put(&l->by_name, key, (int32_t)i)) return false;
    }
    return true;
}

bool tap_lookup_init(tap_lookup *l, tap_budget *b, const tap_family *const *first, size_t n_first,
                     const tap_family *const *families, size_t n) {
    *l = (tap_lookup){0};
    tap_map_init(&l->by_name, b);
    tap_arena_init(&l->arena, b);
    l->n_rows = collect(families, n, NULL, collect(first, n_first, NULL, 0));
    ranked_row *rows = tap_mem_alloc(b, l->n_rows * sizeof *rows);
    l->rows = tap_arena_array(&l->arena, l->n_rows, sizeof *l->rows);
    bool ok = rows && l->rows;
    if (ok) {
        collect(families, n, rows, collect(first, n_first, rows, 0));
        qsort(rows, l->n_rows, sizeof *rows, by_name);
        for (size_t i = 0; i < l->n_rows; i++) l->rows[i] = rows[i].op;
        ok = index_rows(l);
    }
    tap_mem_free(b, rows);
    if (!ok) tap_lookup_free(l);
    return ok;
}

void tap_lookup_free(tap_lookup *l) {
    tap_map_free(&l->by_name);
    tap_arena_clear(&l->arena);
}

static int32_t first_row(const tap_lookup *l, const char *domain, const char *name) {
    char key[256] = "";
    tap_text t = {key, sizeof key, 0};
    tap_text_add(&t, "%s:%s", domain, name);
    return tap_map_get(&l->by_name, key, -1);
}

const tap_op *tap_lookup_find(const tap_lookup *l, const char *domain, const char *name, int64_t opset,
                              tap_arena *arena, const char **why) {
    const char *shown = *domain ? domain : "ai.onnx";
    int32_t at = strcmp(domain, TAP_TENSORFLOW) == 0 ? -1 : first_row(l, domain, name);
    if (at < 0) {
        *why = tap_arena_printf(arena, "domain %s has no operator %s", shown, name);
        return NULL;
    }
    int min = INT16_MAX, max = 0;
    for (size_t i = (size_t)at; i < l->n_rows; i++) {
        const tap_op *op = l->rows[i];
        if (strcmp(op->name, name) != 0 || strcmp(domain_of(op), domain) != 0) break;
        if (op->since <= opset && (op->until == 0 || opset <= op->until)) return op;
        if (op->since < min) min = op->since;
        if (op->until > max || op->until == 0) max = op->until ? op->until : INT16_MAX;
    }
    if (opset < min)
        *why = tap_arena_printf(arena, "%s came with opset %d of %s, the model declares %" PRId64, name, min,
                                shown, opset);
    else
        *why = tap_arena_printf(arena, "%s ended with opset %d of %s, the model declares %" PRId64, name, max,
                                shown, opset);
    return NULL;
}

const tap_op *tap_lookup_left_behind(const tap_lookup *l, const char *name, int64_t opset) {
    int32_t at = first_row(l, TAP_TENSORFLOW, name);
    if (at >= 0) return l->rows[at];
    if ((at = first_row(l, "", name)) < 0) return NULL;
    const tap_op *first = l->rows[at];
    for (size_t i = (size_t)at + 1;
         i < l->n_rows && strcmp(l->rows[i]->name, name) == 0 && !*domain_of(l->rows[i]); i++)
        if (l->rows[i]->since < first->since) first = l->rows[i];
    return first->since > opset ? first : NULL;
}

uint32_t tap_op_dtypes(const tap_op *op) {
    if (!op->loops && !op->kernels) return op->dtypes;
    uint32_t set = 0;
    for (int t = 1; t < TAP_DTYPE_COUNT; t++)
        if (op->loops ? op->loops[t] != NULL : op->kernels[t] != NULL) set |= TAP_BIT(t);
    return set;
}
