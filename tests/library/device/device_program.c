/* Calls an exported library the way a user would; the first argument says what to expect. Exits 0 when all holds.
 * The stand-in for the driver keeps device memory in the host's, so malloc makes it. */
#define _POSIX_C_SOURCE 200809L
#include <heron_kernels.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition) \
  do { \
    if (!(condition)) { \
      fprintf(stderr, "line %d: %s (%s)\n", __LINE__, #condition, heron_last_error()); \
      return 1; \
    } \
  } while (0)
#define STREAM ((void *)0x40)

static void *device_memory(size_t bytes) { return aligned_alloc(256, (bytes + 255) / 256 * 256); }

static uint8_t *input;
static int8_t *weight;
static int32_t *output;

static void prepare(void) {
  input = device_memory(17 * 21), weight = device_memory(33 * 21), output = device_memory(17 * 33 * 4);
  for (int i = 0; i < 17 * 21; ++i) input[i] = (uint8_t)(i * 7);
  for (int i = 0; i < 33 * 21; ++i) weight[i] = (int8_t)(i * 5);
}

static void finish(void) { free(input), free(weight), free(output); }

static int exact(int m, int n, int k) {
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j) {
      int32_t sum = 0;
      for (int r = 0; r < k; ++r) sum += input[i * k + r] * weight[j * k + r];
      if (output[i * n + j] != sum) return 0;
    }
  return 1;
}

static int works(void) {
  heron_gemm_desc desc;
  desc.m = 17, desc.n = 33, desc.k = 21;
  CHECK(strcmp(heron_version(), "1.2.3") == 0 && strlen(heron_build_id()) == 32);
  CHECK(heron_kernel_count() == 5 && heron_kernel_at(5) == NULL);
  CHECK(strcmp(heron_kernel_at(4)->symbol, "heron_gemm_u8s8s32_m17_n33_k21") == 0);
  CHECK(strcmp(heron_kernel_at(4)->architecture, "sm_90a") == 0 && heron_kernel_at(4)->seconds == 2e-5);
  CHECK(heron_kernel_ready(4) == HERON_OK && heron_kernel_ready(5) == HERON_NO_KERNEL);
  CHECK(heron_gemm_u8s8s32_query(&desc) == HERON_OK);
  CHECK(heron_gemm_u8s8s32_packed_size(&desc) == 33 * 21 && HERON_GEMM_U8S8S32_M17_N33_K21_PACKED_BYTES == 33 * 21);
  char *packed = device_memory(33 * 21);
  CHECK(heron_gemm_u8s8s32_pack(&desc, weight, packed, STREAM) == HERON_OK);
  CHECK(heron_gemm_u8s8s32(&desc, input, packed, output, STREAM) == HERON_OK);
  CHECK(exact(17, 33, 21));
  memset(output, 77, 17 * 33 * 4);
  CHECK(heron_gemm_u8s8s32_m17_n33_k21(input, packed, output, NULL) == HERON_OK);
  CHECK(exact(17, 33, 21));
  memset(output, 77, 17 * 33 * 4); /* what is wrong is refused before anything is queued */
  CHECK(heron_gemm_u8s8s32(&desc, input + 1, packed, output, STREAM) == HERON_MISALIGNED);
  CHECK(heron_gemm_u8s8s32(&desc, input, packed, output + 1, STREAM) == HERON_MISALIGNED);
  CHECK(heron_gemm_u8s8s32_pack(&desc, weight + 8, packed, STREAM) == HERON_MISALIGNED);
  CHECK(heron_gemm_u8s8s32(NULL, input, packed, output, STREAM) == HERON_INVALID_ARGUMENT);
  CHECK(heron_gemm_u8s8s32(&desc, NULL, packed, output, STREAM) == HERON_INVALID_ARGUMENT);
  CHECK(heron_gemm_u8s8s32_pack(&desc, weight, NULL, STREAM) == HERON_INVALID_ARGUMENT);
  desc.m = 18; /* not in the library: a caller falls back */
  CHECK(heron_gemm_u8s8s32_query(&desc) == HERON_NO_KERNEL);
  CHECK(heron_gemm_u8s8s32_packed_size(&desc) == 0);
  CHECK(heron_gemm_u8s8s32(&desc, input, packed, output, STREAM) == HERON_NO_KERNEL);
  CHECK(heron_gemm_u8s8s32_pack(&desc, weight, packed, STREAM) == HERON_NO_KERNEL);
  desc.m = 4, desc.n = 5, desc.k = 7; /* for sm_80 */
  CHECK(heron_gemm_u8s8s32_query(&desc) == HERON_UNSUPPORTED_DEVICE);
  CHECK(heron_gemm_u8s8s32(&desc, input, packed, output, STREAM) == HERON_UNSUPPORTED_DEVICE);
  CHECK(strcmp(heron_last_error(), "the GPU has compute capability 9.0; the kernel is for sm_80") == 0);
  desc.k = 8; /* the code is damaged */
  CHECK(heron_gemm_u8s8s32(&desc, input, packed, output, STREAM) == HERON_KERNEL_FAILED);
  CHECK(strcmp(heron_last_error(), "cuModuleLoadData: unknown error (200)") == 0);
  desc.k = 9; /* the code lacks a function */
  CHECK(heron_gemm_u8s8s32(&desc, input, packed, output, STREAM) == HERON_KERNEL_FAILED);
  CHECK(strcmp(heron_last_error(), "cuModuleGetFunction: unknown error (500)") == 0);
  for (int i = 0; i < 17 * 33; ++i) CHECK(output[i] == 0x4d4d4d4d);
  desc.k = 6; /* packs nothing: the packed form is a copy */
  CHECK(heron_gemm_u8s8s32_pack(&desc, weight, packed, STREAM) == HERON_OK && memcmp(packed, weight, 30) == 0);
  CHECK(heron_gemm_u8s8s32(&desc, input, packed, output, STREAM) == HERON_OK);
  CHECK(exact(4, 5, 6));
  for (int status = HERON_OK; status <= HERON_NO_DEVICE + 1; ++status)
    CHECK(strlen(heron_status_string((heron_status)status)) > 3);
  free(packed);
  return 0;
}

static int by_index(void) {
  char *packed = device_memory(33 * 21);
  const void *operands[] = {input, packed, output};
  CHECK(heron_kernel_load(4) == HERON_OK && heron_kernel_load(5) == HERON_NO_KERNEL);
  for (int device = -1; device < 2; ++device) {
    memset(output, 77, 17 * 33 * 4), memset(packed, 77, 33 * 21);
    CHECK(heron_kernel_pack(4, device, weight, packed, STREAM) == HERON_OK);
    CHECK(heron_kernel_run(4, device, operands, 3, STREAM) == HERON_OK);
    CHECK(exact(17, 33, 21));
  }
  CHECK(heron_kernel_run(4, 2, operands, 3, STREAM) == HERON_NO_DEVICE);
  CHECK(heron_kernel_run(4, 64, operands, 3, STREAM) == HERON_NO_DEVICE);
  CHECK(strcmp(heron_last_error(), "there is no GPU number 64") == 0);
  CHECK(heron_kernel_run(4, -2, operands, 3, STREAM) == HERON_NO_DEVICE);
  CHECK(heron_kernel_pack(4, 2, weight, packed, STREAM) == HERON_NO_DEVICE);
  CHECK(heron_kernel_run(4, 0, operands, 2, STREAM) == HERON_INVALID_ARGUMENT);
  CHECK(heron_kernel_run(4, 0, NULL, 3, STREAM) == HERON_INVALID_ARGUMENT);
  CHECK(heron_kernel_run(5, 0, operands, 3, STREAM) == HERON_NO_KERNEL);
  CHECK(heron_kernel_pack(5, 0, weight, packed, STREAM) == HERON_NO_KERNEL);
  free(packed);
  return 0;
}

enum { THREADS = 16 };
static pthread_barrier_t together;

static void *first_call(void *result) {
  int32_t *own = device_memory(17 * 33 * 4);
  char *packed = device_memory(33 * 21);
  heron_gemm_desc desc;
  desc.m = 17, desc.n = 33, desc.k = 21;
  pthread_barrier_wait(&together);
  int ok = heron_gemm_u8s8s32_pack(&desc, weight, packed, STREAM) == HERON_OK;
  for (int i = 0; i < 20 && ok; ++i) ok = heron_gemm_u8s8s32(&desc, input, packed, own, STREAM) == HERON_OK;
  *(int *)result = ok && memcmp(own, output, 17 * 33 * 4) == 0;
  free(own), free(packed);
  return NULL;
}

static int many_threads(void) {
  pthread_t threads[THREADS];
  int results[THREADS];
  for (int i = 0; i < 17; ++i)
    for (int j = 0; j < 33; ++j) {
      int32_t sum = 0;
      for (int r = 0; r < 21; ++r) sum += input[i * 21 + r] * weight[j * 21 + r];
      output[i * 33 + j] = sum;
    }
  pthread_barrier_init(&together, NULL, THREADS);
  for (int i = 0; i < THREADS; ++i) CHECK(pthread_create(&threads[i], NULL, first_call, &results[i]) == 0);
  for (int i = 0; i < THREADS; ++i) CHECK(pthread_join(threads[i], NULL) == 0);
  for (int i = 0; i < THREADS; ++i) CHECK(results[i]);
  return 0;
}

/* Every way into the library gives the status, and says why; query and load may have no reason to refuse. */
static int refused(int expected, int query, int load, const char *why) {
  const void *operands[] = {input, weight, output};
  heron_gemm_desc desc;
  desc.m = 17, desc.n = 33, desc.k = 21;
  for (int turn = 0; turn < 2; ++turn) { /* the second time as well */
    CHECK((int)heron_gemm_u8s8s32(&desc, input, weight, output, STREAM) == expected);
    CHECK(strstr(heron_last_error(), why) != NULL);
    CHECK((int)heron_gemm_u8s8s32_pack(&desc, weight, output, STREAM) == expected);
    CHECK((int)heron_kernel_run(4, 0, operands, 3, STREAM) == expected);
    CHECK((int)heron_kernel_pack(4, 0, weight, output, STREAM) == expected);
    CHECK((int)heron_gemm_u8s8s32_query(&desc) == query && (int)heron_kernel_ready(4) == query);
    CHECK((int)heron_kernel_load(4) == load);
  }
  return 0;
}

int main(int argc, char **argv) {
  int failed = 2;
  prepare();
  if (argc == 2 && strcmp(argv[1], "works") == 0) failed = works();
  if (argc == 2 && strcmp(argv[1], "index") == 0) failed = by_index();
  if (argc == 2 && strcmp(argv[1], "threads") == 0) failed = many_threads();
  if (argc == 6) failed = refused(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]), argv[5]);
  finish();
  return failed;
}
