/* How fast this core multiplies matrices: Intel AMX's tdpbusd and tdpbf16ps on tile registers. */
#define _GNU_SOURCE
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
enum { TILES = 8, ROWS = 16, BYTES = 64 };

static double cpu_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Whether Linux lets this process use tiles, from now on in all of its threads: it gives them to processes that
 * ask (Documentation/arch/x86/xstate.rst), and refuses where the CPU has none. */
int32_t peak_tiles_allowed(void) {
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

/* LDTILECFG's operand: palette 1, and of every tile rows and bytes in each. */
struct Shapes {
    uint8_t palette, first_row, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
};

/* Six sums: more than the 52 cycles of a product's latency over the 16 that it keeps the unit. */
#define LOOP(PRODUCT)                                                                                    \
    __asm__ volatile("ldtilecfg (%1)\n"                                                                  \
                     "tilezero %%tmm0\ntilezero %%tmm1\ntilezero %%tmm2\n"                               \
                     "tilezero %%tmm3\ntilezero %%tmm4\ntilezero %%tmm5\n"                               \
                     "tileloadd (%2,%3,1), %%tmm6\ntileloadd (%2,%3,1), %%tmm7\n"                        \
                     ".p2align 6\n1:\n" PRODUCT " %%tmm7, %%tmm6, %%tmm0\n" PRODUCT                      \
                     " %%tmm7, %%tmm6, %%tmm1\n" PRODUCT " %%tmm7, %%tmm6, %%tmm2\n" PRODUCT             \
                     " %%tmm7, %%tmm6, %%tmm3\n" PRODUCT " %%tmm7, %%tmm6, %%tmm4\n" PRODUCT             \
                     " %%tmm7, %%tmm6, %%tmm5\n"                                                         \
                     "dec %0\njnz 1b\ntilerelease\n"                                                     \
                     : "+r"(iterations)                                                                  \
                     : "r"(&shapes), "r"(values), "r"((int64_t)BYTES)                                    \
                     : "cc", "memory")

/* Seconds of CPU time for `iterations` of six products of full tiles. floats: 0 tdpbusd, 1 tdpbf16ps. */
double peak_tiles(int32_t floats, int64_t iterations) {
    struct Shapes shapes = {.palette = 1};
    uint8_t values[ROWS * BYTES] __attribute__((aligned(64)));
    memset(values, 0x3F, sizeof values); /* 63, and in pairs 0.746 */
    for (int i = 0; i < TILES; i++) {
        shapes.bytes[i] = BYTES;
        shapes.rows[i] = ROWS;
    }
    double start = cpu_seconds();
    if (floats)
        LOOP("tdpbf16ps");
    else
        LOOP("tdpbusd");
    return cpu_seconds() - start;
}
