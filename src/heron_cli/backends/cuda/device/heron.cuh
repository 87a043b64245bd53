// What the emitted kernels call: one PTX instruction, or a few, behind each name.
// tests/backends/cuda/emulator.h gives every function here a meaning on the CPU; change both together.

// The same value in every lane of a warp, said in a way that the compiler believes.
HERON int heron_uniform(int x) { return __shfl_sync(0xffffffffu, x, 0); }

// Reads of global memory are volatile: the compiler may take what is not for constant, and read it before the
// kernel has waited for the one before it.
HERON void heron_load(uint4& x, const void* from) {
  asm volatile("ld.global.nc.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(x.x), "=r"(x.y), "=r"(x.z), "=r"(x.w) : "l"(from));
}
HERON void heron_load(uint2& x, const void* from) {
  asm volatile("ld.global.nc.v2.u32 {%0, %1}, [%2];" : "=r"(x.x), "=r"(x.y) : "l"(from));
}
HERON void heron_load(unsigned& x, const void* from) { asm volatile("ld.global.nc.u32 %0, [%1];" : "=r"(x) : "l"(from)); }
HERON void heron_load(unsigned short& x, const void* from) {
  asm volatile("ld.global.nc.u16 %0, [%1];" : "=h"(x) : "l"(from));
}
HERON void heron_load(unsigned char& x, const void* from) {
  unsigned short wide;
  asm volatile("ld.global.nc.u8 %0, [%1];" : "=h"(wide) : "l"(from));
  x = (unsigned char)wide;
}

// --- global -> shared, zeros where `ok` is 0 (PTX ISA: cp.async, src-size) ------------------------------
#if __CUDA_ARCH__ >= 800
HERON void heron_copy_16(heron_place to, const void* from, int ok) {
  asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(to.at), "l"(from), "r"(ok ? 16 : 0)
               : "memory");
}
HERON void heron_copy_8(heron_place to, const void* from, int ok) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;" ::"r"(to.at), "l"(from), "r"(ok ? 8 : 0)
               : "memory");
}
HERON void heron_copy_4(heron_place to, const void* from, int ok) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(to.at), "l"(from), "r"(ok ? 4 : 0)
               : "memory");
}
// The same, where `go` is not 0: predicated, as a branch would part the products that stand around it.
HERON void heron_copy_16_if(heron_place to, const void* from, int ok, int go) {
  asm volatile("{.reg .pred p; setp.ne.b32 p, %3, 0; @p cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;}" ::"r"(to.at),
               "l"(from), "r"(ok ? 16 : 0), "r"(go)
               : "memory");
}
HERON void heron_copy_8_if(heron_place to, const void* from, int ok, int go) {
  asm volatile("{.reg .pred p; setp.ne.b32 p, %3, 0; @p cp.async.ca.shared.global [%0], [%1], 8, %2;}" ::"r"(to.at),
               "l"(from), "r"(ok ? 8 : 0), "r"(go)
               : "memory");
}
HERON void heron_copy_4_if(heron_place to, const void* from, int ok, int go) {
  asm volatile("{.reg .pred p; setp.ne.b32 p, %3, 0; @p cp.async.ca.shared.global [%0], [%1], 4, %2;}" ::"r"(to.at),
               "l"(from), "r"(ok ? 4 : 0), "r"(go)
               : "memory");
}
HERON void heron_copy_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int N>
HERON void heron_copy_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}
#else  // through registers, at once
HERON void heron_copy_16(heron_place to, const void* from, int ok) {
  uint4 x = ok ? __ldg((const uint4*)from) : uint4{};
  asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(to.at), "r"(x.x), "r"(x.y), "r"(x.z), "r"(x.w) : "memory");
}
HERON void heron_copy_8(heron_place to, const void* from, int ok) {
  uint2 x = ok ? __ldg((const uint2*)from) : uint2{};
  asm volatile("st.shared.v2.u32 [%0], {%1, %2};" ::"r"(to.at), "r"(x.x), "r"(x.y) : "memory");
}
HERON void heron_copy_4(heron_place to, const void* from, int ok) {
  uint x = ok ? __ldg((const uint*)from) : 0u;
  asm volatile("st.shared.u32 [%0], %1;" ::"r"(to.at), "r"(x) : "memory");
}
HERON void heron_copy_commit() {}
template <int N>
HERON void heron_copy_wait() {}
#endif
HERON void heron_copy_2(heron_place to, const void* from, int ok) {
  ushort x = 0;
  if (ok) heron_load(x, from);
  asm volatile("st.shared.u16 [%0], %1;" ::"r"(to.at), "h"(x) : "memory");
}
HERON void heron_copy_1(heron_place to, const void* from, int ok) {
  uchar x = 0;
  if (ok) heron_load(x, from);
  asm volatile("st.shared.u8 [%0], %1;" ::"r"(to.at), "h"((ushort)x) : "memory");
}
HERON void heron_barrier() { __syncthreads(); }

// --- shared -> fragments (PTX ISA: ldmatrix) -------------------------------------------------------------
HERON void heron_fragment_4(void* to, heron_place from) {
  unsigned* r = (unsigned*)to;
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(from.at)
               : "memory");
}
HERON void heron_fragment_2(void* to, heron_place from) {
  unsigned* r = (unsigned*)to;
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];" : "=r"(r[0]), "=r"(r[1]) : "r"(from.at)
               : "memory");
}
HERON void heron_fragment_4_t(void* to, heron_place from) {
  unsigned* r = (unsigned*)to;
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(from.at)
               : "memory");
}
HERON void heron_fragment_2_t(void* to, heron_place from) {
  unsigned* r = (unsigned*)to;
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(from.at)
               : "memory");
}

// --- results: sums in shared memory, finished in registers, written as the output's type ----------------
HERON void heron_stage_2(heron_place to, const void* from) {
  const unsigned* x = (const unsigned*)from;
  asm volatile("st.shared.v2.u32 [%0], {%1, %2};" ::"r"(to.at), "r"(x[0]), "r"(x[1]) : "memory");
}
// N 32-bit words to global memory, aligned to min(N, 4) of them. `Once`: the first to leave the cache (st.cs).
template <int N, bool Once = false>
HERON void heron_words(void* to, const void* from) {
  if constexpr (Once && N % 4 == 0) {
#pragma unroll
    for (int i = 0; i < N / 4; ++i) {
      const uint4 x = ((const uint4*)from)[i];
      asm volatile("st.global.cs.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"((uint4*)to + i), "r"(x.x), "r"(x.y), "r"(x.z), "r"(x.w)
                   : "memory");
    }
  } else if constexpr (N % 4 == 0) {
#pragma unroll
    for (int i = 0; i < N / 4; ++i) ((uint4*)to)[i] = ((const uint4*)from)[i];
  } else if constexpr (N == 2) {
    *(uint2*)to = *(const uint2*)from;
  } else {
    *(unsigned*)to = *(const unsigned*)from;
  }
}
template <int N>
HERON void heron_words(void* to, heron_place from) {  // as above, from shared memory
  unsigned* x = (unsigned*)to;
  if constexpr (N % 4 == 0) {
#pragma unroll
    for (int i = 0; i < N; i += 4)
      asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
                   : "=r"(x[i]), "=r"(x[i + 1]), "=r"(x[i + 2]), "=r"(x[i + 3])
                   : "r"(from.at + 4 * i)
                   : "memory");
  } else if constexpr (N == 2) {
    asm volatile("ld.shared.v2.u32 {%0, %1}, [%2];" : "=r"(x[0]), "=r"(x[1]) : "r"(from.at) : "memory");
  } else {
    asm volatile("ld.shared.u32 %0, [%1];" : "=r"(x[0]) : "r"(from.at) : "memory");
  }
}
// N staged sums. Of 8, every second four lanes read the second half first: else two lanes in eight share banks.
template <int N>
HERON void heron_sums(void* to, heron_place from) {
  if constexpr (N == 8) {
    const unsigned second = threadIdx.x >> 2 & 1;
    alignas(16) unsigned a[4], b[4];
    heron_words<4>(a, heron_place{from.at + 16 * second});
    heron_words<4>(b, heron_place{from.at + 16 * (second ^ 1)});
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      ((unsigned*)to)[i] = second ? b[i] : a[i];
      ((unsigned*)to)[4 + i] = second ? a[i] : b[i];
    }
  } else {
    heron_words<N>(to, from);
  }
}
// N numbers of type T at `from`, as sums.
template <int N, typename T, typename Sum>
HERON void heron_widen(void* to, const void* from) {
  constexpr int bytes = sizeof(T) * N;
  alignas(16) T x[N];
  if constexpr (bytes % 16 == 0) {
#pragma unroll
    for (int i = 0; i < bytes / 16; ++i) heron_load(((uint4*)x)[i], (const uint4*)from + i);
  } else if constexpr (bytes == 8) {
    heron_load(*(uint2*)x, from);
  } else if constexpr (bytes == 4) {
    heron_load(*(unsigned*)x, from);
  } else if constexpr (bytes == 2) {
    heron_load(*(unsigned short*)x, from);
  } else {
    heron_load(*(unsigned char*)x, from);
  }
#pragma unroll
  for (int i = 0; i < N; ++i) ((Sum*)to)[i] = (Sum)x[i];
}
// Four lanes hold a row: W words of each of four blocks. Afterwards lane % 4 = i holds all four words of block i.
template <int W>
HERON void heron_turn(unsigned (&x)[4][W]) {
  const bool odd = threadIdx.x & 1, high = threadIdx.x & 2;
#pragma unroll
  for (int w = 0; w < W; ++w) {
#pragma unroll
    for (int i = 0; i < 4; i += 2) {
      const unsigned a = x[i][w], b = x[i + 1][w], got = __shfl_xor_sync(0xffffffffu, odd ? a : b, 1);
      x[i][w] = odd ? got : a;
      x[i + 1][w] = odd ? b : got;
    }
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const unsigned a = x[i][w], b = x[i + 2][w], got = __shfl_xor_sync(0xffffffffu, high ? a : b, 2);
      x[i][w] = high ? got : a;
      x[i + 2][w] = high ? b : got;
    }
  }
}
// The sums of four blocks of 8 columns, two of each in a lane, four sums apart -> the 8 neighbours of one block.
HERON void heron_row(void* to, const void* from) {
  unsigned x[4][2];
#pragma unroll
  for (int i = 0; i < 4; ++i) x[i][0] = ((const unsigned*)from)[4 * i], x[i][1] = ((const unsigned*)from)[4 * i + 1];
  heron_turn(x);
#pragma unroll
  for (int i = 0; i < 4; ++i) ((unsigned*)to)[2 * i] = x[i][0], ((unsigned*)to)[2 * i + 1] = x[i][1];
}
// Two neighbours, rounded.
#if __CUDA_ARCH__ >= 800
HERON unsigned heron_pair(const __half*, float a, float b) {
  unsigned x;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(x) : "f"(b), "f"(a));
  return x;
}
HERON unsigned heron_pair(const __nv_bfloat16*, float a, float b) {
  unsigned x;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(x) : "f"(b), "f"(a));
  return x;
}
#else
HERON unsigned heron_pair(const __half*, float a, float b) {
  return (unsigned)__half(a).bits | (unsigned)__half(b).bits << 16;
}
#endif
// The same, rounded to a type of two bytes first.
template <typename T, typename Sum>
HERON void heron_row_as(void* to, const void* from) {
  unsigned x[4][1];
#pragma unroll
  for (int i = 0; i < 4; ++i)
    x[i][0] = heron_pair((const T*)nullptr, (float)((const Sum*)from)[4 * i], (float)((const Sum*)from)[4 * i + 1]);
  heron_turn(x);
#pragma unroll
  for (int i = 0; i < 4; ++i) ((unsigned*)to)[i] = x[i][0];
}
// N sums, rounded to type T, to global memory.
template <int N, typename T, typename Sum, bool Once = false>
HERON void heron_narrow(void* to, const void* from) {
  alignas(16) T x[N];
#pragma unroll
  for (int i = 0; i < N; ++i) x[i] = (T)((const Sum*)from)[i];
  if constexpr (sizeof(T) * N >= 4) {
    heron_words<(int)(sizeof(T) * N / 4), Once>(to, x);
  } else {
#pragma unroll
    for (int i = 0; i < N; ++i) ((T*)to)[i] = x[i];
  }
}
