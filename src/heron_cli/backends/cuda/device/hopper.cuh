// Instructions of compute capability 9.0: warpgroup products from shared memory, clusters.

// --- kernels of one stream that overlap (PTX ISA: griddepcontrol) ----------------------------------------
HERON void heron_previous_wait() { asm volatile("griddepcontrol.wait;" ::: "memory"); }
HERON void heron_next_begin() { asm volatile("griddepcontrol.launch_dependents;" ::: "memory"); }

HERON void heron_group_fence() {  // what ordinary stores and cp.async wrote, seen by the tensor cores
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}
HERON void heron_group_arrive() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
HERON void heron_group_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int N>
HERON void heron_group_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory");
}
// Registers that an unfinished product writes must not be touched: a false dependence on each.
template <int N, typename Sum>
HERON void heron_group_hold(void* sums) {
#pragma unroll
  for (int i = 0; i < N; ++i) asm volatile("" : "+r"(((unsigned*)sums)[i])::"memory");
}
// PTX ISA, matrix descriptor: addresses and strides in units of 16 bytes; mode 1, 2, 3: 128, 64, 32-byte swizzle.
HERON unsigned long long heron_descriptor(heron_place p, int leading, int stride, int mode) {
  unsigned long long address = (p.at & 0x3ffff) >> 4;
  return address | (unsigned long long)(leading >> 4) << 16 | (unsigned long long)(stride >> 4) << 32 |
         (unsigned long long)mode << 62;
}

// --- clusters: blocks that read each other's shared memory ----------------------------------------------
HERON int heron_cluster_rank() {
  unsigned rank;
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return (int)rank;
}
HERON void heron_cluster_barrier() {
  asm volatile("barrier.cluster.arrive.release.aligned;\nbarrier.cluster.wait.acquire.aligned;" ::: "memory");
}
// N words that another block of the cluster has at the same place, added to N sums.
template <int N, typename Sum>
HERON void heron_cluster_add(void* sums, heron_place place, int rank) {
  unsigned address;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(address) : "r"(place.at), "r"(rank));
  unsigned x[N];
  if constexpr (N % 4 == 0) {
#pragma unroll
    for (int i = 0; i < N; i += 4)
      asm volatile("ld.shared::cluster.v4.u32 {%0, %1, %2, %3}, [%4];"
                   : "=r"(x[i]), "=r"(x[i + 1]), "=r"(x[i + 2]), "=r"(x[i + 3])
                   : "r"(address + 4 * i));
  } else {
#pragma unroll
    for (int i = 0; i < N; ++i) asm volatile("ld.shared::cluster.u32 %0, [%1];" : "=r"(x[i]) : "r"(address + 4 * i));
  }
#pragma unroll
  for (int i = 0; i < N; ++i) ((Sum*)sums)[i] += *(Sum*)&x[i];
}

// --- bulk copies: barriers in shared memory that count arrivals and bytes (PTX ISA: mbarrier) -----------
HERON void heron_gate_open(heron_place gate, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(gate.at), "r"(arrivals) : "memory");
}
HERON void heron_gate_ready() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }
HERON void heron_gate_expect(heron_place gate, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(gate.at), "r"(bytes) : "memory");
}
HERON void heron_gate_arrive(heron_place gate) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(gate.at) : "memory");
}
HERON void heron_gate_arrive_at(heron_place gate, int rank) {  // of another block of the cluster
  asm volatile(
      "{.reg .b32 there;\nmapa.shared::cluster.u32 there, %0, %1;\n"
      "mbarrier.arrive.shared::cluster.b64 _, [there];}" ::"r"(gate.at),
      "r"(rank)
      : "memory");
}
HERON void heron_gate_wait(heron_place gate, int parity) {
  asm volatile(
      "{.reg .pred p;\nHERON_WAIT_%=:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 p, [%0], %1;\n"
      "@p bra HERON_DONE_%=;\nbra HERON_WAIT_%=;\nHERON_DONE_%=:}" ::"r"(gate.at),
      "r"(parity)
      : "memory");
}
template <int N>
HERON void heron_workers_barrier(int threads) {  // one of the block's 16 barriers, for some of its warps
  asm volatile("bar.sync %0, %1;" ::"n"(N), "r"(threads) : "memory");
}
template <int N>
HERON void heron_registers_keep() { asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(N)); }
template <int N>
HERON void heron_registers_take() { asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(N)); }
HERON void heron_warp_barrier() { __syncwarp(); }
HERON void heron_map_fetch(unsigned long long map) { asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory"); }

// A box (tile) or a column (im2col) of a tensor to this block, or to the blocks of a mask; coordinates innermost first.
HERON void heron_box_1(heron_place to, heron_place gate, unsigned long long map, int c0) {
  asm volatile("cp.async.bulk.tensor.1d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3}], [%2];" ::"r"(
                   to.at),
               "l"(map), "r"(gate.at), "r"(c0)
               : "memory");
}
HERON void heron_box_1_to(heron_place to, heron_place gate, unsigned long long map, int blocks, int c0) {
  asm volatile("cp.async.bulk.tensor.1d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, {%4}], [%2], %3;" ::"r"(
                   to.at),
               "l"(map), "r"(gate.at), "h"((unsigned short)blocks), "r"(c0)
               : "memory");
}
HERON void heron_box_2(heron_place to, heron_place gate, unsigned long long map, int c0, int c1) {
  asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];" ::"r"(
                   to.at),
               "l"(map), "r"(gate.at), "r"(c0), "r"(c1)
               : "memory");
}
HERON void heron_box_2_to(heron_place to, heron_place gate, unsigned long long map, int blocks, int c0, int c1) {
  asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, {%4, %5}], [%2], %3;" ::"r"(
                   to.at),
               "l"(map), "r"(gate.at), "h"((unsigned short)blocks), "r"(c0), "r"(c1)
               : "memory");
}
HERON void heron_box_3(heron_place to, heron_place gate, unsigned long long map, int c0, int c1, int c2) {
  asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5}], [%2];" ::"r"(
                   to.at),
               "l"(map), "r"(gate.at), "r"(c0), "r"(c1), "r"(c2)
               : "memory");
}
HERON void heron_box_3_to(heron_place to, heron_place gate, unsigned long long map, int blocks, int c0, int c1, int c2) {
  asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, {%4, %5, %6}], [%2], %3;" ::"r"(
                   to.at),
               "l"(map), "r"(gate.at), "h"((unsigned short)blocks), "r"(c0), "r"(c1), "r"(c2)
               : "memory");
}
HERON void heron_box_4(heron_place to, heron_place gate, unsigned long long map, int c0, int c1, int c2, int c3) {
  asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5, %6}], [%2];" ::"r"(
                   to.at),
               "l"(map), "r"(gate.at), "r"(c0), "r"(c1), "r"(c2), "r"(c3)
               : "memory");
}
HERON void heron_box_4_to(heron_place to, heron_place gate, unsigned long long map, int blocks, int c0, int c1, int c2, int c3) {
  asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, {%4, %5, %6, %7}], [%2], %3;" ::"r"(
                   to.at),
               "l"(map), "r"(gate.at), "h"((unsigned short)blocks), "r"(c0), "r"(c1), "r"(c2), "r"(c3)
               : "memory");
}
HERON void heron_box_5(heron_place to, heron_place gate, unsigned long long map, int c0, int c1, int c2, int c3, int c4) {
  asm volatile("cp.async.bulk.tensor.5d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5, %6, %7}], [%2];" ::"r"(
                   to.at),
               "l"(map), "r"(gate.at), "r"(c0), "r"(c1), "r"(c2), "r"(c3), "r"(c4)
               : "memory");
}
HERON void heron_box_5_to(heron_place to, heron_place gate, unsigned long long map, int blocks, int c0, int c1, int c2, int c3, int c4) {
  asm volatile("cp.async.bulk.tensor.5d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, {%4, %5, %6, %7, %8}], [%2], %3;" ::"r"(
                   to.at),
               "l"(map), "r"(gate.at), "h"((unsigned short)blocks), "r"(c0), "r"(c1), "r"(c2), "r"(c3), "r"(c4)
               : "memory");
}
HERON void heron_column_3(heron_place to, heron_place gate, unsigned long long map, int c0, int c1, int c2, int o0) {
  asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5}], [%2], {%6};" ::"r"(
                   to.at),
               "l"(map), "r"(gate.at), "r"(c0), "r"(c1), "r"(c2), "h"((unsigned short)o0)
               : "memory");
}
HERON void heron_column_3_to(heron_place to, heron_place gate, unsigned long long map, int blocks, int c0, int c1, int c2, int o0) {
  asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, {%4, %5, %6}], [%2], {%7}, %3;" ::"r"(
                   to.at),
               "l"(map), "r"(gate.at), "h"((unsigned short)blocks), "r"(c0), "r"(c1), "r"(c2), "h"((unsigned short)o0)
               : "memory");
}
HERON void heron_column_4(heron_place to, heron_place gate, unsigned long long map, int c0, int c1, int c2, int c3, int o0, int o1) {
  asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5, %6}], [%2], {%7, %8};" ::"r"(
                   to.at),
               "l"(map), "r"(gate.at), "r"(c0), "r"(c1), "r"(c2), "r"(c3), "h"((unsigned short)o0), "h"((unsigned short)o1)
               : "memory");
}
HERON void heron_column_4_to(heron_place to, heron_place gate, unsigned long long map, int blocks, int c0, int c1, int c2, int c3, int o0, int o1) {
  asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, {%4, %5, %6, %7}], [%2], {%8, %9}, %3;" ::"r"(
                   to.at),
               "l"(map), "r"(gate.at), "h"((unsigned short)blocks), "r"(c0), "r"(c1), "r"(c2), "r"(c3), "h"((unsigned short)o0), "h"((unsigned short)o1)
               : "memory");
}
HERON void heron_column_5(heron_place to, heron_place gate, unsigned long long map, int c0, int c1, int c2, int c3, int c4, int o0, int o1, int o2) {
  asm volatile("cp.async.bulk.tensor.5d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5, %6, %7}], [%2], {%8, %9, %10};" ::"r"(
                   to.at),
               "l"(map), "r"(gate.at), "r"(c0), "r"(c1), "r"(c2), "r"(c3), "r"(c4), "h"((unsigned short)o0), "h"((unsigned short)o1), "h"((unsigned short)o2)
               : "memory");
}
HERON void heron_column_5_to(heron_place to, heron_place gate, unsigned long long map, int blocks, int c0, int c1, int c2, int c3, int c4, int o0, int o1, int o2) {
  asm volatile("cp.async.bulk.tensor.5d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, {%4, %5, %6, %7, %8}], [%2], {%9, %10, %11}, %3;" ::"r"(
                   to.at),
               "l"(map), "r"(gate.at), "h"((unsigned short)blocks), "r"(c0), "r"(c1), "r"(c2), "r"(c3), "r"(c4), "h"((unsigned short)o0), "h"((unsigned short)o1), "h"((unsigned short)o2)
               : "memory");
}

// The same, of what is not needed again: it is the first to leave the cache.
HERON unsigned long long heron_once() {
  unsigned long long policy;
  asm("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
  return policy;
}
#define HERON_BOX_ONCE(RANK, PLACES, PARAMETERS, ...)                                                                    \
  HERON void heron_box_##RANK##_once(heron_place to, heron_place gate, unsigned long long map, PARAMETERS) {             \
    asm volatile("cp.async.bulk.tensor." #RANK                                                                           \
                 "d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.L2::cache_hint [%0], [%1, {" PLACES "}], "  \
                 "[%2], %3;" ::"r"(to.at), "l"(map), "r"(gate.at), "l"(heron_once()), __VA_ARGS__                        \
                 : "memory");                                                                                            \
  }
#define HERON_AT_1 int c0
#define HERON_AT_2 HERON_AT_1, int c1
#define HERON_AT_3 HERON_AT_2, int c2
#define HERON_AT_4 HERON_AT_3, int c3
#define HERON_AT_5 HERON_AT_4, int c4
HERON_BOX_ONCE(1, "%4", HERON_AT_1, "r"(c0))
HERON_BOX_ONCE(2, "%4, %5", HERON_AT_2, "r"(c0), "r"(c1))
HERON_BOX_ONCE(3, "%4, %5, %6", HERON_AT_3, "r"(c0), "r"(c1), "r"(c2))
HERON_BOX_ONCE(4, "%4, %5, %6, %7", HERON_AT_4, "r"(c0), "r"(c1), "r"(c2), "r"(c3))
HERON_BOX_ONCE(5, "%4, %5, %6, %7, %8", HERON_AT_5, "r"(c0), "r"(c1), "r"(c2), "r"(c3), "r"(c4))
