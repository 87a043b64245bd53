"""Both tuners' best kernels on this processor: equal operands, every result checked, slices in turns.

The statistic is the runner's (`measure.timing.interleave`): the median of slices of which none was preempted.
heron's kernel is called by a loop in C, MetaSchedule's by TVM's evaluator, a loop in C++ as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.buffers import aligned, poison
from benchmarks.metaschedule import mend, mine, tuning
from benchmarks.metaschedule.building import build_for_cpu
from benchmarks.metaschedule.machines import Machine
from benchmarks.metaschedule.outcome import Outcome
from benchmarks.metaschedule.problems import Problem, problem
from heron_cli.backends.base import Operand
from heron_cli.measure import system
from heron_cli.measure.timing import Repeat, TimingOptions, interleave
from heron_cli.measure.verify import compare, expected_arrays
from heron_cli.operators import registry
from heron_cli.operators.expected import Expected, Reference
from heron_cli.operators.workload import Workload

Arrays = dict[str, NDArray[Any]]
Made = tuple[Callable[[], NDArray[Any]], Repeat]  # one call on a poisoned output; calls in a row


def measure(
    workload: Workload, machine: Machine, folder: Path, db: Path, plan: tuning.Plan, rivals: int
) -> Outcome:
    """The times of heron's best and of MetaSchedule's `rivals` fastest; wrong ones are not timed."""
    specs = registry.get(workload.operator).specs(workload)
    operands = [Operand(name, spec.shape, spec.dtype) for name, spec in specs.items()]
    arrays, expected = expected_arrays(Reference(workload), operands, plan.seed)
    sides: dict[str, Made] = {}
    threads = f"{plan.threads} thread" + "s" * (plan.threads > 1)
    outcome = Outcome(workload.name, plan.trials, how=f"slices in turns, {threads}")
    if machine.accelerator:
        sides["heron"] = _ours(workload, machine, db, plan.threads, arrays, operands[-1])
    ms, made = mend.load(), problem(workload, machine.tile)
    for place, record in enumerate(tuning.best_records(ms, folder, rivals), 1):
        sides[str(place)] = _theirs(machine, made, record, plan.threads, arrays, operands[-1])
    outcome.wrong = _wrong(sides, expected)
    right = [name for name in sides if name not in outcome.wrong]
    timings = interleave([sides[name][1] for name in right], TimingOptions(), system.preemptions)
    outcome.times = {name: timing.seconds for name, timing in zip(right, timings, strict=True)}
    return outcome


def _wrong(sides: dict[str, Made], expected: Expected) -> dict[str, str]:
    found = {name: compare(call(), expected) for name, (call, _) in sides.items()}
    return {name: text for name, text in found.items() if text}


def _ours(
    workload: Workload, machine: Machine, db: Path, threads: int, arrays: Arrays, output: Operand
) -> Made:
    backend, kernel = mine.best_kernel(workload, machine, db, threads)
    loaded = backend.load(kernel, threads=threads)
    buffers = [
        _aligned(loaded.pack(arrays[each.name]) if each.packed_bytes is not None else arrays[each.name])
        for each in kernel.operands[:-1]
    ]
    result = aligned(output.shape, output.dtype)

    def call() -> NDArray[Any]:
        poison(result)
        loaded.call([*buffers, result])
        return result

    return call, lambda calls: float(loaded.repeat([*buffers, result], calls))


def _theirs(
    machine: Machine, made: Problem, record: Any, threads: int, arrays: Arrays, output: Operand
) -> Made:
    import tvm

    module = build_for_cpu(scheduled(made, record), machine.tvm_target(threads))
    tensors = [tvm.runtime.tensor(array) for array in peer_arrays(made, arrays)]
    blank = aligned(output.shape, output.dtype)
    poison(blank)
    result = tvm.runtime.tensor(blank)

    def call() -> NDArray[Any]:
        result.copyfrom(blank)
        module["main"](*tensors, result)
        return np.asarray(result.numpy())

    def repeat(calls: int) -> float:
        timed = module.time_evaluator("main", tvm.cpu(), number=calls, repeat=1)
        return float(timed(*tensors, result).mean) * calls

    return call, repeat


def scheduled(made: Problem, record: Any) -> Any:
    """The module of one of MetaSchedule's records."""
    from tvm.s_tir import Schedule

    schedule = Schedule(made.module)
    record.trace.apply_to_schedule(schedule, remove_postproc=False)
    return schedule.mod


def peer_arrays(made: Problem, arrays: Arrays) -> Sequence[NDArray[Any]]:
    """The inputs in the order of the function, the constant weight packed."""
    return [
        made.packing.pack(array) if name == "weight" and made.packing is not None else array
        for name, array in arrays.items()
    ]


def _aligned(array: NDArray[Any]) -> NDArray[Any]:
    moved = aligned(array.shape, array.dtype)
    moved[...] = array
    return moved
