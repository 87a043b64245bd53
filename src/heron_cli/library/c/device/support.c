/* The part of a library for a device that is the same whatever kernels it holds. */
#include "support.h"

static heron_status check(const void *const *operands, size_t count) {
  uintptr_t bits = 0;
  for (size_t i = 0; i < count; ++i) {
    if (operands[i] == NULL) return HERON_INVALID_ARGUMENT;
    bits |= (uintptr_t)operands[i];
  }
  return bits % HERON_ALIGNMENT == 0 ? HERON_OK : HERON_MISALIGNED;
}

heron_status heron_ready(const struct heron_kernel *kernel) {
  return kernel == NULL ? HERON_NO_KERNEL : heron_device_ready(kernel->image);
}

heron_status heron_run(const struct heron_kernel *kernel, const void *const *operands, void *stream) {
  if (kernel == NULL) return HERON_NO_KERNEL;
  heron_status status = check(operands, kernel->operands);
  if (status != HERON_OK) return status;
  return heron_device_launch(kernel->image, HERON_RUN, operands, stream);
}

heron_status heron_pack(const struct heron_kernel *kernel, const void *source, void *packed, void *stream) {
  if (kernel == NULL) return HERON_NO_KERNEL;
  if (kernel->source_bytes == 0) return HERON_INVALID_ARGUMENT; /* it has no constant operand */
  const void *const operands[] = {source, packed};
  heron_status status = check(operands, 2);
  if (status != HERON_OK) return status;
  if (kernel->image->pack == NULL) {
    status = heron_device_load(kernel->image); /* only where the kernel itself will run */
    return status == HERON_OK ? heron_device_copy(source, packed, kernel->source_bytes, stream) : status;
  }
  return heron_device_launch(kernel->image, HERON_PACK, operands, stream);
}

heron_status heron_kernel_ready(size_t index) { return heron_ready(heron_kernel_of(index)); }

heron_status heron_kernel_load(size_t index) {
  const struct heron_kernel *kernel = heron_kernel_of(index);
  return kernel == NULL ? HERON_NO_KERNEL : heron_device_load(kernel->image);
}

heron_status heron_kernel_run(size_t index, int32_t device, const void *const *operands, size_t count,
                              void *stream) {
  const struct heron_kernel *kernel = heron_kernel_of(index);
  if (kernel == NULL) return HERON_NO_KERNEL;
  if (operands == NULL || count != kernel->operands) return HERON_INVALID_ARGUMENT;
  if (device == -1) return heron_run(kernel, operands, stream);
  heron_status status = heron_device_push(device);
  if (status != HERON_OK) return status;
  status = heron_run(kernel, operands, stream);
  heron_device_pop();
  return status;
}

heron_status heron_kernel_pack(size_t index, int32_t device, const void *source, void *packed, void *stream) {
  const struct heron_kernel *kernel = heron_kernel_of(index);
  if (kernel == NULL) return HERON_NO_KERNEL;
  if (device == -1) return heron_pack(kernel, source, packed, stream);
  heron_status status = heron_device_push(device);
  if (status != HERON_OK) return status;
  status = heron_pack(kernel, source, packed, stream);
  heron_device_pop();
  return status;
}

const char *heron_status_string(heron_status status) {
  switch (status) {
    case HERON_OK: return "done";
    case HERON_NO_KERNEL: return "the library holds no kernel of this shape";
    case HERON_UNSUPPORTED_DEVICE: return "the GPU is not of the architecture that the kernel is compiled for";
    case HERON_MISALIGNED: return "an operand does not lie on the boundary that kernels need";
    case HERON_INVALID_ARGUMENT: return "an argument is NULL or out of range";
    case HERON_OUT_OF_MEMORY: return "out of memory";
    case HERON_KERNEL_FAILED: return "the kernel cannot be run";
    case HERON_NO_DRIVER: return "no NVIDIA driver that works is installed";
    case HERON_NO_DEVICE: return "there is no such GPU";
  }
  return "unknown status";
}

const char *heron_last_error(void) { return heron_device_error(); }
