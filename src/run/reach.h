/* What a session's runs come to: which values are given from outside on the way, where runs end, what an
 * unsupported node keeps from being reached. */
#ifndef TAP_RUN_REACH_H
#define TAP_RUN_REACH_H

#include "run/session.h"

/* A value of the graph that is given instead of computed. */
typedef struct tap_set {
    tap_vref at;
    tap_value *value; /* reference held */
    int batch_axis;   /* along which it grows with the batch; -1: it does not */
} tap_set;

/* Anew for the session's sets, stops and taps; nothing to do where they have not changed since. A session
 * that computes everything has no reach. Errors: TAP_MEMORY. */
tap_status tap_reach_update(tap_session *s, tap_error *err);
void tap_reach_free(tap_session *s);

/* Whether a run has the value: computes it, or is given it. Before a plan is made tap_reach_update has been
 * called. */
bool tap_reach_has(const tap_session *s, const tap_gvalue *v);
/* Whether the node runs. */
bool tap_reach_runs(const tap_session *s, const tap_node *n);
/* Whether a node that does not run still tells the type of a value that is given. */
bool tap_reach_types(const tap_session *s, const tap_node *n);
/* The unsupported node that keeps the value from being computed; NULL: none. */
const tap_node *tap_reach_blocker(const tap_session *s, const tap_gvalue *v);
/* What is given for the value; NULL: nothing. */
const tap_set *tap_reach_set_of(const tap_session *s, const tap_gvalue *v);
/* The k-th of the session's sets that lies in graph g; NULL: there are no more. */
const tap_set *tap_reach_set_in(const tap_session *s, const tap_graph *g, size_t k);

#endif
