/* The names of a model that are nearest to one that it does not have. */
#ifndef TAP_TAP_NEAREST_H
#define TAP_TAP_NEAREST_H

#include "graph/layers.h"

/* Adds up to five names to t, nearest first, separated by commas. */
void tap_nearest_names(const tap_bound *b, const char *name, tap_text *t);
/* The same of its layers. */
void tap_nearest_layers(const tap_layer_index *x, const char *name, tap_text *t);

#endif
