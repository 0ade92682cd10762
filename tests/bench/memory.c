/* Streams of copies and of reads, and elements picked at random, one or several threads. */
#include "memory.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { THREADS_MAX = 64 };

double now_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct stream {
    char *from, *to;
    size_t n;
    bool copy;
    double seconds, rate;
} stream;

typedef uint64_t wide __attribute__((vector_size(64), may_alias));

/* Eight sums, so that no addition waits for another. */
static void read_all(const char *p, size_t n) {
    const wide *w = (const wide *)(const void *)p;
    wide s[8] = {0};
    for (size_t i = 0; i + 8 <= n / sizeof(wide); i += 8)
        for (size_t k = 0; k < 8; k++) s[k] |= w[i + k];
    for (size_t k = 1; k < 8; k++) s[0] |= s[k];
    __asm__ volatile("" : : "m"(s[0]) : "memory");
}

static void *run(void *arg) {
    stream *s = arg;
    double end = now_seconds() + s->seconds;
    size_t repeats = ((size_t)1 << 18) / s->n + 1;
    for (int i = 0; i < 3 || now_seconds() < end; i++) {
        double start = now_seconds();
        for (size_t r = 0; r < repeats; r++) {
            if (s->copy)
                memcpy(s->to, s->from, s->n);
            else
                read_all(s->from, s->n);
            __asm__ volatile("" : : "r"(s->to) : "memory");
        }
        double rate = (s->copy ? 2e-9 : 1e-9) * (double)(s->n * repeats) / (now_seconds() - start);
        if (rate > s->rate) s->rate = rate;
    }
    return NULL;
}

static double together(stream *s, int threads, bool copy) {
    pthread_t t[THREADS_MAX];
    double sum = 0;
    for (int i = 0; i < threads; i++) {
        s[i].copy = copy;
        s[i].rate = 0;
        if (i > 0 && pthread_create(&t[i], NULL, run, &s[i])) exit(5);
    }
    run(&s[0]);
    for (int i = 1; i < threads; i++) pthread_join(t[i], NULL);
    for (int i = 0; i < threads; i++) sum += s[i].rate;
    return sum;
}

/* In large pages where they are to be had, as the library's own blocks are. */
static char *room_for(size_t n) {
    const size_t page = n >= (size_t)4 << 20 ? (size_t)2 << 20 : 512;
    char *p = aligned_alloc(page, (n + page - 1) / page * page);
    if (!p) exit(5);
#ifdef MADV_HUGEPAGE
    if (page > 512) madvise(p, n, MADV_HUGEPAGE);
#endif
    memset(p, 1, n);
    return p;
}

memory_speed memory_measure(size_t n_bytes, int threads, double seconds) {
    stream s[THREADS_MAX];
    if (threads > THREADS_MAX) threads = THREADS_MAX;
    size_t half = (n_bytes / 2 / (size_t)threads + 1023) / 512 * 512;
    for (int i = 0; i < threads; i++) {
        char *room = room_for(2 * half);
        s[i] = (stream){room, room + half, half, false, seconds / 2, 0};
    }
    memory_speed speed = {together(s, threads, true), together(s, threads, false)};
    for (int i = 0; i < threads; i++) free(s[i].from);
    return speed;
}

/* ---- Random places ---- */

typedef struct picks {
    const char *x;
    char *y;
    const int64_t *at;
    size_t n, width;
    double limit, seconds;
} picks;

#define PICK(T) \
    for (size_t i = 0; i < p->n; i++) ((T *)(void *)p->y)[i] = ((const T *)(const void *)p->x)[p->at[i]]

static void pick_once(const picks *p) {
    switch (p->width) {
    case 1: PICK(uint8_t); break;
    case 2: PICK(uint16_t); break;
    case 4: PICK(uint32_t); break;
    default: PICK(uint64_t);
    }
    __asm__ volatile("" : : "r"(p->y) : "memory");
}

static void *pick_often(void *arg) {
    picks *p = arg;
    const double end = now_seconds() + p->limit;
    for (int i = 0; i < 3 || now_seconds() < end; i++) {
        const double start = now_seconds();
        pick_once(p);
        const double took = now_seconds() - start;
        if (i == 0 || took < p->seconds) p->seconds = took;
    }
    return NULL;
}

/* n positions below m, the same in every run. */
static int64_t *random_places(size_t n, size_t m) {
    int64_t *at = malloc((n + 1) * sizeof *at);
    uint64_t state = 1;
    if (!at) exit(5);
    for (size_t i = 0; i < n; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        at[i] = (int64_t)((state >> 33) % m);
    }
    return at;
}

double memory_picks(size_t n_bytes, size_t width, size_t n, int threads, double seconds) {
    pthread_t t[THREADS_MAX];
    picks p[THREADS_MAX];
    if (threads > THREADS_MAX) threads = THREADS_MAX;
    const size_t part = n / (size_t)threads;
    char *x = room_for(n_bytes), *y = room_for(n * width);
    int64_t *at = random_places(n, n_bytes / width);
    double longest = 0;
    for (int i = 0; i < threads; i++) {
        const size_t from = (size_t)i * part;
        p[i] = (picks){x, y + from * width, at + from, i + 1 < threads ? part : n - from, width, seconds, 0};
        if (i > 0 && pthread_create(&t[i], NULL, pick_often, &p[i])) exit(5);
    }
    pick_often(&p[0]);
    for (int i = 1; i < threads; i++) pthread_join(t[i], NULL);
    for (int i = 0; i < threads; i++)
        if (p[i].seconds > longest) longest = p[i].seconds;
    free(x);
    free(y);
    free(at);
    return longest;
}
