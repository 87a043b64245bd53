"""The machines that both tuners are asked to tune for, and the workloads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.native import HERE
from heron_cli.operators.workload import Workload, load_file

WORKLOADS = HERE.parent / "configs" / "workloads"
_GPU = {
    "kind": "cuda",
    "arch": "sm_90a",
    "max_shared_memory_per_block": 232_448,  # what a block may ask for: compute capability 9.0
    "max_threads_per_block": 1024,
    "max_num_threads": 1024,
    "thread_warp_size": 32,
    "registers_per_block": 65_536,
}


@dataclass(frozen=True, slots=True)
class Machine:
    """What MetaSchedule is told, and heron's accelerator for the same hardware (empty: none).

    `tile`: see `problems.problem`. `rules`: MetaSchedule's name for schedule rules, postprocessors and
    mutators. `bar`: what heron's geometric mean over it must reach. `note`: a line for the page.
    """

    name: str
    accelerator: str
    target: Mapping[str, Any]
    tile: tuple[int, int] | None
    rules: str
    file: str
    chosen: tuple[str, ...]
    bar: float
    note: str = ""

    @property
    def gpu(self) -> bool:
        """Whether kernels run on a GPU."""
        return bool(self.target["kind"] == "cuda")

    def tvm_target(self, threads: int) -> Any:
        """TVM's target for kernels on so many threads."""
        from tvm.target import Target

        return Target(dict(self.target) if self.gpu else {**self.target, "num-cores": threads})

    def workloads(self) -> list[Workload]:
        """Those that are compared, spread over the operators of the paper."""
        every = {each.name: each for each in load_file(WORKLOADS / f"{self.file}.yaml")}
        return [every[name] for name in self.chosen]


_DLBOOST = Machine(
    "dlboost",
    "dlboost",
    {"kind": "llvm", "mcpu": "cascadelake"},
    (16, 4),
    "from-target",
    "heron-operators-dlboost",
    ("GEMM-G1", "BMM-B1", "GEMV-GV5", "SCAN-S3", "C1D-C1D3", "C2D-C2D3", "C3D-C3D5", "DIL-D3"),
    1.1,
)
MACHINES = {
    each.name: each
    for each in (
        _DLBOOST,
        Machine(
            "tensorcore",
            "tensorcore-sm90",
            _GPU,
            (1, 1),
            "cuda-tensorcore",
            "heron-operators-tensorcore",
            ("GEMM-G1", "BMM-B1", "C1D-C1D1", "C2D-C3", "C3D-C3D3", "DIL-D3"),
            1.3,
            "On GPUs its default rules give wmma schedules of 16×16×16 only: no mma.sync, wgmma or TMA. What "
            "nvcc calls too many arguments is TVM's own: its code generator writes eight gathered halves as "
            "`make_uint4` of eight. All 31 candidates that failed so in one run fail in MetaSchedule's "
            "default build, too.",
        ),
        # no byte products, no tensorizing: shows on any x86 machine that the benchmark itself works
        replace(
            _DLBOOST, name="plain", accelerator="", target={"kind": "llvm", "mcpu": "x86-64-v3"}, tile=None
        ),
    )
}
