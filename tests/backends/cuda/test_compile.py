"""ptxas' reports, and the text of every instruction in the YAMLs, assembled."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from emulated import accelerator, pick, workload

from heron_cli.accelerator.model import Intrinsic
from heron_cli.backends.base import BuildError
from heron_cli.backends.cuda import probe
from heron_cli.backends.cuda.backend import backend
from heron_cli.backends.cuda.compile import resources, to_cubin, to_source, whole_source
from heron_cli.backends.cuda.emit import KernelEmitter
from heron_cli.elements import BYTES
from heron_cli.operators.workload import DTypes
from heron_cli.schedule.task import Task
from heron_cli.space import TableSampler
from heron_cli.trial import Candidate

SM90, FEW = "tensorcore-sm90", str(Path(__file__).parent / "two-processors.yaml")
TARGETS = ("tensorcore-sm75", "tensorcore-sm80", "tensorcore-sm89", "tensorcore-sm90")
INSTRUCTIONS = [(target, each) for target in TARGETS for each in accelerator(target).intrinsics]

REPORT = """ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'heron_kernel_pack' for 'sm_80'
ptxas info    : Function properties for heron_kernel_pack
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 12 registers, used 0 barriers
ptxas info    : Compiling entry function 'heron_kernel' for 'sm_80'
ptxas info    : Function properties for heron_kernel
    72 bytes stack frame, 64 bytes spill stores, 100 bytes spill loads
ptxas info    : Used 255 registers, used 1 barriers, 72 bytes cumulative stack size
"""


def test_resources_are_those_of_the_kernel_asked_for() -> None:
    assert resources(REPORT) == {
        "registers": 255, "spill_bytes": 164, "stack_bytes": 72, "serialized": 0,
    }  # fmt: skip
    assert resources(REPORT, "heron_kernel_pack")["registers"] == 12
    assert resources(REPORT, "heron_kernel_pack")["spill_bytes"] == 0


def test_serialized_products_are_noticed() -> None:
    warning = (
        "ptxas info : (C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized due to "
        "insufficient register resources for the wgmma pipeline in the function 'heron_kernel'\n"
    )
    assert resources(warning + REPORT)["serialized"] == 1


def test_bounds_are_the_kernels_alone() -> None:
    emitted = (
        'extern "C" __global__ void __launch_bounds__(64) heron_kernel(int* a) {}\n'
        'extern "C" __global__ void __launch_bounds__(256) heron_kernel_pack(int* a) {}\n'
    )
    source = whole_source(emitted, "", hopper=True, cluster=4)
    assert "__cluster_dims__(1, 4, 1) __launch_bounds__(64, 1) heron_kernel(" in source
    assert "__launch_bounds__(256) heron_kernel_pack(" in source


def test_what_others_compile_with_is_put_back() -> None:
    """Other TVM code of this process, such as MetaSchedule's, compiles after heron emitted a kernel."""
    import tvm

    name = "tvm_callback_cuda_compile"
    usual = tvm.get_global_func(name)
    tvm.register_global_func(name, lambda code: b"of others", override=True)
    try:
        task = Task(workload("gemm", m=64, n=32, k=64), accelerator("tensorcore-sm80"))
        nest = task.variants[0].nest(Candidate.of(task.variants[0].name, pick(task.variants[0], 0)))
        emitted = KernelEmitter(nest).emit("heron_kernel").function
        assert "heron_kernel" in to_source({"heron_kernel": emitted}, task.accelerator.tvm_target)
        assert bytes(tvm.get_global_func(name)("")) == b"of others"
    finally:
        tvm.register_global_func(name, usual, override=True)


@pytest.mark.parametrize("asynchronous", [True, False])
def test_products_go_on_across_the_end_of_a_stage(asynchronous: bool) -> None:
    """Where steps are even and registers suffice, the barrier stands between products, after all copies."""
    task = Task(workload("gemm", m=256, n=256, k=256), accelerator("tensorcore-sm80"))
    variant, wrapped = task.variants[0], 0
    rows = TableSampler(variant.space).sample(24, np.random.default_rng(0))
    for values in map(variant.space.values, rows):
        emitter = KernelEmitter(variant.nest(Candidate.of(variant.name, values)), asynchronous)
        source = to_source(
            {"heron_kernel": emitter.emit("heron_kernel").function}, task.accelerator.tvm_target
        )
        loop = source[source.index("for (int turn") :]
        before, after = loop.split("heron_barrier", 1)
        held = 4 * values["tile.i"] * values["tile.j"] + 2 * (4 * values["tile.i"] + 2 * values["tile.j"])
        if "heron_mma(" not in before:
            assert not asynchronous or values["step.k"] % 2 or held > 120
            continue
        wrapped += 1
        assert asynchronous and values["step.k"] % 2 == 0
        inside = after[: after.index("}")]
        assert "heron_copy_16(" not in loop and "heron_copy_16_if(" not in inside
        assert 0 < inside.index("heron_fragment_4(") < inside.index("heron_mma(")
    assert (wrapped > 4) == asynchronous


@pytest.mark.parametrize(("n", "cached"), [(32, False), (32, True), (264, False)])
def test_what_passes_once_through_a_smaller_cache_leaves_it_first(n: int, cached: bool) -> None:
    """An operand does where one tile covers the other side, as no other reads it; the output always does."""
    task = Task(workload("bmm", batch=2, m=140, n=n, k=64), accelerator(SM90 if cached else FEW))
    variant, found = task.variant("gather-bulk-wgmma"), set()
    for values in map(variant.space.values, TableSampler(variant.space).sample(40, np.random.default_rng(0))):
        nest = variant.nest(Candidate.of(variant.name, values))
        emitted = KernelEmitter(nest).emit("heron_kernel").function
        source = to_source({"heron_kernel": emitted}, task.accelerator.tvm_target)
        sides = (("j", 8, n), ("i", 64, 140))
        covers = [values[f"tile.{a}"] * values[f"warp.{a}"] * unit >= extent for a, unit, extent in sides]
        alone = [values[f"share.{a}"] == 1 for a, _, _ in sides]
        once = not cached and any(map(all, zip(covers, alone, strict=True)))
        found.add(once)
        assert ("_once(" in source) == once
        assert (", true>" in source) == (not cached)
    assert found == ({False} if cached else {False, True})


@pytest.mark.cubin
def test_what_the_compiler_refuses_is_told_in_one_line() -> None:
    with pytest.raises(BuildError, match=r"(nvrtc|nvcc) failed: .*error") as raised:
        to_cubin("this is no C++", "sm_80")
    assert "\n" not in str(raised.value)


@pytest.mark.cubin
@pytest.mark.parametrize(("target", "intrinsic"), INSTRUCTIONS, ids=lambda each: getattr(each, "name", each))
def test_every_instruction_is_assembled(target: str, intrinsic: Intrinsic) -> None:
    """The kernel of a small product by this instruction becomes machine code, without spills."""
    kinds = intrinsic.dtypes
    output = kinds.input if kinds.accumulate == "float32" else kinds.accumulate
    work = workload("gemm", DTypes(kinds.input, kinds.weight, kinds.accumulate, output), m=128, n=64, k=128)
    variants = [
        variant
        for variant in Task(work, accelerator(target)).variants
        if variant.template.tensorize.intrinsic.name == intrinsic.name
    ]
    assert variants, f"nothing uses {intrinsic.name}"
    for variant in variants:
        values = pick(variant, 0)
        task = Task(work, accelerator(target))
        kernel = backend.build(task, Candidate.of(variant.name, values), threads=1)
        assert kernel.code[:4] == b"\x7fELF"
        assert kernel.metrics["spill_bytes"] == 0
        assert 16 <= kernel.metrics["registers"] <= 255


@pytest.mark.parametrize("target", TARGETS)
def test_the_instruction_is_the_yamls(target: str) -> None:
    task = Task(workload("gemm", m=64, n=32, k=64), accelerator(target))
    for variant in task.variants:
        nest = variant.nest(Candidate.of(variant.name, pick(variant, 0)))
        emitted = KernelEmitter(nest).emit("heron_kernel")
        text = variant.template.tensorize.intrinsic.extra["ptx"]
        columns = emitted.geometry.units("n") * nest.shape["n"]
        assert text.replace("{n}", str(columns)) in emitted.instruction


def parts(pattern: str, text: str) -> list[list[int]]:
    """The numbers of the registers that each instruction of a device function takes."""
    return [[int(n) for n in re.findall(pattern, call)] for call in text.split("asm volatile")[1:]]


MMA = [(target, each) for target, each in INSTRUCTIONS if each.scope == "warp"]


@pytest.mark.parametrize(("target", "intrinsic"), MMA, ids=lambda each: getattr(each, "name", each))
def test_the_instructions_of_a_fragment_make_up_its_product(target: str, intrinsic: Intrinsic) -> None:
    """By the layouts of the PTX ISA: lane l holds 4 bytes of row l / 4 and two sums of it in a register."""
    kinds, rng = intrinsic.dtypes, np.random.default_rng(0)
    work = workload(
        "gemm", DTypes(kinds.input, kinds.weight, kinds.accumulate, kinds.accumulate), m=64, n=32, k=64
    )
    variant = next(
        v for v in Task(work, accelerator(target)).variants if v.template.tensorize.intrinsic == intrinsic
    )
    nest = variant.nest(Candidate.of(variant.name, pick(variant, 0)))
    text = KernelEmitter(nest).emit("heron_kernel").instruction
    m, n, k = (nest.shape[dim] for dim in "mnk")
    each = 4 // BYTES[kinds.input]  # elements of a register
    a, b = rng.integers(-8, 8, (m, k)), rng.integers(-8, 8, (k, n))
    # register r of every lane, by rows of 8 and 16 bytes of k: fragments are filled so by ldmatrix
    of_a = [a[8 * (r % 2) : 8 * (r % 2) + 8, 4 * each * (r // 2) :][:, : 4 * each] for r in range(4)]
    of_b = [b[4 * each * r : 4 * each * (r + 1)] for r in range(2)]
    found = np.zeros((m, n), np.int64)
    own = re.search(r"\.m(\d+)n8k(\d+)\.", intrinsic.extra["ptx"])
    assert own is not None
    high, long = int(own[1]) // 8, int(own[2]) // (4 * each)
    numbers = (parts(pattern, text) for pattern in (r"\(c\[(\d+)\]", r"\(a\[(\d+)\]", r"\(b\[(\d+)\]"))
    for sums, first, second in zip(*numbers, strict=True):
        assert (len(sums), len(first), len(second)) == (2 * high, high * long, long)
        for i in range(high):  # rows of the instruction, whose registers go down the rows first
            assert sums[2 * i] % 2 == 0 and sums[2 * i + 1] == sums[2 * i] + 1
            row = 8 * (sums[2 * i] // 2)
            for j in range(long):
                found[row : row + 8] += of_a[first[j * high + i]] @ of_b[second[j]]
    assert (found == a @ b).all()


def test_without_a_driver_the_probe_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "gpu", lambda: probe.Gpu(reason="no NVIDIA driver is installed"))
    assert probe.obstacles({"compute_capability": 80}) == ["no NVIDIA driver is installed"]


@pytest.mark.parametrize(
    ("has", "asked", "exact", "refused"),
    [
        (86, 80, False, ""),
        (90, 80, False, "8.0 or a later 8.x"),
        (80, 90, True, "exactly 9.0"),
        (100, 90, True, "exactly 9.0"),
        (75, 80, False, "8.0 or a later 8.x"),
    ],
)
def test_the_probe_compares_capabilities(
    monkeypatch: pytest.MonkeyPatch, has: int, asked: int, exact: bool, refused: str
) -> None:
    monkeypatch.setattr(probe, "gpu", lambda: probe.Gpu("Some GPU", has, 100, 1 << 20))
    monkeypatch.setattr(probe, "compiler", lambda: "nvrtc 13.0")
    found = probe.obstacles({"compute_capability": asked, "exact_capability": exact})
    assert len(found) == bool(refused)
    assert refused in "".join(found)
