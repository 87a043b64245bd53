"""A cost model made of other workloads' trials: what is known of an accelerator before the first trial.

Rows of different workloads are told apart by names, not by places: a column that a workload lacks is missing,
which the trees handle. What is learned is the logarithm of the cost over a base that accounts for size: the
analytic estimate where the space has one, else the amount of work. So it predicts the cost up to a factor.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..records import cost_of
from ..trial import Status, Trial
from .problem import Rows, VariantSpace

SCHEMA = "heron/model/1"
MINIMUM_TRIALS = 32  # of all workloads together; fewer say little about another shape
STEPS = (0, 5, 10, 20, 40, 80, 150, 300)  # how many trees
TREES = STEPS[-1]
FOLDS = 5
SIZES = (".work", ".input", ".weight", ".output")  # how derived features that are sizes of tiles end
_FAILURE = np.log(2.0)  # a failure counts as twice as slow as its workload's slowest trial

Floats = npt.NDArray[np.float64]


class PriorError(ValueError):
    """A text that is no model; the message fits behind `file: `."""


@dataclass(frozen=True)
class Prior:
    """Trees over named columns; `trials` and `workloads` say what they were trained on."""

    operator: str
    target: str
    digest: str
    columns: tuple[str, ...]
    booster: str  # LightGBM's text form
    trials: int
    workloads: tuple[str, ...]

    def predict(self, variant: VariantSpace, rows: Rows) -> Floats:
        """The predicted logarithm of the cost of each row, up to a constant, [len(rows)]."""
        if not len(rows):
            return np.empty(0)
        table = _table(_named(variant, rows), self.columns, len(rows))
        predicted = self._trees.predict(table, num_threads=1)
        return np.asarray(predicted + np.log(variant.base(rows)), dtype=np.float64)

    def knob_importance(self, variant: VariantSpace) -> Floats:
        """How much each knob of the variant reduces the model's error, [knobs]."""
        gains = self._trees.feature_importance(importance_type="gain")
        known = dict(zip(self.columns, gains, strict=True))
        return np.array([known.get(f"knob.{name}", 0.0) for name in variant.names], dtype=np.float64)

    def to_json(self) -> dict[str, Any]:
        """The model as one JSON object."""
        return {
            "schema": SCHEMA,
            "operator": self.operator,
            "target": self.target,
            "target_digest": self.digest,
            "trials": self.trials,
            "workloads": list(self.workloads),
            "columns": list(self.columns),
            "booster": self.booster,
        }

    @classmethod
    def parse(cls, text: str) -> Prior:
        """The model in a text made of `to_json`. Raises PriorError."""
        try:
            value = json.loads(text)
        except (json.JSONDecodeError, RecursionError) as error:
            raise PriorError(f"no JSON: {error}") from error
        if not isinstance(value, dict) or value.get("schema") != SCHEMA:
            raise PriorError(f"not a model: 'schema' must be {SCHEMA}; `heron model export` writes one")
        kinds = {"operator": str, "target": str, "target_digest": str, "booster": str, "trials": int}
        kinds |= {"workloads": list, "columns": list}
        for name, kind in kinds.items():
            if not isinstance(value.get(name), kind):
                raise PriorError(f"{name}: missing or no {kind.__name__}")
        texts = [*value["workloads"], *value["columns"]]
        if not all(isinstance(each, str) for each in texts):
            raise PriorError("workloads and columns are lists of texts")
        model = cls(
            value["operator"],
            value["target"],
            value["target_digest"],
            tuple(value["columns"]),
            value["booster"],
            value["trials"],
            tuple(value["workloads"]),
        )
        if model._trees.num_feature() != len(model.columns):
            raise PriorError(f"its trees have {model._trees.num_feature()} columns, not {len(model.columns)}")
        return model

    @property
    def _trees(self) -> Any:
        import lightgbm

        found = self.__dict__.get("_loaded")
        if found is None:
            try:
                found = lightgbm.Booster(model_str=self.booster)
            except lightgbm.basic.LightGBMError as error:
                raise PriorError(f"booster: {error}") from error
            self.__dict__["_loaded"] = found  # a cache, of no meaning to equality
        return found


def train(
    operator: str,
    target: str,
    digest: str,
    told: Mapping[str, Sequence[tuple[VariantSpace, Sequence[Trial]]]],
    seed: int = 0,
) -> Prior | None:
    """A model of the trials of several workloads, by key; None when they are too few, or when what some of
    the workloads teach is of no use for the others.

    Every workload weighs the same, however many trials it has.
    """
    parts: list[tuple[Mapping[str, Floats], Floats, Floats]] = []
    group: list[int] = []  # the workload of each label
    keys = []
    for key, variants in told.items():
        pieces = [piece for variant, trials in variants if (piece := _piece(variant, trials)) is not None]
        count = sum(len(labels) for _, labels in pieces)
        if not count:
            continue
        keys.append(key)
        offset = float(np.median(np.concatenate([labels for _, labels in pieces])))
        parts += [(named, labels - offset, np.full(len(labels), 1.0 / count)) for named, labels in pieces]
        group += [len(keys)] * count
    total = sum(len(labels) for _, labels, _ in parts)
    if total < MINIMUM_TRIALS:
        return None
    columns = tuple(dict.fromkeys(name for named, _, _ in parts for name in named))
    table = np.concatenate([_table(named, columns, len(labels)) for named, labels, _ in parts])
    labels = np.concatenate([labels for _, labels, _ in parts])
    weights = np.concatenate([weight for _, _, weight in parts]) * total / len(keys)
    trees = _that_help(table, labels, weights, np.array(group), seed)
    if not trees:
        return None
    text = _fit(table, labels, weights, trees, seed).model_to_string()
    return Prior(operator, target, digest, columns, text, total, tuple(keys))


def _piece(variant: VariantSpace, trials: Sequence[Trial]) -> tuple[Mapping[str, Floats], Floats] | None:
    """The columns of a variant's trials, and their labels: the logarithm of cost over base."""
    told = [
        trial
        for trial in trials
        if variant.fits(trial.candidate) and trial.measurement.status is not Status.DEVICE_LOST
    ]
    costs = [cost_of(trial.measurement) for trial in told]
    valid = [cost for cost in costs if cost is not None]
    if not valid:
        return None
    rows = variant.rows([trial.candidate.values for trial in told])
    worst = np.log(max(valid)) + _FAILURE
    labels = np.array([worst if cost is None else np.log(cost) for cost in costs])
    return _named(variant, rows), labels - np.log(variant.base(rows))


def _named(variant: VariantSpace, rows: Rows) -> dict[str, Floats]:
    """Columns by name: knobs as log2(1 + |value|), derived features likewise, estimates against the base.

    Where there is no estimate, sizes of tiles against the workload's work as well: a share of it means the
    same in any shape.
    """
    found = {f"knob.{name}": np.log2(1.0 + np.abs(rows[:, i])) for i, name in enumerate(variant.names)}
    derived, names = variant.features(rows)
    base = np.log2(1.0 + variant.base(rows)) if variant.estimate is not None else 0.0
    for i, name in enumerate(names):
        column = np.log2(1.0 + np.abs(np.asarray(derived[:, i], dtype=np.float64)))
        found[name] = column - base if name.startswith("roofline.") else column
        if variant.estimate is None and name.endswith(SIZES):
            found[f"{name} of work"] = column - np.log2(1.0 + variant.work)
    return found


def _table(named: Mapping[str, Floats], columns: Sequence[str], count: int) -> Floats:
    missing = np.full(count, np.nan)
    return np.stack([named.get(name, missing) for name in columns], axis=1)


def _that_help(
    table: Floats, labels: Floats, weights: Floats, group: npt.NDArray[np.int64], seed: int
) -> int:
    """How many trees predict a workload best that they were not trained on; 0 where the base alone does.

    Cross-validation over workloads [rows], in at most `FOLDS` parts. Up to a constant per workload, since
    that is what a model says.
    """
    workloads = np.unique(group)
    if len(workloads) < 2:
        return TREES
    steps = np.array(STEPS)
    errors = np.zeros(len(steps))
    for left in np.array_split(workloads, min(FOLDS, len(workloads))):
        out = np.isin(group, left)
        fitted = _fit(table[~out], labels[~out], weights[~out], TREES, seed)
        for place, count in enumerate(steps):
            wrong = labels[out].copy()
            if count:
                wrong -= fitted.predict(table[out], num_iteration=int(count), num_threads=1)
            errors[place] += sum(float(np.var(wrong[group[out] == each])) for each in left)
    return int(steps[np.argmin(errors)])


def _fit(table: Floats, labels: Floats, weights: Floats, trees: int, seed: int) -> Any:
    import lightgbm

    parameters = {
        "objective": "regression",
        "learning_rate": 0.05,
        "num_leaves": 16,
        "min_data_in_leaf": 5,
        "feature_fraction": 0.7,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 1.0,
        "num_threads": 1,
        "deterministic": True,
        "force_col_wise": True,
        "seed": seed % 2**31,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(table, label=labels, weight=weights, params={"verbosity": -1})
    return lightgbm.train(parameters, data, num_boost_round=trees)
