"""The sums of products of a GEMM instruction, by large matrix products instead of step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heron_cli.backends.vta.accesses import loops_key
from heron_cli.backends.vta.config import VtaConfig
from heron_cli.backends.vta.isa import Gemm
from heron_cli.backends.vta.kernels import Kernel
from heron_cli.backends.vta.steps import steps

Array = NDArray[Any]
Numbers = NDArray[np.int64]

_CHUNK = 1 << 16  # steps whose products are held at a time
_KEPT = 64


@dataclass(frozen=True, eq=False, slots=True)
class _Chunk:
    """Some steps. Sorted by weight: `weights`, each for the next `counts` of `sources`; sorted by accumulator
    (`order` is the permutation): `targets`, whose steps begin at `begins`.
    """

    weights: Numbers
    counts: Numbers
    sources: Numbers
    order: Numbers
    targets: Numbers
    begins: Numbers


class Products:
    """Adds a GEMM instruction's products; sums that wrap do not depend on the order of their terms.

    Instructions that do the same steps share the plan of their products.
    """

    def __init__(self, config: VtaConfig) -> None:
        self._config = config
        bits = 8 * (np.dtype(config.input.dtype).itemsize + np.dtype(config.weight.dtype).itemsize) - 2
        reach = bits + (config.block_in - 1).bit_length()
        # Floating point is exact, and fast through BLAS, while the sum of a block fits the mantissa.
        self._dtype: Any = np.float32 if reach <= 24 else np.float64 if reach <= 53 else np.int64
        self._plans: dict[tuple[object, ...], list[_Chunk]] = {}

    def add(self, accumulator: Array, source: Array, weight: Array, item: Gemm, kernel: Kernel) -> None:
        """Add to accumulator [n, batch, out] what source [n, batch, in] and weight [n, out, in] give."""
        key = (kernel, *loops_key(item))
        if key not in self._plans:
            if len(self._plans) >= _KEPT:
                self._plans.clear()
            self._plans[key] = _plan(item, kernel)
        for chunk in self._plans[key]:
            left = source[chunk.sources].astype(self._dtype)
            right = weight[chunk.weights].astype(self._dtype).transpose(0, 2, 1)
            terms = self._multiply(left, right, chunk.counts).astype(np.int64).astype(accumulator.dtype)
            sums = np.add.reduceat(terms[chunk.order], chunk.begins, axis=0, dtype=accumulator.dtype)
            accumulator[chunk.targets] += sums

    def _multiply(self, left: Array, right: Array, counts: Numbers) -> Array:
        """Products [steps, batch, out] of left [steps, batch, in] with right [weights, in, out]."""
        batch, block_out = self._config.batch, self._config.block_out
        if (counts == counts[0]).all():
            rows = left.reshape(len(counts), int(counts[0]) * batch, -1)
            product: Array = np.matmul(rows, right).reshape(-1, batch, block_out)
            return product
        parts = np.split(left, np.cumsum(counts)[:-1])
        return np.concatenate([part @ matrix for part, matrix in zip(parts, right, strict=True)])


def _plan(item: Gemm, kernel: Kernel) -> list[_Chunk]:
    rows, outer, inner = kernel.rows, item.iter_out, item.iter_in
    dst = steps(rows[:, 0], (outer, item.dst_out), (inner, item.dst_in))
    src = steps(rows[:, 1], (outer, item.src_out), (inner, item.src_in))
    wgt = steps(rows[:, 2], (outer, item.wgt_out), (inner, item.wgt_in))
    by_weight = np.argsort(wgt, kind="stable")
    return [
        _chunk(dst[part], src[part], wgt[part])
        for part in (by_weight[begin : begin + _CHUNK] for begin in range(0, len(wgt), _CHUNK))
    ]


def _chunk(dst: Numbers, src: Numbers, wgt: Numbers) -> _Chunk:
    weights, counts = np.unique(wgt, return_counts=True)
    order = np.argsort(dst, kind="stable")
    targets, begins = np.unique(dst[order], return_index=True)
    return _Chunk(weights, counts, src, order, targets, begins)
