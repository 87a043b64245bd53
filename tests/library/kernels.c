/* Stand-ins for generated kernels: plain C, the hooks of TVM's LLVM objects, a packed form of their own.
 * Compiled once per kernel with NAME, KIND_… and the sizes defined. */
#include <stdint.h>

typedef struct { void *sync_handle; int32_t num_task; } Env;
typedef int (*Lambda)(int, Env *, void *);
__attribute__((weak)) int (*__TVMBackendParallelLaunch)(Lambda, void *, int);
__attribute__((weak)) void *(*__TVMBackendAllocWorkspace)(int, int, uint64_t, int, int);
__attribute__((weak)) int (*__TVMBackendFreeWorkspace)(int, int, void *);
__attribute__((weak)) void (*__TVMFFIErrorSetRaisedFromCStr)(const char *, const char *);

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

typedef struct { const void *input, *weight; void *output; } Call;

/* A global of the same name in every object: it must not clash. */
int helper_of_kernels = 1;

#ifdef KIND_gemm
#define UNITS M
static void unit(const Call *call, int i, int32_t *row) {
  const uint8_t *a = (const uint8_t *)call->input + (long)i * K;
  const int8_t *b = call->weight;
  for (int n = 0; n < N; ++n) row[n] = 0;
  for (int k = 0; k < K; ++k)
    for (int n = 0; n < N; ++n) row[n] += a[k] * b[(long)k * N + n];
  for (int n = 0; n < N; ++n) ((int32_t *)call->output)[(long)i * N + n] = row[n];
}
enum { ROW = N };
int32_t JOIN(NAME, _pack)(const int8_t *weight, int8_t *packed) { /* (n, k) to (k, n) */
  for (int n = 0; n < N; ++n)
    for (int k = 0; k < K; ++k) packed[(long)k * N + n] = weight[(long)n * K + k];
  return 0;
}
#endif

#ifdef KIND_conv2d /* NHWC, square, unpadded, unit stride, R taps a side; packs nothing */
enum { OH = H - R + 1, OW = W - R + 1 };
#define UNITS OH
enum { ROW = OW * O };
static void unit(const Call *call, int y, int32_t *row) {
  const uint8_t *in = call->input;
  const int8_t *w = call->weight;
  for (int x = 0; x < OW; ++x)
    for (int o = 0; o < O; ++o) {
      int32_t sum = 0;
      for (int r = 0; r < R; ++r)
        for (int s = 0; s < R; ++s)
          for (int c = 0; c < C; ++c)
            sum += in[((y + r) * W + x + s) * C + c] * w[((o * C + c) * R + r) * R + s];
      row[x * O + o] = sum;
    }
  for (int i = 0; i < ROW; ++i) ((int32_t *)call->output)[(long)y * ROW + i] = row[i];
}
#endif

static int share(int task, Env *env, void *data) {
  int chunk = (UNITS + env->num_task - 1) / env->num_task;
  int32_t *row = __TVMBackendAllocWorkspace(1, 0, ROW * 4, 0, 32);
  if (row == 0) return -1;
  for (int i = task * chunk; i < UNITS && i < (task + 1) * chunk; ++i) unit(data, i, row);
  return __TVMBackendFreeWorkspace(1, 0, row);
}

int32_t NAME(const void *input, const void *weight, void *output) {
  Call call = {input, weight, output};
#ifdef FAILS
  __TVMFFIErrorSetRaisedFromCStr("ValueError", "this kernel always fails");
  return -1;
#endif
  return __TVMBackendParallelLaunch(share, &call, 0);
}
