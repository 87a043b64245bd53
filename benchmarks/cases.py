"""The workloads of the first report and the bars they are held to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.onednn.problem import INT8, Types


@dataclass(frozen=True, slots=True)
class Group:
    """Workloads with a common bar on (oneDNN's time / ours)."""

    name: str
    geomean: float
    least: float


@dataclass(frozen=True, slots=True)
class Case:
    """One workload of the report."""

    name: str
    operator: str
    shape: Mapping[str, Any]
    group: Group
    types: Types = INT8

    @property
    def shape_text(self) -> str:
        """The shape as the command line takes it."""
        return ",".join(f"{key}={value}" for key, value in self.shape.items())


GEMM = Group("gemm", 1.00, 0.96)
AWKWARD = Group("awkward gemm", 1.03, 0.98)
CONVOLUTION = Group("ResNet-50 conv2d, batch 1", 0.95, 0.85)
GROUPS = (GEMM, AWKWARD, CONVOLUTION)


def _gemm(m: int, n: int, k: int, group: Group) -> Case:
    return Case(f"gemm {m}×{n}×{k}", "gemm", {"m": m, "n": n, "k": k}, group)


def _conv(size: int, inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0) -> Case:
    suffix = f" s{stride}" if stride > 1 else ""
    shape = {
        "batch": 1,
        "height": size,
        "width": size,
        "in_channels": inputs,
        "out_channels": outputs,
        "kernel": kernel,
        "stride": stride,
        "padding": padding,
    }
    return Case(f"conv {size}²·{inputs}→{outputs} {kernel}×{kernel}{suffix}", "conv2d", shape, CONVOLUTION)


CASES: tuple[Case, ...] = (
    _gemm(1024, 1024, 1024, GEMM),
    _gemm(512, 512, 512, GEMM),
    _gemm(128, 768, 768, GEMM),
    _gemm(128, 3072, 768, GEMM),
    _gemm(16, 4096, 1024, GEMM),
    _gemm(1, 1000, 2048, AWKWARD),
    _gemm(17, 1000, 2048, AWKWARD),
    _gemm(127, 509, 1021, AWKWARD),
    _gemm(12544, 64, 147, AWKWARD),
    _conv(56, 64, 64, 3, padding=1),
    _conv(28, 128, 128, 3, padding=1),
    _conv(14, 256, 256, 3, padding=1),
    _conv(7, 512, 512, 3, padding=1),
    _conv(56, 64, 256, 1),
    _conv(14, 1024, 256, 1),
    _conv(224, 3, 64, 7, stride=2, padding=3),
)
SEARCH_CASES = tuple(
    case for case in CASES if case.name in ("gemm 512×512×512", "gemm 17×1000×2048", "conv 14²·256→256 3×3")
)
