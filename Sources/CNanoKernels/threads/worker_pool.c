// Fork and join in about a microsecond.
//
// Indices are claimed from one counter; the caller claims too and never waits for a worker that has not
// started. A worker spins for a short while after a run, since the next one usually follows at once,
// and then sleeps until it is woken.

#include "../include/CNanoKernels.h"
#include "relax.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { SPIN_NANOSECONDS = 200000 };

struct nk_worker_pool {
  size_t workers;
  pthread_t *threads;
  pthread_mutex_t mutex;
  pthread_cond_t wake;
  unsigned sleepers;  // guarded by mutex
  bool ending;        // guarded by mutex

  // The run in progress. `open` is its generation while it may be joined, 0 otherwise.
  void (*body)(void *context, size_t index);
  void *context;
  size_t count;
  _Atomic unsigned generation, open, active;
  _Atomic size_t next;
};

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void claim_indices(nk_worker_pool *pool) {
  for (;;) {
    size_t index = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
    if (index >= pool->count) return;
    pool->body(pool->context, index);
  }
}

/// Waits for a generation other than `seen`: spins, then sleeps. Returns it, or 0 when the pool ends.
static unsigned next_generation(nk_worker_pool *pool, unsigned seen) {
  int64_t deadline = 0;
  for (int turn = 1;; turn++) {
    unsigned generation = atomic_load_explicit(&pool->generation, memory_order_acquire);
    if (generation != seen) return generation;
    RELAX();
    if (turn % 64 != 0) continue;
    int64_t time = now();
    if (deadline == 0) deadline = time + SPIN_NANOSECONDS;
    if (time < deadline) continue;
    pthread_mutex_lock(&pool->mutex);
    pool->sleepers++;
    while (!pool->ending && atomic_load(&pool->generation) == seen)
      pthread_cond_wait(&pool->wake, &pool->mutex);
    pool->sleepers--;
    bool ending = pool->ending;
    pthread_mutex_unlock(&pool->mutex);
    if (ending) return 0;
    deadline = 0;
  }
}

static void *work(void *argument) {
  nk_worker_pool *pool = argument;
  unsigned seen = 0;
  while ((seen = next_generation(pool, seen)) != 0) {
    // Announce first, then look whether the run is still open: the caller closes it first and then
    // waits for the announced, so no worker can read a run that is being replaced.
    atomic_fetch_add(&pool->active, 1);
    if (atomic_load(&pool->open) == seen) claim_indices(pool);
    atomic_fetch_sub(&pool->active, 1);
  }
  return NULL;
}

nk_worker_pool *nk_worker_pool_create(size_t workers) {
  nk_worker_pool *pool = calloc(1, sizeof *pool);
  if (!pool) return NULL;
  pool->threads = calloc(workers ? workers : 1, sizeof *pool->threads);
  pthread_mutex_init(&pool->mutex, NULL);
  pthread_cond_init(&pool->wake, NULL);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 8 << 20);
  while (pool->threads && pool->workers < workers &&
         pthread_create(&pool->threads[pool->workers], &attributes, work, pool) == 0)
    pool->workers++;
  pthread_attr_destroy(&attributes);
  if (pool->workers == workers && pool->threads) return pool;
  nk_worker_pool_destroy(pool);
  return NULL;
}

void nk_worker_pool_run(nk_worker_pool *pool, size_t count, void (*body)(void *, size_t),
                        void *context) {
  if (count == 0) return;
  if (pool->workers == 0 || count == 1) {
    for (size_t i = 0; i < count; i++) body(context, i);
    return;
  }
  pool->body = body;
  pool->context = context;
  pool->count = count;
  atomic_store(&pool->next, 0);
  unsigned generation = atomic_load(&pool->generation) + 1;
  if (generation == 0) generation = 1;
  atomic_store(&pool->open, generation);
  pthread_mutex_lock(&pool->mutex);
  atomic_store(&pool->generation, generation);
  if (pool->sleepers > 0) pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->mutex);
  claim_indices(pool);
  atomic_store(&pool->open, 0);
  for (int turn = 1; atomic_load_explicit(&pool->active, memory_order_acquire) != 0; turn++) {
    RELAX();
    if (turn % 20000 == 0) sched_yield();
  }
}

void nk_worker_pool_destroy(nk_worker_pool *pool) {
  pthread_mutex_lock(&pool->mutex);
  pool->ending = true;
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->mutex);
  // A spinning worker notices the end when it next goes to sleep.
  for (size_t i = 0; i < pool->workers; i++) pthread_join(pool->threads[i], NULL);
  pthread_cond_destroy(&pool->wake);
  pthread_mutex_destroy(&pool->mutex);
  free(pool->threads);
  free(pool);
}
