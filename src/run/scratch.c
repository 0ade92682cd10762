/* Scratch memory of kernels. */
#include "run/scratch.h"

#define BLOCK_BYTES (256 * 1024)

void tap_scratch_init(tap_scratch_stack *s, tap_budget *b) {
    *s = (tap_scratch_stack){.budget = b};
}

void tap_scratch_free(tap_scratch_stack *s) {
    for (size_t i = 0; i < s->n_blocks; i++) tap_mem_free(s->budget, s->blocks[i].data);
    tap_mem_free(s->budget, s->blocks);
    tap_scratch_init(s, s->budget);
}

static bool add_block(tap_scratch_stack *s, size_t n_bytes) {
    if (n_bytes < BLOCK_BYTES) n_bytes = BLOCK_BYTES;
    if (!tap_mem_reserve(s->budget, (void **)&s->blocks, &s->room, s->n_blocks + 1, sizeof *s->blocks))
        return false;
    char *data = tap_mem_alloc(s->budget, n_bytes);
    if (!data) return false;
    s->blocks[s->n_blocks++] = (tap_scratch_block){data, n_bytes, 0};
    return true;
}

void *tap_scratch_take(tap_scratch_stack *s, size_t n_bytes) {
    size_t n;
    if (!tap_add_size(n_bytes, TAP_ALIGN - 1, &n)) return NULL;
    n &= ~(size_t)(TAP_ALIGN - 1);
    while (s->at < s->n_blocks && s->blocks[s->at].n_bytes - s->blocks[s->at].used < n) {
        s->at++;
        if (s->at < s->n_blocks) s->blocks[s->at].used = 0;
    }
    if (s->at == s->n_blocks && !add_block(s, n)) return NULL;
    tap_scratch_block *b = &s->blocks[s->at];
    void *p = b->data + b->used;
    b->used += n;
    return p;
}

tap_scratch_mark tap_scratch_here(const tap_scratch_stack *s) {
    return (tap_scratch_mark){s->at, s->at < s->n_blocks ? s->blocks[s->at].used : 0};
}

void tap_scratch_back(tap_scratch_stack *s, tap_scratch_mark mark) {
    s->at = mark.at;
    if (s->at < s->n_blocks) s->blocks[s->at].used = mark.used;
}
