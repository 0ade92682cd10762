/* Where the time of a run goes: spans, one behind the other, which leave nothing out.
 *
 *     tap_session_profile(session, true);
 *     tap_session_run(session, inputs, 1, &err);
 *     tap_span s = {.size = sizeof s};
 *     for (size_t i = 0; tap_session_span(session, i, &s); i++) ...
 *
 * A span costs one look at the clock, some 30 ns. */
#ifndef ONNXTAP_PROFILE_H
#define ONNXTAP_PROFILE_H

#include "onnxtap.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tap_span_kind {
    TAP_SPAN_NODE,   /* a node, and those that were computed with it                      */
    TAP_SPAN_LAYOUT, /* a value brought from one order of axes into another               */
    TAP_SPAN_TAP,    /* tapped values of a node handed to the listener, or kept           */
    TAP_SPAN_BEGIN,  /* of a run, or of a body's: inputs looked at, a plan found or made  */
    TAP_SPAN_END     /* outputs taken, memory let go of                                   */
} tap_span_kind;

TAP_API const char *tap_span_kind_name(tap_span_kind k); /* "node", "layout", "tap", "begin", "end" */

/* Strings are borrowed from the model. */
typedef struct tap_span {
    size_t size; /* sizeof(tap_span), set by the caller */
    tap_span_kind kind;
    const char *node;            /* its address; "" where there is none */
    const char *op, *domain;     /* likewise */
    const char *const *with;     /* addresses of the nodes that were computed with it */
    const char *const *with_ops; /* and their operators */
    size_t n_with;
    int depth;                 /* bodies around it: 0 in the main graph */
    uint64_t begin_ns, end_ns; /* since the run began */
} tap_span;

/* Whether runs from now on keep spans. */
TAP_API void tap_session_profile(tap_session *s, bool on);
/* The i-th span of the last run, in the order in which they ended: what a body did stands before the node
 * that has the body. false: there are no more. Valid until the next run. Where memory runs out, the rest of a
 * run has none. */
TAP_API bool tap_session_span(const tap_session *s, size_t i, tap_span *out);
/* The last run's spans as a file that Chrome (chrome://tracing) and Perfetto show: the Trace Event Format, a
 * complete event ("X") each, times in microseconds. Errors: TAP_IO, TAP_MEMORY. */
TAP_API tap_status tap_session_write_trace(const tap_session *s, const char *path, tap_error *err);

#ifdef __cplusplus
}
#endif

#endif
