"""Spaces whose cost is a regression on recorded GPU measurements: large spaces without the GPU.

The truth of such a bed is not a device. It is Gaussian process regression (Rasmussen and Williams 2006,
equation 2.25; Matern's kernel of order 3/2) on the recorded trials of the operator, of the logarithm of
seconds over the estimate. It is smooth where the device is not, and knows little of what no search has
measured: there it is the estimate.

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
import numpy.typing as npt

from benchmarks.exploration import tables
from benchmarks.exploration.beds import Bed
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
MOST = 2000  # trials that are regressed on
LENGTHS, NOISES = (2.0, 4.0, 8.0, 16.0), (0.01, 0.05)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Regression:
    """The posterior mean; `explained` is the share of variance explained of a fifth left out."""

    points: Floats
    weights: Floats
    length: float
    explained: float

    @classmethod
    def fit(cls, points: Floats, labels: Floats) -> Regression:
        """The length and the noise that predict a fifth of the points best, then all points."""
        order = np.random.default_rng(0).permutation(len(labels))[:MOST]
        points, labels = points[order], labels[order]
        cut = len(labels) * 4 // 5
        tried = []
        for length in LENGTHS:
            for noise in NOISES:
                weights = _weights(points[:cut], labels[:cut], length, noise)
                missed = labels[cut:] - _kernel(points[cut:], points[:cut], length) @ weights
                tried.append((float(np.mean(missed**2)), length, noise))
        error, length, noise = min(tried)
        weights = _weights(points, labels, length, noise)
        return cls(points, weights, length, 1.0 - error / float(np.var(labels[cut:])))

    def predict(self, points: Floats) -> Floats:
        """[len(points)]."""
        return np.asarray(_kernel(points, self.points, self.length) @ self.weights)


def _kernel(one: Floats, other: Floats, length: float) -> Floats:
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2.0 * one @ other.T
    scaled = np.sqrt(3.0 * np.maximum(squares, 0.0) / one.shape[1]) / (length / 4.0)
    return np.asarray((1.0 + scaled) * np.exp(-scaled))


def _weights(points: Floats, labels: Floats, length: float, noise: float) -> Floats:
    covariance = _kernel(points, points, length) + noise * np.eye(len(points))
    return np.asarray(np.linalg.solve(covariance, labels), dtype=np.float64)


@dataclass
class SurrogateBed(Bed):
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
    def _truth(self) -> tuple[Regression, tuple[str, ...], Floats, Floats, float]:
        """The regression, its columns, their means and deviations, and the workload's own level."""
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
                    pieces.append((_columns(space, rows), labels))
            middle = float(np.median(np.concatenate([labels for _, labels in pieces])))
            level = middle if made.key == self.task.key else level
            parts += [(named, labels - middle) for named, labels in pieces]
        names = tuple(sorted({name for named, _ in parts for name in named}))
        table = np.concatenate([_table(named, names, len(labels)) for named, labels in parts])
        mean, deviation = table.mean(axis=0), table.std(axis=0) + 1e-9
        labels = np.concatenate([labels for _, labels in parts])
        return Regression.fit((table - mean) / deviation, labels), names, mean, deviation, level

    @property
    def explained(self) -> float:
        """How much of the variance of left-out records the truth explains."""
        return self._truth[0].explained

    def costs(self, candidates: Sequence[Candidate]) -> list[int]:
        """Picoseconds of each."""
        regression, names, mean, deviation, level = self._truth
        found = np.empty(len(candidates))
        for space in self.problem.variants:
            which = [place for place, each in enumerate(candidates) if each.variant == space.name]
            if which:
                rows = space.rows([candidates[place].values for place in which])
                table = (_table(_columns(space, rows), names, len(rows)) - mean) / deviation
                found[which] = np.exp(regression.predict(table) + level) * space.base(rows)
        return [round(seconds * 1e12) for seconds in found]


def _columns(space: VariantSpace, rows: Rows) -> dict[str, Floats]:
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
