"""What this GPU reaches at most, measured in the same run as the kernels."""

from __future__ import annotations

from ctypes import c_int, c_uint64

from benchmarks.gpu.mine import stream
from benchmarks.gpu.peer import graph_of, seconds

_CHAINS, _WARPS, _LOOPS = 8, 8, 4096
_FLOPS = 2 * 16 * 8 * 16  # of one mma.sync m16n8k16
_SOURCE = """
extern "C" __global__ void __launch_bounds__(256) products(float *out, int loops, int random) {
  float c[8][4] = {};
  unsigned a[8][4], b[8][2], number = (blockIdx.x * 256 + threadIdx.x) * 48 + 1;
  // two float16 between 1 and 2 in size, of either sign; or next to nothing, for which less power is needed
  auto next = [&] {
    unsigned x = (number++) * 2654435761u;
    x = (x ^ x >> 15) * 2246822519u;
    x ^= x >> 13;
    return random ? (x & 0x83ff83ffu) | 0x3c003c00u : x & 3u;
  };
  for (int j = 0; j < 8; ++j) {
    for (int k = 0; k < 4; ++k) a[j][k] = next();
    for (int k = 0; k < 2; ++k) b[j][k] = next();
  }
  for (int i = 0; i < loops; ++i) {
    #pragma unroll
    for (int j = 0; j < 8; ++j)
      asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
        "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[j][0]), "+f"(c[j][1]), "+f"(c[j][2]), "+f"(c[j][3])
        : "r"(a[j][0]), "r"(a[j][1]), "r"(a[j][2]), "r"(a[j][3]), "r"(b[j][0]), "r"(b[j][1]));
  }
  float sum = 0;
  for (int j = 0; j < 8; ++j) for (int k = 0; k < 4; ++k) sum += c[j][k];
  if (sum == 1.25f) out[threadIdx.x] = sum;
}
"""


def ceilings() -> dict[str, float]:
    """What this GPU reaches: FLOP/s of a large product of random numbers, bytes/s of a large copy."""
    import torch

    a, b = (torch.randn(8192, 8192, device="cuda", dtype=torch.float16) for _ in range(2))
    product = graph_of([lambda: torch.matmul(a, b)])
    fastest = min(seconds(product, 1, 5) for _ in range(3))
    x = torch.zeros(1 << 28, device="cuda", dtype=torch.int32)
    y = torch.empty_like(x)
    # what the driver copies a buffer with is slower on some GPUs than a kernel that reads and writes
    copies = [graph_of([lambda: y.copy_(x)]), graph_of([lambda: torch.bitwise_not(x, out=y)])]
    return {
        "matmul 8192, FLOP/s": 2 * 8192**3 / fastest,
        "copy of 1 GiB, bytes/s": 2
        * x.nbytes
        / min(seconds(copy, 1, 5) for copy in copies for _ in range(3)),
        "mma.sync, FLOP/s": mma_sync(),
    }


def mma_sync(random: bool = False) -> float:
    """FLOP/s of independent mma.sync products (float16 in, float32 out) on registers, all processors busy.

    `random`: of numbers whose bits differ, as in a real product; they take more power, and clocks sink.
    """
    import torch

    from heron_cli.backends.cuda.compile import to_cubin
    from heron_cli.backends.cuda.driver import Device, Function, Module

    device = Device()
    code, _ = to_cubin(_SOURCE, f"sm_{device.capability}{'a' if device.capability == 90 else ''}")
    blocks = 4 * device.processors
    function = Function(Module(code), "products", (blocks, 1, 1), 32 * _WARPS, 0)
    out = torch.empty(32 * _WARPS, device="cuda")
    arguments = [c_uint64(out.data_ptr()), c_int(_LOOPS), c_int(random)]
    graph = graph_of([lambda: function.launch(stream(), arguments)])
    fastest = min(seconds(graph, 1, 5) for _ in range(3))
    return blocks * _WARPS * _LOOPS * _CHAINS * _FLOPS / fastest
