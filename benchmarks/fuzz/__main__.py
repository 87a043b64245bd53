"""Fuzz every target, one process after the other, and write benchmarks/results/fuzz.json."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.fuzz.targets import TARGETS
from heron_cli.records import current_versions

OUT = Path(__file__).resolve().parents[1] / "results" / "reliability" / "fuzz.json"


def main() -> None:
    """Run the targets; the exit code is 1 when any input crashed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="share of a whole run's inputs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=TARGETS, action="append", help="targets; default: all")
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    found: list[dict[str, Any]] = []
    for name in asked.only or TARGETS:
        inputs = max(1, round(TARGETS[name].inputs * asked.scale))
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.json"
            command = [
                sys.executable,
                "-m",
                "benchmarks.fuzz.worker",
                name,
                str(inputs),
                str(asked.seed),
                report,
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if not report.exists():  # libFuzzer itself stopped: a hang, a crash of the process, out of memory
                sys.exit(f"{name}: the process died, exit code {done.returncode}:\n{done.stderr[-4000:]}")
            found.append(json.loads(report.read_text()))
        last = found[-1]
        print(
            f"{name}: {last['inputs']:,} inputs, {len(last['crashes'])} crashes, {last['seconds']:.0f} s",
            flush=True,
        )
    document = {
        "command": "python -m benchmarks.fuzz " + " ".join(sys.argv[1:]),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": current_versions(),
        "targets": found,
    }
    asked.out.write_text(json.dumps(document, indent=1) + "\n")
    sys.exit(any(each["crashes"] for each in found))


if __name__ == "__main__":
    main()
