/* The layers of a model, as the other public functions need them. */
#ifndef TAP_API_LAYERS_H
#define TAP_API_LAYERS_H

#include "graph/layers.h"
#include "run/model.h"

/* The index, made when first asked for; as tap_layer_source has it. */
const tap_layer_index *tap_model_layer_index(void *model, tap_error *err);
/* Reads the framework's list of layers into m->layer_list. Errors: TAP_IO, TAP_DATA, TAP_MEMORY. */
tap_status tap_model_load_layer_list(tap_model *m, const char *path, tap_error *err);

#endif
