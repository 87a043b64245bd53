/* The thread pool behind parallel kernels.
 *
 * The calling thread does the first share of the work; the workers wait for the next launch by spinning
 * for about 0.1 ms and then sleep in a futex. Every worker has mailboxes of its own, on its own cache
 * lines, so a launch on two threads touches two lines. A share of the work whose worker has not begun it
 * (it sleeps, or another process has its CPU) is done by the calling thread. Where a kernel says that its
 * work is worth more tasks than there are threads, a thread that has done those of its share takes others'
 * that nobody has begun: threads are rarely equally fast. One launch at a time uses the pool: a launch from
 * inside a kernel, or while another user thread's launch is running, runs on its own thread alone.
 * After fork() the child starts with an empty pool. No thread is pinned, but a sleeping worker is woken on
 * another CPU than the caller's: the system may put it there, and for milliseconds one awaits the other. */
#define _GNU_SOURCE
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "abi.h"
#include "heron_runtime.h"

enum { LINE = 64, CLAIMED = 1, NEIGHBOURS = 8 /* whose work a lane may take: to look costs a trip each */ };
enum { SPIN_CYCLES = 1 << 18, SPIN_CYCLES_CROWDED = 1 << 11, PATIENCE_CYCLES = 1 << 10 };

typedef struct {
  _Atomic uint32_t value;
  _Atomic uint32_t sleeper; /* 1 while the reader sleeps, or is about to, in the futex on `value` */
} mailbox;

typedef struct {
  FTVMParallelLambda lambda;
  void *cdata;
  TVMParallelGroupEnv env;
  int lanes; /* threads that share the tasks of this launch */
  uint32_t spin_cycles;
} launch;

/* Tasks of one share: those from `next` on are up for grabs. */
typedef struct {
  _Atomic int32_t next;
  int32_t end;
} range;

typedef struct {
  /* Number of a launch, which is even, while the worker's share of it is up for grabs; plus CLAIMED when
   * the worker or the launching thread has taken it. */
  _Alignas(LINE) mailbox request;
  launch job; /* on the line that wakes the worker: each line costs a trip between cores */
  range tasks;
  _Alignas(LINE) mailbox done; /* number of the launch whose share the worker did last */
  _Atomic pid_t thread;        /* the worker's; 0 until it has begun */
} worker;
_Static_assert(offsetof(worker, done) == LINE, "what wakes a worker is on one line");

struct heron_barrier {
  _Atomic uint32_t arrived;
  _Atomic uint32_t generation;
};

static uint32_t last_number; /* of a launch */
static struct {
  _Alignas(LINE) struct heron_barrier only;
} barrier;

static worker workers[HERON_RUNTIME_MAX_THREADS - 1];
static struct {
  _Alignas(LINE) range tasks;
} caller;
static int worker_count;                     /* written only by the owner of the pool */
static _Atomic int pool_busy;                /* 1 while a launch owns the pool */
static _Atomic int32_t threads;              /* 0: not decided yet */
static _Atomic int failed;                   /* a task of the running launch returned non-zero */
static _Atomic(const char *) failure;        /* what it said */
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;
static __thread int in_task __attribute__((tls_model("initial-exec")));
static __thread int32_t expected_tasks __attribute__((tls_model("initial-exec")));

static void futex(_Atomic uint32_t *word, int operation, uint32_t value) {
  syscall(SYS_futex, (uint32_t *)word, operation | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

/* Waits until the box no longer holds `old`: spins first, then sleeps. */
static void await_change(mailbox *box, uint32_t old, uint64_t spin_cycles) {
  uint64_t start = __builtin_ia32_rdtsc();
  while (atomic_load_explicit(&box->value, memory_order_acquire) == old) {
    if (__builtin_ia32_rdtsc() - start < spin_cycles) {
      __builtin_ia32_pause();
      continue;
    }
    /* sequentially consistent with post(): either it sees the sleeper, or we see the new value */
    atomic_store(&box->sleeper, 1);
    while (atomic_load(&box->value) == old) futex(&box->value, FUTEX_WAIT, old);
    atomic_store(&box->sleeper, 0);
    return;
  }
}

static void post(mailbox *box, uint32_t value) {
  atomic_store(&box->value, value);
  if (atomic_load(&box->sleeper)) futex(&box->value, FUTEX_WAKE, INT_MAX);
}

/* Like post() to a worker. Where it slept, its CPUs are all but this one while the system picks one. */
static void call(worker *who, uint32_t value) {
  atomic_store(&who->request.value, value);
  if (!atomic_load(&who->request.sleeper)) return;
  cpu_set_t all, others;
  pid_t thread = atomic_load(&who->thread);
  int here = sched_getcpu();
  int moved = here >= 0 && thread != 0 && sched_getaffinity(thread, sizeof all, &all) == 0 &&
              CPU_ISSET(here, &all) && CPU_COUNT(&all) > 1;
  if (moved) {
    others = all;
    CPU_CLR(here, &others);
    moved = sched_setaffinity(thread, sizeof others, &others) == 0;
  }
  futex(&who->request.value, FUTEX_WAKE, INT_MAX);
  if (moved) sched_setaffinity(thread, sizeof all, &all);
}

static void run_task(launch *job, int task) {
  if (job->lambda(task, &job->env, job->cdata) == 0) return;
  atomic_store(&failure, heron_runtime_error()); /* errors are per thread: hand it to the caller's */
  atomic_store(&failed, 1);
}

static range *range_of(int lane) { return lane == 0 ? &caller.tasks : &workers[lane - 1].tasks; }

/* Takes half of the tasks of a range that nobody has begun; 0 when there are none. Halves, because each time
 * waits until what the task before has written is out. */
static int run_half(launch *job, range *of) {
  int first = atomic_load_explicit(&of->next, memory_order_relaxed), end;
  do {
    if (first >= of->end) return 0;
    end = first + (of->end - first + 1) / 2;
  } while (!atomic_compare_exchange_weak_explicit(&of->next, &first, end, memory_order_relaxed, memory_order_relaxed));
  for (; first < end; ++first) run_task(job, first);
  return 1;
}

static void run_share(launch *job, int lane) {
  in_task = 1;
  if (job->env.num_task == job->lanes)
    run_task(job, lane);
  else
    for (int i = 0; i < job->lanes && i <= NEIGHBOURS; ++i)
      while (run_half(job, range_of((lane + i) % job->lanes))) continue;
  in_task = 0;
}

/* Takes the worker's share of launch `number`; 0 when someone else has. */
static int claim(worker *of, uint32_t number) {
  return atomic_compare_exchange_strong(&of->request.value, &number, number | CLAIMED);
}

/* Waits until lane `lane` of the launch is done, by its worker or here. */
static void join(worker *of, uint32_t number, launch *job, int lane) {
  uint32_t done;
  uint64_t start = __builtin_ia32_rdtsc();
  /* A worker that is not late is done about now: to try to take its share would fetch its line for nothing */
  do {
    if (atomic_load_explicit(&of->done.value, memory_order_acquire) == number) return;
    __builtin_ia32_pause();
  } while (__builtin_ia32_rdtsc() - start < PATIENCE_CYCLES);
  /* A kernel with barriers gets here only after every share has begun, so none is taken from it. */
  if (claim(of, number)) {
    run_share(job, lane);
    return;
  }
  while ((done = atomic_load_explicit(&of->done.value, memory_order_acquire)) != number)
    await_change(&of->done, done, job->spin_cycles);
}

static void *worker_main(void *argument) {
  int index = (int)(intptr_t)argument;
  worker *self = &workers[index];
  atomic_store(&self->thread, (pid_t)syscall(SYS_gettid));
  uint64_t spin_cycles = SPIN_CYCLES_CROWDED;
  for (;;) {
    uint32_t number = atomic_load_explicit(&self->request.value, memory_order_relaxed);
    if ((number & CLAIMED) != 0) {
      await_change(&self->request, number, spin_cycles);
    } else if (claim(self, number)) { /* from here to post() the launch waits, and `job` stays as it is */
      spin_cycles = self->job.spin_cycles;
      run_share(&self->job, index + 1);
      post(&self->done, number);
    }
  }
  return NULL;
}

static int available_cpus(void) {
  cpu_set_t set;
  int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : (int)sysconf(_SC_NPROCESSORS_ONLN);
  return count < 1 ? 1 : count > HERON_RUNTIME_MAX_THREADS ? HERON_RUNTIME_MAX_THREADS : count;
}

/* After fork: the threads of the parent do not exist in the child. */
static void forget_workers(void) {
  worker_count = 0;
  last_number = 0;
  atomic_store(&pool_busy, 0);
}

static void watch_forks(void) { pthread_atfork(NULL, NULL, forget_workers); }

/* Starts workers up to `wanted`; fewer when the system refuses more. Needs ownership of the pool. */
static int ensure_workers(int wanted) {
  if (worker_count >= wanted) return wanted;
  pthread_once(&fork_once, watch_forks);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the application's: workers inherit none */
  while (worker_count < wanted) {
    pthread_t thread;
    char name[24];
    worker *fresh = &workers[worker_count]; /* in a forked child it holds what the parent's worker left */
    atomic_store(&fresh->request.value, CLAIMED);
    atomic_store(&fresh->request.sleeper, 0);
    atomic_store(&fresh->done.value, CLAIMED); /* no launch has this number */
    atomic_store(&fresh->done.sleeper, 0);
    atomic_store(&fresh->thread, 0);
    if (pthread_create(&thread, NULL, worker_main, (void *)(intptr_t)worker_count) != 0) break;
    snprintf(name, sizeof name, "heron-%d", worker_count + 1);
    pthread_setname_np(thread, name);
    pthread_detach(thread);
    ++worker_count;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return worker_count;
}

static int run_alone(FTVMParallelLambda lambda, void *cdata, int tasks) {
  TVMParallelGroupEnv env = {NULL, tasks > 0 ? tasks : 1};
  int status = 0, outer = in_task;
  in_task = 1;
  for (int task = 0; task < env.num_task; ++task)
    if (lambda(task, &env, cdata) != 0) status = -1;
  in_task = outer;
  return status;
}

void heron_expect_tasks(int32_t count) { expected_tasks = count; }

/* The first task of a lane's share. */
static int part(int tasks, int lane, int lanes) { return (int)((int64_t)tasks * lane / lanes); }

int TVMBackendParallelLaunch(FTVMParallelLambda lambda, void *cdata, int num_task) {
  int lanes = heron_runtime_threads(), expected = expected_tasks;
  expected_tasks = 0;
  if (num_task > 0 && num_task < lanes) lanes = num_task;
  if (lanes == 1 || in_task || atomic_exchange_explicit(&pool_busy, 1, memory_order_acquire))
    return run_alone(lambda, cdata, num_task);
  lanes = 1 + ensure_workers(lanes - 1);
  static _Atomic int cpus;
  if (atomic_load(&cpus) == 0) atomic_store(&cpus, available_cpus());
  int tasks = num_task > 0 ? num_task : expected > lanes ? expected : lanes;
  launch job = {lambda, cdata, {NULL, tasks}, lanes, SPIN_CYCLES};
  if (tasks == lanes) job.env.sync_handle = &barrier.only;
  atomic_store_explicit(&barrier.only.arrived, 0, memory_order_relaxed);
  /* with more threads than CPUs a spinning thread keeps the one that it waits for from running */
  if (lanes > atomic_load(&cpus)) job.spin_cycles = SPIN_CYCLES_CROWDED;
  atomic_store_explicit(&failed, 0, memory_order_relaxed);
  uint32_t number = last_number += 2;
  for (int i = 0; i < lanes; ++i) { /* all of them before the first is awake */
    atomic_store_explicit(&range_of(i)->next, part(tasks, i, lanes), memory_order_relaxed);
    range_of(i)->end = part(tasks, i + 1, lanes);
  }
  for (int i = 0; i < lanes - 1; ++i) {
    workers[i].job = job;
    call(&workers[i], number);
  }
  run_share(&job, 0);
  for (int i = 0; i < lanes - 1; ++i) join(&workers[i], number, &job, i + 1);
  int status = 0;
  if (atomic_load(&failed)) {
    TVMFFIErrorSetRaisedFromCStr(NULL, atomic_load(&failure));
    status = -1;
  }
  atomic_store_explicit(&pool_busy, 0, memory_order_release);
  return status;
}

int TVMBackendParallelBarrier(int task_id, TVMParallelGroupEnv *env) {
  (void)task_id;
  struct heron_barrier *barrier = env->sync_handle;
  if (env->num_task == 1) return 0;
  if (barrier == NULL) {
    TVMFFIErrorSetRaisedFromCStr("RuntimeError", "barrier between tasks that do not run at the same time");
    return -1;
  }
  uint32_t generation = atomic_load(&barrier->generation);
  if (atomic_fetch_add(&barrier->arrived, 1) + 1 == (uint32_t)env->num_task) {
    atomic_store(&barrier->arrived, 0);
    atomic_store(&barrier->generation, generation + 1);
    return 0;
  }
  uint64_t start = __builtin_ia32_rdtsc();
  while (atomic_load_explicit(&barrier->generation, memory_order_acquire) == generation) {
    __builtin_ia32_pause();
    if (__builtin_ia32_rdtsc() - start > SPIN_CYCLES_CROWDED) sched_yield();
  }
  return 0;
}

int heron_runtime_set_threads(int32_t count) {
  if (count < 0 || count > HERON_RUNTIME_MAX_THREADS) return -1;
  atomic_store(&threads, count != 0 ? count : available_cpus());
  return 0;
}

int32_t heron_runtime_threads(void) {
  int32_t count = atomic_load_explicit(&threads, memory_order_relaxed);
  if (count == 0) {
    count = available_cpus();
    atomic_store(&threads, count);
  }
  return count;
}
