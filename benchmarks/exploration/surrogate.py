"""Spaces whose cost is a regression on recorded GPU measurements: large spaces without the GPU.

The truth of such a bed is not a device. It is a regression on the recorded trials of the operator, of the
logarithm of seconds over the estimate. It is smooth where the device is not, and knows little of what no
search has measured: there it is the estimate.

`python -m benchmarks.exploration.surrogate DATABASE` takes the records of `OPERATORS` into tables/.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.exploration import tables
from benchmarks.exploration.beds import Bed
from benchmarks.exploration.regression import Floats, Regression
from heron_cli import session
from heron_cli.accelerator.loader import load
from heron_cli.operators.workload import make
from heron_cli.records import Purpose, Query, Store
from heron_cli.search.cost_model import named_features
from heron_cli.search.problem import Rows, VariantSpace
from heron_cli.session.spaces import bare_spaces
from heron_cli.trial import Candidate

TARGET = "tensorcore-sm90"
OPERATORS = ("gemm", "conv2d_transpose", "bmm", "conv3d")
LEAST = 30  # trials of a workload
TICK = 1e-12  # seconds of a bed's unit of cost


@dataclass(frozen=True)
class Truth:
    """A regression of logarithms of seconds over the space's base, on columns of this mean and deviation."""

    regression: Regression
    names: tuple[str, ...]
    mean: Floats
    deviation: Floats
    level: float

    @classmethod
    def fit(
        cls, parts: Sequence[tuple[dict[str, Floats], Floats]], level: float, terms: Floats | None = None
    ) -> Truth:
        """Of named columns with the labels of their rows; `terms` as in `Regression.fit`."""
        names = tuple(sorted({name for named, _ in parts for name in named}))
        table = np.concatenate([_table(named, names, len(labels)) for named, labels in parts])
        mean, deviation = table.mean(axis=0), table.std(axis=0) + 1e-9
        labels = np.concatenate([labels for _, labels in parts])
        return cls(Regression.fit((table - mean) / deviation, labels, terms), names, mean, deviation, level)

    def seconds(self, space: VariantSpace, rows: Rows) -> Floats:
        """What it says of each row."""
        table = (_table(columns(space, rows), self.names, len(rows)) - self.mean) / self.deviation
        return np.asarray(np.exp(self.regression.predict(table) + self.level) * space.base(rows))


@dataclass
class RegressionBed(Bed):
    """A space whose cost is what `truth` says, in TICKs."""

    @cached_property
    def truth(self) -> Truth:
        """Fitted at the first call."""
        raise NotImplementedError

    def costs(self, candidates: Sequence[Candidate]) -> list[int]:
        """TICKs of each."""
        found = np.empty(len(candidates))
        for space in self.problem.variants:
            which = [place for place, each in enumerate(candidates) if each.variant == space.name]
            if which:
                found[which] = self.truth.seconds(space, space.rows([candidates[i].values for i in which]))
        return [round(seconds / TICK) for seconds in found]


@dataclass
class SurrogateBed(RegressionBed):
    """The recorded workload of an operator with most trials; `machine` is "h100", `layer` the operator."""

    def __post_init__(self) -> None:
        """Read what is recorded; raises FileNotFoundError where nothing is."""
        self._recorded = json.loads(gzip.decompress(path_of(self.layer).read_bytes()))
        super().__post_init__()

    @cached_property
    def task(self) -> Any:
        """The task of the workload."""
        return _task(max(self._recorded, key=lambda each: len(each["trials"]))["definition"])

    @cached_property
    def truth(self) -> Truth:
        """All workloads' trials about their medians, and the level of the one that is searched."""
        parts: list[tuple[dict[str, Floats], Floats]] = []
        level = 0.0
        for each in self._recorded:
            made, pieces = _task(each["definition"]), []
            for space in bare_spaces(made):
                mine = [(values, seconds) for name, values, seconds in each["trials"] if name == space.name]
                if mine:
                    # a knob that came after the recording was then at its first value
                    first = {knob.name: knob.values[0] for knob in space.space.knobs}
                    rows = space.rows([{**first, **values} for values, _ in mine])
                    labels = np.log([seconds for _, seconds in mine]) - np.log(space.base(rows))
                    pieces.append((columns(space, rows), labels))
            middle = float(np.median(np.concatenate([labels for _, labels in pieces])))
            level = middle if made.key == self.task.key else level
            parts += [(named, labels - middle) for named, labels in pieces]
        return Truth.fit(parts, level)


def columns(space: VariantSpace, rows: Rows) -> dict[str, Floats]:
    """What the cost model sees, features as logarithms too."""
    named = named_features(space, rows)
    return {
        name: column if name.startswith(("knob.", "variant.")) else np.log2(1.0 + np.abs(column))
        for name, column in named.items()
    }


def _table(named: dict[str, Floats], names: Sequence[str], count: int) -> Floats:
    return np.stack([named.get(name, np.zeros(count)) for name in names], axis=1)


def _task(definition: dict[str, Any]) -> Any:
    workload = make(definition["operator"], definition["shape"], dtypes=definition["dtypes"])
    return session.make_task(workload, load(TARGET))


def path_of(operator: str) -> Path:
    """Where the records of an operator lie."""
    return tables.FOLDER / f"h100-{operator}.json.gz"


def record(database: Path, operator: str) -> Path:
    """Take the operator's trials out of a database that was made on an H100."""
    groups: dict[str, dict[str, Any]] = {}
    with Store.open(database) as store:
        for each in store.all(Query(operator=operator, threads=1, purpose=Purpose.TRIAL)):
            group = groups.setdefault(each.workload, {"definition": dict(each.definition), "trials": []})
            candidate = each.trial.candidate
            if each.cost is not None:
                group["trials"].append([candidate.variant, dict(candidate.values), each.cost])
    enough = [group for group in groups.values() if len(group["trials"]) >= LEAST]
    text = json.dumps(enough, separators=(",", ":"))
    path_of(operator).write_bytes(gzip.compress(text.encode(), mtime=0))
    return path_of(operator)


if __name__ == "__main__":
    for name in OPERATORS:
        print(record(Path(sys.argv[1]), name))
