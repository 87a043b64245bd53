/* Bytes a second that threads on given cores read from, or write to, private buffers of one size. */
#define _GNU_SOURCE
#include <immintrin.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_THREADS = 64, LINE = 64 };

typedef struct {
    int32_t core, write;
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

__attribute__((target("avx2"))) static void read_all(const char *data, size_t bytes, int64_t passes) {
    __m256i sum[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                      _mm256_setzero_si256()};
    for (int64_t pass = 0; pass < passes; pass++)
        for (size_t i = 0; i < bytes; i += 4 * LINE)
            for (size_t j = 0; j < 4; j++) {
                const __m256i *line = (const __m256i *)(data + i + j * LINE);
                sum[j] = _mm256_xor_si256(sum[j], _mm256_xor_si256(line[0], line[1]));
            }
    __asm__ volatile("" : : "x"(sum[0]), "x"(sum[1]), "x"(sum[2]), "x"(sum[3]));
}

__attribute__((target("avx512f"))) static void read_all_wide(const char *data, size_t bytes, int64_t passes) {
    __m512i sum[8];
    for (int j = 0; j < 8; j++) sum[j] = _mm512_setzero_si512();
    for (int64_t pass = 0; pass < passes; pass++)
        for (size_t i = 0; i < bytes; i += 8 * LINE) {
            /* the loads are volatile, so that the compiler does not fold the passes into one */
            for (int j = 0; j < 8; j++) {
                __m512i line;
                __asm__ volatile("vmovdqa64 %1, %0" : "=v"(line) : "m"(*(const __m512i *)(data + i + j * LINE)));
                sum[j] = _mm512_or_si512(sum[j], line);
            }
        }
    __asm__ volatile("" : : "v"(sum[0]), "v"(sum[1]), "v"(sum[2]), "v"(sum[3]), "v"(sum[4]), "v"(sum[5]),
                     "v"(sum[6]), "v"(sum[7]));
}

__attribute__((target("avx2"))) static void write_all(char *data, size_t bytes, int64_t passes) {
    for (int64_t pass = 0; pass < passes; pass++) {
        __m256i value = _mm256_set1_epi64x(pass);
        for (size_t i = 0; i < bytes; i += sizeof value)
            __asm__ volatile("vmovdqa %1, %0" : "=m"(*(__m256i *)(data + i)) : "x"(value));
    }
}

__attribute__((target("avx512f"))) static void write_all_wide(char *data, size_t bytes, int64_t passes) {
    for (int64_t pass = 0; pass < passes; pass++) {
        __m512i value = _mm512_set1_epi64(pass);
        for (size_t i = 0; i < bytes; i += sizeof value)
            __asm__ volatile("vmovdqa64 %1, %0" : "=m"(*(__m512i *)(data + i)) : "v"(value));
    }
}

static void work(Share *share, char *data, int64_t passes) {
    int wide = __builtin_cpu_supports("avx512f") != 0;
    if (share->write)
        (wide ? write_all_wide : write_all)(data, share->bytes, passes);
    else
        (wide ? read_all_wide : read_all)(data, share->bytes, passes);
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

/* Bytes a second of all `threads` together, each on its core with `bytes` (a multiple of 4096) of its own;
 * -1 when memory or threads are refused. */
double bandwidth(const int32_t *cores, int32_t threads, int64_t bytes, int64_t passes, int32_t write) {
    Share shares[MOST_THREADS];
    pthread_t handles[MOST_THREADS];
    pthread_barrier_t start;
    if (threads < 1 || threads > MOST_THREADS || pthread_barrier_init(&start, NULL, (unsigned)threads)) return -1;
    for (int32_t i = 0; i < threads; i++) {
        shares[i] = (Share){cores[i], write, (size_t)bytes, passes, 0, 0, &start, 0};
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
