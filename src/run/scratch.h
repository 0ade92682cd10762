/* Scratch memory of kernels: a stack of blocks that are kept, so that a second run of the same shapes
 * allocates nothing. */
#ifndef TAP_RUN_SCRATCH_H
#define TAP_RUN_SCRATCH_H

#include "core/memory.h"

typedef struct tap_scratch_block {
    char *data;
    size_t n_bytes, used;
} tap_scratch_block;

typedef struct tap_scratch_stack {
    tap_budget *budget;
    tap_scratch_block *blocks;
    size_t n_blocks, room, at; /* at: the block in use */
} tap_scratch_stack;

typedef struct tap_scratch_mark {
    size_t at, used;
} tap_scratch_mark;

void tap_scratch_init(tap_scratch_stack *s, tap_budget *b);
void tap_scratch_free(tap_scratch_stack *s);
void *tap_scratch_take(tap_scratch_stack *s, size_t n_bytes); /* 64-byte aligned; NULL: no memory */
tap_scratch_mark tap_scratch_here(const tap_scratch_stack *s);
void tap_scratch_back(tap_scratch_stack *s, tap_scratch_mark mark);

#endif
