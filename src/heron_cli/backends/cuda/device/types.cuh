// The types that kernels name. Without CUDA's own headers, reading which takes longer than compiling a kernel.
#define HERON static __device__ __forceinline__
#define HERON_METHOD __device__ __forceinline__

typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;

struct __half {
  ushort bits;
  __half() = default;
  HERON_METHOD __half(float x) { asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x)); }
  HERON_METHOD operator float() const {
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
    return x;
  }
};
struct __nv_bfloat16 {
  ushort bits;
  __nv_bfloat16() = default;
  HERON_METHOD __nv_bfloat16(float x) { asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x)); }
  HERON_METHOD operator float() const { return __uint_as_float((uint)bits << 16); }
};
struct alignas(128) CUtensorMap {  // what the driver encodes
  unsigned long long words[16];
};

// A block's shared memory: addresses of 32 bits. NVRTC would calculate generic pointers to it in 64 bits.
struct heron_place {
  uint at;
};
struct heron_slot {
  uint at;
  HERON_METHOD heron_place operator&() const { return {at}; }
};
struct heron_memory {
  uint at;
  HERON_METHOD heron_slot operator[](int i) const { return {at + (uint)i}; }
};
HERON heron_memory heron_open(const void* bytes) {
  uint at = (uint)__cvta_generic_to_shared(bytes);
  asm("" : "+r"(at));  // a number in a register, of which the compiler knows nothing
  return {at};
}
