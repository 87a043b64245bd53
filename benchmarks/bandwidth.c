/* Bytes a second that threads on given cores read from, or write to, private buffers of one size. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_THREADS = 64, LINE = 64, BLOCK = 4 * LINE };
enum { READ, WRITE, WRITE_PAST_CACHES };

typedef struct {
    int32_t core, kind, streams;
    size_t bytes;
    int64_t passes;
    double begin, end;
    pthread_barrier_t *start;
    int32_t failed;
} Share;

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Four blocks of four lines, one after the other or a quarter of the buffer apart: a core has more requests
 * under way when several of its prefetchers follow streams. One statement, so that nothing but loads and stores
 * runs (a sum of what is read, kept in memory, once made L1 look three times as slow as it is). */
#define LINES(move, form, base) \
    form(move, 0, base, 0) form(move, 64, base, 1) form(move, 128, base, 2) form(move, 192, base, 3)
#define BLOCKS(move, form) LINES(move, form, 0) LINES(move, form, 1) LINES(move, form, 2) LINES(move, form, 3)
#define LOAD_512(move, offset, base, i) move " " #offset "(%" #base "), %%zmm" #i "\n"
#define STORE_512(move, offset, base, i) move " %%zmm" #i ", " #offset "(%" #base ")\n"
#define LOAD_256(move, offset, base, i) \
    move " " #offset "(%" #base "), %%ymm" #i "\n" move " 32+" #offset "(%" #base "), %%ymm" #i "\n"
#define STORE_256(move, offset, base, i) \
    move " %%ymm" #i ", " #offset "(%" #base ")\n" move " %%ymm" #i ", 32+" #offset "(%" #base ")\n"
#define WALK(name, isa, move, form) \
    __attribute__((target(isa))) static void name(char *data, size_t bytes, int32_t streams) { \
        size_t apart = streams == 1 ? BLOCK : bytes / 4, step = streams == 1 ? 4 * BLOCK : BLOCK; \
        for (size_t i = 0; i < bytes / 4; i += BLOCK) { \
            char *at = data + i / BLOCK * step; \
            __asm__ volatile(BLOCKS(move, form) \
                             : \
                             : "r"(at), "r"(at + apart), "r"(at + 2 * apart), "r"(at + 3 * apart) \
                             : "memory", "xmm0", "xmm1", "xmm2", "xmm3"); \
        } \
    }
WALK(read_256, "avx2", "vmovdqa", LOAD_256)
WALK(read_512, "avx512f", "vmovdqa64", LOAD_512)
WALK(write_256, "avx2", "vmovdqa", STORE_256)
WALK(write_512, "avx512f", "vmovdqa64", STORE_512)
WALK(stream_256, "avx2", "vmovntdq", STORE_256)
WALK(stream_512, "avx512f", "vmovntdq", STORE_512)

static void work(const Share *share, char *data, int64_t passes) {
    static void (*const walks[3][2])(char *, size_t, int32_t) = {
        {read_256, read_512}, {write_256, write_512}, {stream_256, stream_512}};
    int wide = __builtin_cpu_supports("avx512f") != 0;
    for (int64_t pass = 0; pass < passes; pass++) walks[share->kind][wide](data, share->bytes, share->streams);
    __builtin_ia32_sfence();
}

static void *run(void *argument) {
    Share *share = argument;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(share->core, &set);
    char *data = aligned_alloc(4096, share->bytes);
    share->failed = !data || pthread_setaffinity_np(pthread_self(), sizeof set, &set);
    if (data) {
        memset(data, 1, share->bytes); /* by this thread, so that pages are near its core */
        work(share, data, 1);
    }
    pthread_barrier_wait(share->start);
    share->begin = seconds();
    if (data) work(share, data, share->passes);
    share->end = seconds();
    free(data);
    return NULL;
}

/* Bytes a second of all `threads` together, each on its core with `bytes` (a multiple of 4096) of its own.
 * kind: 0 reads, 1 writes, 2 writes past the caches; streams: 1 or 4. -1 when memory or threads are refused. */
double bandwidth(const int32_t *cores, int32_t threads, int64_t bytes, int64_t passes, int32_t kind,
                 int32_t streams) {
    Share shares[MOST_THREADS];
    pthread_t handles[MOST_THREADS];
    pthread_barrier_t start;
    if (kind < READ || kind > WRITE_PAST_CACHES || (streams != 1 && streams != 4)) return -1;
    if (threads < 1 || threads > MOST_THREADS || pthread_barrier_init(&start, NULL, (unsigned)threads)) return -1;
    for (int32_t i = 0; i < threads; i++) {
        shares[i] = (Share){cores[i], kind, streams, (size_t)bytes, passes, 0, 0, &start, 0};
        if (pthread_create(&handles[i], NULL, run, &shares[i])) return -1; /* the process is about to end */
    }
    double begin = 0, end = 0;
    int32_t failed = 0;
    for (int32_t i = 0; i < threads; i++) {
        pthread_join(handles[i], NULL);
        if (i == 0 || shares[i].begin < begin) begin = shares[i].begin;
        if (i == 0 || shares[i].end > end) end = shares[i].end;
        failed |= shares[i].failed;
    }
    pthread_barrier_destroy(&start);
    return failed ? -1 : (double)bytes * (double)passes * (double)threads / (end - begin);
}
