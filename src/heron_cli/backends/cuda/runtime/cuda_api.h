/* NVIDIA's driver API, as much of it as launching kernels takes; from its documentation, so that building needs
 * no CUDA headers. libcuda.so.1 comes with the driver and is opened when a kernel is called first. */
#ifndef HERON_CUDA_API_H
#define HERON_CUDA_API_H

#include <stddef.h>
#include <stdint.h>

typedef int CUresult, CUdevice;
typedef struct CUctx_st *CUcontext;
typedef struct CUmod_st *CUmodule;
typedef struct CUfunc_st *CUfunction;
typedef struct CUstream_st *CUstream;
typedef unsigned long long CUdeviceptr;
typedef struct {
  _Alignas(64) uint64_t words[16];
} CUtensorMap;

/* Of a launch's attributes, the one by which a kernel may begin while the one before it in its stream ends. */
typedef struct {
  uint32_t id, padding;
  int32_t value;
  uint32_t rest[15];
} CUlaunchAttribute;
typedef struct {
  uint32_t grid[3], block[3], shared;
  CUstream stream;
  CUlaunchAttribute *attributes;
  uint32_t count;
} CUlaunchConfig;

enum {
  CUDA_SUCCESS = 0,
  CUDA_ERROR_OUT_OF_MEMORY = 2,
  CUDA_ERROR_NO_DEVICE = 100,
  CUDA_ERROR_INVALID_DEVICE = 101,
  CUDA_ERROR_NO_BINARY_FOR_GPU = 209,

  CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75,
  CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76,
  CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8,
  CU_STREAM_CAPTURE_MODE_RELAXED = 2,
  CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION = 6,

  CU_TENSOR_MAP_DATA_TYPE_UINT8 = 0,
  CU_TENSOR_MAP_DATA_TYPE_INT32 = 3,
  CU_TENSOR_MAP_DATA_TYPE_FLOAT16 = 6,
  CU_TENSOR_MAP_DATA_TYPE_FLOAT32 = 7,
  CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 = 9,
  CU_TENSOR_MAP_INTERLEAVE_NONE = 0,
  CU_TENSOR_MAP_SWIZZLE_NONE = 0,
  CU_TENSOR_MAP_SWIZZLE_32B = 1,
  CU_TENSOR_MAP_SWIZZLE_64B = 2,
  CU_TENSOR_MAP_SWIZZLE_128B = 3,
  CU_TENSOR_MAP_L2_PROMOTION_L2_128B = 2,
  CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE = 0 /* zeros */
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

/* Since CUDA 12; NULL with older drivers. */
#define HERON_CUDA_NEWER_FUNCTIONS(FUNCTION) \
  FUNCTION(context_id, "cuCtxGetId", (CUcontext context, unsigned long long *id)) \
  FUNCTION(launch_with, "cuLaunchKernelEx", \
           (const CUlaunchConfig *config, CUfunction function, void **parameters, void **extra)) \
  FUNCTION(encode_box, "cuTensorMapEncodeTiled", \
           (CUtensorMap *map, int type, uint32_t rank, void *address, const uint64_t *extents, \
            const uint64_t *strides, const uint32_t *box, const uint32_t *steps, int interleave, int swizzle, \
            int promotion, int fill)) \
  FUNCTION(encode_column, "cuTensorMapEncodeIm2col", \
           (CUtensorMap *map, int type, uint32_t rank, void *address, const uint64_t *extents, \
            const uint64_t *strides, const int *lower, const int *upper, uint32_t channels, uint32_t pixels, \
            const uint32_t *steps, int interleave, int swizzle, int promotion, int fill))

struct heron_cuda {
#define FUNCTION(member, symbol, parameters) CUresult(*member) parameters;
  HERON_CUDA_FUNCTIONS(FUNCTION)
  HERON_CUDA_NEWER_FUNCTIONS(FUNCTION)
#undef FUNCTION
};

#endif
