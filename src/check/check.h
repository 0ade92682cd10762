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
    uint32_t *uses;      /* by global number of a value: nodes, bodies and outputs that want it */
    tap_map written_out; /* addresses of operators that others stand for */
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
/* src/check/versions.c */
tap_check_rule tap_check_outdated, tap_check_newer_types;
/* src/check/quantization.c */
tap_check_rule tap_check_scales;
/* src/check/weights.c */
tap_check_rule tap_check_unused, tap_check_duplicates, tap_check_numbers;
/* src/check/borders.c */
tap_check_rule tap_check_forgotten_inputs, tap_check_fixed_batch, tap_check_declared, tap_check_dead_nodes,
    tap_check_node_names;
/* src/check/semantics.c */
tap_check_rule tap_check_pad_then_pool, tap_check_truncation, tap_check_division;

/* All rules, and the faults that the look at the file collected. */
void tap_check_run(tap_checker *c, const tap_faults *faults);

/* Each node that the file has; not those that an operator is written out to. */
typedef void tap_check_node_rule(tap_checker *c, const tap_graph *g, const tap_node *n);
void tap_check_each_node(tap_checker *c, tap_check_node_rule *rule);
/* What an operator that is not there, or a node's attribute that its operator does not have, may come from;
 * NULL: nothing is known. (versions.c) */
const char *tap_check_operator_hint(tap_checker *c, const tap_node *n);
const char *tap_check_attribute_hint(tap_checker *c, const char *address);

/* The node that makes value v of g, through captures; NULL: none. */
const tap_node *tap_check_producer(const tap_graph *g, tap_vid v);
bool tap_check_is(const tap_node *n, const char *op); /* an operator of ai.onnx */
/* Input i of a node, and its attribute of that name; NULL: absent. */
const tap_gvalue *tap_check_input(const tap_graph *g, const tap_node *n, int32_t i);
const tap_src_attr *tap_check_attribute(const tap_node *n, const char *name);
/* A float tensor's element i, of 16, 32 and 64 bits, at any address. */
double tap_check_element(const tap_src_tensor *t, int64_t i);
bool tap_check_is_float(tap_dtype t);

#endif
