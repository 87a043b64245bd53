/* What is the same in all libraries: kernels in tables sorted by shape; internal to a library. */
#ifndef HERON_TABLES_H
#define HERON_TABLES_H

#include "heron_kernels.h"

/* Defined in support.h. Its first members are `heron_kernel_info info` and `const int32_t *shape`. */
struct heron_kernel;

/* The kernels of one entry point, sorted by shape. */
struct heron_table {
  const struct heron_kernel *kernels;
  size_t count;
  size_t shape_length;
};

/* Generated: the digest and all tables. */
extern const char heron_build[];
extern const struct heron_table *const heron_tables[];
extern const size_t heron_table_count;

/* The kernel of exactly this shape, or NULL. */
const struct heron_kernel *heron_find(const struct heron_table *table, const int32_t *shape);

/* The kernel at this place of all, or NULL past the end. */
const struct heron_kernel *heron_kernel_of(size_t index);

#endif
