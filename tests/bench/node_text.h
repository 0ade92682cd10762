/* A model of one node from a line of text, so that a case of a benchmark reads like what it measures:
 *
 *     Transpose perm=[0,3,1,2] | float32 8x224x224x3
 *     TopK -> 2 | float32 1000x1000 | int64 = 10
 *     Gather axis=1 | float32 1000x512 | int64 100 < 512
 *     Cast to=float16 | float32 1000000
 *     Clip | float32 4096x4096 | _ | float32 scalar = 0.5
 *     ai.onnx.ml.Scaler offset=[0.5] scale=[2.0] | float32 1000x100
 *
 * The operator (after its domain; `-13` behind it: opset 13, else the newest), its attributes, `-> n` outputs
 * (else 1); then the inputs: dtype, dims or `scalar`, and their values: `= ...` written out, part of the
 * model;
 * `< n` random integers from 0 to n - 1; `~ low high` random numbers between; else random from -1 to 1
 * (integers from 0 to 100; strings of a few letters). `_` is an absent input. Attributes: integers, floats
 * (with a point), text, names of dtypes, and lists of these. `forest=trees,depth,features` stands for the
 * attributes of a TreeEnsembleRegressor with full trees, `body=sum` for a body of Loop or Scan that adds. */
#ifndef TAP_TESTS_BENCH_NODE_TEXT_H
#define TAP_TESTS_BENCH_NODE_TEXT_H

#include <stdio.h>

#include "onnxtap/onnxtap.h"

enum { NODE_INPUTS_MAX = 16 };

typedef struct node_case {
    unsigned char *model; /* an ONNX file in memory */
    size_t n_model;
    size_t n_inputs; /* that a run needs */
    tap_input inputs[NODE_INPUTS_MAX];
    char names[NODE_INPUTS_MAX][8];
} node_case;

/* Fills *c. False where the line is none, with a message on stderr. Ownership: node_case_free. */
bool node_case_from_text(const char *line, node_case *c);
void node_case_free(node_case *c);

#endif
