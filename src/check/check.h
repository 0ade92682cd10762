/* Findings about a bound graph, and the rules that make them. */
#ifndef TAP_CHECK_CHECK_H
#define TAP_CHECK_CHECK_H

#include "graph/graph.h"
#include "onnxtap/check.h"

typedef struct tap_checker {
    tap_bound *b;
    tap_arena *arena;
    tap_finding *items;
    size_t n, room;
    uint32_t *uses; /* by global number of a value: nodes, bodies and outputs that want it */
    bool no_memory;
    tap_finding nowhere; /* what a rule gets to fill where there is no memory */
} tap_checker;

/* Adds a finding. node and v may be NULL. hint: static, or in the checker's arena. */
tap_finding *tap_check_add(tap_checker *c, tap_severity severity, const char *code, const tap_node *node,
                           const tap_gvalue *v, const char *hint, const char *fmt, ...) TAP_PRINTF(7, 8);

/* A rule looks at the whole graph. */
typedef void tap_check_rule(tap_checker *c);

/* src/check/operators.c */
tap_check_rule tap_check_unsupported, tap_check_foreign;
/* src/check/weights.c */
tap_check_rule tap_check_unused, tap_check_duplicates, tap_check_numbers;
/* src/check/borders.c */
tap_check_rule tap_check_forgotten_inputs, tap_check_fixed_batch, tap_check_declared, tap_check_dead_nodes;
/* src/check/semantics.c */
tap_check_rule tap_check_pad_then_pool, tap_check_truncation, tap_check_division, tap_check_scales;

/* All rules, and the faults that the look at the file collected. */
void tap_check_run(tap_checker *c, const tap_faults *faults);

/* The node that makes value v of g, through captures; NULL: none. */
const tap_node *tap_check_producer(const tap_graph *g, tap_vid v);
bool tap_check_is(const tap_node *n, const char *op); /* an operator of ai.onnx */
/* A float tensor's element i, of 16, 32 and 64 bits, at any address. */
double tap_check_element(const tap_src_tensor *t, int64_t i);
bool tap_check_is_float(tap_dtype t);

#endif
