/* Everything that is wrong with a model file, at once.
 *
 *     tap_check *check;  tap_check_file("model.onnx", NULL, &check, &err);
 *     for (size_t i = 0; tap_check_at(check, i, &finding); i++) puts(finding.message);
 *     tap_check_free(check);
 *
 * docs/CHECK.md lists the codes. */
#ifndef ONNXTAP_CHECK_H
#define ONNXTAP_CHECK_H

#include "onnxtap.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ERROR: it cannot run, or not as it says. WARNING: it runs, and something is likely wrong. NOTE: worth
 * knowing. */
typedef enum tap_severity { TAP_SEVERITY_NOTE, TAP_SEVERITY_WARNING, TAP_SEVERITY_ERROR } tap_severity;

/* "note", "warning", "error" */
TAP_API const char *tap_severity_name(tap_severity s);

/* Strings are borrowed from the check; empty where they do not apply. */
typedef struct tap_finding {
    size_t size;
    tap_severity severity;
    const char *code;      /* stable, such as "unsupported-operator"     */
    const char *node, *op; /* the (first) node concerned                 */
    const char *tensor;    /* the value concerned                        */
    const char *message;   /* where and what                             */
    const char *hint;      /* what to do about it                        */
    size_t count;          /* nodes or values for which it stands        */
} tap_finding;

typedef struct tap_check tap_check;

/* Looks at the whole file; errors first, then in the order of the model. What is wrong with the model is a
 * finding, also where that is all there is to see of it. options: as for tap_model_open. Errors: TAP_IO,
 * TAP_MEMORY. */
TAP_API tap_status tap_check_file(const char *path, const tap_model_options *options, tap_check **out,
                                  tap_error *err);
TAP_API void tap_check_free(tap_check *c); /* NULL is fine */
TAP_API size_t tap_check_count(const tap_check *c);
TAP_API bool tap_check_at(const tap_check *c, size_t i, tap_finding *out);
/* The worst of all findings; NOTE where there are none. */
TAP_API tap_severity tap_check_worst(const tap_check *c);

/* Where values stop being finite while a model runs. Taps on everything, and this as the session's listener:
 *
 *     tap_finite *finite;  tap_finite_new(model, &finite, &err);
 *     for each of "all", "input:*", "init:*": tap_session_tap(session, ..., NULL, &err);
 *     tap_session_listen(session, tap_finite_listen, finite);
 *     tap_session_run(session, inputs, n, &err);
 *
 * Only ranges are kept. A finding for each origin: a node whose inputs are finite and whose output is not
 * (`nonfinite-origin`, with the cause in words), an input or weight that is not finite from the start; and
 * for each Cast to float16 of numbers beyond half of its range (`float16-near-overflow`). An error where
 * there are NaN or an output of the model is reached; infinities that stay inside, as those of a mask, are a
 * warning. It may watch several runs: an origin is told once. */
typedef struct tap_finite tap_finite;

TAP_API tap_status tap_finite_new(const tap_model *m, tap_finite **out, tap_error *err);
TAP_API void tap_finite_free(tap_finite *f); /* NULL is fine; before the model */
/* Value `index` (for tap_model_value) is given by tap_session_set: what is not finite in it is no node's work.
 */
TAP_API void tap_finite_given(tap_finite *f, size_t index);
/* A tap_listener; user data: the tap_finite. */
TAP_API int tap_finite_listen(const tap_event *event, void *finite);
TAP_API size_t tap_finite_count(const tap_finite *f);
/* *spread (may be NULL): values that it made not finite further on; *reaches_output: one of the model's
 * outputs is among them, or is it. Strings are borrowed from f. */
TAP_API bool tap_finite_at(const tap_finite *f, size_t i, tap_finding *out, size_t *spread,
                           bool *reaches_output);

#ifdef __cplusplus
}
#endif
#endif
