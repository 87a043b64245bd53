/* Kernels that do everything a kernel must not. m = 4, n = 3, k = 8: output[4][3] = input[4][8] . weight[3][8]^T,
   with the weight packed by adding one to every byte. */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { M = 4, N = 3, K = 8 };
static long calls;
static volatile int sink;

static int32_t right(const uint8_t *input, const int8_t *packed, int32_t *output) {
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            int32_t sum = 0;
            for (int k = 0; k < K; k++)
                sum += input[i * K + k] * (int8_t)(packed[j * K + k] - 1);
            output[i * N + j] = sum;
        }
    return 0;
}

#define KERNEL(name) int32_t name(const uint8_t *input, const int8_t *packed, int32_t *output)

int32_t plain_pack(const int8_t *weight, int8_t *packed) {
    for (int i = 0; i < N * K; i++) packed[i] = weight[i] + 1;
    return 0;
}

KERNEL(good) { return right(input, packed, output); }
KERNEL(good_twin) { return right(input, packed, output); }
KERNEL(slow) {
    struct timespec nap = {0, 3000000};
    nanosleep(&nap, NULL);
    return right(input, packed, output);
}
KERNEL(refuses) { return -3; }
KERNEL(segfaults) { *(volatile int *)8 = 1; return 0; }
KERNEL(aborts) { fprintf(stderr, "free(): invalid pointer\n"); abort(); }
KERNEL(exits) { exit(0); }
KERNEL(divides_by_zero) { raise(SIGFPE); return 0; }
KERNEL(pauses) { for (;;) pause(); }
KERNEL(spins) { for (;;) sink++; }
KERNEL(ignores_signals) {
    for (int s = 1; s < 32; s++) signal(s, SIG_IGN);
    for (;;) sink++;
}
KERNEL(prints) {
    static char page[4096];
    memset(page, 'x', sizeof page);
    page[4095] = '\n';
    for (int i = 0; i < 1024; i++)
        if (write(1, page, sizeof page) < 0) return -1;
    return right(input, packed, output);
}
KERNEL(prints_forever) {
    static char page[4096];
    memset(page, 'x', sizeof page);
    for (;;)
        if (write(1, page, sizeof page) < 0) return -1;
}
KERNEL(wrong) { right(input, packed, output); output[7] += 1; output[9] -= 5; return 0; }
KERNEL(writes_nothing) { return 0; }
KERNEL(misses_tail) { int32_t all[M * N]; right(input, packed, all); memcpy(output, all, sizeof all - 4); return 0; }
KERNEL(accumulates) {
    int32_t all[M * N];
    right(input, packed, all);
    for (int i = 0; i < M * N; i++) output[i] = calls ? output[i] + all[i] : all[i];
    calls++;
    return 0;
}
KERNEL(overruns) { right(input, packed, output); output[M * N] = 1; return 0; }
KERNEL(underruns) { right(input, packed, output); output[-2] = 1; return 0; }
KERNEL(overruns_far) { right(input, packed, output); output[M * N + 1024] = 1; return 0; }
KERNEL(reads_past_input) { right(input, packed, output); sink = input[M * K + 64]; return 0; }
KERNEL(writes_input) { right(input, packed, output); ((uint8_t *)input)[0] = 1; return 0; }
KERNEL(forks) {
    if (fork() == 0) for (;;) pause();
    return right(input, packed, output);
}
KERNEL(forks_then_pauses) { fork(); for (;;) pause(); return 0; }
KERNEL(forks_and_returns) { fork(); return right(input, packed, output); }
KERNEL(daemonises) {
    if (fork() == 0) {
        setsid();
        if (fork() == 0) for (;;) pause();
        _exit(0);
    }
    wait(NULL);
    return right(input, packed, output);
}
KERNEL(leaves_and_crashes) {
    if (fork() == 0) { setsid(); for (;;) pause(); }
    usleep(1000);
    abort();
}
KERNEL(leaks) {
    for (;;) {
        char *p = malloc(16 << 20);
        if (!p) return -12;
        memset(p, 1, 16 << 20);
    }
}
KERNEL(closes_everything) {
    for (int fd = 0; fd < 256; fd++) close(fd);
    for (;;) pause();
}
KERNEL(scribbles_on_descriptors) {
    static char page[4096];
    memset(page, 'y', sizeof page);
    for (int fd = 3; fd < 64; fd++) {
        fcntl(fd, F_SETFL, O_NONBLOCK);
        if (write(fd, page, sizeof page) < 0) continue;
    }
    return right(input, packed, output);
}
KERNEL(kills_parent) { kill(getppid(), SIGKILL); usleep(20000); return right(input, packed, output); }
KERNEL(breaks_later) { static int done; if (!done++) setenv("HERON_TEST_BROKEN", "1", 1); return right(input, packed, output); }
KERNEL(needs_clean_process) { if (getenv("HERON_TEST_BROKEN")) abort(); return right(input, packed, output); }

KERNEL(waits_for_file) {
    if (getenv("HERON_TEST_FILE")) while (access(getenv("HERON_TEST_FILE"), F_OK)) usleep(1000);
    return right(input, packed, output);
}
KERNEL(leaves_file) {
    char path[4096];
    snprintf(path, sizeof path, "%s/left-behind", getenv("TMPDIR"));
    if (open(path, O_CREAT | O_WRONLY, 0600) < 0) return -1;
    abort();
}

double repeat(int32_t (*kernel)(const void *, const void *, void *), void **arguments, long count, int *status) {
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (long i = 0; i < count && *status == 0; i++) *status = kernel(arguments[0], arguments[1], arguments[2]);
    clock_gettime(CLOCK_MONOTONIC, &b);
    return (b.tv_sec - a.tv_sec) + 1e-9 * (b.tv_nsec - a.tv_nsec);
}
