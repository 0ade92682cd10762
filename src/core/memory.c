/* Memory under a budget. Each block is preceded by a header that holds its size, so that freeing gives back
 * what was taken. */
#include "core/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct tap_header {
    size_t n_bytes;
} tap_header;

#define HEADER_BYTES TAP_ALIGN /* keeps the block behind it aligned */

void tap_budget_init(tap_budget *b, uint64_t limit_bytes) {
    atomic_init(&b->used, 0);
    atomic_init(&b->peak, 0);
    atomic_init(&b->fail_after, -1);
    b->limit = limit_bytes;
}

static uint64_t read_limit(const char *path) {
    FILE *f = fopen(path, "re");
    if (!f) return UINT64_MAX;
    unsigned long long n = 0;
    int got = fscanf(f, "%llu", &n);
    fclose(f);
    return got == 1 ? (uint64_t)n : UINT64_MAX;
}

uint64_t tap_memory_default_limit(void) {
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    uint64_t n = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : UINT64_C(4) << 30;
    static const char *const cgroups[] = {"/sys/fs/cgroup/memory.max",
                                          "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
    for (size_t i = 0; i < TAP_COUNT_OF(cgroups); i++) {
        uint64_t limit = read_limit(cgroups[i]);
        if (limit < n) n = limit;
    }
    return n / 2;
}

bool tap_budget_take(tap_budget *b, uint64_t n) {
    if (!b) return true;
    long left = atomic_load_explicit(&b->fail_after, memory_order_relaxed);
    if (left == 0) return false;
    if (left > 0) atomic_fetch_sub(&b->fail_after, 1);
    uint64_t before = atomic_fetch_add(&b->used, n);
    if (before + n > b->limit || before + n < n) {
        atomic_fetch_sub(&b->used, n);
        return false;
    }
    uint64_t peak = atomic_load(&b->peak);
    while (before + n > peak && !atomic_compare_exchange_weak(&b->peak, &peak, before + n)) {
    }
    return true;
}

void tap_budget_give(tap_budget *b, uint64_t n) {
    if (b) atomic_fetch_sub(&b->used, n);
}

/* Large blocks are best had in large pages: where a kernel jumps about in them, the processor would spend
 * more time on finding pages than on what lies there. Only pages that are the block's alone are asked for. */
static void ask_for_large_pages(char *p, size_t n_bytes) {
#ifdef MADV_HUGEPAGE
    const uintptr_t page = (uintptr_t)2 << 20, from = ((uintptr_t)p + page - 1) / page * page,
                    to = ((uintptr_t)p + n_bytes) / page * page;
    if (from < to) madvise((void *)from, to - from, MADV_HUGEPAGE); /* advice: failing, it changes nothing */
#else
    (void)p, (void)n_bytes;
#endif
}

void *tap_mem_alloc(tap_budget *b, size_t n_bytes) {
    size_t all;
    if (!tap_add_size(n_bytes, HEADER_BYTES + TAP_ALIGN, &all)) return NULL;
    all = tap_round_up(n_bytes + HEADER_BYTES, TAP_ALIGN);
    if (!tap_budget_take(b, all)) return NULL;
    char *p = aligned_alloc(TAP_ALIGN, all);
    if (!p) {
        tap_budget_give(b, all);
        return NULL;
    }
    ask_for_large_pages(p, all);
    ((tap_header *)(void *)p)->n_bytes = n_bytes;
    return p + HEADER_BYTES;
}

void *tap_mem_alloc_zero(tap_budget *b, size_t n_bytes) {
    void *p = tap_mem_alloc(b, n_bytes);
    if (p) memset(p, 0, n_bytes);
    return p;
}

size_t tap_mem_size(const void *p) {
    return ((const tap_header *)(const void *)((const char *)p - HEADER_BYTES))->n_bytes;
}

void tap_mem_free(tap_budget *b, void *p) {
    if (!p) return;
    tap_budget_give(b, tap_round_up(tap_mem_size(p) + HEADER_BYTES, TAP_ALIGN));
    free((char *)p - HEADER_BYTES);
}

bool tap_mem_reserve(tap_budget *b, void **p, size_t *room, size_t n, size_t each) {
    if (n <= *room) return true;
    size_t want = *room < 8 ? 8 : *room, n_bytes;
    while (want < n) {
        if (want > SIZE_MAX / 2) return false;
        want *= 2;
    }
    if (!tap_mul_size(want, each, &n_bytes)) return false;
    void *q = tap_mem_alloc(b, n_bytes);
    if (!q) return false;
    if (*p) memcpy(q, *p, *room * each);
    tap_mem_free(b, *p);
    *p = q;
    *room = want;
    return true;
}

struct tap_chunk {
    tap_chunk *next;
    size_t used, room;
};

#define CHUNK_BYTES  (64 * 1024)
#define CHUNK_HEADER 64

void tap_arena_init(tap_arena *a, tap_budget *b) {
    a->budget = b;
    a->head = NULL;
}

void *tap_arena_alloc(tap_arena *a, size_t n_bytes) {
    size_t n;
    if (!tap_add_size(n_bytes, 15, &n)) return NULL;
    n &= ~(size_t)15;
    if (n == 0) n = 16;
    tap_chunk *c = a->head;
    if (!c || c->room - c->used < n) {
        size_t room = n > CHUNK_BYTES / 4 ? n : CHUNK_BYTES - CHUNK_HEADER, all;
        if (!tap_add_size(room, CHUNK_HEADER, &all)) return NULL;
        c = tap_mem_alloc(a->budget, all);
        if (!c) return NULL;
        c->used = 0;
        c->room = room;
        /* A block of its own goes behind the head, so that the head's room is not lost. */
        if (a->head && room == n) {
            c->next = a->head->next;
            a->head->next = c;
        } else {
            c->next = a->head;
            a->head = c;
        }
    }
    void *p = (char *)c + CHUNK_HEADER + c->used;
    c->used += n;
    return p;
}

void *tap_arena_zero(tap_arena *a, size_t n_bytes) {
    void *p = tap_arena_alloc(a, n_bytes);
    if (p) memset(p, 0, n_bytes);
    return p;
}

void *tap_arena_array(tap_arena *a, size_t n, size_t each) {
    size_t n_bytes;
    return tap_mul_size(n, each, &n_bytes) ? tap_arena_zero(a, n_bytes) : NULL;
}

char *tap_arena_string(tap_arena *a, const char *s, size_t n) {
    if (n == SIZE_MAX) return NULL;
    char *p = tap_arena_alloc(a, n + 1);
    if (!p) return NULL;
    if (n) memcpy(p, s, n);
    p[n] = '\0';
    return p;
}

char *tap_arena_printf(tap_arena *a, const char *fmt, ...) {
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *p = n < 0 ? NULL : tap_arena_alloc(a, (size_t)n + 1);
    if (p) vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p;
}

void tap_arena_clear(tap_arena *a) {
    for (tap_chunk *c = a->head, *next; c; c = next) {
        next = c->next;
        tap_mem_free(a->budget, c);
    }
    a->head = NULL;
}
