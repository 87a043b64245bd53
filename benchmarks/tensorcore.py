"""heron against cuBLAS and cuDNN (through PyTorch) on an NVIDIA GPU, workload by workload.

    python -m benchmarks.tensorcore [--workloads NAME|FILE]… [--stage tune|compare] [--trials N] …

Needs the GPU, nvcc, PyTorch, and no network. Where heron's packages are missing, `--wheels DIR` installs
them from a folder first. `tune` searches each workload; the records lie in `--db`, and a run that was cut
goes on. `compare` times the best kernel of each and PyTorch's calls alternately, on warm and on cold caches,
both as CUDA graphs, and writes one JSON line a workload to `--out`; run it alone on the GPU. `--page FILE`
writes the page from that.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

STAGES = ("tune", "compare")


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workloads", action="append", default=[])
    parser.add_argument("--target", default="tensorcore-sm90")
    parser.add_argument("--stage", action="append", choices=STAGES, help="default: all, in order")
    parser.add_argument("--trials", type=int, default=96)
    parser.add_argument("--seconds", type=float, default=20.0, help="of tuning, for each workload")
    parser.add_argument("--until", type=float, help="seconds after which no workload is begun")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, help="builds at a time; default: all cores but one")
    parser.add_argument("--part", default="0/1", help="I/N: every N-th workload from the I-th on")
    parser.add_argument("--only", default="", help="workloads whose name contains this")
    parser.add_argument("--skip-tuned", type=int, metavar="N", help="no workload with so many trials")
    parser.add_argument("--db", type=Path, default=Path("build/tensorcore.db"))
    parser.add_argument("--out", type=Path, default=Path("build/tensorcore.jsonl"))
    parser.add_argument("--wheels", type=Path)
    parser.add_argument("--page", type=Path, help="write the page from what --out holds")
    parser.add_argument("--note", action="append", default=[], help="a remark for the page")
    arguments = parser.parse_args()
    if arguments.wheels is not None:
        _install(arguments.wheels)
    if arguments.page is not None:
        from benchmarks import mma_sync
        from benchmarks.gpu.page import write
        from benchmarks.metaschedule.page import keep

        write(arguments.out, arguments.page, arguments.note)
        mma_sync.keep(arguments.page)
        keep(arguments.page, "tensorcore")
        return
    arguments.workloads = arguments.workloads or ["heron-operators-tensorcore"]
    arguments.stage = arguments.stage or STAGES
    for path in (arguments.out, arguments.db):
        path.parent.mkdir(parents=True, exist_ok=True)
    if "tune" in arguments.stage:
        from benchmarks.gpu.tuning import tune_all

        tune_all(arguments)
    if "compare" in arguments.stage:
        from benchmarks.gpu.compare import compare_all

        compare_all(arguments)


def _install(wheels: Path) -> None:
    """Install the wheels beside this environment and start again with them."""
    site = Path(os.environ.get("TMPDIR", "/tmp")) / "heron-site"
    if not site.exists():
        files = [str(path) for path in sorted(wheels.glob("*.whl"))]
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps"]
        subprocess.run([*pip, "--target", str(site), *files], check=True)
    source = Path(__file__).resolve().parent.parent / "src"
    path = os.pathsep.join([str(source), str(site), os.environ.get("PYTHONPATH", "")])
    rest = [item for item in sys.argv[1:] if item not in ("--wheels", str(wheels))]
    os.execve(
        sys.executable,
        [sys.executable, "-u", "-m", "benchmarks.tensorcore", *rest],
        {**os.environ, "PYTHONPATH": path},
    )


if __name__ == "__main__":
    main()
