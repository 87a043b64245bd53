/* A stand-in for NVIDIA's libcuda.so.1: device memory is memory of the host, a module is a line of text, and a
 * kernel is a product in plain C. It remembers every call in the file STUB_LOG, one a line, and refuses what a
 * driver would refuse: no context, functions of another context, unknown names.
 *
 * STUB_FAIL="cuInit=100 cuLaunchKernel=719" makes calls return that; STUB_CAPABILITY=80 is the GPUs' (90).
 *
 * An image is "STUB FUNCTION:ADDRESSES+MAPS … gemm:M,N,K\n": uint8 (M,K) x int8 (N,K) -> int32 (M,N), the weight
 * transposed by the function that packs, where there is one. Or it is a real cubin, which does nothing. */
#define _GNU_SOURCE
#include <elf.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEVICES = 2, NOT_FOUND = 500, INVALID_CONTEXT = 201, INVALID_HANDLE = 400, INVALID_VALUE = 1 };

typedef struct { int device; unsigned long long id; } Context;
typedef struct { Context *context; const char *image; } Module;
typedef struct { Module *module; char name[64]; int shared; } Function;

static Context primaries[DEVICES] = {{0, 100}, {1, 101}};
static _Thread_local Context *stack[8];
static _Thread_local int depth; /* stack[0] is used when the stack is empty but a context was set */
static _Thread_local int mode;
static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER;

static void record(const char *format, ...) {
  const char *path = getenv("STUB_LOG");
  if (path == NULL) return;
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  pthread_mutex_lock(&writing);
  FILE *file = fopen(path, "a");
  fprintf(file, "%s\n", line);
  fclose(file);
  pthread_mutex_unlock(&writing);
}

static int fails(const char *name) {
  const char *wanted = getenv("STUB_FAIL");
  const char *found = wanted == NULL ? NULL : strstr(wanted, name);
  return found != NULL && found[strlen(name)] == '=' ? atoi(found + strlen(name) + 1) : 0;
}
#define ENTER(name) \
  do { \
    if (fails(name)) return fails(name); \
  } while (0)

static Context *now(void) { return depth > 0 ? stack[depth - 1] : NULL; }

int cuInit(unsigned flags) {
  (void)flags;
  record("cuInit");
  ENTER("cuInit");
  return 0;
}
int cuGetErrorString(int code, const char **text) {
  *text = code == 719 ? "unspecified launch failure" : code == 100 ? "no CUDA-capable device is detected" : NULL;
  return *text == NULL;
}
int cuDeviceGet(int *device, int ordinal) {
  ENTER("cuDeviceGet");
  *device = ordinal;
  return ordinal < DEVICES ? 0 : 101;
}
int cuDeviceGetName(char *name, int length, int device) {
  (void)device;
  snprintf(name, (size_t)length, "stub");
  return 0;
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
  (void)device;
  const char *text = getenv("STUB_CAPABILITY");
  int capability = text == NULL ? 90 : atoi(text);
  *value = attribute == 75 ? capability / 10 : capability % 10;
  return attribute == 75 || attribute == 76 ? 0 : INVALID_VALUE;
}
int cuDevicePrimaryCtxRetain(Context **context, int device) {
  record("cuDevicePrimaryCtxRetain %d", device);
  ENTER("cuDevicePrimaryCtxRetain");
  *context = &primaries[device];
  return 0;
}
int cuCtxGetCurrent(Context **context) {
  *context = now();
  return 0;
}
int cuCtxGetId(Context *context, unsigned long long *id) {
  *id = context->id;
  return 0;
}
int cuCtxSetCurrent(Context *context) {
  depth = depth > 0 ? depth : 1;
  stack[depth - 1] = context;
  return 0;
}
int cuCtxPushCurrent_v2(Context *context) {
  stack[depth++] = context;
  return 0;
}
int cuCtxPopCurrent_v2(Context **context) {
  if (depth == 0) return INVALID_CONTEXT;
  *context = stack[--depth];
  return 0;
}
int cuCtxGetDevice(int *device) {
  if (now() == NULL) return INVALID_CONTEXT;
  *device = now()->device;
  return 0;
}
#ifndef STUB_OLD
int cuThreadExchangeStreamCaptureMode(int *wanted) {
  int before = mode;
  mode = *wanted;
  *wanted = before;
  return 0;
}
#endif

int cuModuleLoadData(Module **module, const void *image) {
  if (now() == NULL) return INVALID_CONTEXT;
  record("cuModuleLoadData device=%d mode=%d", now()->device, mode);
  ENTER("cuModuleLoadData");
  if (memcmp(image, "STUB ", 5) != 0 && memcmp(image, ELFMAG, SELFMAG) != 0) return 200;
  if ((uintptr_t)image % 8 != 0) return INVALID_VALUE;
  usleep(20000); /* long enough for other threads to arrive */
  *module = malloc(sizeof **module);
  **module = (Module){now(), image};
  return 0;
}
int cuModuleUnload(Module *module) {
  record("cuModuleUnload");
  free(module);
  return 0;
}
static const char *part(const char *image, const char *name) {
  size_t length = strlen(name);
  for (const char *at = image; at < strchr(image, '\n'); ++at)
    if (at[-(at != image)] == ' ' && strncmp(at, name, length) == 0 && at[length] == ':') return at + length + 1;
  return NULL;
}
int cuModuleGetFunction(Function **function, Module *module, const char *name) {
  ENTER("cuModuleGetFunction");
  if (memcmp(module->image, ELFMAG, SELFMAG) == 0) {
    const Elf64_Ehdr *header = (const void *)module->image;
    char section[80];
    snprintf(section, sizeof section, ".text.%s", name);
    size_t bytes = header->e_shoff + (size_t)header->e_shnum * header->e_shentsize;
    if (memmem(module->image, bytes, section, strlen(section) + 1) == NULL) return NOT_FOUND;
  } else if (part(module->image, name) == NULL) {
    return NOT_FOUND;
  }
  *function = calloc(1, sizeof **function);
  (*function)->module = module;
  (*function)->shared = 48 << 10;
  snprintf((*function)->name, sizeof (*function)->name, "%s", name);
  return 0;
}
int cuFuncSetAttribute(Function *function, int attribute, int value) {
  record("cuFuncSetAttribute %s %d=%d", function->name, attribute, value);
  ENTER("cuFuncSetAttribute");
  if (attribute == 8) function->shared = value;
  return 0;
}

static void multiply(const char *image, const char *name, void *const *p) {
  const char *text = part(image, "gemm");
  int m, n, k, packs = part(image, "heron_kernel_pack") != NULL;
  if (text == NULL || sscanf(text, "%d,%d,%d", &m, &n, &k) != 3) return;
  if (strcmp(name, "heron_kernel_pack") == 0) {
    for (int i = 0; i < n; ++i)
      for (int j = 0; j < k; ++j) ((int8_t *)p[1])[j * n + i] = ((const int8_t *)p[0])[i * k + j];
    return;
  }
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j) {
      int32_t sum = 0;
      for (int r = 0; r < k; ++r)
        sum += ((const uint8_t *)p[0])[i * k + r] * ((const int8_t *)p[1])[packs ? r * n + j : j * k + r];
      ((int32_t *)p[2])[i * n + j] = sum;
    }
}

static int launch(const char *call, Function *function, const unsigned *grid, const unsigned *block, unsigned shared,
                  void *stream, void **parameters, void **extra) {
  if (function->module->context != now()) return INVALID_HANDLE;
  const char *image = function->module->image, *text = *image == 'S' ? part(image, function->name) : NULL;
  int count = 0, maps = 0;
  if (text != NULL) sscanf(text, "%d+%d", &count, &maps);
  count += maps;
  char values[256] = "";
  void *addresses[8] = {0};
  for (int i = 0; i < count; ++i) {
    addresses[i] = *(void **)parameters[i];
    snprintf(values + strlen(values), sizeof values - strlen(values), ",%p" + (i == 0), addresses[i]);
  }
  record("%s %s grid=%u,%u,%u block=%u,%u,%u shared=%u stream=%p device=%d parameters=%s", call, function->name,
         grid[0], grid[1], grid[2], block[0], block[1], block[2], shared, stream, now()->device, values);
  ENTER(call);
  if (shared > (unsigned)function->shared || extra != NULL) return INVALID_VALUE;
  if (*image == 'S') multiply(image, function->name, addresses);
  return 0;
}
int cuLaunchKernel(Function *function, unsigned x, unsigned y, unsigned z, unsigned threads, unsigned ty, unsigned tz,
                   unsigned shared, void *stream, void **parameters, void **extra) {
  return launch("cuLaunchKernel", function, (unsigned[]){x, y, z}, (unsigned[]){threads, ty, tz}, shared, stream,
                parameters, extra);
}
/* With the one attribute that kernels which overlap are launched with, as cuda.h lays it out. */
struct config {
  unsigned grid[3], block[3], shared;
  void *stream;
  struct { unsigned id, padding; char value[64]; } *attributes;
  unsigned count;
};
int cuLaunchKernelEx(const struct config *config, Function *function, void **parameters, void **extra) {
  if (config->count != 1 || config->attributes->id != 6 || config->attributes->value[0] != 1) return INVALID_VALUE;
  return launch("cuLaunchKernelEx", function, config->grid, config->block, config->shared, config->stream, parameters,
                extra);
}

/* A map holds the text of what it was made of. */
static int encode(void *map, const char *kind, int type, unsigned rank, void *address, const uint64_t *extents,
                  const uint64_t *strides, const int *lower, const int *upper, const unsigned *box, int swizzle,
                  int promotion) {
  if ((uintptr_t)map % 64 != 0 || (uintptr_t)address % 16 != 0 || rank < 1 || rank > 5) return INVALID_VALUE;
  char text[400];
  int at = snprintf(text, sizeof text, "%s type=%d swizzle=%d,%d", kind, type, swizzle, promotion);
  for (unsigned i = 0; i < rank; ++i)
    at += snprintf(text + at, sizeof text - at, " %lu/%lu/%u", extents[i], i ? strides[i - 1] : 0, box[i]);
  for (unsigned i = 0; lower != NULL && i < rank - 2; ++i)
    at += snprintf(text + at, sizeof text - at, " %d..%d", lower[i], upper[i]);
  record("%s", text);
  memcpy(map, &address, sizeof address);
  return 0;
}
int cuTensorMapEncodeTiled(void *map, int type, unsigned rank, void *address, const uint64_t *extents,
                           const uint64_t *strides, const unsigned *box, const unsigned *steps, int interleave,
                           int swizzle, int promotion, int fill) {
  ENTER("cuTensorMapEncodeTiled");
  for (unsigned i = 0; i < rank; ++i)
    if (steps[i] != 1) return INVALID_VALUE;
  if (interleave != 0 || fill != 0) return INVALID_VALUE;
  return encode(map, "cuTensorMapEncodeTiled", type, rank, address, extents, strides, NULL, NULL, box, swizzle,
                promotion);
}
int cuTensorMapEncodeIm2col(void *map, int type, unsigned rank, void *address, const uint64_t *extents,
                            const uint64_t *strides, const int *lower, const int *upper, unsigned channels,
                            unsigned pixels, const unsigned *steps, int interleave, int swizzle, int promotion,
                            int fill) {
  if (interleave != 0 || fill != 0 || rank < 3) return INVALID_VALUE;
  record("columns of %u x %u", pixels, channels);
  return encode(map, "cuTensorMapEncodeIm2col", type, rank, address, extents, strides, lower, upper, steps, swizzle,
                promotion);
}

int cuMemcpyDtoDAsync_v2(uintptr_t target, uintptr_t source, size_t bytes, void *stream) {
  record("cuMemcpyDtoDAsync %zu stream=%p", bytes, stream);
  ENTER("cuMemcpyDtoDAsync");
  memcpy((void *)target, (const void *)source, bytes);
  return now() == NULL ? INVALID_CONTEXT : 0;
}
int cuMemAlloc_v2(uintptr_t *address, size_t bytes) {
  *address = (uintptr_t)aligned_alloc(256, (bytes + 255) / 256 * 256);
  return 0;
}
int cuMemFree_v2(uintptr_t address) {
  free((void *)address);
  return 0;
}
int cuMemcpyHtoD_v2(uintptr_t target, const void *source, size_t bytes) {
  memcpy((void *)target, source, bytes);
  return 0;
}
int cuMemcpyDtoH_v2(void *target, uintptr_t source, size_t bytes) {
  memcpy(target, (const void *)source, bytes);
  return 0;
}
int cuCtxSynchronize(void) { return now() == NULL ? INVALID_CONTEXT : 0; }
int cuStreamCreate(void **stream, unsigned flags) {
  *stream = (void *)(uintptr_t)(0x5000 + flags);
  return 0;
}
int cuStreamSynchronize(void *stream) {
  record("cuStreamSynchronize %p", stream);
  ENTER("cuStreamSynchronize");
  return 0;
}
