/* Memory under a budget: single blocks, and arenas that are freed as a whole. */
#ifndef TAP_CORE_MEMORY_H
#define TAP_CORE_MEMORY_H

#include <stdatomic.h>

#include "core/base.h"

/* What a model and its sessions may hold. Shared by threads. */
typedef struct tap_budget {
    atomic_uint_least64_t used, peak;
    uint64_t limit;         /* bytes; UINT64_MAX = none */
    atomic_long fail_after; /* tests: allocations until one fails; negative = never */
} tap_budget;

void tap_budget_init(tap_budget *b, uint64_t limit_bytes);
/* Half of what the machine, or the cgroup of this process, has. */
uint64_t tap_memory_default_limit(void);

/* Counts memory that lies elsewhere; false, and nothing is counted, where the limit does not allow it. */
bool tap_budget_take(tap_budget *b, uint64_t n_bytes);
void tap_budget_give(tap_budget *b, uint64_t n_bytes);

/* n bytes at a multiple of TAP_ALIGN; NULL when the budget or the machine has no more. n may be 0. */
void *tap_mem_alloc(tap_budget *b, size_t n_bytes);
void *tap_mem_alloc_zero(tap_budget *b, size_t n_bytes);
void tap_mem_free(tap_budget *b, void *p); /* NULL is fine */
size_t tap_mem_size(const void *p);        /* what was asked for */

/* Grows *p, an array of elements of `each` bytes, to room for n; keeps what is there. */
bool tap_mem_reserve(tap_budget *b, void **p, size_t *room, size_t n, size_t each);

typedef struct tap_chunk tap_chunk;

/* Not thread-safe. */
typedef struct tap_arena {
    tap_budget *budget;
    tap_chunk *head;
} tap_arena;

void tap_arena_init(tap_arena *a, tap_budget *b);
void *tap_arena_alloc(tap_arena *a, size_t n_bytes); /* 16-byte aligned, uninitialised; large ones 64 */
void *tap_arena_zero(tap_arena *a, size_t n_bytes);
void *tap_arena_array(tap_arena *a, size_t n, size_t each);    /* zeroed, overflow-checked */
char *tap_arena_string(tap_arena *a, const char *s, size_t n); /* copy, NUL added */
char *tap_arena_printf(tap_arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void tap_arena_clear(tap_arena *a);

#endif
