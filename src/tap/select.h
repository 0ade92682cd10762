/* Selectors: which values of a model a text picks. */
#ifndef TAP_TAP_SELECT_H
#define TAP_TAP_SELECT_H

#include "graph/graph.h"

/* As tap_model_select. values: all n of the model by global number. *indices is freed with free(). */
tap_status tap_select(const tap_bound *b, const tap_vref *values, size_t n, const char *const *selectors,
                      size_t n_selectors, size_t **indices, size_t *n_indices, tap_error *err);

#endif
