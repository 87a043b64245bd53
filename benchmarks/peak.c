/* How fast can this core multiply: vpdpbusd on zmm registers, against a chain of dependent multiplications
 * whose latency (3 cycles on every x86 core with VNNI) gives the clock in the same breath. */
#define _GNU_SOURCE
#include <stdint.h>
#include <time.h>

static double cpu_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int32_t peak_supported(void) { return __builtin_cpu_supports("avx512vnni") != 0; }

/* 28 accumulators: enough to hide a latency of 5 cycles at 2 instructions per cycle with room to spare. */
#define EACH_ACCUMULATOR(DO)                                                                             \
    DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11) DO(12) DO(13)              \
    DO(14) DO(15) DO(16) DO(17) DO(18) DO(19) DO(20) DO(21) DO(22) DO(23) DO(24) DO(25) DO(26) DO(27)
#define REGISTER_FORM(i) "vpdpbusd %%zmm29, %%zmm28, %%zmm" #i "\n"
#define MEMORY_FORM(i) "vpdpbusd (%1), %%zmm28, %%zmm" #i "\n"
/* What a register-tiled kernel does: per row a broadcast load, per 4 columns a multiplication. */
#define BROADCAST_4(a, b, c, d)                                                                          \
    "vpbroadcastd (%1), %%zmm30\n"                                                                       \
    "vpdpbusd %%zmm28, %%zmm30, %%zmm" #a "\n"                                                           \
    "vpdpbusd %%zmm28, %%zmm30, %%zmm" #b "\n"                                                           \
    "vpdpbusd %%zmm29, %%zmm30, %%zmm" #c "\n"                                                           \
    "vpdpbusd %%zmm29, %%zmm30, %%zmm" #d "\n"
#define TILE_FORM                                                                                        \
    BROADCAST_4(0, 1, 2, 3) BROADCAST_4(4, 5, 6, 7) BROADCAST_4(8, 9, 10, 11)                            \
    BROADCAST_4(12, 13, 14, 15) BROADCAST_4(16, 17, 18, 19) BROADCAST_4(20, 21, 22, 23)                  \
    BROADCAST_4(24, 25, 26, 27)
#define CLEAR(i) "vpxord %%zmm" #i ", %%zmm" #i ", %%zmm" #i "\n"
#define CLOBBER                                                                                          \
    "cc", "zmm0", "zmm1", "zmm2", "zmm3", "zmm4", "zmm5", "zmm6", "zmm7", "zmm8", "zmm9", "zmm10",       \
        "zmm11", "zmm12", "zmm13", "zmm14", "zmm15", "zmm16", "zmm17", "zmm18", "zmm19", "zmm20",        \
        "zmm21", "zmm22", "zmm23", "zmm24", "zmm25", "zmm26", "zmm27", "zmm28", "zmm29", "zmm30"
#define LOOP(BODY)                                                                                       \
    __asm__ volatile(EACH_ACCUMULATOR(CLEAR) CLEAR(28) CLEAR(29) ".p2align 6\n1:\n" BODY                 \
                     "dec %0\njnz 1b\n"                                                                  \
                     : "+r"(iterations)                                                                  \
                     : "r"(line)                                                                         \
                     : CLOBBER)

/* Seconds of CPU time for `iterations` of 28 vpdpbusd. form: 0 registers, 1 memory operand, 2 tile. */
__attribute__((target("avx512f,avx512bw,avx512vnni"))) double peak_multiply(int32_t form,
                                                                            int64_t iterations) {
    static const uint8_t line[64] __attribute__((aligned(64))) = {1};
    double start = cpu_seconds();
    if (form == 0)
        LOOP(EACH_ACCUMULATOR(REGISTER_FORM));
    else if (form == 1)
        LOOP(EACH_ACCUMULATOR(MEMORY_FORM));
    else
        LOOP(TILE_FORM);
    return cpu_seconds() - start;
}

/* Seconds of CPU time for `iterations` of 32 dependent imul. */
double peak_clock_chain(int64_t iterations) {
    uint64_t value = 3;
    double start = cpu_seconds();
    __asm__ volatile(".p2align 6\n1:\n.rept 32\nimul %1, %1\n.endr\ndec %0\njnz 1b\n"
                     : "+r"(iterations), "+r"(value)::"cc");
    return cpu_seconds() - start;
}
