"""Both tuners' best kernels on one GPU, on PyTorch's tensors: CUDA graphs replayed in turns, warm caches.

A graph of MetaSchedule's kernels is captured like heron's. Where that fails, TVM's evaluator times it (events
around launches in a row), which `Outcome.how` says.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.metaschedule import mend, mine, tuning
from benchmarks.metaschedule.building import build_for_gpu
from benchmarks.metaschedule.machines import Machine
from benchmarks.metaschedule.outcome import Outcome
from benchmarks.metaschedule.problems import Problem, problem
from benchmarks.metaschedule.processor import scheduled
from heron_cli.operators.workload import Workload

GRAPHS, EVENTS = "CUDA graphs in turns", "CUDA events by TVM's evaluator"


def measure(
    workload: Workload, machine: Machine, folder: Path, db: Path, plan: tuning.Plan, rivals: int
) -> Outcome:
    """The times of heron's best and of MetaSchedule's `rivals` fastest; wrong ones are not timed."""
    import torch

    from benchmarks import torch_reference
    from benchmarks.gpu.compare import NODES, entry, rounds, timed
    from benchmarks.gpu.mine import Mine

    described = entry(workload)
    tensors = torch_reference.operands(described, "cuda", torch.Generator("cuda").manual_seed(plan.seed))
    outcome = Outcome(workload.name, plan.trials, how=GRAPHS)
    calls: dict[str, tuple[Callable[[], None], Any]] = {}
    ours = Mine(mine.best_kernel(workload, machine, db, plan.threads)[1])
    output = ours.empty()
    calls["heron"] = (ours.call(ours.prepared(tensors), output), output)
    ms, made = mend.load(), problem(workload, machine.tile)
    peers = {
        str(place): Theirs(machine, made, record, tensors, ours.empty())
        for place, record in enumerate(tuning.best_records(ms, folder, rivals), 1)
    }
    calls |= {name: (each.call, each.output) for name, each in peers.items()}
    for name, (call, result) in calls.items():
        call()
        torch.cuda.synchronize()
        if told := torch_reference.wrong(described, tensors, result):
            outcome.wrong[name] = told
    right = {name: call for name, (call, _) in calls.items() if name not in outcome.wrong}
    try:
        sides = {name: timed([call] * NODES) for name, call in right.items()}
        outcome.times = {name: middle for name, (middle, _) in rounds(sides).items()}
    except RuntimeError as error:  # a host function that may not be captured
        outcome.how = f"heron: {GRAPHS}; MetaSchedule: {EVENTS} ({str(error).splitlines()[0][:80]})"
        outcome.times = {name: peers[name].seconds() for name in right if name != "heron"}
        if "heron" in right:
            outcome.times["heron"] = rounds({"heron": timed([right["heron"]] * NODES)})["heron"][0]
    return outcome


class Theirs:
    """One of MetaSchedule's records, built and bound to tensors."""

    def __init__(self, machine: Machine, made: Problem, record: Any, tensors: Any, output: Any) -> None:
        import torch
        import tvm

        self.output = output
        self._device = tvm.cuda(0)
        self._module = build_for_gpu(scheduled(made, record), machine.tvm_target(1))
        self._main = self._module["main"]
        packing, kept = made.packing, dict(tensors)
        if packing is not None:
            packed = packing.pack(tensors["weight"].cpu().numpy())
            kept["weight"] = torch.from_numpy(packed).cuda()
        self._kept = [*kept.values(), output]  # TVM's views do not own the memory
        self._arguments = [tvm.runtime.from_dlpack(each) for each in self._kept]

    def call(self) -> None:
        """A launch on PyTorch's current stream."""
        import torch
        from tvm_ffi import use_raw_stream

        with use_raw_stream(self._device, torch.cuda.current_stream().cuda_stream):
            self._main(*self._arguments)

    def seconds(self) -> float:
        """Seconds of a call, by TVM's evaluator."""
        evaluate = partial(self._module.time_evaluator, "main", self._device)
        return float(evaluate(number=20, repeat=9, min_repeat_ms=3)(*self._arguments).median)
