/* Memory of values made while running. */
#include "run/buffers.h"

#define IDLE_MAX 64

struct tap_block {
    tap_block *next;
    tap_buffers *home;
    size_t n_bytes;
};

/* The elements lie behind the block's own fields. */
static void *data_of(tap_block *k) {
    return (char *)k + TAP_ALIGN;
}

void tap_buffers_init(tap_buffers *b, tap_budget *budget) {
    *b = (tap_buffers){.budget = budget};
}

static void drop_idle(tap_buffers *b) {
    for (tap_block *k = b->idle, *next; k; k = next) {
        next = k->next;
        tap_mem_free(b->budget, k);
    }
    b->idle = NULL;
    b->n_idle = 0;
}

void tap_buffers_free(tap_buffers *b) {
    drop_idle(b);
}

/* The last one in the list has been idle longest. */
static void drop_oldest(tap_buffers *b) {
    tap_block **at = &b->idle;
    while ((*at)->next) at = &(*at)->next;
    tap_mem_free(b->budget, *at);
    *at = NULL;
    b->n_idle--;
}

static void come_back(void *owner) {
    tap_block *k = owner;
    tap_buffers *b = k->home;
    if (b->n_idle == IDLE_MAX) drop_oldest(b);
    k->next = b->idle;
    b->idle = k;
    b->n_idle++;
}

/* A block that is large enough and not wasteful. */
static tap_block *find_idle(tap_buffers *b, size_t n_bytes) {
    for (tap_block **at = &b->idle; *at; at = &(*at)->next) {
        tap_block *k = *at;
        if (k->n_bytes < n_bytes || k->n_bytes / 2 > n_bytes + 4096) continue;
        *at = k->next;
        b->n_idle--;
        return k;
    }
    return NULL;
}

static tap_block *new_block(tap_buffers *b, size_t n_bytes) {
    size_t all;
    if (!tap_add_size(n_bytes, TAP_ALIGN, &all)) return NULL;
    tap_block *k = tap_mem_alloc(b->budget, all);
    if (!k && b->idle) {
        /* What lies idle may be what is missing. */
        drop_idle(b);
        k = tap_mem_alloc(b->budget, all);
    }
    if (k) *k = (tap_block){.home = b, .n_bytes = n_bytes};
    return k;
}

tap_buffer *tap_buffers_take(tap_buffers *b, size_t n_bytes) {
    tap_block *k = find_idle(b, n_bytes);
    if (!k) k = new_block(b, n_bytes);
    if (!k) return NULL;
    tap_buffer *y = tap_buffer_wrap_owned(b->budget, data_of(k), n_bytes, come_back, k);
    if (!y) come_back(k);
    return y;
}
