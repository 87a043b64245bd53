// Instructions of compute capability 9.0: warpgroup products from shared memory, clusters.

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
HERON unsigned long long heron_descriptor(const void* p, int leading, int stride, int mode) {
  unsigned long long address = (heron_shared(p) & 0x3ffff) >> 4;
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
HERON void heron_cluster_add(void* sums, const void* place, int rank) {
  unsigned address;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(address) : "r"(heron_shared(place)), "r"(rank));
#pragma unroll
  for (int i = 0; i < N; ++i) {
    unsigned x;
    asm volatile("ld.shared::cluster.u32 %0, [%1];" : "=r"(x) : "r"(address + 4 * i) : "memory");
    ((Sum*)sums)[i] += *(Sum*)&x;
  }
}
