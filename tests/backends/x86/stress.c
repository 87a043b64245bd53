/* Exercises the runtime's thread pool; exit status 0 when everything adds up. Run under TSAN too. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"
#include "heron_runtime.h"

#define CHECK(condition) \
  do { \
    if (!(condition)) { \
      fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
      exit(1); \
    } \
  } while (0)

enum { N = 300 };
typedef struct {
  int out[N];
  int depth;
} Work;

static int share(int task, TVMParallelGroupEnv *env, void *data) {
  Work *work = data;
  for (int i = task; i < N; i += env->num_task) ++work->out[i];
  if (work->depth > 0 && task == 0) {
    static __thread Work inner;
    memset(&inner, 0, sizeof inner);
    CHECK(TVMBackendParallelLaunch(share, &inner, 0) == 0);
    for (int i = 0; i < N; ++i) CHECK(inner.out[i] == 1);
  }
  return 0;
}

static void launch_many(int times, int tasks) {
  Work work;
  memset(&work, 0, sizeof work);
  for (int round = 1; round <= times; ++round) {
    work.depth = round % 3 == 0;
    CHECK(TVMBackendParallelLaunch(share, &work, tasks) == 0);
    for (int i = 0; i < N; ++i) CHECK(work.out[i] == round);
  }
}

static void *user(void *argument) {
  launch_many((int)(intptr_t)argument, 0);
  launch_many((int)(intptr_t)argument / 4, 7);
  for (int i = 0; i < (int)(intptr_t)argument; ++i) {
    heron_expect_tasks(i % 50);
    launch_many(1, 0);
  }
  return NULL;
}

/* Every task writes, waits, and reads its neighbour's value. */
static int phases(int task, TVMParallelGroupEnv *env, void *data) {
  int *cells = data, next = (task + 1) % env->num_task;
  for (int phase = 1; phase <= 50; ++phase) {
    cells[task * 16] = phase;
    if (TVMBackendParallelBarrier(task, env) != 0) return -1;
    if (cells[next * 16] != phase) return -2;
    if (TVMBackendParallelBarrier(task, env) != 0) return -1;
  }
  return 0;
}

enum { DEALT = 8 };
typedef struct {
  atomic_int done[DEALT], after_first;
} Held;

/* The first task ends when all others have that its thread did not take along with it. */
static int held_up(int task, TVMParallelGroupEnv *env, void *data) {
  Held *held = data;
  if (env->num_task != DEALT) return -1;
  if (task == 0) {
    time_t end = time(NULL) + 60;
    while (atomic_load(&held->after_first) < DEALT - 2)
      if (time(NULL) > end) return -2;
  }
  if (task > 1) atomic_fetch_add(&held->after_first, 1);
  atomic_fetch_add(&held->done[task], 1);
  return 0;
}

static void dealt_out(void) {
  Held held;
  memset(&held, 0, sizeof held);
  heron_expect_tasks(DEALT);
  CHECK(TVMBackendParallelLaunch(held_up, &held, 0) == 0);
  for (int i = 0; i < DEALT; ++i) CHECK(atomic_load(&held.done[i]) == 1);
  for (int tasks = 1; tasks < 40; tasks += 3) { /* each is done once, whatever is said */
    Work work;
    memset(&work, 0, sizeof work);
    heron_expect_tasks(tasks);
    CHECK(TVMBackendParallelLaunch(share, &work, 0) == 0);
    for (int i = 0; i < N; ++i) CHECK(work.out[i] == 1);
  }
  static int cells[16 * 16]; /* what was said is for one launch: these tasks have a thread each */
  CHECK(TVMBackendParallelLaunch(phases, cells, 0) == 0);
}

static int fail_last(int task, TVMParallelGroupEnv *env, void *data) {
  (void)data;
  if (task != env->num_task - 1) return 0;
  TVMFFIErrorSetRaisedFromCStr("RuntimeError", "the last task fails");
  return -1;
}

static int workspace(int task, TVMParallelGroupEnv *env, void *data) {
  (void)env, (void)data;
  unsigned char *blocks[40];
  for (int i = 0; i < 40; ++i) {
    size_t bytes = (size_t)(i % 7) * 1000 + (size_t)task;
    blocks[i] = TVMBackendAllocWorkspace(1, 0, bytes, 0, 8);
    if (blocks[i] == NULL || (uintptr_t)blocks[i] % 64 != 0) return -1;
    memset(blocks[i], i, bytes);
  }
  for (int i = 0; i < 40; ++i) {
    size_t bytes = (size_t)(i % 7) * 1000 + (size_t)task;
    for (size_t j = 0; j < bytes; ++j)
      if (blocks[i][j] != i) return -1;
    if (TVMBackendFreeWorkspace(1, 0, blocks[i]) != 0) return -1;
  }
  return 0;
}

int main(int argc, char **argv) {
  int times = argc > 1 ? atoi(argv[1]) : 100;
  CHECK(heron_runtime_set_threads(-1) == -1);
  CHECK(heron_runtime_set_threads(HERON_RUNTIME_MAX_THREADS + 1) == -1);
  CHECK(heron_runtime_threads() >= 1);
  static const int counts[] = {1, 2, 4, 3, 2, 8};
  for (int c = 0; c < 6; ++c) {
    CHECK(heron_runtime_set_threads(counts[c]) == 0);
    CHECK(heron_runtime_threads() == counts[c]);
    launch_many(times, 0);
    launch_many(times / 4, 5); /* more or fewer tasks than threads */
    static int cells[16 * 16];
    CHECK(TVMBackendParallelLaunch(phases, cells, 0) == 0);
    CHECK(TVMBackendParallelLaunch(workspace, NULL, 0) == 0);
    if (counts[c] == 2) dealt_out();
    heron_runtime_clear_error();
    CHECK(heron_runtime_error() == NULL);
    CHECK(TVMBackendParallelLaunch(fail_last, NULL, 0) == -1);
    heron_expect_tasks(50);
    CHECK(TVMBackendParallelLaunch(fail_last, NULL, 0) == -1);
    CHECK(strcmp(heron_runtime_error(), "the last task fails") == 0);
    launch_many(3, 0); /* a failure does not stick */
  }
  /* tasks that run one after another cannot wait for each other: an error, not a hang */
  CHECK(heron_runtime_set_threads(1) == 0);
  static int cells[16 * 16];
  CHECK(TVMBackendParallelLaunch(phases, cells, 3) == -1);
  CHECK(heron_runtime_set_threads(3) == 0);
  pthread_t users[4];
  for (int i = 0; i < 4; ++i) CHECK(pthread_create(&users[i], NULL, user, (void *)(intptr_t)times) == 0);
  launch_many(times, 0);
  for (int i = 0; i < 4; ++i) pthread_join(users[i], NULL);
  /* children of a process whose pool runs, and theirs */
  pid_t child = fork();
  if (child == 0) {
    launch_many(20, 0);
    pid_t grandchild = fork();
    if (grandchild == 0) {
      launch_many(20, 0);
      _exit(7);
    }
    int status = 0;
    waitpid(grandchild, &status, 0);
    _exit(WIFEXITED(status) && WEXITSTATUS(status) == 7 ? 7 : 1);
  }
  int status = 0;
  launch_many(20, 0);
  waitpid(child, &status, 0);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
  CHECK(TVMBackendAllocWorkspace(1, 0, UINT64_MAX, 0, 8) == NULL);
  heron_runtime_release_workspace();
  CHECK(heron_runtime_cpu_has("no_such_flag") == -1);
  CHECK(heron_runtime_cpu_has("sse4_2") >= 0);
  return 0;
}
