/* What generated dispatch code of the host shares; internal to a library. */
#ifndef HERON_SUPPORT_H
#define HERON_SUPPORT_H

#include <stdatomic.h>

#include "tables.h"

/* A set of CPU features that kernels need; `state` caches the answer of the CPU. */
struct heron_requirement {
  const char *const *features; /* NULL at the end */
  atomic_int state;            /* 0 not asked yet, 1 the CPU has them, 2 it does not */
};

struct heron_kernel {
  heron_kernel_info info;
  const int32_t *shape;
  void (*run)(void); /* called through the type of its entry point */
  int32_t (*pack)(const void *source, void *packed); /* NULL: the packed form is a plain copy */
  size_t source_bytes;
  struct heron_requirement *requirement;
};

/* Generated: all requirements. */
extern struct heron_requirement *const heron_requirements[];
extern const size_t heron_requirement_count;

/* HERON_OK when the kernel exists and may be called on this CPU. */
heron_status heron_ready(const struct heron_kernel *kernel);

/* HERON_OK when heron_ready and every operand is there and aligned. */
heron_status heron_check(const struct heron_kernel *kernel, const void *const *operands, size_t count);

/* The library's status of a kernel's return value. */
heron_status heron_finish(int32_t status);

heron_status heron_pack(const struct heron_kernel *kernel, const void *source, void *packed);

#endif
