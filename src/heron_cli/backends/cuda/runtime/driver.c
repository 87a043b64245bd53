#include "driver.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

static _Thread_local char message[256];
static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
static struct heron_cuda functions;
static _Atomic(const struct heron_cuda *) opened;

heron_status heron_cuda_error(heron_status status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  return status;
}

heron_status heron_cuda_status(const struct heron_cuda *cuda, const char *call, CUresult code) {
  if (code == CUDA_SUCCESS) return HERON_OK;
  const char *text = NULL;
  if (cuda->error_string(code, &text) != CUDA_SUCCESS || text == NULL) text = "unknown error";
  heron_status status = HERON_KERNEL_FAILED;
  if (code == CUDA_ERROR_OUT_OF_MEMORY) status = HERON_OUT_OF_MEMORY;
  if (code == CUDA_ERROR_NO_DEVICE || code == CUDA_ERROR_INVALID_DEVICE) status = HERON_NO_DEVICE;
  if (code == CUDA_ERROR_NO_BINARY_FOR_GPU) status = HERON_UNSUPPORTED_DEVICE;
  return heron_cuda_error(status, "%s: %s (%d)", call, text, code);
}

static heron_status open_driver(struct heron_cuda *cuda) {
  /* never closed: modules and contexts live in it until the process ends */
  void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) return heron_cuda_error(HERON_NO_DRIVER, "%s", dlerror());
#define FUNCTION(member, symbol, parameters) \
  *(void **)&cuda->member = dlsym(library, symbol); \
  if (cuda->member == NULL) \
    return heron_cuda_error(HERON_NO_DRIVER, "the NVIDIA driver is too old: it has no " symbol);
  HERON_CUDA_FUNCTIONS(FUNCTION)
#undef FUNCTION
#define FUNCTION(member, symbol, parameters) *(void **)&cuda->member = dlsym(library, symbol);
  HERON_CUDA_NEWER_FUNCTIONS(FUNCTION)
#undef FUNCTION
  CUresult code = cuda->init(0);
  heron_status status = heron_cuda_status(cuda, "cuInit", code);
  return code == CUDA_SUCCESS || code == CUDA_ERROR_NO_DEVICE ? status : HERON_NO_DRIVER;
}

const struct heron_cuda *heron_cuda_driver(heron_status *status) {
  const struct heron_cuda *cuda = atomic_load_explicit(&opened, memory_order_acquire);
  *status = HERON_OK;
  if (cuda != NULL) return cuda;
  pthread_mutex_lock(&opening);
  cuda = atomic_load_explicit(&opened, memory_order_relaxed);
  if (cuda == NULL) {
    *status = open_driver(&functions);
    if (*status == HERON_OK) {
      cuda = &functions;
      atomic_store_explicit(&opened, cuda, memory_order_release);
    }
  }
  pthread_mutex_unlock(&opening);
  return cuda;
}

const char *heron_device_error(void) { return message; }
