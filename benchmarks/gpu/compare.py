"""The second stage: the best kernel of each workload against PyTorch's calls, alternately, warm and cold.

Kernels that overlap are timed twice: as a program would run them, and `alone`, each begun when the one
before it has ended, as PyTorch's are.

Warm: the same operands in every call. Cold: the calls of a graph go round copies of the operands that
together are more than twice as large as the L2 cache. The output stays where it is, as PyTorch's
allocator keeps it too.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from math import ceil
from typing import Any

from benchmarks.gpu.ceilings import ceilings
from benchmarks.gpu.mine import Mine
from benchmarks.gpu.peer import graph_of, peer, seconds
from benchmarks.gpu.tuning import chosen
from heron_cli.accelerator.loader import load
from heron_cli.accelerator.model import Accelerator
from heron_cli.backends import registry
from heron_cli.backends.base import Kernel
from heron_cli.backends.cuda.device_kernel import alone
from heron_cli.operators import registry as operators
from heron_cli.operators.workload import Workload
from heron_cli.records import Purpose, Store, best_of, current_versions
from heron_cli.session import make_task
from heron_cli.session.remote import versions_here

NODES, ROUNDS, SLICE = 20, 15, 0.003
_ALONE = "heron alone"
MOST_COPIES = 8192
_ASKED = ("driver_version", "clocks.sm", "clocks.mem", "temperature.gpu", "power.draw")
_Sides = Mapping[str, Callable[[], float]]


def compare_all(arguments: argparse.Namespace) -> None:
    """Compare every tuned workload that is not in --out yet, one JSON line each."""
    accelerator = load(arguments.target)
    done = set()
    if arguments.out.exists():
        rows = [json.loads(line) for line in arguments.out.read_text().splitlines()]
        done = {(row["file"], row["name"]) for row in rows if "error" not in row}
    started = time.monotonic()
    with arguments.out.open("a") as out, Store.open(arguments.db) as store:

        def write(row: dict[str, Any]) -> None:
            out.write(json.dumps(row) + "\n")
            out.flush()

        with alone():
            limits = ceilings()
        write({"file": "", "name": "machine", **machine(), **limits})
        for file, workload in chosen(arguments):
            if arguments.until is not None and time.monotonic() - started > arguments.until:
                return
            if (file, workload.name) in done:
                continue
            try:
                found = compare(workload, accelerator, store)
                print(_line(workload.name, found), flush=True)
            except Exception as error:  # one workload must not end the run; it is a row of the page
                found = {"error": f"{type(error).__name__}: {error}"[:300]}
                print(f"{workload.name}: {found['error']}", flush=True)
            write({"file": file, "name": workload.name, "count": workload.count, **found})


def compare(workload: Workload, accelerator: Accelerator, store: Store) -> dict[str, Any]:
    """Seconds of heron's best kernel and of PyTorch's calls. Raises RuntimeError for a wrong result."""
    import torch

    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
    task = make_task(workload, accelerator)
    # of this GPU alone: another's choice may be a bad one here
    records = store.trials(workload.key, accelerator.digest, 1, versions_here(accelerator), purpose=None)
    best = best_of(records)
    if best is None:
        raise RuntimeError("not tuned")
    candidate = best.trial.candidate
    kernel = registry.get(accelerator.backend).build(task, candidate, threads=1)
    with alone():  # other parts of the comparison may be at work on this GPU
        times = _times(workload, kernel)
    trials = [record for record in records if record.purpose is Purpose.TRIAL]
    statuses = [record.trial.measurement.status.value for record in trials]
    operator = operators.get(workload.operator)
    return {
        "operator": workload.operator,
        "variant": candidate.variant,
        "knobs": candidate.values,
        "metrics": dict(kernel.metrics),
        **times,
        "tuned": best.cost,
        "trials": len(statuses),
        "statuses": {status: statuses.count(status) for status in sorted(set(statuses))},
        "flops": operator.flops(workload),
        "bytes": operator.bytes(workload),
    }


def _times(workload: Workload, kernel: Kernel) -> dict[str, Any]:
    """Seconds of both sides by cache and call. Raises RuntimeError for a wrong result of heron's."""
    import torch

    from benchmarks import torch_reference

    described = entry(workload)
    generator = torch.Generator("cuda").manual_seed(7)
    tensors = torch_reference.operands(described, "cuda", generator)
    mine, waits = Mine(kernel), Mine(kernel, alone=True)
    output = mine.empty()
    ours = mine.call(mine.prepared(tensors), output)
    ours()
    torch.cuda.synchronize()
    if wrong := torch_reference.wrong(described, tensors, output):
        raise RuntimeError(wrong)
    sides: dict[str, Callable[[], float]] = {
        "heron": timed([mine.call(mine.prepared(tensors), output)] * NODES),
        _ALONE: timed([waits.call(waits.prepared(tensors), output)] * NODES),
    }
    sides |= {name: timed([call] * NODES) for name, call in peer(workload, tensors).items()}
    warm = rounds(sides)
    waiting = warm.pop(_ALONE)
    fastest = min((name for name in warm if name != "heron"), key=lambda name: warm[name][0])
    cold = _cold(workload, tensors, (mine, waits), output, fastest)
    waiting_cold = cold.pop(_ALONE)
    del ours, mine, waits, sides, tensors, output
    torch.cuda.empty_cache()
    return {
        "warm": {name: value for name, (value, _) in warm.items()},
        "spread": {name: value for name, (_, value) in warm.items()},
        "cold": {name: value for name, (value, _) in cold.items()},
        "alone": {"warm": waiting[0], "cold": waiting_cold[0]},
    }


def _cold(
    workload: Workload, tensors: Mapping[str, Any], kernels: tuple[Mine, Mine], output: Any, name: str
) -> dict[str, tuple[float, float]]:
    import torch

    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    cache = torch.cuda.get_device_properties(0).L2_cache_size
    copies = min(MOST_COPIES, max(2, ceil(2 * cache / size) + 1))
    each = [{key: tensor.clone() for key, tensor in tensors.items()} for _ in range(copies)]
    mine, waits = kernels
    return rounds(
        {
            "heron": timed([mine.call(mine.prepared(one), output) for one in each]),
            _ALONE: timed([waits.call(waits.prepared(one), output) for one in each]),
            name: timed([peer(workload, one)[name] for one in each]),
        }
    )


def timed(calls: list[Callable[[], Any]]) -> Callable[[], float]:
    """A slice of at least SLICE seconds; gives the seconds of one call."""
    graph = graph_of(calls)
    once = min(seconds(graph, len(calls), 1) for _ in range(3))
    replays = max(1, ceil(SLICE / (once * len(calls))))
    return lambda: seconds(graph, len(calls), replays)


def rounds(sides: _Sides) -> dict[str, tuple[float, float]]:
    """Median and relative range of each side's slices, which take turns in an order drawn anew each round.

    The clock of a GPU at its power limit follows what ran before: no side is to have one predecessor only.
    """
    slices: dict[str, list[float]] = {name: [] for name in sides}
    draw, order = random.Random(0), list(sides)
    for _ in range(ROUNDS):
        draw.shuffle(order)
        for name in order:
            slices[name].append(sides[name]())
    middles = {name: statistics.median(each) for name, each in slices.items()}
    return {name: (middles[name], (max(each) - min(each)) / middles[name]) for name, each in slices.items()}


def entry(workload: Workload) -> dict[str, Any]:
    """The workload as a library's manifest would hold it."""
    specs = operators.get(workload.operator).specs(workload).items()
    found: dict[str, Any] = {
        "operator": workload.operator,
        "shape": workload.shape,
        "dtypes": asdict(workload.dtypes),
        "epilogue": asdict(workload.epilogue),
        "operands": [{"name": n, "shape": list(spec.shape), "dtype": spec.dtype} for n, spec in specs],
    }
    return found


def _line(name: str, row: dict[str, Any]) -> str:
    def ratio(times: dict[str, float]) -> float:
        return min(value for key, value in times.items() if key != "heron") / times["heron"]

    return (
        f"{name}: {row['warm']['heron'] * 1e6:.2f} us, x{ratio(row['warm']):.2f} warm, "
        f"x{ratio(row['cold']):.2f} cold, {row['variant']}, {row['trials']} trials"
    )


def machine() -> dict[str, Any]:
    """GPU, its clocks, and the versions of what runs on it."""
    import torch

    smi = subprocess.run(
        ["nvidia-smi", f"--query-gpu={','.join(_ASKED)}", "--format=csv,noheader"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return {
        "gpu": torch.cuda.get_device_name(0),
        "state": f"{', '.join(_ASKED)}: {smi.stdout.strip().splitlines()[0] if smi.stdout else 'unknown'}",
        "torch": torch.__version__,
        "cudnn": torch.backends.cudnn.version(),
        "versions": dict(current_versions()),
    }
