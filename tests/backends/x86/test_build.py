"""What a build yields besides the right numbers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from heron_cli.accelerator.loader import load
from heron_cli.backends.base import BuildError
from heron_cli.backends.x86 import backend
from heron_cli.backends.x86.emit import KernelEmitter
from heron_cli.operators.workload import make
from heron_cli.schedule.task import Task
from heron_cli.space import TableSampler
from heron_cli.trial import Candidate

from .generated import build, draw

GEMM = {"m": 64, "n": 96, "k": 64}
CONV = {"height": 14, "width": 14, "in_channels": 16, "out_channels": 32, "kernel": 3, "padding": 1}


DEPTHWISE = {"height": 9, "width": 11, "channels": 37, "kernel": 3, "padding": 1}
EDGES: list[tuple[str, dict[str, object]]] = [
    ("conv2d", {**CONV}),
    ("conv2d", {**CONV, "kernel": 5, "padding": 4}),
    ("conv2d", {**CONV, "kernel": 7, "padding": 6, "dilation": 2, "width": 23}),
    ("conv2d", {**CONV, "kernel": 11, "padding": 5, "width": 19, "out_channels": 112}),
    ("conv2d", {**CONV, "stride": 2, "width": 31, "in_channels": 18}),
    ("depthwise_conv2d", {**DEPTHWISE}),
    ("depthwise_conv2d", {**DEPTHWISE, "kernel": [5, 3], "padding": [0, 1]}),
    ("depthwise_conv2d", {**DEPTHWISE, "kernel": [3, 5], "padding": 2, "stride": 2}),
    ("depthwise_conv2d", {**DEPTHWISE, "kernel": 3, "padding": 4, "dilation": [1, 4]}),
]


def task(operator: str = "gemm", shape: Mapping[str, object] = GEMM, threads: int = 1) -> Task:
    return Task(make(operator, shape), load("dlboost"), threads)


def tile(each: Task, m: int, n: int, k: int) -> dict[str, int]:
    """Knobs that fix the register tile of a gemm, by the names of its axes."""
    template = each.variants[0].template
    (rows,), (columns,), (depth,) = (template.einsum.group(group) for group in ("m", "n", "k"))
    return {f"register.{rows.name}": m, f"register.{columns.name}": n, f"step.{depth.name}": k}


def with_tile(each: Task, m: int, n: int, k: int) -> Candidate:
    """A candidate of that tile."""
    variant = each.variants[0]
    wanted = {name: (value,) for name, value in tile(each, m, n, k).items()}
    row = TableSampler(variant.space).sample(1, np.random.default_rng(0), wanted)[0]
    return Candidate.of(variant.name, variant.space.values(row))


DIGESTS = """
import sys
sys.path.insert(0, sys.argv[1])
from generated import build, draw
from heron_cli.accelerator.loader import load
from heron_cli.operators.workload import make
from heron_cli.schedule.task import Task
from test_build import CONV, GEMM
for operator, shape in (("gemm", GEMM), ("conv2d", CONV)):
    task = Task(make(operator, shape), load("dlboost"), 2)
    print(build(task, draw(task.variants[0], 5)).program)
"""


def test_builds_are_deterministic() -> None:
    """The same candidate is the same program, byte for byte, in another process."""
    here = []
    for operator, shape in (("gemm", GEMM), ("conv2d", CONV)):
        each = task(operator, shape, 2)
        kernels = [build(each, draw(each.variants[0], 5)) for _ in range(2)]
        assert kernels[0].code == kernels[1].code
        here.append(kernels[0].program)
    code = DIGESTS.replace("from test_build import CONV, GEMM", f"CONV, GEMM = {CONV}, {GEMM}")
    done = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent)], capture_output=True, text=True, check=True,
        env={"PYTHONPATH": ":".join(filter(None, sys.path)), "PATH": "/usr/bin:/bin", "PYTHONHASHSEED": "7"},
    )  # fmt: skip
    assert done.stdout.split() == here
    assert len(set(here)) == 2


def test_other_candidates_are_other_programs() -> None:
    each = task()
    programs = {build(each, with_tile(each, 8, n, 1)).program for n in (1, 2, 3)}
    assert len(programs) == 3


def test_invalid_candidates_are_told_with_the_rule() -> None:
    each = task()
    variant = each.variants[0]
    good = draw(variant, 0).values
    too_large = {**good, **tile(each, 16, 6, 1)}
    violated = {v.label for v in variant.evaluator.violations(too_large)}
    assert "C6 register-budget" in violated
    with pytest.raises(BuildError) as caught:
        build(each, Candidate.of("direct", too_large))
    assert any(str(caught.value).startswith(f"the candidate violates {label}: ") for label in violated)
    for values, message in (
        ({}, "the candidate gives no value to "),
        ({**good, **tile(each, 10**6, 1, 1)}, "the candidate violates candidates of register."),
    ):
        with pytest.raises(BuildError) as caught:
            build(each, Candidate.of("direct", values))
        assert str(caught.value).startswith(message)
        assert "\n" not in str(caught.value)
    with pytest.raises(BuildError, match=r"has no variant 'other'; it has direct"):
        build(each, Candidate.of("other", good))


def test_metrics_are_of_the_kernel_alone() -> None:
    """A tile that fills the registers without exceeding them has no spills, though the pack function may."""
    each = task(shape={**GEMM, "k": 1024})
    metrics = build(each, with_tile(each, 8, 3, 1)).metrics
    assert metrics["stack_vectors"] == 0
    assert metrics["instructions"] % (8 * 3) == 0  # one body: the tile divides both axes
    assert metrics["instructions"] <= 8 * 3 * 4  # which LLVM may unroll a little
    assert metrics["code_bytes"] > 0


@pytest.mark.parametrize(("operator", "shape"), EDGES)
def test_skipped_taps_emit_no_more_than_the_rule_counts(operator: str, shape: dict[str, object]) -> None:
    """C6 bounds straight code by `skip.instructions`; what is emitted must never exceed it."""
    each = task(operator, shape)
    variant = each.variants[0]
    place = variant.template.place
    assert place is not None
    skip = place.positions.index("skip")
    rows = TableSampler(variant.space).sample(25, np.random.default_rng(1), {"place.pad": (skip,)})
    counted = variant.evaluator.columns(rows)["skip.instructions"]
    assert counted.max() <= each.accelerator.limits["unrolled"]
    for row, most in zip(rows, counted, strict=True):
        nest = variant.nest(Candidate.of(variant.name, variant.space.values(row)))
        assert nest.stage == "skip"
        emitted = str(KernelEmitter(nest).emit("k").script()).count(nest.instruction)
        assert 0 < emitted <= most


def test_threads_of_the_call_win_over_those_of_the_task() -> None:
    each = task(threads=1)
    with pytest.raises(BuildError):  # a candidate of one thread lacks the parallel level's choices of two
        bad = replace(draw(each.variants[0], 0), knobs=(("parallel.i", 10**6),))
        backend.build(each, bad, threads=2)
    two = task(threads=2)
    candidate = draw(two.variants[0], 0)
    assert backend.build(each, candidate, threads=2).program == build(two, candidate).program


def test_packed_operand_is_the_weight() -> None:
    kernel = build(task(), draw(task().variants[0], 0))
    assert [operand.name for operand in kernel.operands] == ["input", "weight", "output"]
    assert kernel.packed is not None and kernel.packed.name == "weight"
    assert kernel.packed.packed_bytes == 96 * 64
    assert kernel.output.shape == (64, 96)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ("{m: 4, n: 16, k: 4}", "the x86 back end takes several rows in AMX's instructions only"),
        ("{m: 1, n: 16, k: 8}", "a lane takes 8 bytes; the x86 back end has words of 4"),
    ],
)
def test_intrinsics_that_cannot_be_emitted_are_refused(shape: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(
        "schema: heron/accelerator/1\nname: odd\nextends: dlboost\n"
        f"intrinsics: [{{name: vpdpbusd, shape: {shape}}}]\n"
    )
    each = Task(make("gemm", GEMM), load(path), 1)
    with pytest.raises(BuildError) as caught:
        build(each, draw(each.variants[0], 0))
    assert str(caught.value).endswith(message)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("llvm.x86.avx512.no.such.thing", "LLVM has no intrinsic 'llvm.x86.avx512.no.such.thing'; the "),
        ("llvm.x86.avx512.vpdpbusd.256", "InternalError: "),  # 8 lanes, where the shape says 16
    ],
)
def test_what_llvm_refuses_is_one_line(name: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(
        "schema: heron/accelerator/1\nname: odd\nextends: dlboost\n"
        f"intrinsics: [{{name: vpdpbusd, llvm: {name}}}]\n"
    )
    each = Task(make("gemm", GEMM), load(path), 1)
    with pytest.raises(BuildError) as caught:
        build(each, draw(each.variants[0], 0))
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)


def test_a_packed_weight_beyond_32_bits_is_refused() -> None:
    each = task(shape={"m": 1, "n": 1, "k": 1 << 28})  # one column fills a block of 16
    with pytest.raises(BuildError, match=r"^the packed weight has 4,294,967,296 bytes"):
        build(each, draw(each.variants[0], 0))


def drawn(wanted: dict[str, int]) -> Candidate:
    variant = task().variants[0]
    row = TableSampler(variant.space).sample(
        1, np.random.default_rng(0), {name: (value,) for name, value in wanted.items()}
    )[0]
    return Candidate.of(variant.name, variant.space.values(row))


def listing(code: bytes, tmp_path: Path) -> str:
    (tmp_path / "kernel.o").write_bytes(code)
    command = ["objdump", "-d", "--no-show-raw-insn", tmp_path / "kernel.o"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return "\n".join(line for line in text.splitlines() if "\t" in line)  # not the file's name


def test_what_is_prefetched_and_streamed_is_in_the_code(tmp_path: Path) -> None:
    nothing = {"store": 0, "prefetch.weight": 0, "prefetch.output": 0, "prefetch.input": 0}
    plain = listing(build(task(), drawn(nothing)).code, tmp_path)
    assert not any(word in plain for word in ("prefetch", "vmovnt", "sfence"))
    rows = {**tile(task(), 4, 2, 1), **nothing, "prefetch.input": 1}
    ahead = listing(build(task(), drawn(rows)).code, tmp_path)
    asks = ahead.count("prefetcht0")
    assert asks and asks % 4 == 0  # one for each row of a tile; all tiles are alike
    asked = listing(build(task(), drawn({"prefetch.weight": 32, "prefetch.output": 1})).code, tmp_path)
    assert "prefetcht0" in asked and "prefetchw" in asked
    streamed = listing(build(task(), drawn({"store": 1})).code, tmp_path)
    assert "vmovnt" in streamed and streamed.rindex("sfence") > streamed.rindex("vmovnt")
    assert "prefetchw" not in streamed


def test_kernels_with_inlined_code_define_one_symbol(tmp_path: Path) -> None:
    (tmp_path / "kernel.o").write_bytes(build(task(), drawn({"store": 1})).code)
    names = subprocess.run(["nm", tmp_path / "kernel.o"], capture_output=True, text=True, check=True).stdout
    strong = [line.split()[2] for line in names.splitlines() if " T " in line]
    assert strong == ["heron_kernel", "heron_kernel_pack"]
    assert "heron_stream" not in names and "heron_fence" not in names
