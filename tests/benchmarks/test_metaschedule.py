"""The peer is given heron's own problem, its log and failures are read right, and told on the page."""

from __future__ import annotations

import itertools
import shutil
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.dlboost_operators.slots import Slot
from benchmarks.metaschedule import logs, mine, outcome, page, work
from benchmarks.metaschedule.__main__ import gpu_slots, shares
from benchmarks.metaschedule.machines import MACHINES
from benchmarks.metaschedule.outcome import Outcome, Side
from benchmarks.metaschedule.problems import Packing, problem
from benchmarks.metaschedule.tuning import Plan, Progress, telling
from heron_cli.accelerator.loader import load
from heron_cli.backends.cuda.compile import to_source
from heron_cli.backends.cuda.emit import KernelEmitter
from heron_cli.operators import registry
from heron_cli.operators.workload import make
from heron_cli.session import make_task
from heron_cli.space import TableSampler
from heron_cli.trial import Candidate

BYTES = {"input": "uint8", "weight": "int8", "accumulate": "int32", "output": "int32"}
SMALL: list[tuple[str, dict[str, Any]]] = [
    ("gemm", {"m": 8, "n": 32, "k": 16}),
    ("gemv", {"m": 32, "k": 16}),
    ("scan", {"m": 5, "n": 32, "k": 8}),
    ("bmm", {"batch": 2, "m": 5, "n": 32, "k": 8}),
    ("bmm", {"batch": 2, "m": 5, "n": 32, "k": 8, "layout": "NT"}),
    ("conv1d", {"width": 9, "in_channels": 8, "out_channels": 32, "kernel": 3, "padding": 1, "dilation": 2}),
    ("conv2d", {"height": 6, "width": 5, "in_channels": 8, "out_channels": 32, "kernel": 3, "stride": 2}),
]


@given(st.permutations(range(4)), st.integers(0, 2), st.integers(1, 3), st.integers(1, 3))
def test_arrays_are_packed_as_the_function_indexes_them(
    places: list[int], batches: int, tiles: int, groups: int
) -> None:
    channel, summed, *others = places
    packing = Packing(tuple(others[:batches]), tuple(others[batches:]), channel, summed, (3, 2))
    shape = [2, 2, 2, 2]
    shape[channel], shape[summed] = 3 * tiles, 2 * groups
    weight = np.arange(np.prod(shape)).reshape(shape)
    packed = packing.pack(weight)
    for index in itertools.product(*map(range, shape)):
        assert packed[tuple(packing.index(*index))] == weight[index]


@pytest.mark.parametrize("tile", [(16, 4), (1, 1), None])
@pytest.mark.parametrize(("operator", "shape"), SMALL, ids=[f"{o}-{i}" for i, (o, _) in enumerate(SMALL)])
def test_the_peer_computes_what_heron_computes(
    operator: str, shape: dict[str, Any], tile: tuple[int, int] | None
) -> None:
    import tvm

    workload = make(operator, shape, dtypes=BYTES)
    made, specs = problem(workload, tile), registry.get(operator).specs(workload)
    rng = np.random.default_rng(0)
    arrays = {
        name: rng.integers(*((0, 256) if spec.dtype == "uint8" else (-128, 128)), spec.shape).astype(
            spec.dtype
        )
        for name, spec in specs.items()
        if name != "output"
    }
    given = [
        made.packing.pack(array) if name == "weight" and made.packing is not None else array
        for name, array in arrays.items()
    ]
    result = tvm.runtime.tensor(np.full(specs["output"].shape, -1, "int32"))
    built = tvm.tirx.build(made.module, target=tvm.target.Target("llvm"))
    built["main"](*map(tvm.runtime.tensor, given), result)
    np.testing.assert_array_equal(result.numpy(), registry.get(operator).reference(workload, arrays))


def test_lengths_that_the_tile_does_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match=r"n=33|j=33"):
        problem(make("gemm", {"m": 8, "n": 33, "k": 16}, dtypes=BYTES), (16, 4))


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_every_chosen_workload_has_a_problem(name: str) -> None:
    machine = MACHINES[name]
    workloads = machine.workloads()
    assert len({each.operator for each in workloads}) >= 5
    for workload in workloads:
        assert "main" in [each.name_hint for each in problem(workload, machine.tile).module.functions]


LOG = """
2026-11-26 [INFO] [evolutionary_search.cc:505] Pick-Best-From-Database summary:
Trace replay failures: 0 failure(s)
Postproc #0 [s_tir.meta_schedule.VerifyGPUCode]: 100 failure(s)
2026-11-26 [INFO] [evolutionary_search.cc:551] Sample-Init-Population summary:
Trace replay failures: 1 failure(s)
Postproc #0 [s_tir.meta_schedule.DisallowDynamicLoop]: 0 failure(s)
Postproc #5 [s_tir.meta_schedule.VerifyGPUCode]: 450 failure(s)
2026-11-26 [INFO] [evolutionary_search.cc:748] Sampled 50 candidate(s)
2026-11-26 [INFO] [evolutionary_search.cc:645] Evolve iter #0 done. Summary:
Trace replay failures: 0 failure(s)
Postproc #5 [s_tir.meta_schedule.VerifyGPUCode]: 300 failure(s)
2026-11-26 [INFO] [evolutionary_search.cc:645] Evolve iter #1 done. Summary:
Postproc #5 [s_tir.meta_schedule.VerifyGPUCode]: 100 failure(s)
"""


def test_refusals_are_read_from_the_log() -> None:
    drawn, bred = logs.read(LOG.splitlines())
    assert drawn.passed == 50
    assert dict(drawn.refused) == {"trace replay": 1, "DisallowDynamicLoop": 0, "VerifyGPUCode": 450}
    assert (bred.passed, bred.refused["VerifyGPUCode"]) == (2 * logs.POPULATION, 400)
    assert logs.read([]) == (logs.Refusals(), logs.Refusals())


def test_the_telling_line_of_an_error() -> None:
    tvm_error = "Traceback …\n  File x.cc, line 7\ntvm.error.InternalError: Check failed: lanes=32 is false\n"
    assert telling(tvm_error) == "tvm.error.InternalError: Check failed: lanes=N is false"
    nvcc = "Compilation error:\nk.cu(339): error: too many arguments\nk.cu(4): error: x\n2 errors detected\n"
    assert telling(nvcc) == "nvcc: too many arguments"
    assert telling("") == "no message"


class _Told:
    def __init__(self, error: str = "", seconds: tuple[float, ...] = ()) -> None:
        self.error_msg, self.run_secs = error, seconds


def test_trials_are_counted_by_stage(tmp_path: Path) -> None:
    progress = Progress()
    progress.take(_Told("build error 3"), _Told())
    progress.take(_Told(), _Told("Timeout after 30 seconds"))
    progress.take(_Told(), _Told(seconds=(3.0, 2.0)))
    progress.take(_Told(), _Told(seconds=(5.0,)))
    progress.write(tmp_path / "p.json")
    again = Progress.read(tmp_path / "p.json")
    assert again == progress
    assert (again.trials, again.build_errors, again.run_errors, again.best) == (4, 1, 1, 2.0)
    assert again.reasons == {"build: build error N": 1, "run: Timeout after N seconds": 1}


def found(name: str, ratio: float, trials: int = 64) -> Outcome:
    return Outcome(
        name,
        planned=64,
        peer=Side(trials, {"build": 16, "run": 0}, {"build: x": 16}, 10.0, ratio * 1e-6),
        heron=Side(64, {}, {}, 5.0, 1e-6),
        drawn=(50, {"VerifyGPUCode": 450}),
        times={"heron": 1e-6, "1": 2 * ratio * 1e-6, "2": ratio * 1e-6},
        wrong={"3": "2 of 4 elements are wrong"},
    )


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    outcome.write(tmp_path / "x", found("x", 1.5))
    assert outcome.read(tmp_path / "x") == found("x", 1.5)
    assert outcome.read_all(tmp_path, ["x", "y"]) == [found("x", 1.5)]
    assert found("x", 1.5).ratio == pytest.approx(1.5)
    assert outcome.refused(found("x", 1).drawn) == pytest.approx(0.9)
    assert Outcome("x", 64).ratio is None


@pytest.mark.parametrize(
    ("ratio", "trials", "state"), [(1.5, 64, "met"), (1.05, 64, "**missed**"), (1.5, 63, "**missed**")]
)
def test_the_bar_is_met_only_with_all_workloads_and_all_trials(ratio: float, trials: int, state: str) -> None:
    machine = MACHINES["dlboost"]
    every = [found(name, ratio, trials) for name in machine.chosen]
    text = "\n".join(page.section(machine, every))
    assert text.startswith(page.TITLE)
    assert f"Geometric mean {ratio:.2f} over 8 of 8 workloads (bar 1.1): {state}." in text
    assert "MetaSchedule: 128 of" in text and "heron: 0 of 512 trials failed (0.0%)." in text
    assert "no. 3 is wrong: 2 of 4 elements are wrong" in text
    assert page.missed(machine, every) == (state != "met")
    assert page.missed(machine, every[1:])


def test_cores_are_shared_by_workloads_and_a_gpus_by_parts() -> None:
    assert shares(list(range(16)), 8, 1) == [Slot(1, (2 * i, 2 * i + 1)) for i in range(8)]
    assert shares([0, 1], 8, 1) == [Slot(1, (0,)), Slot(1, (1,))]
    assert shares([0, 1, 2], 8, 2) == [Slot(2, (0, 1, 2))]


def test_a_gpus_workloads_take_turns_on_as_few_gpus_as_are_as_soon_done() -> None:
    cores = list(range(64))
    assert gpu_slots(cores, 6, 4, 1) == [Slot(1, tuple(cores[i::3])) for i in range(3)]
    assert gpu_slots(cores, 4, 4, 1) == [Slot(1, tuple(cores[i::4])) for i in range(4)]
    assert gpu_slots(cores, 6, 1, 1) == [Slot(1, tuple(cores))]
    assert gpu_slots(cores, 1, 4, 1) == [Slot(1, tuple(cores))]


@given(st.integers(1, 5), st.lists(st.floats(0, 1), max_size=5))
def test_every_workload_gets_an_equal_part_of_the_time_or_more(rounds: int, used: list[float]) -> None:
    left = 100.0
    for number, part in enumerate((*used, *[1.0] * rounds)[:rounds]):
        mine = work.share(left, rounds - number)
        assert mine >= 100.0 / rounds * (1 - 1e-9)
        left -= part * mine


def test_gpus_are_counted_among_those_that_are_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert work.nth_gpu(2) == "2"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4, 6,7")
    assert [work.nth_gpu(i) for i in range(3)] == ["4", "6", "7"]


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="needs nvcc")
def test_after_a_kernel_of_herons_tvm_still_compiles_for_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """What TVM would load is a fat binary with machine code for the target, not a placeholder."""
    import tvm

    machine = MACHINES["tensorcore"]
    task = make_task(make("gemm", {"m": 64, "n": 64, "k": 64}), load(machine.accelerator))
    variant = task.variants[0]
    values = variant.space.values(TableSampler(variant.space).sample(1, np.random.default_rng(0))[0])
    nest = variant.nest(Candidate.of(variant.name, values))
    to_source({"kernel": KernelEmitter(nest).emit("kernel").function}, task.accelerator.tvm_target)
    monkeypatch.setenv("TVM_CUDA_COMPILE_MODE", "nvcc")
    with machine.tvm_target(1):
        image = bytes(tvm.get_global_func("tvm_callback_cuda_compile")('extern "C" __global__ void f() {}'))
    magic, _, header = struct.unpack_from("<IHH", image)
    kind, _, before, _ = struct.unpack_from("<HHIQ", image, header)
    (capability,) = struct.unpack_from("<I", image, header + 28)
    assert (magic, kind, capability) == (0xBA55ED50, 2, 90)  # of a fat binary; machine code; sm_90
    assert image[header + before :][:4] == b"\x7fELF"


@pytest.mark.slow
def test_the_mended_byte_product_is_found_and_builds() -> None:
    from benchmarks.metaschedule import mend
    from benchmarks.metaschedule.building import build_for_cpu
    from benchmarks.metaschedule.sampling import Peer

    load, machine = mend.load, MACHINES["dlboost"]
    assert load() is load()
    made = problem(make("gemm", {"m": 32, "n": 64, "k": 64}, dtypes=BYTES), machine.tile)
    peer = Peer(machine, made, 1, 0)
    for number in range(40):
        schedule = peer.draw(number)
        assert "dot_16x4_vnni" in str(schedule.trace)
        assert peer.refusal(schedule) is None
        try:
            text = build_for_cpu(schedule.mod, machine.tvm_target(1)).inspect_source("asm")
        except Exception as error:  # TVM raises several types; these are what the benchmark counts
            assert "Cannot broadcast lanes" in str(error)
            continue
        assert "vpdpbusd" in text
        return
    pytest.fail("none of 40 candidates built")


def test_herons_side_is_tuned_counted_and_built_again(tmp_path: Path) -> None:
    types = {**BYTES, "input": "int8", "output": "int8"}
    workload = make("gemm", {"m": 32, "n": 64, "k": 64}, dtypes=types)
    machine = replace(MACHINES["plain"], accelerator="vta")  # which any machine simulates
    db = tmp_path / "heron.db"
    assert mine.side(workload, machine, db, 1, 0.0).trials == 0
    mine.tune(workload, machine, db, Plan(5, 1, (0,), 0, float("inf")))
    side = mine.side(workload, machine, db, 1, 2.5)
    assert (side.trials, side.failed, side.wall) == (5, {}, 2.5)
    backend, kernel = mine.best_kernel(workload, machine, db, 1)
    assert (backend.name, kernel.metrics["cycles"]) == ("vta", side.best)
    with pytest.raises(LookupError, match="no kernel"):
        mine.best_kernel(make("gemm", {"m": 16, "n": 16, "k": 16}, dtypes=types), machine, db, 1)
