/* Calls a library that was exported by the tests, the way a user would; exits 0 when all is exact. */
#include <heron_kernels.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition) \
  do { \
    if (!(condition)) { \
      fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
      return 1; \
    } \
  } while (0)

static void *aligned(size_t bytes) {
  char *memory = (char *)malloc(bytes + 2 * HERON_ALIGNMENT);
  return memory + HERON_ALIGNMENT - (size_t)memory % HERON_ALIGNMENT;
}

static int gemm(void) {
  heron_gemm_desc desc;
  desc.m = 17, desc.n = 33, desc.k = 21;
  uint8_t *input = (uint8_t *)aligned(17 * 21);
  int8_t *weight = (int8_t *)aligned(33 * 21 + 1);
  int32_t *output = (int32_t *)aligned(17 * 33 * 4);
  for (int i = 0; i < 17 * 21; ++i) input[i] = (uint8_t)(i * 7);
  for (int i = 0; i < 33 * 21 + 1; ++i) weight[i] = (int8_t)(i * 5);
  CHECK(heron_gemm_u8s8s32_query(&desc) == HERON_OK);
  CHECK(heron_gemm_u8s8s32_packed_size(&desc) == 33 * 21);
  CHECK(HERON_GEMM_U8S8S32_M17_N33_K21_PACKED_BYTES == 33 * 21);
  char *packed = (char *)aligned(33 * 21 + HERON_ALIGNMENT);
  for (int shift = 0; shift < 2; ++shift) { /* a weight may lie anywhere */
    CHECK(heron_gemm_u8s8s32_pack(&desc, weight + shift, packed) == HERON_OK);
    for (int threads = 0; threads < 4; ++threads) {
      CHECK(heron_set_num_threads(threads) == HERON_OK);
      CHECK(threads == 0 || heron_get_num_threads() == threads);
      memset(output, 77, 17 * 33 * 4);
      if (threads % 2)
        CHECK(heron_gemm_u8s8s32(&desc, input, packed, output) == HERON_OK);
      else
        CHECK(heron_gemm_u8s8s32_m17_n33_k21(input, packed, output) == HERON_OK);
      for (int m = 0; m < 17; ++m)
        for (int n = 0; n < 33; ++n) {
          int32_t sum = 0;
          for (int k = 0; k < 21; ++k) sum += input[m * 21 + k] * weight[shift + n * 21 + k];
          CHECK(output[m * 33 + n] == sum);
        }
    }
  }
  memset(output, 77, 17 * 33 * 4);
  CHECK(heron_gemm_u8s8s32(&desc, input + 1, packed, output) == HERON_MISALIGNED);
  CHECK(heron_gemm_u8s8s32(&desc, input, packed + 1, output) == HERON_MISALIGNED);
  CHECK(heron_gemm_u8s8s32(&desc, input, packed, output + 4) == HERON_MISALIGNED);
  CHECK(heron_gemm_u8s8s32_pack(&desc, weight, packed + 32) == HERON_MISALIGNED);
  CHECK(heron_gemm_u8s8s32(NULL, input, packed, output) == HERON_INVALID_ARGUMENT);
  CHECK(heron_gemm_u8s8s32(&desc, NULL, packed, output) == HERON_INVALID_ARGUMENT);
  CHECK(heron_gemm_u8s8s32(&desc, input, packed, NULL) == HERON_INVALID_ARGUMENT);
  CHECK(heron_gemm_u8s8s32_pack(&desc, NULL, packed) == HERON_INVALID_ARGUMENT);
  CHECK(heron_set_num_threads(-1) == HERON_INVALID_ARGUMENT);
  desc.m = 18; /* not in the library: a caller falls back */
  CHECK(heron_gemm_u8s8s32_query(&desc) == HERON_NO_KERNEL);
  CHECK(heron_gemm_u8s8s32_packed_size(&desc) == 0);
  CHECK(heron_gemm_u8s8s32_pack(&desc, weight, packed) == HERON_NO_KERNEL);
  CHECK(heron_gemm_u8s8s32(&desc, input, packed, output) == HERON_NO_KERNEL);
  desc.m = desc.n = 1, desc.k = 4; /* needs a CPU feature that is not here */
  CHECK(heron_gemm_u8s8s32_query(&desc) == HERON_UNSUPPORTED_CPU);
  CHECK(heron_gemm_u8s8s32_pack(&desc, weight, packed) == HERON_UNSUPPORTED_CPU);
  CHECK(heron_gemm_u8s8s32(&desc, input, packed, output) == HERON_UNSUPPORTED_CPU);
  CHECK(heron_gemm_u8s8s32_m1_n1_k4(input, packed, output) == HERON_UNSUPPORTED_CPU);
  CHECK(heron_missing_cpu_feature() != NULL);
  for (int i = 0; i < 17 * 33; ++i) CHECK(output[i] == 0x4d4d4d4d); /* an error touches nothing */
  desc.k = 8; /* fails by itself */
  CHECK(strcmp(heron_last_error(), "") == 0);
  CHECK(heron_gemm_u8s8s32(&desc, input, packed, output) == HERON_KERNEL_FAILED);
  CHECK(strcmp(heron_last_error(), "this kernel always fails") == 0);
  return 0;
}

static int conv2d(void) {
  enum { H = 9, W = 7, C = 3, O = 5, R = 3, OH = H - R + 1, OW = W - R + 1 };
  heron_conv2d_desc desc;
  desc.batch = 1, desc.height = H, desc.width = W, desc.in_channels = C, desc.out_channels = O;
  desc.kernel[0] = desc.kernel[1] = R;
  desc.stride[0] = desc.stride[1] = desc.dilation[0] = desc.dilation[1] = 1;
  desc.padding[0] = desc.padding[1] = 0;
  desc.layout = HERON_CONV2D_LAYOUT_NHWC;
  uint8_t *input = (uint8_t *)aligned(H * W * C);
  int8_t *weight = (int8_t *)aligned(O * C * R * R);
  int32_t *output = (int32_t *)aligned(OH * OW * O * 4);
  void *packed = aligned(heron_conv2d_u8s8s32_packed_size(&desc));
  for (int i = 0; i < H * W * C; ++i) input[i] = (uint8_t)(i * 11);
  for (int i = 0; i < O * C * R * R; ++i) weight[i] = (int8_t)(i * 3);
  CHECK(heron_conv2d_u8s8s32_pack(&desc, weight, packed) == HERON_OK);
  CHECK(heron_conv2d_u8s8s32(&desc, input, packed, output) == HERON_OK);
  for (int y = 0; y < OH; ++y)
    for (int x = 0; x < OW; ++x)
      for (int o = 0; o < O; ++o) {
        int32_t sum = 0;
        for (int c = 0; c < C; ++c)
          for (int r = 0; r < R; ++r)
            for (int s = 0; s < R; ++s)
              sum += input[((y + r) * W + x + s) * C + c] * weight[((o * C + c) * R + r) * R + s];
        CHECK(output[(y * OW + x) * O + o] == sum);
      }
  desc.layout = HERON_CONV2D_LAYOUT_NCHW;
  CHECK(heron_conv2d_u8s8s32(&desc, input, packed, output) == HERON_NO_KERNEL);
  return 0;
}

int main(void) {
  CHECK(strcmp(heron_version(), HERON_KERNELS_VERSION) == 0);
  CHECK(HERON_KERNELS_VERSION_MAJOR == 1 && HERON_KERNELS_VERSION_MINOR == 2);
  CHECK(strlen(heron_build_id()) == 32);
  CHECK(heron_kernel_count() == 6);
  CHECK(strcmp(heron_kernel_at(1)->symbol, "heron_gemm_u8s8s32_m1_n1_k4") == 0);
  CHECK(heron_kernel_at(1)->seconds == 1e-5);
  CHECK(heron_kernel_at(6) == NULL);
  CHECK(heron_kernel_missing_cpu_feature(0) == NULL);
  CHECK(heron_kernel_missing_cpu_feature(1) != NULL);
  CHECK(heron_kernel_missing_cpu_feature(6) == NULL);
  for (int status = HERON_OK; status <= HERON_KERNEL_FAILED + 1; ++status)
    CHECK(strlen(heron_status_string((heron_status)status)) > 3);
  heron_release_workspace();
  return gemm() || conv2d();
}
