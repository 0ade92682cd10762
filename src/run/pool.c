/* A pool of threads that run the pieces of one loop at a time.
 *
 * Workers wait for a ticket: `round` grows by one for each loop. They look for it for a while before they
 * sleep, for the loops of one model follow each other within microseconds. Each thread has a share of the
 * pieces and takes from the others' when that is done: what a thread wrote is then mostly what it reads in
 * the next loop, and still in its caches. Which thread runs which piece is chance, the pieces themselves are
 * not. */
#include "run/pool.h"

#include <pthread.h>
#include <sched.h>

#define SPINS 4000

typedef struct pool_worker {
    tap_pool *pool;
    int number;
    pthread_t thread;
} pool_worker;

/* A thread's pieces: from `next` on, before `end`. On a cache line of its own. */
typedef struct share {
    _Alignas(64) atomic_int_least64_t next;
    int64_t end;
} share;

struct tap_pool {
    tap_budget *budget;
    int n_threads;        /* with the caller */
    pool_worker *workers; /* n_threads - 1 */
    share *shares;        /* n_threads */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    atomic_uint round;
    atomic_int sleepers, active; /* active: workers that are inside a loop, or looking whether one is open */
    atomic_bool open;            /* a loop has pieces to take */
    atomic_bool stop;
    atomic_bool running; /* a loop is under way: an inner one is serial */
    /* the loop */
    tap_task *fn;
    void *arg;
    int64_t n, grain;
};

static inline void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    sched_yield();
#endif
}

static void take_share(tap_pool *p, share *s, int worker) {
    for (;;) {
        int64_t k = atomic_fetch_add_explicit(&s->next, 1, memory_order_relaxed);
        if (k >= s->end) return;
        int64_t begin = k * p->grain, end = begin + p->grain;
        p->fn(p->arg, begin, end < p->n ? end : p->n, worker);
    }
}

static void take_pieces(tap_pool *p, int worker) {
    for (int i = 0; i < p->n_threads; i++) take_share(p, &p->shares[(worker + i) % p->n_threads], worker);
}

static void share_out(tap_pool *p, int64_t n_pieces) {
    int64_t each = n_pieces / p->n_threads, more = n_pieces % p->n_threads, begin = 0;
    for (int i = 0; i < p->n_threads; i++) {
        atomic_store_explicit(&p->shares[i].next, begin, memory_order_relaxed);
        p->shares[i].end = begin += each + (i < more);
    }
}

static bool wait_for_round(tap_pool *p, unsigned seen) {
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&p->round, memory_order_acquire) != seen) return true;
        if (atomic_load_explicit(&p->stop, memory_order_relaxed)) return false;
        relax();
    }
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->sleepers, 1);
    while (atomic_load(&p->round) == seen && !atomic_load(&p->stop)) pthread_cond_wait(&p->wake, &p->lock);
    atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->lock);
    return !atomic_load(&p->stop);
}

static void *work(void *argument) {
    const pool_worker *w = argument;
    tap_pool *p = w->pool;
    unsigned seen = 0;
    while (wait_for_round(p, seen)) {
        seen = atomic_load(&p->round);
        atomic_fetch_add(&p->active, 1);
        if (atomic_load(&p->open)) take_pieces(p, w->number);
        atomic_fetch_sub(&p->active, 1);
    }
    return NULL;
}

static bool start(tap_pool *p, int number) {
    pool_worker *w = &p->workers[number - 1];
    w->pool = p;
    w->number = number;
    return pthread_create(&w->thread, NULL, work, w) == 0;
}

tap_pool *tap_pool_new(tap_budget *b, int n_threads) {
    tap_pool *p = tap_mem_alloc_zero(b, sizeof *p);
    if (!p) return NULL;
    p->budget = b;
    p->n_threads = 1;
    p->workers = tap_mem_alloc_zero(b, (size_t)n_threads * sizeof *p->workers);
    p->shares = tap_mem_alloc_zero(b, (size_t)n_threads * sizeof *p->shares);
    if (!p->workers || !p->shares) {
        tap_mem_free(b, p->workers);
        tap_mem_free(b, p->shares);
        tap_mem_free(b, p);
        return NULL;
    }
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    while (p->n_threads < n_threads && start(p, p->n_threads)) p->n_threads++;
    return p;
}

void tap_pool_free(tap_pool *p) {
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->stop, true);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->n_threads - 1; i++) pthread_join(p->workers[i].thread, NULL);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    tap_mem_free(p->budget, p->workers);
    tap_mem_free(p->budget, p->shares);
    tap_mem_free(p->budget, p);
}

int tap_pool_threads(const tap_pool *p) {
    return p ? p->n_threads : 1;
}

static void run_serially(int64_t n, int64_t grain, tap_task *fn, void *arg) {
    for (int64_t b = 0; b < n; b += grain) fn(arg, b, b + grain < n ? b + grain : n, 0);
}

void tap_pool_run(tap_pool *p, int64_t n, int64_t grain, tap_task *fn, void *arg) {
    if (grain < 1) grain = 1;
    if (!p || p->n_threads == 1 || n <= grain || atomic_exchange(&p->running, true)) {
        run_serially(n, grain, fn, arg);
        return;
    }
    p->fn = fn;
    p->arg = arg;
    p->n = n;
    p->grain = grain;
    share_out(p, (n + grain - 1) / grain);
    atomic_store(&p->open, true);
    atomic_fetch_add(&p->round, 1);
    if (atomic_load(&p->sleepers) > 0) {
        pthread_mutex_lock(&p->lock);
        pthread_cond_broadcast(&p->wake);
        pthread_mutex_unlock(&p->lock);
    }
    take_pieces(p, 0);
    /* All pieces are taken. Who has not come by now is not waited for: it finds the loop closed. Both sides
     * write before they read (open here, active there), so one of them sees the other. */
    atomic_store(&p->open, false);
    while (atomic_load(&p->active) > 0) relax();
    atomic_store(&p->running, false);
}
