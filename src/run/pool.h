/* A pool of threads that run the pieces of one loop at a time. */
#ifndef TAP_RUN_POOL_H
#define TAP_RUN_POOL_H

#include "core/memory.h"
#include "onnxtap/op.h"

typedef struct tap_pool tap_pool;

/* n_threads counts the caller: 1 starts none. Where the system starts no more threads the pool has those that
 * it started. NULL: no memory. */
tap_pool *tap_pool_new(tap_budget *b, int n_threads);
void tap_pool_free(tap_pool *p);
int tap_pool_threads(const tap_pool *p); /* of NULL: 1 */

/* As tap_parallel. Not to be called from inside a piece by another thread than the one that runs the session;
 * from inside a piece the loop runs serially. */
void tap_pool_run(tap_pool *p, int64_t n, int64_t grain, tap_task *fn, void *arg);

#endif
