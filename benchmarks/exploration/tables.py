"""Recorded tables: the cost of every assignment of a space, so that any method can be replayed.

`python -m benchmarks.exploration.tables` records those of `TABLES` again (minutes each).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heron_cli import session
from heron_cli.accelerator.loader import load
from heron_cli.backends.vta.config import VtaConfig
from heron_cli.backends.vta.cycles import CycleModel
from heron_cli.configs import config_dir
from heron_cli.operators.workload import load_file, make
from heron_cli.schedule.task import Task
from heron_cli.space import Space
from heron_cli.space.proposals import Proposals
from heron_cli.space.tables import group

FOLDER = Path(__file__).parent / "tables"
TABLES = (("vta", "gemm"), ("vta", "C11"), ("vta-1x32x32", "C3"))  # (accelerator, layer)
GEMM = {"m": 1024, "n": 1024, "k": 1024}
_CHUNK = 1 << 16

Rows = NDArray[np.int64]


class TableError(Exception):
    """A table that is not of the present space or model."""


@dataclass(frozen=True)
class Table:
    """All assignments of a space [n, knobs] and their cycles [n]."""

    rows: Rows
    cycles: NDArray[np.int64]

    @property
    def best(self) -> int:
        """The fewest cycles of the whole space."""
        return int(self.cycles.min())

    def lookup(self) -> dict[bytes, int]:
        """Cycles by row."""
        return {row.tobytes(): int(each) for row, each in zip(self.rows, self.cycles, strict=True)}


def task(machine: str, layer: str) -> Task:
    """A layer of `resnet18-vta` on a machine, or the product `GEMM`."""
    if layer == "gemm":
        types = {"input": "int8", "weight": "int8", "accumulate": "int32", "output": "int8"}
        return session.make_task(make("gemm", GEMM, dtypes=types), load(machine))
    file = config_dir() / "workloads" / "resnet18-vta.yaml"
    (workload,) = load_file(file, lambda name: name == layer, {})
    own = FOLDER.parent / f"{machine}.yaml"
    return session.make_task(workload, load(own if own.exists() else machine))


def everything(space: Space) -> Rows:
    """All assignments, in lexicographic order."""
    grouping = group(space)
    proposals, shape, found = Proposals(space, grouping), tuple(map(len, grouping.tables)), []
    for start in range(0, grouping.combinations, _CHUNK):
        every = np.arange(start, min(start + _CHUNK, grouping.combinations))
        indices = [np.asarray(index) for index in np.unravel_index(every, shape)]
        found.append(proposals.rows(indices, proposals.survivors(indices)))
    return np.unique(np.concatenate(found), axis=0)


def path_of(machine: str, layer: str) -> Path:
    """Where a table lies."""
    return FOLDER / f"{machine}-{layer}.npz"


def record(machine: str, layer: str) -> Path:
    """Model every assignment and write the table."""
    made = task(machine, layer)
    (variant,) = made.variants
    rows = everything(variant.space)
    model = CycleModel(variant, VtaConfig.of(made.accelerator))
    cycles = np.fromiter(model.of(rows), np.int64, len(rows))
    return write(path_of(machine, layer), variant.space, rows, cycles)


def write(path: Path, space: Space, rows: Rows, cycles: NDArray[np.int64]) -> Path:
    """Write a table; values of knobs and cycles are kept as small as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = np.array(space.names)
    np.savez_compressed(path, names=names, rows=rows.astype(np.int16), cycles=cycles.astype(np.int32))
    return path


def read(machine: str, layer: str) -> Table:
    """Read a table. Raises TableError where the space or the model has changed since it was recorded."""
    path = path_of(machine, layer)
    made = task(machine, layer)
    (variant,) = made.variants
    with np.load(path) as file:
        names, rows, cycles = file["names"].tolist(), file["rows"].astype(np.int64), file["cycles"]
    again = f"{path.name} is of another {{}}; record it again: python -m benchmarks.exploration.tables"
    if tuple(names) != variant.space.names or not np.array_equal(rows, everything(variant.space)):
        raise TableError(again.format("space"))
    some = np.random.default_rng(0).choice(len(rows), 20, replace=False)
    model = CycleModel(variant, VtaConfig.of(made.accelerator))
    if list(model.of(rows[some])) != cycles[some].tolist():
        raise TableError(again.format("timing model"))
    return Table(rows, cycles.astype(np.int64))


if __name__ == "__main__":
    for pair in TABLES:
        print(record(*pair))
