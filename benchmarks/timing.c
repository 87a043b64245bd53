/* One loop that times any C function of up to four pointer arguments, so that both sides of a comparison
 * pay the same price per call. Times: wall clock and CPU time of the calling thread. */
#define _GNU_SOURCE
#include <stdint.h>
#include <time.h>

typedef int32_t (*Function1)(void *);
typedef int32_t (*Function2)(void *, void *);
typedef int32_t (*Function3)(void *, void *, void *);
typedef int32_t (*Function4)(void *, void *, void *, void *);

static double seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int32_t call(void *function, void *const *a, int32_t count) {
    switch (count) {
    case 1: return ((Function1)function)(a[0]);
    case 2: return ((Function2)function)(a[0], a[1]);
    case 3: return ((Function3)function)(a[0], a[1], a[2]);
    case 4: return ((Function4)function)(a[0], a[1], a[2], a[3]);
    default: return -1;
    }
}

/* Calls function(arguments…) `repeats` times; elapsed = {wall, thread CPU} in seconds. Returns the first
 * status other than 0. */
int32_t benchmark_repeat(void *function, void *const *arguments, int32_t count, int64_t repeats,
                         double elapsed[2]) {
    double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_THREAD_CPUTIME_ID);
    for (int64_t i = 0; i < repeats; i++) {
        int32_t status = call(function, arguments, count);
        if (status) return status;
    }
    elapsed[1] = seconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
    elapsed[0] = seconds(CLOCK_MONOTONIC) - wall;
    return 0;
}
