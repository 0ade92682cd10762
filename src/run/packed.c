/* Memory for packed forms: from a model with the same inputs where there is one, else new. */
#include "run/packed.h"

#include <string.h>

#include "run/work.h"

/* Fills `inputs`; false where a constant input is computed, or there are too many. */
static bool inputs_of(const tap_node *n, const void **inputs) {
    memset(inputs, 0, TAP_PACKED_INPUTS * sizeof *inputs);
    if (n->n_in > TAP_PACKED_INPUTS) return false;
    for (int32_t i = 0; i < n->n_in; i++) {
        const tap_gvalue *v = tap_constant_source(n->graph, n->in[i]);
        if (v && !v->stored) return false;
        inputs[i] = v ? v->stored->data : NULL;
    }
    return true;
}

static tap_packed_block *block_new(size_t n_bytes) {
    tap_packed_block *b = tap_mem_alloc_zero(NULL, sizeof *b);
    if (!b) return NULL;
    atomic_init(&b->refs, 1);
    b->n_bytes = n_bytes;
    if (!(b->data = tap_mem_alloc_zero(NULL, n_bytes))) {
        tap_mem_free(NULL, b);
        return NULL;
    }
    return b;
}

static void block_release(tap_packed_block *b) {
    if (atomic_fetch_sub(&b->refs, 1) != 1) return;
    tap_mem_free(NULL, b->data);
    tap_mem_free(NULL, b);
}

static tap_packed_block *offered(const tap_node *n, size_t n_bytes, const void *const *inputs) {
    tap_packed_block *b = n->n_blocks < n->n_offered ? n->offered[n->n_blocks] : NULL;
    bool fits = b && b->n_bytes == n_bytes && memcmp(b->inputs, inputs, sizeof b->inputs) == 0;
    if (fits) atomic_fetch_add(&b->refs, 1);
    return fits ? b : NULL;
}

static bool append(tap_model *m, tap_node *n, tap_packed_block *b) {
    if (!n->blocks) n->blocks = tap_arena_array(&m->arena, TAP_PACKED_BLOCKS, sizeof(tap_packed_block *));
    if (n->blocks) n->blocks[n->n_blocks++] = b;
    return n->blocks;
}

void *tap_packed(tap_ctx *ctx, size_t n_bytes, bool *ready) {
    tap_work *w = tap_work_of(ctx);
    tap_node *n = w->node;
    const void *inputs[TAP_PACKED_INPUTS];
    *ready = false;
    if (!inputs_of(n, inputs) || n->n_blocks == TAP_PACKED_BLOCKS) return tap_state(ctx, n_bytes);
    /* Each model counts it: that is what it would hold alone. */
    bool counted = tap_budget_take(&w->model->budget, n_bytes);
    tap_packed_block *b = counted ? offered(n, n_bytes, inputs) : NULL;
    *ready = b != NULL;
    if (counted && !b && (b = block_new(n_bytes))) memcpy(b->inputs, inputs, sizeof inputs);
    if (b && append(w->model, n, b)) return b->data;
    if (b) block_release(b);
    if (counted) tap_budget_give(&w->model->budget, n_bytes);
    tap_fail(ctx, TAP_MEMORY, "no memory for %zu bytes of prepared weights", n_bytes);
    return NULL;
}

void tap_packed_complete(tap_node *n) {
    for (int32_t i = 0; i < n->n_blocks; i++) n->blocks[i]->complete = true;
}

static void release_all(tap_packed_block **blocks, int32_t n) {
    for (int32_t i = 0; i < n; i++) block_release(blocks[i]);
}

void tap_packed_release(tap_node *n) {
    release_all(n->blocks, n->n_blocks);
    release_all(n->offered, n->n_offered);
}

bool tap_packed_offer(tap_model *m, tap_node *n, const tap_node *from) {
    bool own = from->n_blocks > 0;
    tap_packed_block **blocks = own ? from->blocks : from->offered;
    int32_t n_blocks = own ? from->n_blocks : from->n_offered;
    const void *inputs[TAP_PACKED_INPUTS];
    if (n_blocks == 0 || !inputs_of(n, inputs)) return true;
    for (int32_t i = 0; i < n_blocks; i++)
        if (!blocks[i]->complete || memcmp(blocks[i]->inputs, inputs, sizeof inputs) != 0) return true;
    n->offered = tap_arena_array(&m->arena, (size_t)n_blocks, sizeof *n->offered);
    if (!n->offered) return false;
    for (int32_t i = 0; i < n_blocks; i++) {
        atomic_fetch_add(&blocks[i]->refs, 1);
        n->offered[n->n_offered++] = blocks[i];
    }
    return true;
}
