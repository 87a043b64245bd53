/* Temporary buffers of kernels: 64-byte aligned, kept per thread for reuse, because kernels ask for the
 * same few sizes in every call and a fresh mapping costs a page fault per 4 KiB. */
#include <pthread.h>
#include <stdlib.h>

#include "abi.h"
#include "heron_runtime.h"

enum { ALIGNMENT = 64, KEPT_BLOCKS = 32 };

/* Most bytes that one thread keeps; above it a freed block goes back to the system. */
static const size_t kept_bytes_limit = (size_t)256 << 20;

typedef struct {
  size_t bytes; /* usable size, after this header */
  char fill[ALIGNMENT - sizeof(size_t)];
} block_header;

typedef struct {
  size_t bytes;
  int count;
  block_header *blocks[KEPT_BLOCKS]; /* last freed last, so that the warmest is found first */
} block_cache;

static __thread block_cache *cache __attribute__((tls_model("initial-exec")));
static pthread_key_t cache_key;
static pthread_once_t cache_once = PTHREAD_ONCE_INIT;
static int cache_key_valid;

static void drop_blocks(block_cache *kept) {
  while (kept->count > 0) free(kept->blocks[--kept->count]);
  kept->bytes = 0;
}

static void drop_cache(void *kept) {
  drop_blocks(kept);
  free(kept);
  cache = NULL;
}

static void make_key(void) { cache_key_valid = pthread_key_create(&cache_key, drop_cache) == 0; }

static block_cache *thread_cache(void) {
  if (cache == NULL) {
    pthread_once(&cache_once, make_key);
    if (!cache_key_valid) return NULL;
    block_cache *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL) return NULL;
    if (pthread_setspecific(cache_key, fresh) != 0) {
      free(fresh);
      return NULL;
    }
    cache = fresh;
  }
  return cache;
}

void *TVMBackendAllocWorkspace(int device_type, int device_id, uint64_t nbytes, int dtype_code_hint,
                               int dtype_bits_hint) {
  (void)device_type, (void)device_id, (void)dtype_code_hint, (void)dtype_bits_hint;
  static const char refused[] = "out of memory for a workspace";
  if (nbytes > SIZE_MAX / 2) return TVMFFIErrorSetRaisedFromCStr("MemoryError", refused), NULL;
  size_t bytes = ((size_t)nbytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  block_cache *kept = thread_cache();
  for (int i = kept != NULL ? kept->count - 1 : -1; i >= 0; --i) {
    block_header *block = kept->blocks[i];
    /* not much larger than asked for: a small request must not occupy the one large block */
    if (block->bytes < bytes || block->bytes / 2 > bytes + 4096) continue;
    kept->blocks[i] = kept->blocks[--kept->count];
    kept->bytes -= block->bytes;
    return block + 1;
  }
  block_header *block = aligned_alloc(ALIGNMENT, sizeof *block + bytes);
  if (block == NULL) return TVMFFIErrorSetRaisedFromCStr("MemoryError", refused), NULL;
  block->bytes = bytes;
  return block + 1;
}

int TVMBackendFreeWorkspace(int device_type, int device_id, void *ptr) {
  (void)device_type, (void)device_id;
  if (ptr == NULL) return 0;
  block_header *block = (block_header *)ptr - 1;
  block_cache *kept = thread_cache();
  if (kept == NULL || kept->count == KEPT_BLOCKS || kept->bytes + block->bytes > kept_bytes_limit) {
    free(block);
    return 0;
  }
  kept->bytes += block->bytes;
  kept->blocks[kept->count++] = block;
  return 0;
}

void heron_runtime_release_workspace(void) {
  if (cache != NULL) drop_blocks(cache);
}
