"""Run sections of the reliability benchmark, keep each one's numbers, and write the page from all of them."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.reliability import driver, faults, isolation, kills, remote, tests
from benchmarks.reliability.page import page
from heron_cli.records import current_versions

RESULTS = Path(__file__).resolve().parents[1] / "results"
PARTS = RESULTS / "reliability"


def main() -> None:
    """The sections asked for, or all; then the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; default: all"
    )
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, to try it out")
    parser.add_argument("--repeats", type=int, help="of each fault")
    parser.add_argument("--page-only", action="store_true", help="measure nothing, write the page")
    asked = parser.parse_args()
    unknown = set(asked.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no section is called {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    PARTS.mkdir(exist_ok=True)
    for name in () if asked.page_only else asked.sections or SECTIONS:
        print(f"== {name}", flush=True)
        began = time.monotonic()
        numbers = SECTIONS[name](asked)
        if numbers is None:  # the section wrote its own file
            continue
        document = {
            "section": name,
            "command": " ".join(["python -m benchmarks.reliability", name, *_given(asked)]),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - began),
            "machine": machine(),
            "numbers": numbers,
        }
        (PARTS / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")
    (RESULTS / "reliability.md").write_text(page(PARTS))


def _given(asked: argparse.Namespace) -> list[str]:
    repeats = [] if asked.repeats is None else ["--repeats", str(asked.repeats)]
    return [*(["--quick"] if asked.quick else []), *repeats]


def machine() -> dict[str, str]:
    """What the numbers depend on."""
    versions = current_versions()
    cores = len(os.sched_getaffinity(0))
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return {**versions, "cores": str(cores), "load average before the page": load}


def _fuzz(quick: bool) -> None:
    options = ["--scale", "0.01"] if quick else []
    out = ["--out", str(PARTS / "fuzz.json")]
    subprocess.run([sys.executable, "-m", "benchmarks.fuzz", *options, *out], check=True)


SECTIONS: dict[str, Callable[[argparse.Namespace], Any]] = {
    "faults": lambda asked: faults.run(asked.repeats or (2 if asked.quick else 10)),
    "injected": lambda asked: tests.run(asked.repeats or (1 if asked.quick else 10), 1 if asked.quick else 3),
    "kills": lambda asked: kills.run(5 if asked.quick else 50),
    "fuzz": lambda asked: _fuzz(asked.quick),
    "isolation": lambda asked: isolation.run(20 if asked.quick else 200),
    "driver": lambda _: driver.run(),
    "rpc": lambda asked: remote.rpc(seconds=5.0 if asked.quick else 15.0),
    "ray": lambda asked: remote.ray(seconds=5.0 if asked.quick else 15.0),
}


if __name__ == "__main__":
    main()
