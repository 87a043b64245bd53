// What the emitted kernels call: one PTX instruction, or a few, behind each name.
// tests/backends/cuda/emulator.h gives every function here a meaning on the CPU; change both together.

// The same value in every lane of a warp, said in a way that the compiler believes.
HERON int heron_uniform(int x) { return __shfl_sync(0xffffffffu, x, 0); }

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
  ushort x = ok ? __ldg((const ushort*)from) : (ushort)0;
  asm volatile("st.shared.u16 [%0], %1;" ::"r"(to.at), "h"(x) : "memory");
}
HERON void heron_copy_1(heron_place to, const void* from, int ok) {
  ushort x = ok ? __ldg((const uchar*)from) : (uchar)0;
  asm volatile("st.shared.u8 [%0], %1;" ::"r"(to.at), "h"(x) : "memory");
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
template <int N>
HERON void heron_words(void* to, const void* from) {  // N 32-bit words, aligned to min(N, 4) of them
  if constexpr (N % 4 == 0) {
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
// N numbers of type T at `from`, as sums.
template <int N, typename T, typename Sum>
HERON void heron_widen(void* to, const void* from) {
  if constexpr (sizeof(T) * N >= 4) {
    alignas(16) T x[N];
    heron_words<(int)(sizeof(T) * N / 4)>(x, from);
#pragma unroll
    for (int i = 0; i < N; ++i) ((Sum*)to)[i] = (Sum)x[i];
  } else {
#pragma unroll
    for (int i = 0; i < N; ++i) ((Sum*)to)[i] = (Sum)((const T*)from)[i];
  }
}
// N sums, rounded to type T, to global memory.
template <int N, typename T, typename Sum>
HERON void heron_narrow(void* to, const void* from) {
  alignas(16) T x[N];
#pragma unroll
  for (int i = 0; i < N; ++i) x[i] = (T)((const Sum*)from)[i];
  if constexpr (sizeof(T) * N >= 4) {
    heron_words<(int)(sizeof(T) * N / 4)>(to, x);
  } else {
#pragma unroll
    for (int i = 0; i < N; ++i) ((T*)to)[i] = x[i];
  }
}
