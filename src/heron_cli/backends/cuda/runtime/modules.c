/* Kernels in contexts: which context a call means, loading on the first call there, launching. */
#include <pthread.h>
#include <stdlib.h>

#include "driver.h"

#define TRY(expression) \
  do { \
    heron_status status_ = (expression); \
    if (status_ != HERON_OK) return status_; \
  } while (0)

enum { MOST_DEVICES = 64, FREE_SHARED_BYTES = 48 << 10 }; /* more shared memory must be asked for */

/* An image in one context. Entries are added at the front of its list and never removed. */
struct heron_loaded {
  unsigned long long context;
  CUfunction functions[2]; /* by enum heron_entry */
  struct heron_loaded *next;
};

static pthread_mutex_t changing = PTHREAD_MUTEX_INITIALIZER; /* lists of images, and `primaries` */
static CUcontext primaries[MOST_DEVICES];

/* The primary context of a device, retained once and never given back. */
static heron_status primary(const struct heron_cuda *cuda, int32_t ordinal, CUcontext *context) {
  if (ordinal < 0 || ordinal >= MOST_DEVICES)
    return heron_cuda_error(HERON_NO_DEVICE, "there is no GPU number %d", (int)ordinal);
  CUdevice device;
  TRY(heron_cuda_status(cuda, "cuDeviceGet", cuda->device_get(&device, ordinal)));
  pthread_mutex_lock(&changing);
  heron_status status = HERON_OK;
  if (primaries[ordinal] == NULL)
    status = heron_cuda_status(cuda, "cuDevicePrimaryCtxRetain",
                               cuda->primary_retain(&primaries[ordinal], device));
  *context = primaries[ordinal];
  pthread_mutex_unlock(&changing);
  return status;
}

/* What tells the current context from all others; where there is none, the first device's becomes current. */
static heron_status current(const struct heron_cuda *cuda, unsigned long long *key) {
  CUcontext context = NULL;
  TRY(heron_cuda_status(cuda, "cuCtxGetCurrent", cuda->context_get(&context)));
  if (context == NULL) {
    TRY(primary(cuda, 0, &context));
    TRY(heron_cuda_status(cuda, "cuCtxSetCurrent", cuda->context_set(context)));
  }
  *key = (unsigned long long)(uintptr_t)context;
  if (cuda->context_id != NULL) /* a handle may be used again for another context, an id is not */
    TRY(heron_cuda_status(cuda, "cuCtxGetId", cuda->context_id(context, key)));
  return HERON_OK;
}

/* "sm_90a" runs on 9.0 only, "sm_80" on 8.0 and later 8.x. */
static heron_status fits(const struct heron_cuda *cuda, const char *architecture, CUdevice device) {
  int major = 0, minor = 0;
  TRY(heron_cuda_status(cuda, "cuDeviceGetAttribute",
                        cuda->device_attribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device)));
  TRY(heron_cuda_status(cuda, "cuDeviceGetAttribute",
                        cuda->device_attribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device)));
  char *rest = NULL;
  long number = strtol(architecture + sizeof "sm_" - 1, &rest, 10);
  int wanted = (int)(number % 10);
  if (major == number / 10 && (*rest == 'a' ? minor == wanted : minor >= wanted)) return HERON_OK;
  return heron_cuda_error(HERON_UNSUPPORTED_DEVICE, "the GPU has compute capability %d.%d; the kernel is for %s",
                          major, minor, architecture);
}

heron_status heron_device_ready(const struct heron_image *image) {
  heron_status status;
  const struct heron_cuda *cuda = heron_cuda_driver(&status);
  if (cuda == NULL) return status;
  CUcontext context = NULL;
  CUdevice device;
  TRY(heron_cuda_status(cuda, "cuCtxGetCurrent", cuda->context_get(&context)));
  if (context != NULL)
    TRY(heron_cuda_status(cuda, "cuCtxGetDevice", cuda->context_device(&device)));
  else
    TRY(heron_cuda_status(cuda, "cuDeviceGet", cuda->device_get(&device, 0)));
  return fits(cuda, image->architecture, device);
}

static heron_status function_of(const struct heron_cuda *cuda, CUmodule module, const struct heron_launch *launch,
                                CUfunction *function) {
  if (launch == NULL) return HERON_OK;
  TRY(heron_cuda_status(cuda, "cuModuleGetFunction", cuda->module_function(function, module, launch->function)));
  if (launch->shared <= FREE_SHARED_BYTES) return HERON_OK;
  return heron_cuda_status(
      cuda, "cuFuncSetAttribute",
      cuda->function_attribute(*function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, (int)launch->shared));
}

static heron_status load_module(const struct heron_cuda *cuda, const struct heron_image *image,
                                struct heron_loaded *loaded) {
  CUmodule module = NULL;
  TRY(heron_cuda_status(cuda, "cuModuleLoadData", cuda->module_load(&module, image->code)));
  heron_status status = function_of(cuda, module, image->run, &loaded->functions[HERON_RUN]);
  if (status == HERON_OK) status = function_of(cuda, module, image->pack, &loaded->functions[HERON_PACK]);
  if (status != HERON_OK) cuda->module_unload(module); /* what went wrong first is what is told */
  return status;
}

static heron_status add(const struct heron_cuda *cuda, struct heron_image *image, unsigned long long key,
                        struct heron_loaded **found) {
  CUdevice device;
  TRY(heron_cuda_status(cuda, "cuCtxGetDevice", cuda->context_device(&device)));
  TRY(fits(cuda, image->architecture, device));
  struct heron_loaded *loaded = calloc(1, sizeof *loaded);
  if (loaded == NULL) return HERON_OUT_OF_MEMORY;
  /* A first call may be captured in a graph. Loading is not part of the graph, and must not be refused. */
  int mode = CU_STREAM_CAPTURE_MODE_RELAXED;
  heron_status status =
      heron_cuda_status(cuda, "cuThreadExchangeStreamCaptureMode", cuda->capture_mode(&mode));
  if (status == HERON_OK) {
    status = load_module(cuda, image, loaded);
    heron_status restored =
        heron_cuda_status(cuda, "cuThreadExchangeStreamCaptureMode", cuda->capture_mode(&mode));
    if (status == HERON_OK) status = restored;
  }
  if (status != HERON_OK) {
    free(loaded);
    return status;
  }
  loaded->context = key;
  loaded->next = atomic_load_explicit(&image->loaded, memory_order_relaxed);
  atomic_store_explicit(&image->loaded, loaded, memory_order_release);
  *found = loaded;
  return HERON_OK;
}

static struct heron_loaded *lookup(struct heron_image *image, unsigned long long key) {
  struct heron_loaded *loaded = atomic_load_explicit(&image->loaded, memory_order_acquire);
  while (loaded != NULL && loaded->context != key) loaded = loaded->next;
  return loaded;
}

static heron_status load(const struct heron_cuda *cuda, struct heron_image *image, struct heron_loaded **found) {
  unsigned long long key;
  TRY(current(cuda, &key));
  *found = lookup(image, key);
  if (*found != NULL) return HERON_OK;
  pthread_mutex_lock(&changing);
  heron_status status = HERON_OK;
  *found = lookup(image, key); /* another thread may have been first */
  if (*found == NULL) status = add(cuda, image, key, found);
  pthread_mutex_unlock(&changing);
  return status;
}

heron_status heron_device_load(struct heron_image *image) {
  heron_status status;
  const struct heron_cuda *cuda = heron_cuda_driver(&status);
  struct heron_loaded *loaded;
  return cuda == NULL ? status : load(cuda, image, &loaded);
}

static int swizzle_of(uint32_t bytes) {
  switch (bytes) {
    case 32: return CU_TENSOR_MAP_SWIZZLE_32B;
    case 64: return CU_TENSOR_MAP_SWIZZLE_64B;
    case 128: return CU_TENSOR_MAP_SWIZZLE_128B;
  }
  return CU_TENSOR_MAP_SWIZZLE_NONE;
}

static heron_status encode(const struct heron_cuda *cuda, const struct heron_tensor_map *wanted, void *address,
                           CUtensorMap *map) {
  static const int types[] = {
      [HERON_UINT8] = CU_TENSOR_MAP_DATA_TYPE_UINT8,     [HERON_INT8] = CU_TENSOR_MAP_DATA_TYPE_UINT8,
      [HERON_INT32] = CU_TENSOR_MAP_DATA_TYPE_INT32,     [HERON_FLOAT16] = CU_TENSOR_MAP_DATA_TYPE_FLOAT16,
      [HERON_FLOAT32] = CU_TENSOR_MAP_DATA_TYPE_FLOAT32, [HERON_BFLOAT16] = CU_TENSOR_MAP_DATA_TYPE_BFLOAT16,
  };
  static const uint32_t ones[] = {1, 1, 1, 1, 1};
  if (cuda->encode_box == NULL || cuda->encode_column == NULL)
    return heron_cuda_error(HERON_NO_DRIVER, "the NVIDIA driver is too old: it has no cuTensorMapEncodeTiled");
  int type = types[wanted->element], swizzle = swizzle_of(wanted->swizzle);
  if (wanted->mode == HERON_MAP_BOX)
    return heron_cuda_status(
        cuda, "cuTensorMapEncodeTiled",
        cuda->encode_box(map, type, wanted->rank, address, wanted->extents, wanted->strides, wanted->box, ones,
                         CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle, CU_TENSOR_MAP_L2_PROMOTION_L2_128B,
                         CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));
  return heron_cuda_status(
      cuda, "cuTensorMapEncodeIm2col",
      cuda->encode_column(map, type, wanted->rank, address, wanted->extents, wanted->strides, wanted->lower,
                          wanted->upper, wanted->channels, wanted->pixels, wanted->steps,
                          CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle, CU_TENSOR_MAP_L2_PROMOTION_L2_128B,
                          CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));
}

/* A kernel that overlaps waits by itself for the one before it; where the driver knows no overlap, it need not. */
static heron_status start(const struct heron_cuda *cuda, CUfunction function, const struct heron_launch *launch,
                          void **parameters, CUstream stream) {
  const uint32_t *grid = launch->grid;
  if (!launch->overlap || cuda->launch_with == NULL)
    return heron_cuda_status(cuda, "cuLaunchKernel",
                             cuda->launch(function, grid[0], grid[1], grid[2], launch->threads, 1, 1,
                                          launch->shared, stream, parameters, NULL));
  CUlaunchAttribute overlap = {.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION, .value = 1};
  CUlaunchConfig config = {.grid = {grid[0], grid[1], grid[2]}, .block = {launch->threads, 1, 1},
                           .shared = launch->shared, .stream = stream, .attributes = &overlap, .count = 1};
  return heron_cuda_status(cuda, "cuLaunchKernelEx", cuda->launch_with(&config, function, parameters, NULL));
}

heron_status heron_device_launch(struct heron_image *image, enum heron_entry entry, const void *const *operands,
                                 void *stream) {
  heron_status status;
  const struct heron_cuda *cuda = heron_cuda_driver(&status);
  if (cuda == NULL) return status;
  struct heron_loaded *loaded;
  TRY(load(cuda, image, &loaded));
  const struct heron_launch *launch = entry == HERON_RUN ? image->run : image->pack;
  CUdeviceptr addresses[HERON_MOST_PARAMETERS];
  CUtensorMap maps[HERON_MOST_MAPS];
  void *parameters[HERON_MOST_PARAMETERS];
  uint32_t used = 0;
  for (uint32_t i = 0; i < launch->count; ++i) {
    const struct heron_parameter *parameter = &launch->parameters[i];
    addresses[i] = (CUdeviceptr)(uintptr_t)operands[parameter->operand];
    parameters[i] = &addresses[i];
    if (parameter->map == NULL) continue;
    TRY(encode(cuda, parameter->map, (void *)(uintptr_t)addresses[i], &maps[used]));
    parameters[i] = &maps[used++];
  }
  return start(cuda, loaded->functions[entry], launch, parameters, (CUstream)stream);
}

heron_status heron_device_copy(const void *source, void *target, size_t bytes, void *stream) {
  heron_status status;
  const struct heron_cuda *cuda = heron_cuda_driver(&status);
  if (cuda == NULL) return status;
  return heron_cuda_status(cuda, "cuMemcpyDtoDAsync",
                           cuda->copy((CUdeviceptr)(uintptr_t)target, (CUdeviceptr)(uintptr_t)source, bytes,
                                      (CUstream)stream));
}

heron_status heron_device_push(int32_t device) {
  heron_status status;
  const struct heron_cuda *cuda = heron_cuda_driver(&status);
  if (cuda == NULL) return status;
  CUcontext context;
  TRY(primary(cuda, device, &context));
  return heron_cuda_status(cuda, "cuCtxPushCurrent", cuda->context_push(context));
}

void heron_device_pop(void) {
  heron_status status;
  const struct heron_cuda *cuda = heron_cuda_driver(&status);
  CUcontext context;
  if (cuda != NULL) cuda->context_pop(&context);
}
