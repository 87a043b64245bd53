"""What oneDNN does on the report's workloads: ``python -m benchmarks.onednn [--isa default]``."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass

from benchmarks.cases import CASES
from benchmarks.native import BenchmarkError
from benchmarks.onednn import VNNI, Primitive, random_arrays
from benchmarks.peak import measure
from benchmarks.timing import median_seconds, pin


@dataclass(frozen=True, slots=True)
class Row:
    """One workload: seconds per call (CPU time), best and median burst."""

    name: str
    implementation: str
    best: float
    median: float
    operations: int

    @property
    def gops(self) -> float:
        """Nominal giga-operations per second of the best burst."""
        return self.operations / self.best / 1e9


def survey(isa: str, rounds: int) -> list[Row]:
    """Time every workload with oneDNN limited to `isa`, on one thread."""
    rows = []
    for case in CASES:
        primitive = Primitive(case, random_arrays(case), isa)
        bursts = primitive.time(rounds)
        best = min(burst.cpu for burst in bursts)
        operations = primitive.problem.operations
        rows.append(Row(case.name, primitive.implementation, best, median_seconds(bursts), operations))
    return rows


def main() -> int:
    """Print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--isa", default=VNNI, help="the highest instruction set oneDNN may use")
    parser.add_argument("--core", type=int, help="pin to this core (default: the last)")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    try:
        pin(arguments.core)
        peak = measure().register.gops
        rows = survey(arguments.isa, arguments.rounds)
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if arguments.json:
        print(json.dumps({"isa": arguments.isa, "peak": peak, "rows": [asdict(row) for row in rows]}))
        return 0
    print(f"oneDNN limited to {arguments.isa}; vpdpbusd peak of this core {peak:.0f} GOPS")
    for row in rows:
        timing = f"{row.best * 1e6:9.1f} µs {row.gops:7.1f} GOPS {row.gops / peak:5.2f} of peak"
        print(f"{row.name:28s} {timing}  {row.implementation}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
