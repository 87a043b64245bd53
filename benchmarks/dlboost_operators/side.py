"""One side of a comparison in a process of its own, which does a burst of calls when it is told to.

``python -m benchmarks.dlboost_operators.side --case NAME --threads N --library DIR | --onednn`` compares one
result with the reference, writes one line of JSON, and then for every number N that it reads the seconds of
N calls. Both sides have the same operands, made from the seed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from benchmarks.buffers import poison
from benchmarks.dlboost_operators.cases import find
from benchmarks.native import HERE, BenchmarkError
from benchmarks.onednn import VNNI, Primitive, problem, random_arrays
from benchmarks.ours import load_best
from benchmarks.reference import reference


def serve(words: Sequence[str] | None = None) -> int:
    """Be a side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--isa", default=VNNI, help="the highest instruction set of oneDNN")
    side = parser.add_mutually_exclusive_group(required=True)
    side.add_argument("--library", type=Path)
    side.add_argument("--onednn", action="store_true")
    given = parser.parse_args(words)
    case = find(given.case)
    described = problem(case)
    arrays = random_arrays(case, given.seed)
    try:
        made: Any
        if given.onednn:
            made = Primitive(case, arrays, given.isa, given.threads)
        else:
            made = load_best(given.library, case, arrays, described.output.shape, given.threads)
        poison(made.output)
        made.call.repeat(1)
        exact = bool(np.array_equal(made.output, reference(described, arrays)))
        if not given.onednn:
            bind()
        estimate = min(made.call.repeat(1).wall for _ in range(3))
        print(json.dumps({"exact": exact, "estimate": estimate, "name": getattr(made, "implementation", "")}))
        sys.stdout.flush()
        for line in sys.stdin:
            print(made.call.repeat(int(line)).wall, flush=True)
    except BenchmarkError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return 2
    return 0


def bind() -> None:
    """Bind the threads of heron's pool and this one to a core each, as OMP_PROC_BIND does oneDNN's."""
    cores = sorted(os.sched_getaffinity(0))
    for folder in Path("/proc/self/task").iterdir():
        name = (folder / "comm").read_text().strip()
        if name.startswith("heron-"):
            os.sched_setaffinity(int(folder.name), {cores[int(name.removeprefix("heron-"))]})
    os.sched_setaffinity(0, cores[:1])


@dataclass(slots=True)
class Side:
    """A running side; use as a context manager."""

    process: subprocess.Popen[str]
    exact: bool
    estimate: float
    name: str

    @classmethod
    def start(cls, words: Sequence[str], environment: dict[str, str]) -> Self:
        """Start one; it inherits this process's cores. Raises BenchmarkError when it gives up."""
        command = [sys.executable, "-m", "benchmarks.dlboost_operators.side", *words]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=HERE.parent,
        )
        side = cls(process, False, 0.0, "")
        try:
            told = json.loads(side._line())
            if "error" in told:
                raise BenchmarkError(told["error"])
        except BaseException:
            side.stop()
            raise
        side.exact, side.estimate, side.name = told["exact"], told["estimate"], told["name"]
        return side

    def burst(self, calls: int) -> float:
        """Seconds per call of so many calls in a row."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{calls}\n")
        self.process.stdin.flush()
        return float(self._line())

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise BenchmarkError(f"a side ended with exit code {self.process.wait()}")
        return line

    def stop(self) -> None:
        """End it."""
        self.process.kill()
        self.process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


if __name__ == "__main__":
    sys.exit(serve())
