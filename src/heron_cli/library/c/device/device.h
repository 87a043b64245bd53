/* What a library for a device asks of the back end that loads and launches its kernels. Internal. */
#ifndef HERON_DEVICE_H
#define HERON_DEVICE_H

#include <stdatomic.h>

#include "heron_kernels.h"

/* How bulk copies find tiles of an operand: `extents`, innermost first, in elements, `strides` of all but the
 * innermost in bytes, `swizzle` in bytes. A box is `box` elements; columns are `pixels` of `channels` elements, of
 * an image that windows pass over from corner `lower` to corner `upper`, `steps` apart. */
enum heron_element { HERON_UINT8, HERON_INT8, HERON_INT32, HERON_FLOAT16, HERON_BFLOAT16, HERON_FLOAT32 };
enum heron_tensor_map_mode { HERON_MAP_BOX, HERON_MAP_COLUMN };
struct heron_tensor_map {
  enum heron_tensor_map_mode mode;
  enum heron_element element;
  uint32_t rank, swizzle;
  uint64_t extents[5], strides[5];
  uint32_t box[5], steps[5];
  int32_t lower[3], upper[3];
  uint32_t channels, pixels;
};

/* What a kernel is passed for one of its parameters: the address of an operand, or a tensor map of it. */
struct heron_parameter {
  int32_t operand; /* its place in the call */
  const struct heron_tensor_map *map;
};
enum { HERON_MOST_PARAMETERS = 16, HERON_MOST_MAPS = 4 };

/* How a function of an image is launched. `shared` is in bytes; `overlap` is 1 where it may begin before the
 * kernel launched before it has ended. */
struct heron_launch {
  const char *function;
  uint32_t grid[3], threads, shared, overlap;
  uint32_t count; /* of parameters, at most HERON_MOST_PARAMETERS */
  const struct heron_parameter *parameters;
};

/* A kernel's machine code. `loaded` lists the contexts that hold it; the back end alone touches it. */
struct heron_loaded;
struct heron_image {
  const unsigned char *code;
  const char *architecture;
  const struct heron_launch *run, *pack; /* pack is NULL where the packed form is a plain copy */
  _Atomic(struct heron_loaded *) loaded;
};

/* Whether the current device, or the first one, can run the image. */
heron_status heron_device_ready(const struct heron_image *image);

/* Load the image into the current context, unless it is there. */
heron_status heron_device_load(struct heron_image *image);

/* Launch the image's run function, or its pack function. */
enum heron_entry { HERON_RUN, HERON_PACK };
heron_status heron_device_launch(struct heron_image *image, enum heron_entry entry,
                                 const void *const *operands, void *stream);

/* Copy within the device's memory. */
heron_status heron_device_copy(const void *source, void *target, size_t bytes, void *stream);

/* Make the primary context of a device current, and what was current before again. */
heron_status heron_device_push(int32_t device);
void heron_device_pop(void);

/* What heron_last_error says. */
const char *heron_device_error(void);

#endif
