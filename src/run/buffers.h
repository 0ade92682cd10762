/* Memory of values made while running: blocks are kept when their last reference goes, and serve again. */
#ifndef TAP_RUN_BUFFERS_H
#define TAP_RUN_BUFFERS_H

#include "core/tensor.h"

typedef struct tap_block tap_block;

/* Of one session, and of its thread alone. Buffers must be gone before it is freed. */
typedef struct tap_buffers {
    tap_budget *budget;
    tap_block *idle; /* most recently used first */
    size_t n_idle;
} tap_buffers;

void tap_buffers_init(tap_buffers *b, tap_budget *budget);
void tap_buffers_free(tap_buffers *b);

/* n bytes, uninitialised. NULL: no memory. */
tap_buffer *tap_buffers_take(tap_buffers *b, size_t n_bytes);

#endif
