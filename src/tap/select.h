/* Selectors: which values of a model a text picks. */
#ifndef TAP_TAP_SELECT_H
#define TAP_TAP_SELECT_H

#include "graph/layers.h"

/* Where a model's layers come from: they are not looked for unless a selector asks. NULL: failed, err set. */
typedef struct tap_layer_source {
    const tap_layer_index *(*get)(void *model, tap_error *err);
    void *model;
} tap_layer_source;

/* As tap_model_select. values: all n of the model by global number. *indices is freed with free(). */
tap_status tap_select(const tap_bound *b, const tap_vref *values, size_t n, const tap_layer_source *layers,
                      const char *const *selectors, size_t n_selectors, size_t **indices, size_t *n_indices,
                      tap_error *err);

#endif
