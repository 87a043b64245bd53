/* What generated dispatch code of a device shares; internal to a library. */
#ifndef HERON_SUPPORT_H
#define HERON_SUPPORT_H

#include "device.h"
#include "tables.h"

struct heron_kernel {
  heron_kernel_info info;
  const int32_t *shape;
  struct heron_image *image;
  size_t operands;     /* of a call, the output included */
  size_t source_bytes; /* of the constant operand before packing; 0 when there is none */
};

/* HERON_OK when the kernel exists and the current device can run it. */
heron_status heron_ready(const struct heron_kernel *kernel);

/* Check the operands and launch. */
heron_status heron_run(const struct heron_kernel *kernel, const void *const *operands, void *stream);
heron_status heron_pack(const struct heron_kernel *kernel, const void *source, void *packed, void *stream);

#endif
