/* A model loaded from bytes written by hand, with what must be freed after it. */
#ifndef TAP_TESTS_UNIT_LOAD_H
#define TAP_TESTS_UNIT_LOAD_H

#include "onnx/load.h"
#include "pb_onnx.h"
#include "test.h"

typedef struct loaded {
    pb *bytes;
    tap_budget budget;
    tap_arena arena;
    tap_mapping *mappings;
    tap_src_model model;
    tap_error err;
    tap_status st;
} loaded;

/* Takes p. */
static inline void load_in(loaded *x, pb *p, const tap_onnx_folder *folder) {
    *x = (loaded){.bytes = p, .err = TAP_ERROR_INIT};
    tap_budget_init(&x->budget, UINT64_MAX);
    tap_arena_init(&x->arena, &x->budget);
    x->st = tap_onnx_load(p->b, p->n, folder, &x->arena, &x->mappings, NULL, &x->model, &x->err);
}

static inline void unload(loaded *x) {
    tap_unmap_all(x->mappings);
    tap_arena_clear(&x->arena);
    CHECK_EQ(atomic_load(&x->budget.used), 0);
    free(x->bytes);
}

/* Expects success. */
static inline const tap_src_graph *load(loaded *x, pb *p) {
    load_in(x, p, NULL);
    CHECK_STR(x->err.text, "");
    CHECK_EQ(x->st, TAP_OK);
    return &x->model.graph;
}

/* Expects a failure with this code, whose text has this part. Takes p. */
static inline void refused(pb *p, tap_status code, const char *part) {
    loaded x;
    load_in(&x, p, NULL);
    CHECK_EQ(x.st, code);
    CHECK_EQ(x.err.code, code);
    CHECK_HAS(x.err.text, part);
    unload(&x);
}

#endif
