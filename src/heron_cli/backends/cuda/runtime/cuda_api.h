/* NVIDIA's driver API, as much of it as launching kernels takes; from its documentation, so that building needs
 * no CUDA headers. libcuda.so.1 comes with the driver and is opened when a kernel is called first. */
#ifndef HERON_CUDA_API_H
#define HERON_CUDA_API_H

#include <stddef.h>

typedef int CUresult, CUdevice;
typedef struct CUctx_st *CUcontext;
typedef struct CUmod_st *CUmodule;
typedef struct CUfunc_st *CUfunction;
typedef struct CUstream_st *CUstream;
typedef unsigned long long CUdeviceptr;

enum {
  CUDA_SUCCESS = 0,
  CUDA_ERROR_OUT_OF_MEMORY = 2,
  CUDA_ERROR_NO_DEVICE = 100,
  CUDA_ERROR_INVALID_DEVICE = 101,
  CUDA_ERROR_NO_BINARY_FOR_GPU = 209,

  CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75,
  CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76,
  CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8,
  CU_STREAM_CAPTURE_MODE_RELAXED = 2
};

/* FUNCTION(member, symbol, parameters): symbols end in _v2 where the plain one has 32-bit addresses. */
#define HERON_CUDA_FUNCTIONS(FUNCTION) \
  FUNCTION(init, "cuInit", (unsigned flags)) \
  FUNCTION(error_string, "cuGetErrorString", (CUresult code, const char **text)) \
  FUNCTION(device_get, "cuDeviceGet", (CUdevice *device, int ordinal)) \
  FUNCTION(device_attribute, "cuDeviceGetAttribute", (int *value, int attribute, CUdevice device)) \
  FUNCTION(primary_retain, "cuDevicePrimaryCtxRetain", (CUcontext *context, CUdevice device)) \
  FUNCTION(context_get, "cuCtxGetCurrent", (CUcontext *context)) \
  FUNCTION(context_set, "cuCtxSetCurrent", (CUcontext context)) \
  FUNCTION(context_push, "cuCtxPushCurrent_v2", (CUcontext context)) \
  FUNCTION(context_pop, "cuCtxPopCurrent_v2", (CUcontext *context)) \
  FUNCTION(context_device, "cuCtxGetDevice", (CUdevice *device)) \
  FUNCTION(capture_mode, "cuThreadExchangeStreamCaptureMode", (int *mode)) \
  FUNCTION(module_load, "cuModuleLoadData", (CUmodule *module, const void *image)) \
  FUNCTION(module_unload, "cuModuleUnload", (CUmodule module)) \
  FUNCTION(module_function, "cuModuleGetFunction", (CUfunction *function, CUmodule module, const char *name)) \
  FUNCTION(function_attribute, "cuFuncSetAttribute", (CUfunction function, int attribute, int value)) \
  FUNCTION(copy, "cuMemcpyDtoDAsync_v2", \
           (CUdeviceptr target, CUdeviceptr source, size_t bytes, CUstream stream)) \
  FUNCTION(launch, "cuLaunchKernel", \
           (CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, \
            unsigned block_y, unsigned block_z, unsigned shared, CUstream stream, void **parameters, \
            void **extra))

struct heron_cuda {
#define FUNCTION(member, symbol, parameters) CUresult(*member) parameters;
  HERON_CUDA_FUNCTIONS(FUNCTION)
#undef FUNCTION
  CUresult (*context_id)(CUcontext context, unsigned long long *id); /* NULL before CUDA 12 */
};

#endif
