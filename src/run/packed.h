/* Packed forms of constant inputs, which models with the same inputs share. */
#ifndef TAP_RUN_PACKED_H
#define TAP_RUN_PACKED_H

#include "run/model.h"

#define TAP_PACKED_INPUTS 8 /* a node with more, or with more blocks, shares none */
#define TAP_PACKED_BLOCKS 8

typedef struct tap_packed_block {
    atomic_int refs; /* nodes that have it, or were offered it */
    size_t n_bytes;
    void *data; /* NULL while nothing is in it */
    const void
        *inputs[TAP_PACKED_INPUTS]; /* where the initializers lie that it was made of; NULL: no constant */
    bool complete;                  /* pack has filled it */
} tap_packed_block;

/* Offers n the blocks of a node of the same row and attributes in another model, whose lock the caller holds,
 * where the initializers that they were made of are n's own. false: no memory. */
bool tap_packed_offer(tap_model *m, tap_node *n, const tap_node *from);
/* The node's blocks are filled. */
void tap_packed_complete(tap_node *n);
void tap_packed_release(tap_node *n);

#endif
