/* The part of a library that is the same for all machines. */
#include "support.h"

static int compare(const int32_t *one, const int32_t *other, size_t length) {
  for (size_t i = 0; i < length; ++i)
    if (one[i] != other[i]) return one[i] < other[i] ? -1 : 1;
  return 0;
}

const struct heron_kernel *heron_find(const struct heron_table *table, const int32_t *shape) {
  size_t low = 0, high = table->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int order = compare(shape, table->kernels[middle].shape, table->shape_length);
    if (order == 0) return &table->kernels[middle];
    if (order < 0)
      high = middle;
    else
      low = middle + 1;
  }
  return NULL;
}

const char *heron_version(void) { return HERON_KERNELS_VERSION; }

const char *heron_build_id(void) { return heron_build; }

size_t heron_kernel_count(void) {
  size_t count = 0;
  for (size_t i = 0; i < heron_table_count; ++i) count += heron_tables[i]->count;
  return count;
}

const struct heron_kernel *heron_kernel_of(size_t index) {
  for (size_t i = 0; i < heron_table_count; ++i) {
    if (index < heron_tables[i]->count) return &heron_tables[i]->kernels[index];
    index -= heron_tables[i]->count;
  }
  return NULL;
}

const heron_kernel_info *heron_kernel_at(size_t index) {
  const struct heron_kernel *kernel = heron_kernel_of(index);
  return kernel == NULL ? NULL : &kernel->info;
}
