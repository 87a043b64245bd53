/* The part of a library for the host that is the same whatever kernels it holds. */
#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "heron_runtime.h"

static const char *missing_feature(struct heron_requirement *requirement) {
  if (atomic_load_explicit(&requirement->state, memory_order_relaxed) == 1) return NULL;
  for (const char *const *feature = requirement->features; *feature != NULL; ++feature) {
    if (heron_runtime_cpu_has(*feature) == 1) continue;
    atomic_store_explicit(&requirement->state, 2, memory_order_relaxed);
    return *feature;
  }
  atomic_store_explicit(&requirement->state, 1, memory_order_relaxed);
  return NULL;
}

heron_status heron_ready(const struct heron_kernel *kernel) {
  if (kernel == NULL) return HERON_NO_KERNEL;
  int state = atomic_load_explicit(&kernel->requirement->state, memory_order_relaxed);
  if (state == 0) state = missing_feature(kernel->requirement) == NULL ? 1 : 2;
  return state == 1 ? HERON_OK : HERON_UNSUPPORTED_CPU;
}

heron_status heron_check(const struct heron_kernel *kernel, const void *const *operands, size_t count) {
  heron_status status = heron_ready(kernel);
  if (status != HERON_OK) return status;
  uintptr_t bits = 0;
  for (size_t i = 0; i < count; ++i) {
    if (operands[i] == NULL) return HERON_INVALID_ARGUMENT;
    bits |= (uintptr_t)operands[i];
  }
  return bits % HERON_ALIGNMENT == 0 ? HERON_OK : HERON_MISALIGNED;
}

heron_status heron_finish(int32_t status) { return status == 0 ? HERON_OK : HERON_KERNEL_FAILED; }

heron_status heron_pack(const struct heron_kernel *kernel, const void *source, void *packed) {
  heron_status status = heron_ready(kernel);
  if (status != HERON_OK) return status;
  if (source == NULL || packed == NULL) return HERON_INVALID_ARGUMENT;
  if ((uintptr_t)packed % HERON_ALIGNMENT != 0) return HERON_MISALIGNED;
  if (kernel->pack == NULL) {
    memcpy(packed, source, kernel->source_bytes);
    return HERON_OK;
  }
  if ((uintptr_t)source % HERON_ALIGNMENT == 0) return heron_finish(kernel->pack(source, packed));
  /* Packing is done once per model, so weights may lie anywhere: the kernel gets an aligned copy. */
  size_t bytes = (kernel->source_bytes + HERON_ALIGNMENT - 1) / HERON_ALIGNMENT * HERON_ALIGNMENT;
  void *copy = aligned_alloc(HERON_ALIGNMENT, bytes);
  if (copy == NULL) return HERON_OUT_OF_MEMORY;
  memcpy(copy, source, kernel->source_bytes);
  status = heron_finish(kernel->pack(copy, packed));
  free(copy);
  return status;
}

const char *heron_status_string(heron_status status) {
  switch (status) {
    case HERON_OK: return "done";
    case HERON_NO_KERNEL: return "the library holds no kernel of this shape";
    case HERON_UNSUPPORTED_CPU: return "this CPU or operating system lacks a feature that the kernel needs";
    case HERON_MISALIGNED: return "an operand does not lie on a 64-byte boundary";
    case HERON_INVALID_ARGUMENT: return "an argument is NULL or out of range";
    case HERON_OUT_OF_MEMORY: return "out of memory";
    case HERON_KERNEL_FAILED: return "the kernel failed";
  }
  return "unknown status";
}

const char *heron_missing_cpu_feature(void) {
  for (size_t i = 0; i < heron_requirement_count; ++i) {
    const char *feature = missing_feature(heron_requirements[i]);
    if (feature != NULL) return feature;
  }
  return NULL;
}

const char *heron_last_error(void) {
  const char *error = heron_runtime_error();
  return error != NULL ? error : "";
}

heron_status heron_set_num_threads(int32_t count) {
  return heron_runtime_set_threads(count) == 0 ? HERON_OK : HERON_INVALID_ARGUMENT;
}

int32_t heron_get_num_threads(void) { return heron_runtime_threads(); }

void heron_release_workspace(void) { heron_runtime_release_workspace(); }

const char *heron_kernel_missing_cpu_feature(size_t index) {
  const struct heron_kernel *kernel = heron_kernel_of(index);
  return kernel == NULL ? NULL : missing_feature(kernel->requirement);
}
