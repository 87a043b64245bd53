"""heron against cuBLAS and cuDNN (through PyTorch) on an NVIDIA GPU, workload by workload.

    python -m benchmarks.tensorcore [--workloads NAME|FILE]… [--trials N] [--seconds S] [--only TEXT] [--out FILE]

Needs the GPU, nvcc, PyTorch, and no network. Where heron's packages are missing, `--wheels DIR` installs them
from a folder first. Tunes each workload (records are kept in `--db`, and a run that was cut goes on), then times
the best kernel and PyTorch's calls alternately, both by replaying CUDA graphs, and writes one JSON line a
workload and, with `--page`, the page.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

NODES, ROUNDS = 20, 9


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workloads", action="append", default=[])
    parser.add_argument("--target", default="tensorcore-sm90")
    parser.add_argument("--trials", type=int, default=96)
    parser.add_argument("--seconds", type=float, default=20.0, help="of tuning, for each workload")
    parser.add_argument("--until", type=float, default=None, help="seconds after which no workload is begun")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, help="builds at a time; default: all cores but one")
    parser.add_argument(
        "--part", default="0/1", help="I/N: every N-th workload from the I-th on, to run N at once"
    )
    parser.add_argument("--only", default="", help="workloads whose name contains this")
    parser.add_argument("--db", type=Path, default=Path("build/tensorcore.db"))
    parser.add_argument("--out", type=Path, default=Path("build/tensorcore.jsonl"))
    parser.add_argument("--wheels", type=Path)
    parser.add_argument("--page", type=Path, help="write the page from what --out holds")
    parser.add_argument("--note", action="append", default=[], help="a remark for the page")
    arguments = parser.parse_args()
    if arguments.wheels is not None:
        _install(arguments.wheels)
    if arguments.page is not None:
        from benchmarks.gpu.page import write

        write(arguments.out, arguments.page, arguments.note)
        return
    _run(arguments)


def _install(wheels: Path) -> None:
    """Install the wheels beside this environment and start again with them."""
    site = Path(os.environ.get("TMPDIR", "/tmp")) / "heron-site"
    if not site.exists():
        files = [str(path) for path in sorted(wheels.glob("*.whl"))]
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--no-index",
            "--no-deps",
            "--target",
            str(site),
        ]
        subprocess.run([*command, *files], check=True)
    source = Path(__file__).resolve().parent.parent / "src"
    path = os.pathsep.join([str(source), str(site), os.environ.get("PYTHONPATH", "")])
    rest = [item for item in sys.argv[1:] if item not in ("--wheels", str(wheels))]
    os.execve(
        sys.executable,
        [sys.executable, "-u", "-m", "benchmarks.tensorcore", *rest],
        {**os.environ, "PYTHONPATH": path},
    )


def _run(arguments: argparse.Namespace) -> None:
    from benchmarks.gpu.peer import ceilings
    from heron_cli.accelerator.loader import load
    from heron_cli.operators.workload import load_file

    started = time.monotonic()
    accelerator = load(arguments.target)
    done = _done(arguments.out)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.db.parent.mkdir(parents=True, exist_ok=True)
    with arguments.out.open("a") as out:
        if "machine" not in done:
            _write(out, {"name": "machine", **_machine(), **ceilings()})
        part, parts = (int(number) for number in arguments.part.split("/"))
        for name in arguments.workloads or ["heron-operators-tensorcore"]:
            for workload in load_file(_file(name))[part::parts]:
                late = arguments.until is not None and time.monotonic() - started > arguments.until
                if workload.name in done or arguments.only not in workload.name or late:
                    continue
                try:
                    found = _workload(workload, accelerator, arguments)
                except Exception as error:  # one workload must not end the run; it is a row of the page
                    found = {"error": f"{type(error).__name__}: {error}"[:300]}
                _write(out, {"name": workload.name, "file": name, "count": workload.count, **found})
                if "error" in found or "peers" in found:
                    print(_line(workload.name, found), flush=True)


def _file(name: str) -> Path:
    path = Path(name)
    return path if path.exists() else Path(__file__).parent.parent / "configs" / "workloads" / f"{name}.yaml"


def _done(path: Path) -> set[str]:
    if not path.exists():
        return set()
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return {row["name"] for row in rows if "error" not in row}


def _write(out: Any, row: dict[str, Any]) -> None:
    out.write(json.dumps(row) + "\n")
    out.flush()


def _line(name: str, row: dict[str, Any]) -> str:
    if "error" in row:
        return f"{name}: {row['error']}"
    best = min(row["peers"].values())
    return (
        f"{name}: {row['seconds'] * 1e6:.2f} us, torch {best * 1e6:.2f} us, x{best / row['seconds']:.2f}, "
        f"{row['variant']}, {row['trials']} trials, {row['invalid']} invalid, {row['tuning']:.0f} s"
    )


def _machine() -> dict[str, Any]:
    import torch

    from heron_cli.records import current_versions

    properties = torch.cuda.get_device_properties(0)
    smi = subprocess.run(
        ["nvidia-smi", "--query-gpu=driver_version,clocks.sm,temperature.gpu,power.draw", "--format=csv,noheader"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return {
        "gpu": properties.name,
        "driver, clock, temperature, power": smi.stdout.strip(),
        "torch": torch.__version__,
        "cudnn": torch.backends.cudnn.version(),
        "versions": str(current_versions()),
    }


def _workload(workload: Any, accelerator: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    import numpy as np
    import torch

    from benchmarks.gpu.peer import close, graph_of, peer, seconds
    from heron_cli.backends import registry
    from heron_cli.backends.cuda.device_kernel import alone
    from heron_cli.measure.inputs import random_operands
    from heron_cli.operators import registry as operators
    from heron_cli.records import Store
    from heron_cli.session import Settings, make_task, tune

    torch.backends.cudnn.benchmark = True
    began = time.monotonic()
    task = make_task(workload, accelerator)
    store = Store.open(arguments.db)
    settings = Settings(
        trials=arguments.trials, seconds=arguments.seconds, seed=arguments.seed, jobs=arguments.jobs
    )
    result = tune(task, store, settings)
    tuning = time.monotonic() - began
    best = result.best
    assert best is not None, "no valid trial"
    backend = registry.get(accelerator.backend)
    kernel = backend.build(task, best.trial.candidate, threads=1)
    arrays = random_operands(kernel.operands, 7)
    loaded = backend.load(kernel, threads=1)
    output = np.full(kernel.output.shape, np.nan, np.float16)
    buffers = [
        loaded.pack(arrays[o.name]) if o.packed_bytes is not None else arrays[o.name]
        for o in kernel.operands[:-1]
    ]
    buffers = [np.ascontiguousarray(each) for each in (*buffers, output)]
    loaded.call(buffers)
    other = peer(workload, arrays)
    apart = close(buffers[-1], other.result().reshape(kernel.output.shape).float().cpu().numpy())
    graphs = {name: graph_of(call, NODES) for name, call in other.calls.items()}
    quick = {name: seconds(graph, NODES, 3) for name, graph in graphs.items()}
    replays = max(1, int(0.004 / (NODES * min(quick.values()))))
    mine: list[float] = []
    theirs: dict[str, list[float]] = {name: [] for name in graphs}
    for _ in range(ROUNDS):
        mine.append(loaded.repeat(buffers, NODES * replays) / (NODES * replays))
        with alone():
            for name, graph in graphs.items():
                theirs[name].append(seconds(graph, NODES, replays))
    operator = operators.get(workload.operator)
    statuses = [record.trial.measurement.status.value for record in result.records]
    return {
        "operator": workload.operator,
        "seconds": statistics.median(mine),
        "spread": (max(mine) - min(mine)) / statistics.median(mine),
        "peers": {name: statistics.median(each) for name, each in theirs.items()},
        "apart": apart,
        "variant": best.trial.candidate.variant,
        "knobs": best.trial.candidate.values,
        "metrics": dict(kernel.metrics),
        "trials": len(result.records),
        "invalid": sum(status != "ok" for status in statuses),
        "statuses": {status: statuses.count(status) for status in sorted(set(statuses))},
        "reasons": sorted(
            {r.trial.measurement.reason for r in result.records if r.trial.measurement.status.value != "ok"}
        )[:5],
        "tuning": tuning,
        "spent": dict(result.seconds_spent),
        "flops": operator.flops(workload),
        "bytes": operator.bytes(workload),
    }


if __name__ == "__main__":
    main()
