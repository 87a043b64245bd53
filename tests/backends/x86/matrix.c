/* The matrix registers of AMX in plain C, for CPUs without them: what the SDM's pseudocode says, and abort()
 * where the processor would fault. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { REGISTERS = 8, ROWS = 16, BYTES = 64 };

static _Thread_local struct {
  int configured;
  int rows[REGISTERS], width[REGISTERS];
  uint8_t data[REGISTERS][ROWS][BYTES];
} state;

static void shaped(int number) {
  if (!state.configured || number < 0 || number >= REGISTERS || !state.rows[number] || !state.width[number]) abort();
}

void emulated_ldtilecfg(const uint8_t *shapes) {
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
  state.configured = 1;
}

void emulated_tilerelease(void) {
  if (!state.configured) abort(); /* no fault, but somebody miscounted */
  memset(&state, 0, sizeof state);
}

void emulated_tilezero(int32_t number) {
  shaped(number);
  memset(state.data[number], 0, sizeof state.data[number]);
}

void emulated_tileloadd64(int32_t number, const uint8_t *place, int64_t pitch) {
  shaped(number);
  memset(state.data[number], 0, sizeof state.data[number]);
  for (int r = 0; r < state.rows[number]; ++r) memcpy(state.data[number][r], place + r * pitch, state.width[number]);
}

void emulated_tilestored64(int32_t number, uint8_t *place, int64_t pitch) {
  shaped(number);
  for (int r = 0; r < state.rows[number]; ++r) memcpy(place + r * pitch, state.data[number][r], state.width[number]);
}

static void fit(int c, int a, int b) {
  shaped(c), shaped(a), shaped(b);
  if (c == a || c == b || a == b) abort();
  if (state.rows[c] != state.rows[a] || state.width[c] != state.width[b] || state.width[a] != 4 * state.rows[b] ||
      state.width[a] % 4 || state.width[b] % 4)
    abort();
}

void emulated_tdpbusd(int32_t c, int32_t a, int32_t b) {
  fit(c, a, b);
  for (int m = 0; m < state.rows[c]; ++m)
    for (int k = 0; k < state.width[a] / 4; ++k)
      for (int n = 0; n < state.width[b] / 4; ++n) {
        uint32_t sum;
        memcpy(&sum, &state.data[c][m][4 * n], 4);
        for (int i = 0; i < 4; ++i)
          sum += (uint32_t)(state.data[a][m][4 * k + i] * (int8_t)state.data[b][k][4 * n + i]);
        memcpy(&state.data[c][m][4 * n], &sum, 4);
      }
}

static float widened(const uint8_t *place) {
  uint32_t bits = (uint32_t)place[0] << 16 | (uint32_t)place[1] << 24;
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

void emulated_tdpbf16ps(int32_t c, int32_t a, int32_t b) {
  fit(c, a, b);
  for (int m = 0; m < state.rows[c]; ++m)
    for (int k = 0; k < state.width[a] / 4; ++k)
      for (int n = 0; n < state.width[b] / 4; ++n) {
        float sum;
        memcpy(&sum, &state.data[c][m][4 * n], 4);
        for (int i = 0; i < 4; i += 2) sum += widened(&state.data[a][m][4 * k + i]) * widened(&state.data[b][k][4 * n + i]);
        memcpy(&state.data[c][m][4 * n], &sum, 4);
      }
}
