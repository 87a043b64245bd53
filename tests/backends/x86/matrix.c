/* AMX on CPUs without it: the processor refuses its instructions (SIGILL), and the handler executes them as the
 * SDM's pseudocode says. It ends the process where AMX would fault. Linked to a kernel, it comes and goes with it. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

enum { REGISTERS = 8, ROWS = 16, BYTES = 64 };

static _Thread_local struct {
  int shaped;
  int rows[REGISTERS], width[REGISTERS];
  uint8_t data[REGISTERS][ROWS][BYTES];
} state;

static void check(int number) {
  if (!state.shaped || !state.rows[number] || !state.width[number]) abort();
}

static void shape(const uint8_t *shapes) {
  memset(&state, 0, sizeof state);
  if (shapes[0] != 1 || shapes[1] != 0) abort();
  for (int i = 2; i < 16; ++i)
    if (shapes[i]) abort();
  for (int i = 0; i < 16; ++i) {
    uint16_t width;
    memcpy(&width, shapes + 16 + 2 * i, 2);
    int rows = shapes[48 + i];
    if (i < REGISTERS) {
      if (width > BYTES || rows > ROWS || !width != !rows) abort();
      state.width[i] = width, state.rows[i] = rows;
    } else if (width || rows) {
      abort();
    }
  }
  state.shaped = 1;
}

static void release(void) {
  if (!state.shaped) abort(); /* no fault, but somebody miscounted */
  memset(&state, 0, sizeof state);
}

static void zero(int number) {
  check(number);
  memset(state.data[number], 0, sizeof state.data[number]);
}

static void load(int number, const uint8_t *place, int64_t pitch) {
  zero(number);
  for (int r = 0; r < state.rows[number]; ++r) memcpy(state.data[number][r], place + r * pitch, state.width[number]);
}

static void store(int number, uint8_t *place, int64_t pitch) {
  check(number);
  for (int r = 0; r < state.rows[number]; ++r) memcpy(place + r * pitch, state.data[number][r], state.width[number]);
}

static float widened(const uint8_t *place) {
  uint32_t bits = (uint32_t)place[0] << 16 | (uint32_t)place[1] << 24;
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

static void multiply(int c, int a, int b, int floats) {
  check(c), check(a), check(b);
  if (c == a || c == b || a == b) abort();
  if (state.rows[c] != state.rows[a] || state.width[c] != state.width[b] || state.width[a] != 4 * state.rows[b] ||
      state.width[a] % 4 || state.width[b] % 4)
    abort();
  for (int m = 0; m < state.rows[c]; ++m)
    for (int k = 0; k < state.width[a] / 4; ++k)
      for (int n = 0; n < state.width[b] / 4; ++n) {
        uint8_t *sum = &state.data[c][m][4 * n];
        const uint8_t *x = &state.data[a][m][4 * k], *y = &state.data[b][k][4 * n];
        if (floats) {
          float total;
          memcpy(&total, sum, 4);
          for (int i = 0; i < 4; i += 2) total += widened(x + i) * widened(y + i);
          memcpy(sum, &total, 4);
        } else {
          uint32_t total;
          memcpy(&total, sum, 4);
          for (int i = 0; i < 4; ++i) total += (uint32_t)(x[i] * (int8_t)y[i]);
          memcpy(sum, &total, 4);
        }
      }
}

static const int names[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                              REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
enum { NONE, P66, PF3, PF2 };

/* Executes the instruction at the program counter and steps over it; 0 when it is not one of AMX. */
static int execute(greg_t *registers) {
  const uint8_t *at = (const uint8_t *)registers[REG_RIP];
  if (at[0] != 0xC4 || (at[1] & 0x1F) != 2 || (at[2] & 0x84) != 0) return 0; /* VEX.128.0F38.W0 */
  int x = at[1] & 0x40 ? 0 : 8, b = at[1] & 0x20 ? 0 : 8, vector = ~at[2] >> 3 & 15, prefix = at[2] & 3;
  int code = at[3], mod = at[4] >> 6, reg = at[4] >> 3 & 7, rm = at[4] & 7;
  const uint8_t *next = at + 5;
  int64_t base = 0, pitch = 0;
  if (mod != 3) {
    int named = rm + b, relative = mod == 0 && rm == 5;
    if (rm == 4) {
      int sib = *next++, index = (sib >> 3 & 7) + x;
      if (index != 4) pitch = (int64_t)((uint64_t)registers[names[index]] << (sib >> 6));
      named = (sib & 7) + b;
      if (mod == 0 && (sib & 7) == 5) return 0; /* no base: no code of ours */
    } else if (code == 0x4B) {
      return 0; /* rows need an index */
    }
    if (mod == 1) base = (int8_t)*next++;
    if (mod == 2 || relative) {
      int32_t wide;
      memcpy(&wide, next, 4);
      next += 4, base = wide;
    }
    base += relative ? (int64_t)next : registers[names[named]];
  }
  uint8_t *place = (uint8_t *)base;
  if (code == 0x49 && prefix == NONE && mod != 3 && reg == 0) shape(place);
  else if (code == 0x49 && prefix == NONE && at[4] == 0xC0) release();
  else if (code == 0x49 && prefix == PF2 && mod == 3) zero(reg);
  else if (code == 0x4B && prefix == PF2 && mod != 3) load(reg, place, pitch);
  else if (code == 0x4B && prefix == PF3 && mod != 3) store(reg, place, pitch);
  else if (code == 0x5E && prefix == P66 && mod == 3) multiply(reg, rm, vector, 0);
  else if (code == 0x5C && prefix == PF3 && mod == 3) multiply(reg, rm, vector, 1);
  else return 0;
  registers[REG_RIP] = (greg_t)next;
  return 1;
}

static struct sigaction before;

static void handle(int number, siginfo_t *info, void *context) {
  (void)info;
  if (!execute(((ucontext_t *)context)->uc_mcontext.gregs)) signal(number, SIG_DFL);
}

__attribute__((constructor)) static void come(void) {
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_NODEFER};
  sigaction(SIGILL, &action, &before);
}

__attribute__((destructor)) static void go(void) { sigaction(SIGILL, &before, NULL); }
