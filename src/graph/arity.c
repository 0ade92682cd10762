/* Whether a node has as many inputs and outputs as its operator takes. */
#include <stdio.h>

#include "graph/graph.h"

/* "2", "1 to 3", "at least 1" */
static const char *span(char *room, size_t n, int min, int max) {
    if (max < 0)
        snprintf(room, n, "at least %d", min);
    else if (min == max)
        snprintf(room, n, "%d", min);
    else
        snprintf(room, n, "%d to %d", min, max);
    return room;
}

bool tap_node_fits(const tap_node *n, char *why, size_t n_why) {
    const tap_op *op = n->op;
    int given = n->n_in;
    char text[40];
    int gives = n->n_out;
    /* Absent inputs and outputs at the end are as good as none. */
    while (given > op->in_min && given > 0 && n->in[given - 1] == TAP_NO_VALUE) given--;
    while (gives > op->out_min && gives > 0 && n->out[gives - 1] == TAP_NO_VALUE) gives--;
    if (given < op->in_min || (op->in_max >= 0 && given > op->in_max)) {
        snprintf(why, n_why, "it has %d input%s, this operator takes %s", given, given == 1 ? "" : "s",
                 span(text, sizeof text, op->in_min, op->in_max));
        return false;
    }
    /* Of a list of inputs none is optional. Operators with bodies look themselves: some have options before
     * their list; so do functions. */
    int needed = op->expand ? 0 : op->in_max >= 0 ? op->in_min : op->flags & TAP_HAS_BODY ? 0 : given;
    for (int i = 0; i < needed && i < n->n_in; i++)
        if (n->in[i] == TAP_NO_VALUE) {
            snprintf(why, n_why, "input %d is missing", i);
            return false;
        }
    if (gives < op->out_min || (op->out_max >= 0 && gives > op->out_max)) {
        snprintf(why, n_why, "it has %d output%s, this operator gives %s", gives, gives == 1 ? "" : "s",
                 span(text, sizeof text, op->out_min, op->out_max));
        return false;
    }
    return true;
}
