// The meaning, on a CPU, of what backends/cuda/device/*.cuh does on a GPU: emitted kernels compile as C++ and
// run with one fiber a thread. What is asynchronous happens either at once or as late as the kernel's waits
// allow (emu::late), and fibers run in a random order between barriers: a missing wait or barrier shows.
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <random>
#include <vector>

#define __global__
#define __device__
#define __forceinline__ inline
#define __restrict__
#define __launch_bounds__(...)
#define __cluster_dims__(...)
#define HERON static inline
typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
using std::max, std::min;  // which CUDA has everywhere
typedef _Float16 __half;
struct __nv_bfloat16 {
  uint16_t bits;
  __nv_bfloat16() = default;
  explicit __nv_bfloat16(float x) {
    uint32_t u;
    memcpy(&u, &x, 4);
    bits = (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
  }
  operator float() const {
    uint32_t u = (uint32_t)bits << 16;
    float x;
    memcpy(&x, &u, 4);
    return x;
  }
};

namespace emu {
struct Index { int x, y, z; };
struct Rendezvous { int arrived = 0; long generation = 0; };
struct Copy { void* to; const void* from; int bytes; bool ok; };
struct Work { std::function<void()> run; };
struct Block {
  Index index;
  std::vector<uchar> memory;
  uchar* shared;
  Rendezvous barrier;
  std::vector<Rendezvous> warps, groups;
  Rendezvous named[16];
};
struct Fiber {
  ucontext_t context;
  std::vector<char> stack;
  Block* block;
  Index thread;
  bool done = false, waited = false;
  Rendezvous* waits = nullptr;
  struct Gate* gate = nullptr;
  int parity = 0;
  long generation = 0;
  std::vector<Copy> open;
  std::deque<std::vector<Copy>> groups;
};
// A gate (mbarrier): a phase ends when all arrivals and all expected bytes are there.
struct Gate {
  int count = 0, pending = 0, phase = 0;
  long bytes = 0;
  void check() {
    if (pending == 0 && bytes == 0) phase ^= 1, pending = count;
  }
};
struct Exchange { const void* a[128]; const void* b[128]; void* c[128]; unsigned long long d[2]; };
inline Fiber* self;
inline ucontext_t scheduler;
inline bool late = true, overlaps = false;
inline std::vector<Block>* cluster;
inline Rendezvous cluster_barrier;
inline int block_threads, split;
inline std::vector<std::vector<Exchange>> warp_exchange, group_exchange;  // [block][unit]
inline std::vector<std::vector<std::deque<std::vector<std::function<void()>>>>> group_work;
inline std::vector<std::vector<std::vector<std::function<void()>>>> group_open;

inline void meet(Rendezvous& place, int count, const std::function<void()>& then = nullptr) {
  if (++place.arrived == count) {
    if (then) then();
    place.arrived = 0;
    ++place.generation;
    return;
  }
  self->waits = &place;
  self->generation = place.generation;
  swapcontext(&self->context, &scheduler);
}
// Memory that the kernel before this one may still write: not before every thread has waited for it.
inline void touch() {
  if (overlaps && !self->waited) { fprintf(stderr, "memory is touched before the previous kernel has ended\n"); abort(); }
}
inline int block_number() { return (int)(self->block - cluster->data()); }
inline int warp() { return self->thread.x / 32; }
inline int group() { return self->thread.x / 128; }
inline void perform(const Copy& copy) {
  if (copy.ok) memcpy(copy.to, copy.from, copy.bytes);
  else memset(copy.to, 0, copy.bytes);
}
inline void copy(void* to, const void* from, int bytes, int ok) {
  touch();
  if ((uintptr_t)to % bytes || (ok && (uintptr_t)from % bytes)) { fprintf(stderr, "misaligned copy of %d bytes\n", bytes); abort(); }
  Copy one{to, from, bytes, ok != 0};
  if (late) self->open.push_back(one);
  else perform(one);
}
template <typename T> float number(const T* p) { return (float)*p; }

// One product of a warp, fragments as the PTX ISA lays them out (32 bits a register).
template <int M, int N, int K, typename A, typename B, typename C>
void mma(void* sums, const void* rows, const void* columns) {
  Exchange& x = warp_exchange[block_number()][warp()];
  int lane = self->thread.x % 32;
  x.a[lane] = rows, x.b[lane] = columns, x.c[lane] = sums;
  meet(self->block->warps[warp()], 32, [&] {
    constexpr int EA = 4 / sizeof(A), EB = 4 / sizeof(B);
    static C a[M][K], b[K][N];
    for (int l = 0; l < 32; ++l) {
      for (int r = 0; r < M * K / 32 / EA; ++r)
        for (int e = 0; e < EA; ++e) {
          int row = l / 4 + (r % 2) * 8, k = (l % 4) * EA + e + (r / 2) * 4 * EA;
          a[row][k] = (C)((const A*)x.a[l])[r * EA + e];
        }
      for (int r = 0; r < N * K / 32 / EB; ++r)
        for (int e = 0; e < EB; ++e) b[(l % 4) * EB + e + r * 4 * EB][l / 4] = (C)((const B*)x.b[l])[r * EB + e];
    }
    for (int l = 0; l < 32; ++l)
      for (int r = 0; r < 4; ++r) {
        int row = l / 4 + (r / 2) * 8, column = (l % 4) * 2 + r % 2;
        C total = ((C*)x.c[l])[r];
        for (int k = 0; k < K; ++k) total += a[row][k] * b[k][column];
        ((C*)x.c[l])[r] = total;
      }
  });
  meet(self->block->warps[warp()], 32);
}
inline void fragment(void* to, const void* from, int count, bool transposed) {
  Exchange& x = warp_exchange[block_number()][warp()];
  int lane = self->thread.x % 32;
  if ((uintptr_t)from % 16 && lane < 8 * count) { fprintf(stderr, "misaligned fragment\n"); abort(); }
  x.a[lane] = from, x.c[lane] = to;
  meet(self->block->warps[warp()], 32, [&] {
    for (int q = 0; q < count; ++q)
      for (int l = 0; l < 32; ++l)
        for (int e = 0; e < 2; ++e) {
          int row = transposed ? (l % 4) * 2 + e : l / 4, column = transposed ? l / 4 : (l % 4) * 2 + e;
          ((ushort*)x.c[l])[2 * q + e] = ((const ushort*)x.a[q * 8 + row])[column];
        }
  });
  meet(self->block->warps[warp()], 32);
}

// One product of a warpgroup from shared memory, through descriptors (PTX ISA, matrix descriptor and swizzle).
template <typename T>
T element(unsigned long long descriptor, bool transposed, int row, int k) {
  uchar* shared = self->block->shared;
  int start = (int)(descriptor & 0x3fff) * 16, leading = (int)(descriptor >> 16 & 0x3fff) * 16;
  int stride = (int)(descriptor >> 32 & 0x3fff) * 16, mode = (int)(descriptor >> 62);
  int width = mode == 1 ? 128 : mode == 2 ? 64 : 32;  // bytes
  int byte;
  if (!transposed) {
    byte = start + row / 8 * stride + row % 8 * width + k * (int)sizeof(T);
  } else {
    int inner = width / (int)sizeof(T);
    byte = start + row / inner * leading + k / 8 * stride + k % 8 * width + row % inner * (int)sizeof(T);
  }
  byte ^= (byte >> 7 & (width / 16 - 1)) << 4;  // address bits 4.. with bits 7..: the swizzle of the whole address
  T value;
  memcpy(&value, shared + byte, sizeof(T));
  return value;
}
template <int M, int N, int K, bool TA, bool TB, typename A, typename B, typename C>
void wgmma(void* sums, unsigned long long a, unsigned long long b) {
  int block = block_number(), unit = group();
  Exchange& x = group_exchange[block][unit];
  x.c[self->thread.x % 128] = sums;
  if (self->thread.x % 128 == 0) x.d[0] = a, x.d[1] = b;
  meet(self->block->groups[unit], 128, [&] {
    Exchange copy = x;
    group_open[block][unit].push_back([copy] {
      static C left[M][K], right[K][N];
      for (int k = 0; k < K; ++k) {
        for (int i = 0; i < M; ++i) left[i][k] = (C)element<A>(copy.d[0], TA, i, k);
        for (int j = 0; j < N; ++j) right[k][j] = (C)element<B>(copy.d[1], TB, j, k);
      }
      for (int t = 0; t < 128; ++t)
        for (int r = 0; r < M * N / 128; ++r) {
          int row = t / 32 * 16 + t % 32 / 4 + (r / 2 % 2) * 8, column = r / 4 * 8 + (t % 4) * 2 + r % 2;
          C total = ((C*)copy.c[t])[r];
          for (int k = 0; k < K; ++k) total += left[row][k] * right[k][column];
          ((C*)copy.c[t])[r] = total;
        }
    });
  });
  meet(self->block->groups[unit], 128);
}
inline void group_commit() {
  int block = block_number(), unit = group();
  meet(self->block->groups[unit], 128, [&] {
    group_work[block][unit].push_back(std::move(group_open[block][unit]));
    group_open[block][unit].clear();
    if (!late)
      for (auto& each : group_work[block][unit].back()) each();
  });
}
inline void group_wait(int left) {
  int block = block_number(), unit = group();
  meet(self->block->groups[unit], 128, [&] {
    auto& queue = group_work[block][unit];
    while ((int)queue.size() > left) {
      if (late)
        for (auto& each : queue.front()) each();
      queue.pop_front();
    }
  });
}
inline std::map<const void*, Gate> gates;
inline std::deque<std::function<void()>> postponed_copies;
inline Gate& gate(const void* at) { return gates[at]; }
inline const void* there(const void* place, int rank) {
  return (*cluster)[rank].shared + ((const uchar*)place - self->block->shared);
}
}  // namespace emu

// What the host encodes for bulk copies; strides in bytes, innermost first.
struct CUtensorMap {
  const uchar* base;
  long rank, column, item, swizzle, extents[5], strides[5], box[5], lower[3], upper[3], steps[5], channels, pixels;
};

namespace emu {
inline void put(Block& block, long byte, const CUtensorMap& map, const long* at) {
  long offset = 0;
  bool inside = true;
  for (int d = 0; d < map.rank; ++d) {
    inside = inside && at[d] >= 0 && at[d] < map.extents[d];
    offset += at[d] * map.strides[d];
  }
  byte ^= (byte >> 7 & (map.swizzle / 16 - 1)) << 4;
  if (byte < 0 || byte + map.item > (long)block.memory.size() - 1024) { fprintf(stderr, "bulk copy outside shared memory\n"); abort(); }
  if (inside) memcpy(block.shared + byte, map.base + offset, map.item);
  else memset(block.shared + byte, 0, map.item);
}
inline void bulk(void* to, void* gate_at, unsigned long long where, int mask, std::vector<long> c, std::vector<long> o) {
  touch();
  const CUtensorMap* map = (const CUtensorMap*)where;
  std::vector<int> ranks;
  if (mask < 0) ranks.push_back(block_number());
  else
    for (int r = 0; r < split; ++r)
      if (mask >> r & 1) ranks.push_back(r);
  long begin = (uchar*)to - self->block->shared;
  if (begin % 128) { fprintf(stderr, "bulk copy to a place that is no multiple of 128\n"); abort(); }
  std::vector<Block>* blocks = cluster;
  std::vector<const void*> opened;
  for (int r : ranks) opened.push_back(there(gate_at, r));
  auto run = [=] {
    for (size_t i = 0; i < ranks.size(); ++i) {
      Block& block = (*blocks)[ranks[i]];
      long bytes = 0;
      if (!map->column) {
        long total = 1;
        for (int d = 0; d < map->rank; ++d) total *= map->box[d];
        for (long e = 0; e < total; ++e) {
          long at[5], rest = e;
          for (int d = 0; d < map->rank; ++d) at[d] = c[d] + rest % map->box[d], rest /= map->box[d];
          put(block, begin + e * map->item, *map, at);
        }
        bytes = total * map->item;
      } else {
        int n = (int)map->rank - 2;
        std::vector<long> base(c.begin() + 1, c.end());
        for (long p = 0; p < map->pixels; ++p) {
          for (long e = 0; e < map->channels; ++e) {
            long at[5] = {c[0] + e};
            for (int d = 0; d < n; ++d) at[d + 1] = base[d] + o[d];
            at[n + 1] = base[n];
            put(block, begin + (p * map->channels + e) * map->item, *map, at);
          }
          int d = 0;
          for (; d < n; ++d) {
            base[d] += map->steps[d + 1];
            if (base[d] <= map->extents[d + 1] - 1 + map->upper[d]) break;
            base[d] = map->lower[d];
          }
          if (d == n) ++base[n];
        }
        bytes = map->pixels * map->channels * map->item;
      }
      Gate& g = gate(opened[i]);
      g.bytes -= bytes;
      g.check();
    }
  };
  if (late) postponed_copies.push_back(run);
  else run();
}
}  // namespace emu

#define threadIdx (emu::self->thread)
#define blockIdx (emu::self->block->index)
HERON int heron_uniform(int x) { return x; }
HERON void heron_copy_16(void* t, const void* f, int ok) { emu::copy(t, f, 16, ok); }
HERON void heron_copy_8(void* t, const void* f, int ok) { emu::copy(t, f, 8, ok); }
HERON void heron_copy_4(void* t, const void* f, int ok) { emu::copy(t, f, 4, ok); }
HERON void heron_copy_2(void* t, const void* f, int ok) { emu::touch(), emu::perform({t, f, 2, ok != 0}); }
HERON void heron_copy_1(void* t, const void* f, int ok) { emu::touch(), emu::perform({t, f, 1, ok != 0}); }
HERON void heron_copy_16_if(void* t, const void* f, int ok, int go) { if (go) heron_copy_16(t, f, ok); }
HERON void heron_copy_8_if(void* t, const void* f, int ok, int go) { if (go) heron_copy_8(t, f, ok); }
HERON void heron_copy_4_if(void* t, const void* f, int ok, int go) { if (go) heron_copy_4(t, f, ok); }
HERON void heron_copy_commit() { emu::self->groups.push_back(std::move(emu::self->open)); emu::self->open.clear(); }
template <int N> HERON void heron_copy_wait() {
  auto& groups = emu::self->groups;
  while ((int)groups.size() > N) {
    for (auto& each : groups.front()) emu::perform(each);
    groups.pop_front();
  }
}
HERON void heron_barrier() { emu::meet(emu::self->block->barrier, emu::block_threads); }
HERON void heron_fragment_4(void* t, const void* f) { emu::fragment(t, f, 4, false); }
HERON void heron_fragment_2(void* t, const void* f) { emu::fragment(t, f, 2, false); }
HERON void heron_fragment_4_t(void* t, const void* f) { emu::fragment(t, f, 4, true); }
HERON void heron_fragment_2_t(void* t, const void* f) { emu::fragment(t, f, 2, true); }
HERON void heron_stage_2(void* t, const void* f) { memcpy(t, f, 8); }
template <int N, bool Once = false> HERON void heron_words(void* t, const void* f) {
  emu::touch();
  if (((uintptr_t)f | (uintptr_t)t) % (4 * (N < 4 ? N : 4))) { fprintf(stderr, "misaligned words\n"); abort(); }
  memcpy(t, f, 4 * N);
}
template <int N> HERON void heron_sums(void* t, const void* f) { heron_words<N>(t, f); }
template <int N, typename T, typename Sum> HERON void heron_widen(void* t, const void* f) {
  emu::touch();
  for (int i = 0; i < N; ++i) ((Sum*)t)[i] = (Sum)((const T*)f)[i];
}
// Lane i of four gets block i's pair of sums from each of them.
template <typename T, typename Sum> inline void row_of(void* t, const void* f) {
  emu::Exchange& x = emu::warp_exchange[emu::block_number()][emu::warp()];
  int lane = emu::self->thread.x % 32;
  x.a[lane] = f;
  emu::meet(emu::self->block->warps[emu::warp()], 32);
  for (int from = 0; from < 4; ++from)
    for (int e = 0; e < 2; ++e) ((T*)t)[2 * from + e] = (T)((const Sum*)x.a[lane / 4 * 4 + from])[4 * (lane % 4) + e];
  emu::meet(emu::self->block->warps[emu::warp()], 32);
}
HERON void heron_row(void* t, const void* f) { row_of<unsigned, unsigned>(t, f); }
template <typename T, typename Sum> HERON void heron_row_as(void* t, const void* f) { row_of<T, Sum>(t, f); }
template <int N, typename T, typename Sum, bool Once = false> HERON void heron_narrow(void* t, const void* f) {
  emu::touch();
  if ((uintptr_t)t % min(sizeof(T) * N, (size_t)16)) { fprintf(stderr, "misaligned store\n"); abort(); }
  for (int i = 0; i < N; ++i) ((T*)t)[i] = (T)((const Sum*)f)[i];
}
HERON void heron_previous_wait() { emu::self->waited = true; }
HERON void heron_next_begin() { emu::touch(); }
HERON void heron_group_fence() {}
HERON void heron_group_arrive() {}
HERON void heron_group_commit() { emu::group_commit(); }
template <int N> HERON void heron_group_wait() { emu::group_wait(N); }
HERON unsigned long long heron_descriptor(const void* p, int leading, int stride, int mode) {
  unsigned long long address = (unsigned long long)((const uchar*)p - emu::self->block->shared) >> 4;
  return address | (unsigned long long)(leading >> 4) << 16 | (unsigned long long)(stride >> 4) << 32 |
         (unsigned long long)mode << 62;
}
HERON void heron_gate_open(void* g, int arrivals) { emu::gate(g) = {arrivals, arrivals, 0, 0}; }
HERON void heron_map_fetch(unsigned long long) {}
HERON void heron_gate_ready() {}
HERON void heron_gate_expect(void* g, int bytes) { auto& gate = emu::gate(g); gate.bytes += bytes; --gate.pending; gate.check(); }
HERON void heron_gate_arrive(void* g) { auto& gate = emu::gate(g); --gate.pending; gate.check(); }
HERON void heron_gate_arrive_at(void* g, int rank) { auto& gate = emu::gate(emu::there(g, rank)); --gate.pending; gate.check(); }
HERON void heron_gate_wait(void* g, int parity) {
  auto& gate = emu::gate(g);
  while (gate.phase == parity) {
    emu::self->gate = &gate;
    emu::self->parity = parity;
    swapcontext(&emu::self->context, &emu::scheduler);
  }
}
template <int N> HERON void heron_workers_barrier(int threads) { emu::meet(emu::self->block->named[N], threads); }
template <int N> HERON void heron_registers_keep() {}
template <int N> HERON void heron_registers_take() {}
#define HERON_BULK(RANK, PARAMETERS, ...)                                                                                          \
  HERON void heron_box_##RANK(void* t, void* g, unsigned long long m, PARAMETERS) { emu::bulk(t, g, m, -1, {__VA_ARGS__}, {}); }           \
  HERON void heron_box_##RANK##_once(void* t, void* g, unsigned long long m, PARAMETERS) { emu::bulk(t, g, m, -1, {__VA_ARGS__}, {}); }    \
  HERON void heron_box_##RANK##_to(void* t, void* g, unsigned long long m, int k, PARAMETERS) { emu::bulk(t, g, m, k, {__VA_ARGS__}, {}); }
#define P1 int a
#define P2 P1, int b
#define P3 P2, int c
#define P4 P3, int d
#define P5 P4, int e
HERON_BULK(1, P1, a)
HERON_BULK(2, P2, a, b)
HERON_BULK(3, P3, a, b, c)
HERON_BULK(4, P4, a, b, c, d)
HERON_BULK(5, P5, a, b, c, d, e)
HERON void heron_column_3(void* t, void* g, unsigned long long m, P3, int x) { emu::bulk(t, g, m, -1, {a, b, c}, {x}); }
HERON void heron_column_4(void* t, void* g, unsigned long long m, P4, int x, int y) { emu::bulk(t, g, m, -1, {a, b, c, d}, {x, y}); }
HERON void heron_column_5(void* t, void* g, unsigned long long m, P5, int x, int y, int z) { emu::bulk(t, g, m, -1, {a, b, c, d, e}, {x, y, z}); }
HERON void heron_column_3_to(void* t, void* g, unsigned long long m, int k, P3, int x) { emu::bulk(t, g, m, k, {a, b, c}, {x}); }
HERON void heron_column_4_to(void* t, void* g, unsigned long long m, int k, P4, int x, int y) { emu::bulk(t, g, m, k, {a, b, c, d}, {x, y}); }
HERON void heron_column_5_to(void* t, void* g, unsigned long long m, int k, P5, int x, int y, int z) { emu::bulk(t, g, m, k, {a, b, c, d, e}, {x, y, z}); }
HERON int heron_cluster_rank() { return emu::block_number(); }
HERON void heron_cluster_barrier() { emu::meet(emu::cluster_barrier, emu::block_threads * emu::split); }
template <int N, typename Sum> HERON void heron_cluster_add(void* sums, const void* place, int rank) {
  const uchar* there = (*emu::cluster)[rank].shared + ((const uchar*)place - emu::self->block->shared);
  for (int i = 0; i < N; ++i) ((Sum*)sums)[i] += ((const Sum*)there)[i];
}

namespace emu {
inline std::function<void()>* entry;
inline void trampoline() {
  (*entry)();
  touch();  // nor may a thread end before
  self->done = true;
  swapcontext(&self->context, &scheduler);
}
// Runs a kernel: one cluster after the other, all its threads as fibers in a random order.
inline int launch(std::function<void()> kernel, int blocks, int ranks, int threads, int bytes, int seed, bool postponed, bool overlapping) {
  std::mt19937 random(seed);
  late = postponed;
  overlaps = overlapping;
  entry = &kernel;
  block_threads = threads;
  split = ranks;
  for (int number = 0; number < blocks; ++number) {
    std::vector<Block> every(ranks);
    cluster = &every;
    gates.clear();
    postponed_copies.clear();
    warp_exchange.assign(ranks, std::vector<Exchange>((threads + 31) / 32));
    group_exchange.assign(ranks, std::vector<Exchange>((threads + 127) / 128));
    group_work.assign(ranks, {});
    group_open.assign(ranks, {});
    std::vector<Fiber> fibers(ranks * threads);
    for (int r = 0; r < ranks; ++r) {
      Block& block = every[r];
      block.index = {number, r, 0};
      block.memory.assign(bytes + 2048, 0xff);  // NaN where nothing was written
      block.shared = (uchar*)(((uintptr_t)block.memory.data() + 1023) / 1024 * 1024);
      block.warps.resize((threads + 31) / 32);
      block.groups.resize((threads + 127) / 128);
      group_work[r].resize((threads + 127) / 128);
      group_open[r].resize((threads + 127) / 128);
      for (int t = 0; t < threads; ++t) {
        Fiber& fiber = fibers[r * threads + t];
        fiber.block = &block;
        fiber.thread = {t, 0, 0};
        fiber.stack.resize(96 << 10);
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack.data();
        fiber.context.uc_stack.ss_size = fiber.stack.size();
        fiber.context.uc_link = nullptr;
        makecontext(&fiber.context, trampoline, 0);
      }
    }
    std::vector<int> order(fibers.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = (int)i;
    size_t left = fibers.size();
    while (left) {
      std::shuffle(order.begin(), order.end(), random);
      bool moved = false;
      for (int i : order) {
        Fiber& fiber = fibers[i];
        if (fiber.done || (fiber.waits && fiber.waits->generation == fiber.generation)) continue;
        if (fiber.gate && fiber.gate->phase == fiber.parity) continue;
        fiber.waits = nullptr;
        fiber.gate = nullptr;
        self = &fiber;
        swapcontext(&scheduler, &fiber.context);
        moved = true;
        if (fiber.done) --left;
      }
      if (!moved && !postponed_copies.empty()) {
        size_t which = random() % postponed_copies.size();
        postponed_copies[which]();
        postponed_copies.erase(postponed_copies.begin() + which);
        continue;
      }
      if (!moved) { fprintf(stderr, "deadlock: some threads wait for others that do not come\n"); return 1; }
    }
    if (!postponed_copies.empty()) { fprintf(stderr, "a bulk copy was not waited for\n"); return 1; }
    for (auto& fiber : fibers)
      if (!fiber.open.empty()) { fprintf(stderr, "a copy was never committed\n"); return 1; }
  }
  return 0;
}
}  // namespace emu
