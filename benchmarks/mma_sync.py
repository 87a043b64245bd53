"""heron's mma.sync path against the best that mma.sync reaches on this GPU: products of 4096³ and 8192³.

    python3 -m benchmarks.mma_sync --until 480 --out benchmarks/results/tensorcore.md

Both sides go without wgmma: heron by an accelerator that drops it (gpu/tensorcore-sm90-mma.yaml), Triton by
its own switch, tuned over a list of tiles, warps, stages and bands. The fastest of both are timed in turns,
as CUDA graphs, and put beside the rate of mma.sync on registers alone. Needs a GPU of compute capability 9.0,
PyTorch and Triton. Stages: `tune`, `compare`, `page` (the section of the page --out).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import sections
from benchmarks.exploration.beds import unavailable
from benchmarks.native import CACHE

HERE = Path(__file__).resolve().parent
ACCELERATOR = HERE / "gpu" / "tensorcore-sm90-mma.yaml"
WORKLOADS = "large-gemm"
BAR, REGRESSION = 0.95, 5
STAGES = ("tune", "compare", "page")
RANDOM = "mma.sync of random numbers, FLOP/s"
TITLE = "## mma.sync alone"
FINALISTS = 3  # of Triton's configurations, timed in turns with heron's kernel
_PROSE = """
Written by `python -m benchmarks.mma_sync`: both sides without wgmma, Triton's PTX checked for it. Triton: the
fastest of {tried} configurations ({failed} more did not run). Medians of rounds in which all take turns,
CUDA graphs, warm caches, each of heron's kernels begun when the one before it had ended; all results checked.
`share`: heron's part of the rate of mma.sync on registers with random operands. `cuBLAS`: PyTorch's product,
by wgmma.
"""


def main() -> int:
    """Run the stages; 5 when the bar is missed, 2 where the machine is another one."""
    options = _options()
    stages = options.stage or STAGES
    if list(stages) != ["page"] and (why := unavailable(str(ACCELERATOR))):
        print(f"error: {ACCELERATOR.stem} cannot be measured here: {'; '.join(why)}", file=sys.stderr)
        return 2
    options.work.mkdir(parents=True, exist_ok=True)
    found = options.work / "found.json"
    if "tune" in stages:
        _tune(options)
    if "compare" in stages:
        found.write_text(json.dumps(_compare_all(options), indent=1))
    if "page" not in stages:
        return 0
    if not found.exists():
        print(f"error: {found} is missing: nothing was compared", file=sys.stderr)
        return 2
    lines = section(json.loads(found.read_text()))
    if options.out is None:
        print("\n".join(lines))
    else:
        sections.put(options.out, lines)
    return REGRESSION if missed(json.loads(found.read_text())["rows"]) else 0


def keep(page: Path, work: Path = CACHE / "mma-sync") -> None:
    """Put the section into the page, where there is one; the page's script writes the rest anew."""
    found = work / "found.json"
    if found.exists():
        sections.put(page, section(json.loads(found.read_text())))


def section(found: Mapping[str, Any]) -> list[str]:
    """The section's lines."""
    machine, rows = found["machine"], found["rows"]
    prose = _PROSE.format(tried=found["tried"], failed=found["failed"]).strip().splitlines()
    lines = [TITLE, "", *prose, ""]
    lines += [
        "| workload | heron, µs | Triton, µs | ratio | bar | | heron, TFLOP/s | Triton, TFLOP/s | share "
        "| cuBLAS, TFLOP/s | trials | spread |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
        *(_row(row, machine[RANDOM]) for row in rows),
        "",
    ]
    lines += [f"* {row['name']}: heron {row['knobs']}; Triton {_best(row)[0]}" for row in rows]
    lines += [
        f"* {machine['gpu']}; PyTorch {machine['torch']}, Triton {found['triton']}; {machine['state']}",
        f"* mma.sync on registers: {machine[RANDOM] / 1e12:.0f} TFLOP/s with random operands, "
        f"{machine['mma.sync, FLOP/s'] / 1e12:.0f} with small ones, which take less power",
    ]
    return lines


def missed(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the bar is missed by one of the products, or one is missing."""
    return len(rows) < 2 or any(_ratio(row) < BAR for row in rows)


def _row(row: Mapping[str, Any], ceiling: float) -> str:
    mine, (_, theirs) = row["times"]["heron"], _best(row)
    rate = row["flops"] / mine
    return (
        f"| {row['name']} | {mine * 1e6:.1f} | {theirs * 1e6:.1f} | **{_ratio(row):.3f}** | ≥ {BAR} "
        f"| {'met' if _ratio(row) >= BAR else '**missed**'} | {rate / 1e12:.0f} "
        f"| {row['flops'] / theirs / 1e12:.0f} | {rate / ceiling:.2f} "
        f"| {row['flops'] / row['times']['cuBLAS'] / 1e12:.0f} | {row['trials']} | {row['spread']:.2f} |"
    )


def _best(row: Mapping[str, Any]) -> tuple[str, float]:
    theirs = {name: t for name, t in row["times"].items() if name not in ("heron", "cuBLAS")}
    return min(theirs.items(), key=lambda each: each[1])


def _ratio(row: Mapping[str, Any]) -> float:
    return float(_best(row)[1] / row["times"]["heron"])


def _tune(options: argparse.Namespace) -> None:
    from benchmarks.gpu.tuning import tune_all

    two_thirds = options.until * 2 / 3
    tune_all(
        argparse.Namespace(
            workloads=[WORKLOADS], target=str(ACCELERATOR), trials=options.trials, seconds=two_thirds / 2,
            seed=options.seed, jobs=options.jobs, until=two_thirds, part="0/1", only="", skip_tuned=None,
            db=options.work / "heron.db",
        )
    )  # fmt: skip


def _compare_all(options: argparse.Namespace) -> dict[str, Any]:
    """What is kept for the page."""
    import os

    import triton

    from benchmarks.gpu import compare
    from benchmarks.gpu.ceilings import ceilings, mma_sync
    from benchmarks.gpu.triton_product import build_all, configs
    from heron_cli.backends.cuda.device_kernel import alone
    from heron_cli.operators.workload import load_file

    every = configs()
    began = time.monotonic()
    built, failures = build_all(every, min(16, options.jobs or len(os.sched_getaffinity(0))))
    print(
        f"Triton: {len(built)} of {len(every)} built, {time.monotonic() - began:.0f} s",
        *failures[:3],
        flush=True,
    )
    path = HERE.parent / "configs" / "workloads" / f"{WORKLOADS}.yaml"
    with alone():
        machine = {**compare.machine(), **ceilings(), RANDOM: mma_sync(True)}
        rows = [_compare(each, options, built) for each in load_file(path)]
    failed = len(failures) + max(row["failed"] for row in rows)
    return {
        "machine": machine,
        "triton": triton.__version__,
        "tried": len(every) - failed,
        "failed": failed,
        "rows": rows,
    }


def _compare(workload: Any, options: argparse.Namespace, built: Sequence[Any]) -> dict[str, Any]:
    """Seconds of heron's best kernel, of Triton's fastest and of PyTorch's product. Raises RuntimeError where
    heron has no kernel, a result is wrong, or Triton has no kernel without wgmma.
    """
    import torch

    from benchmarks import torch_reference
    from benchmarks.gpu.compare import NODES, entry, rounds, timed
    from benchmarks.gpu.mine import Mine
    from heron_cli.accelerator.loader import load
    from heron_cli.backends import registry
    from heron_cli.operators import registry as operators
    from heron_cli.records import Purpose, Store, best_of
    from heron_cli.session import make_task
    from heron_cli.session.remote import versions_here

    accelerator = load(ACCELERATOR)
    with Store.open(options.work / "heron.db", read_only=True) as store:
        here = versions_here(accelerator)
        records = store.trials(workload.key, accelerator.digest, 1, here, purpose=None)
    if (best := best_of(records)) is None:
        raise RuntimeError(f"{workload.name} is not tuned")
    candidate = best.trial.candidate
    kernel = registry.get(accelerator.backend).build(make_task(workload, accelerator), candidate, threads=1)
    described = entry(workload)
    tensors = torch_reference.operands(described, "cuda", torch.Generator("cuda").manual_seed(7))
    mine = Mine(kernel, alone=True)
    output, other = mine.empty(), mine.empty()
    a, b = tensors["input"], tensors["weight"]
    finalists, failed = _triton(built, a, b, other)
    calls: dict[str, Callable[[], Any]] = {"heron": mine.call(mine.prepared(tensors), output), **finalists}
    for name, call in calls.items():
        result = output if name == "heron" else other
        result.view(torch.uint8).fill_(0xFF)
        call()
        torch.cuda.synchronize()
        if told := torch_reference.wrong(described, tensors, result):
            raise RuntimeError(f"{workload.name}, {name}: {told}")
    calls["cuBLAS"] = lambda: torch.matmul(a, b.t())
    found = rounds({name: timed([call] * NODES) for name, call in calls.items()})
    row = {
        "name": workload.name,
        "variant": candidate.variant,
        "knobs": candidate.values,
        "metrics": dict(kernel.metrics),
        "times": {name: middle for name, (middle, _) in found.items()},
        "spread": found["heron"][1],
        "trials": sum(record.purpose is Purpose.TRIAL for record in records),
        "failed": failed,
        "flops": operators.get(workload.operator).flops(workload),
    }
    print(f"{workload.name}: x{_ratio(row):.3f} of Triton, {row['times']}", flush=True)
    return row


def _triton(built: Sequence[Any], a: Any, b: Any, output: Any) -> tuple[dict[str, Callable[[], Any]], int]:
    """The fastest few of Triton's kernels, and how many did not run."""
    from benchmarks.gpu.peer import graph_of, seconds
    from benchmarks.gpu.triton_product import call

    times: dict[Any, float] = {}
    failures = []
    for each in built:
        try:
            graph = graph_of([call(each, a, b, output)] * 5)
            times[each] = min(seconds(graph, 5, 1) for _ in range(3))
        except Exception as error:  # needs more than the GPU has; the page counts them
            failures.append(f"{each.config}: {type(error).__name__}: {error}"[:200])
    if not times:
        raise RuntimeError(f"none of Triton's kernels runs: {failures[:1]}")
    fastest = sorted(times, key=lambda each: times[each])[:FINALISTS]
    return {f"{each.config}": call(each, a, b, output) for each in fastest}, len(failures)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stage", choices=STAGES, action="append", help="default: all, in order")
    parser.add_argument("--trials", type=int, default=192, help="of heron, for each product")
    parser.add_argument("--until", type=float, default=480, help="seconds in all; two thirds are for tuning")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, help="builds at a time; default: all cores but one")
    parser.add_argument("--work", type=Path, default=CACHE / "mma-sync")
    parser.add_argument("--out", type=Path, help="the page to put the section into (default: print it)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
