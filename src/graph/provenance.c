/* Layout provenance: for each value the order of axes that the framework had. */
#include "graph/provenance.h"

static void identity(tap_axes *x, int32_t rank) {
    x->rank = rank;
    for (int32_t i = 0; i < rank; i++) x->perm[i] = i;
}

tap_status tap_provenance(const tap_bound *b, bool moved, tap_axes *axes, tap_error *err) {
    (void)err;
    for (size_t i = 0; i < b->n_graphs; i++)
        for (size_t v = 0; v < b->graphs[i]->n_values; v++) {
            const tap_gvalue *x = &b->graphs[i]->values[v];
            tap_axes *to = &axes[x->global];
            to->rank = -1;
            if (x->type.kind == TAP_KIND_TENSOR && x->type.rank >= 0 && (!moved || x->type.rank < 3))
                identity(to, x->type.rank);
        }
    return TAP_OK;
}
