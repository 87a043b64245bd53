/* The timing loop of the measuring process. It is not part of exported libraries. */
#include <time.h>

#include "heron_runtime.h"

typedef int32_t (*kernel1)(void *);
typedef int32_t (*kernel2)(void *, void *);
typedef int32_t (*kernel3)(void *, void *, void *);
typedef int32_t (*kernel4)(void *, void *, void *, void *);
typedef int32_t (*kernel5)(void *, void *, void *, void *, void *);
typedef int32_t (*kernel6)(void *, void *, void *, void *, void *, void *);
typedef int32_t (*kernel7)(void *, void *, void *, void *, void *, void *, void *);
typedef int32_t (*kernel8)(void *, void *, void *, void *, void *, void *, void *, void *);

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* The loop stands in each case so that a call costs no switch. */
#define LOOP(type, ...) \
  for (int64_t i = 0; i < count && status == 0; ++i) status = ((type)kernel)(__VA_ARGS__)

double heron_repeat(void *kernel, void *const *a, int32_t argument_count, int64_t count) {
  int32_t status = 0;
  double start = now();
  switch (argument_count) {
    case 1: LOOP(kernel1, a[0]); break;
    case 2: LOOP(kernel2, a[0], a[1]); break;
    case 3: LOOP(kernel3, a[0], a[1], a[2]); break;
    case 4: LOOP(kernel4, a[0], a[1], a[2], a[3]); break;
    case 5: LOOP(kernel5, a[0], a[1], a[2], a[3], a[4]); break;
    case 6: LOOP(kernel6, a[0], a[1], a[2], a[3], a[4], a[5]); break;
    case 7: LOOP(kernel7, a[0], a[1], a[2], a[3], a[4], a[5], a[6]); break;
    case 8: LOOP(kernel8, a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]); break;
    default: return -1.0;
  }
  double seconds = now() - start;
  return status == 0 ? seconds : -1.0;
}
