/* What the tests of the public API share: models and references of tests/data/graphs, values made and
 * compared. Knows the public headers only, as the tests themselves. */
#ifndef TAP_TESTS_API_FIXTURE_H
#define TAP_TESTS_API_FIXTURE_H

#include <onnxtap/onnxtap.h>

#include "test.h"

/* The path of tests/data/graphs/NAME followed by suffix; valid until the next call. */
const char *fixture_path(const char *name, const char *suffix);

/* Opens tests/data/graphs/NAME.onnx; a failure is reported as a failed check, and NULL comes back. */
tap_model *fixture_open(const char *name);
/* A session with these options (NULL: one thread). Likewise. */
tap_session *fixture_session(tap_model *m, const tap_session_options *options);

/* A value of NAME.ref. */
typedef struct ref_value {
    char role; /* 'i' input, 'v' value of the graph, 'o' output */
    char *name;
    tap_value *value; /* NULL: an absent optional */
} ref_value;

typedef struct reference {
    ref_value *values;
    size_t n;
} reference;

/* All of NAME.ref. What cannot be read is a failed check. */
reference reference_load(const char *name);
void reference_free(reference *r);
/* The value in that role; *found (may be NULL) tells an absent optional from a name that is not there. */
const tap_value *reference_find(const reference *r, char role, const char *name, bool *found);
/* Its inputs in in[room]; how many. */
size_t reference_inputs(const reference *r, tap_input *in, size_t room);

/* Runs with the reference's inputs; a failure is a failed check. */
bool fixture_run(tap_session *s, const reference *r);

/* Whether y is x: kinds, dtypes and shapes; floats within rtol and atol, all else exactly. Says where not,
 * under `name`. */
bool values_close(const char *name, const tap_value *y, const tap_value *x, double rtol, double atol);
/* Bit by bit. */
bool values_same(const tap_value *a, const tap_value *b);

/* float32 tensor around n numbers, copied. */
tap_value *floats(int rank, const int64_t *dims, const float *data);
tap_value *vector(int n, const float *data);

#endif
