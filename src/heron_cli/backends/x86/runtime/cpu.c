/* What this CPU can execute: CPUID says what the silicon has, XCR0 what the operating system saves on a
 * context switch. Both must agree, or the first wide instruction is an illegal one. */
#include <cpuid.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "heron_runtime.h"

enum { EAX, EBX, ECX, EDX };
enum {
  STATE_NONE = 0,
  STATE_SSE = 1 << 1,
  STATE_AVX = STATE_SSE | 1 << 2,
  STATE_AVX512 = STATE_AVX | 7 << 5, /* masks, upper halves, registers 16 to 31 */
  STATE_TILE_DATA = 1 << 18,
  STATE_AMX = 1 << 17 | STATE_TILE_DATA,
};
enum { OSXSAVE = 1 << 27, ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_TILE_DATA = 18 };

#define FEATURE(name, leaf, subleaf, reg, bit, state) {name, leaf, subleaf, reg, bit, state},
static const struct {
  const char *name;
  unsigned leaf, subleaf, reg, bit, state;
} features[] = {
#include "cpu_features.inc"
};

static unsigned saved_state(void) {
  unsigned r[4], low, high;
  if (!__get_cpuid(1, &r[EAX], &r[EBX], &r[ECX], &r[EDX])) return 0;
  if ((r[ECX] & OSXSAVE) == 0) return STATE_SSE; /* x86-64 systems always save SSE state */
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

int heron_runtime_cpu_has(const char *feature) {
  for (size_t i = 0; i < sizeof features / sizeof features[0]; ++i) {
    if (strcmp(features[i].name, feature) != 0) continue;
    unsigned r[4] = {0};
    /* leaf 7 tells in EAX how many subleaves there are; reading past the last returns another leaf */
    if (features[i].subleaf > 0 &&
        (!__get_cpuid_count(features[i].leaf, 0, &r[EAX], &r[EBX], &r[ECX], &r[EDX]) ||
         r[EAX] < features[i].subleaf))
      return 0;
    if (!__get_cpuid_count(features[i].leaf, features[i].subleaf, &r[EAX], &r[EBX], &r[ECX], &r[EDX]))
      return 0;
    if ((r[features[i].reg] >> features[i].bit & 1) == 0) return 0;
    if ((saved_state() & features[i].state) != features[i].state) return 0;
    /* Linux gives tile registers only to processes that asked (Documentation/arch/x86/xstate.rst) */
    if ((features[i].state & STATE_TILE_DATA) != 0 &&
        syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_TILE_DATA) != 0)
      return 0;
    return 1;
  }
  return -1;
}
