"""Emitted kernels, run on the CPU, against the references: every path of the emitters at a small size."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from emulated import BRAIN, HALF, NARROW, SIGNED, SINGLE, accelerator, pick, variant_of, workload, wrong
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from heron_cli.errors import InputError
from heron_cli.operators.workload import DTypes, Workload
from heron_cli.schedule.task import Task

SM80, SM90 = "tensorcore-sm80", "tensorcore-sm90"


@dataclass(frozen=True)
class Case:
    """A variant of a workload on a target; `least` are bounds on the assignment's variables."""

    target: str
    variant: str
    work: Workload
    least: dict[str, int] = field(default_factory=dict)
    late: bool = True

    def __str__(self) -> str:
        return f"{Path(self.target).stem[-4:]}-{self.variant}-{self.work.key}"


def conv(dtypes: DTypes = HALF, epilogue: str = "", **changes: object) -> Workload:
    shape = {"height": 7, "width": 6, "in_channels": 16, "out_channels": 24, "kernel": 3, "padding": 1}
    return workload("conv2d", dtypes, epilogue, **{**shape, **changes})


DIRECT = {"store": 1}
PHASES = {"height": 5, "width": 6, "in_channels": 16, "out_channels": 40, "kernel": 1, "stride": 2}
STAYING = {"teams.grid": 2}
FEW = str(Path(__file__).parent / "two-processors.yaml")
# several warps, and steps in even numbers: the loop of mma.sync that goes on across the end of a stage
TOGETHER = {"warp.i": 2, "warp.j": 2, "step.k": 2}
FAST = [
    Case(SM80, "gather", workload("gemm", m=70, n=72, k=256), {**TOGETHER, "depth.stage": 3}),
    Case(SM80, "gather", workload("gemm", m=70, n=72, k=256), TOGETHER, late=False),
    Case(SM80, "gather", conv(in_channels=64), {"warp.flat_m": 2, "warp.o": 2, "step.ci": 2}),
    Case(SM80, "gather", workload("gemm", m=70, n=40, k=72), {"tile.i": 2, "depth.stage": 3}),
    Case(SM80, "gather", workload("gemm", BRAIN, "bias=1,residual=1,low=0", m=33, n=17, k=50), late=False),
    Case(SM80, "gather", workload("gemm", SIGNED, m=40, n=24, k=96), {"step.k": 2}),
    Case(SM80, "gather", workload("gemm", SINGLE, m=24, n=20, k=20)),
    Case(SM80, "gather", conv(NARROW, "bias=1,shift=8", layout="NCHW", dilation=2, padding=2)),
    Case(SM80, "gather", conv(NARROW, "bias=1,scale=1,residual=1", out_channels=21)),
    Case(SM80, "gather", conv(SINGLE, "residual=1", layout="NCHW", height=5, width=4, out_channels=7)),
    Case(SM80, "runs", conv(in_channels=3, stride=2), late=False),
    Case(SM90, "gather-threads-wgmma", workload("gemm", m=70, n=40, k=72), {"split.k": 2}),
    Case(SM90, "gather-threads-mma", workload("gemm", m=33, n=24, k=200), {"split.k": 3}, late=False),
    Case(SM90, "gather-bulk-wgmma", workload("gemm", m=70, n=40, k=72)),
    Case(SM90, "gather-bulk-wgmma", conv(batch=2), {"share.o": 2}),
    Case(SM90, "gather-threads-wgmma", workload("bmm", batch=2, m=40, n=32, k=48), late=False),
    Case(SM80, "gather", workload("gemm", m=70, n=40, k=72), DIRECT),
    Case(SM80, "gather", workload("gemm", SIGNED, "bias=1,low=0", m=40, n=72, k=96), DIRECT, late=False),
    Case(
        SM90,
        "gather-threads-wgmma",
        conv(epilogue="bias=1,residual=1,low=0", out_channels=40),
        DIRECT,
        late=False,
    ),
    Case(SM90, "gather-bulk-wgmma", conv(batch=2, out_channels=40), DIRECT),
    Case(FEW, "gather-bulk-wgmma", workload("gemm", m=330, n=96, k=136), STAYING),
    Case(FEW, "gather-bulk-wgmma", workload("bmm", batch=2, m=140, n=32, k=72), {"tile.j": 4}),
    Case(SM90, "gather-threads-mma", workload("conv2d_transpose", **PHASES), late=False),
]

SLOW = [
    Case(SM80, "gather", conv(NARROW, "bias=1,shift=8", out_channels=40), DIRECT),
    Case(SM80, "gather", workload("gemm", SINGLE, m=24, n=40, k=20), DIRECT, late=False),
    Case(
        SM90, "gather-bulk-wgmma-bf16", conv(BRAIN, "residual=1", out_channels=64), {**DIRECT, "share.o": 2}
    ),
    Case(FEW, "gather-bulk-wgmma", workload("bmm", batch=3, m=140, n=64, k=72), STAYING, late=False),
    Case(FEW, "gather-bulk-wgmma", workload("gemm", m=330, n=160, k=72), {"teams.grid": 1}),
    Case(SM90, "gather-bulk-wgmma", workload("conv2d_transpose", **PHASES), {"store": 0}),
    Case(SM90, "gather-threads-wgmma", workload("conv2d_transpose", **{**PHASES, "kernel": 3}), DIRECT),
    Case(FEW, "gather-bulk-wgmma", workload("gemm", m=520, n=160, k=200), {**STAYING, "share.i": 2}),
    Case(FEW, "gather-bulk-wgmma", conv(batch=5, out_channels=64), {**STAYING, "share.o": 2}, late=False),
    Case(SM80, "gather", workload("gemv", m=70, k=72)),
    Case(SM80, "gather", workload("scan", m=20, n=24, k=40)),
    Case(SM80, "gather", workload("bmm", BRAIN, batch=3, m=20, n=17, k=33), late=False),
    Case(SM80, "gather", workload("conv1d", width=40, in_channels=16, out_channels=24, kernel=3, padding=2)),
    Case(
        SM80,
        "gather",
        workload("conv3d", depth=3, height=5, width=4, in_channels=8, out_channels=12, kernel=3, padding=1),
    ),
    Case(
        SM80,
        "gather",
        workload(
            "conv2d_transpose",
            height=5,
            width=6,
            in_channels=16,
            out_channels=8,
            kernel=3,
            stride=2,
            padding=1,
        ),
    ),
    Case(SM80, "gather", conv(SIGNED, stride=2, layout="NCHW"), late=False),
    Case(SM90, "gather-bulk-wgmma", workload("gemm", m=140, n=70, k=136), {"share.i": 2, "split.k": 2}),
    Case(SM90, "gather-bulk-wgmma-bf16", conv(BRAIN, "bias=1,low=0", stride=2, in_channels=32), late=False),
    Case(SM90, "gather-bulk-wgmma", workload("bmm", batch=2, m=72, n=40, k=48)),
    Case(SM90, "gather-bulk", workload("gemm", SIGNED, m=70, n=40, k=96)),
    Case(
        SM90,
        "gather-bulk",
        workload("gemm", DTypes("int8", "int8", "int32", "int8"), "scale=1", m=70, n=40, k=96),
    ),
    Case(SM90, "gather-threads", conv(NARROW, "scale=1,low=none,high=none", in_channels=32, layout="NCHW")),
    Case(SM90, "gather-threads", workload("gemm", SINGLE, m=70, n=24, k=40)),
    Case(
        SM90,
        "gather-threads-wgmma",
        conv(dilation=2, padding=2, in_channels=64, layout="NCHW"),
        {"split.ci": 2},
    ),
]


def check(case: Case, seed: int) -> None:
    variant = variant_of(case.target, case.work, case.variant)
    values = pick(variant, seed, case.least)
    assert wrong(case.work, variant, values, seed=seed, late=case.late) == "", values


@pytest.mark.parametrize("case", FAST, ids=str)
def test_kernels_compute_what_numpy_does(case: Case) -> None:
    check(case, 0)


@pytest.mark.slow
@pytest.mark.parametrize("case", SLOW, ids=str)
def test_more_kernels_compute_what_numpy_does(case: Case) -> None:
    check(case, 1)


@st.composite
def workloads(draw: st.DrawFn) -> Workload:
    dtypes = draw(st.sampled_from([HALF, BRAIN, SINGLE, SIGNED]))
    epilogue = draw(st.sampled_from(["", "bias=1", "residual=1,low=0", "bias=1,residual=1,low=-1,high=1"]))
    if draw(st.booleans()):
        m, n, k = (draw(st.integers(1, 40)) for _ in "mnk")
        return workload("gemm", dtypes, epilogue, m=m, n=n, k=k)
    numbers = {
        "batch": st.integers(1, 2), "height": st.integers(1, 7), "width": st.integers(1, 7),
        "in_channels": st.integers(1, 20), "out_channels": st.integers(1, 20), "kernel": st.integers(1, 3),
        "stride": st.integers(1, 2), "padding": st.integers(0, 3), "dilation": st.integers(1, 2),
        "layout": st.sampled_from(["NHWC", "NCHW"]),
    }  # fmt: skip
    try:
        return workload(
            "conv2d", dtypes, epilogue, **{name: draw(values) for name, values in numbers.items()}
        )
    except InputError as error:
        assume("larger than the padded" not in str(error))
        raise


@pytest.mark.slow
@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(workloads(), st.sampled_from([SM80, FEW]), st.integers(0, 1 << 16), st.booleans())
def test_any_shape_any_assignment(work: Workload, target: str, seed: int, late: bool) -> None:
    variants = Task(work, accelerator(target)).variants
    variant = variants[seed % len(variants)]
    values = pick(variant, seed)
    assert wrong(work, variant, values, seed=seed, late=late) == "", (variant.name, values)
