"""How a benchmark that keeps its results on disk saves them, and how it ends."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.native import BenchmarkError

REGRESSION = 5


def save(document: Any, path: Path) -> None:
    """Write JSON, all or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".tmp")
    partial.write_text(json.dumps(document))
    partial.replace(path)


def conclude(work: Callable[[], Sequence[str]], page: Path) -> int:
    """Do the work, which returns the bars that were missed, and tell them; the exit code of the benchmark."""
    try:
        missed = work()
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"wrote {page}")
    for line in missed:
        print(f"missed: {line}")
    return REGRESSION if missed else 0
