"""The learned cost model: which of many candidates are worth measuring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..records import cost_of
from ..trial import Status, Trial
from .problem import Rows, Table, VariantSpace

MINIMUM_TRIALS = 8
ENSEMBLE = 4  # models of differently drawn trials and features; their mean is steadier where data is scarce
# On simulated spaces 40 trees at this rate rank as well as 150 at 0.1 and take a third of the time.
TREES, RATE = 40, 0.25
# Of what other workloads say. Taken in full it sent searches to where it errs most; some workloads took
# longer than without it. Of 0.1, 0.25, 0.5 and 1 this was best with an estimate; without one 1 was too much.
TRUST = 0.5
_FAILURE = np.log(2.0)  # a failure ranks as twice as slow as the slowest valid trial


class CostModel:
    """Gradient-boosted trees, a small ensemble, from knobs and derived features to the logarithm of the cost.

    One ensemble serves all variants of a workload; this is what it says of one of them. So what one variant
    teaches holds for the others from the first batch on. Columns are told apart by name, and what a variant
    lacks is missing.

    They learn what is wrong with what was known: the analytic estimate, or where there is none the amount of
    work, half-way towards the prior if there is one (on the scale of logarithms).

    Failures are trained on, as worst: what breaks the build is worth knowing. A candidate that was not
    measured because the device was lost says nothing and is left out. One thread and fixed seeds: equal
    trials give equal predictions.
    """

    failures: ClassVar[bool] = True  # whether they are trained on

    def __init__(
        self, variant: VariantSpace, columns: Sequence[str], boosters: Sequence[Any], offset: float = 0.0
    ) -> None:
        """Use `CostModel.fit` or `CostModel.fit_all`."""
        self._variant = variant
        self._columns = columns
        self._boosters = boosters
        self._offset = offset

    @classmethod
    def fit(cls, variant: VariantSpace, trials: Sequence[Trial], seed: int = 0) -> CostModel | None:
        """`fit_all` for the only variant; None where nothing is known."""
        return cls.fit_all([variant], trials, seed).get(variant.name)

    @classmethod
    def fit_all(
        cls, variants: Sequence[VariantSpace], trials: Sequence[Trial], seed: int = 0
    ) -> dict[str, CostModel]:
        """What a model of the variants' trials says of each, by name.

        Where the trials are too few or none of them is valid, what was known before them is all: the prior or
        the estimate of a variant. One that has neither is left out.
        """
        told = [trial for trial in trials if trial.measurement.status is not Status.DEVICE_LOST]
        if not cls.failures:
            told = [trial for trial in told if cost_of(trial.measurement) is not None]
        grouped = [(each, [t for t in told if each.has(t.candidate)]) for each in variants]
        told = [trial for _, mine in grouped for trial in mine]
        labels = _labels(told)
        if labels is None or len(told) < MINIMUM_TRIALS:
            return {each.name: cls(each, (), []) for each in variants if each.informed}
        rows = [(each, each.rows([trial.candidate.values for trial in mine])) for each, mine in grouped]
        named = [named_features(variant, some) for variant, some in rows]
        columns = tuple(dict.fromkeys(name for part in named for name in part))
        table = np.concatenate(
            [_table(part, columns, len(some)) for part, (_, some) in zip(named, rows, strict=True)]
        )
        known = np.concatenate([_known(variant, some) for variant, some in rows])
        offset = float((labels - known).mean())
        boosters = cls.train(table, labels - offset, known, seed)
        return {variant.name: cls(variant, columns, boosters, offset) for variant in variants}

    def predict(self, rows: Rows) -> npt.NDArray[np.float64]:
        """The predicted logarithm of the cost of each row, [len(rows)]: the mean of the members."""
        return np.asarray(self.members(rows).mean(axis=0), dtype=np.float64)

    def members(self, rows: Rows) -> npt.NDArray[np.float64]:
        """What each member of the ensemble predicts, [members, len(rows)]; without trials, what is known
        counts as one.
        """
        if not len(rows):
            return np.empty((max(1, len(self._boosters)), 0))
        known = _known(self._variant, rows)
        if not self._boosters:
            return known[None, :]
        table = _table(named_features(self._variant, rows), self._columns, len(rows))
        predictions = [booster.predict(table, num_threads=1) for booster in self._boosters]
        return np.asarray(known + self._offset + np.array(predictions), dtype=np.float64)

    def knob_importance(self) -> npt.NDArray[np.float64]:
        """How much each knob reduces the model's error, [knobs]; derived features are not counted."""
        if not self._boosters:
            prior = self._variant.prior
            return (
                np.zeros(len(self._variant.names)) if prior is None else prior.knob_importance(self._variant)
            )
        gains = np.sum([each.feature_importance(importance_type="gain") for each in self._boosters], axis=0)
        found = dict(zip(self._columns, gains, strict=True))
        return np.array([found.get(f"knob.{name}", 0.0) for name in self._variant.names], dtype=np.float64)

    @classmethod
    def train(
        cls, table: Table, labels: npt.NDArray[np.float64], known: npt.NDArray[np.float64], seed: int
    ) -> list[Any]:
        """The members: boosters that predict labels less what is known [rows] from table [rows, columns]."""
        return boost(table, labels - known, seed)


def _known(variant: VariantSpace, rows: Rows) -> npt.NDArray[np.float64]:
    """What is known of the logarithm of each row's cost before any trial of this workload, [len(rows)]."""
    base = np.log(variant.base(rows))
    if variant.prior is None:
        return base
    return np.asarray(base + TRUST * (variant.prior.predict(variant, rows) - base), dtype=np.float64)


def named_features(variant: VariantSpace, rows: Rows) -> dict[str, npt.NDArray[np.float64]]:
    """What the model sees, by name: knobs as signed log2(1 + |value|), the variant's derived features and
    which variant it is.
    """
    knobs = np.sign(rows) * np.log2(1.0 + np.abs(rows))
    found = {f"knob.{name}": knobs[:, i] for i, name in enumerate(variant.names)}
    derived, names = variant.features(rows)
    table = np.nan_to_num(np.asarray(derived, dtype=np.float64))
    found |= {name: table[:, i] for i, name in enumerate(names)}
    found[f"variant.{variant.name}"] = np.ones(len(rows))
    return found


def _table(named: Mapping[str, npt.NDArray[np.float64]], columns: Sequence[str], count: int) -> Table:
    missing = np.full(count, np.nan)
    return np.stack([named.get(name, missing) for name in columns], axis=1)


def _labels(trials: Sequence[Trial]) -> npt.NDArray[np.float64] | None:
    """The logarithms of the costs, failures as worst, [trials]; None when no trial is valid."""
    costs = [cost_of(trial.measurement) for trial in trials]
    valid = [cost for cost in costs if cost is not None]
    if not valid:
        return None
    worst = np.log(max(valid)) + _FAILURE
    return np.array([worst if cost is None else np.log(cost) for cost in costs])


def boost(
    table: Table, labels: npt.NDArray[np.float64], seed: int, init: Any = None, **changed: Any
) -> list[Any]:
    """An ensemble of boosters of LightGBM; `changed` parameters and `init` scores are for comparisons."""
    import lightgbm

    parameters = {
        "objective": "regression",
        "learning_rate": RATE,
        "num_leaves": 8,
        "min_data_in_leaf": 3,
        "min_sum_hessian_in_leaf": 0.0,
        "min_data_in_bin": 1,
        "feature_fraction": 0.7,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 0.1,
        "num_threads": 1,  # two threads on a busy machine took 30 times as long
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
        **changed,
    }
    group = None if parameters["objective"] == "regression" else [len(labels)]
    data = lightgbm.Dataset(table, label=labels, group=group, init_score=init, params=parameters)
    boosters = []
    for member in range(ENSEMBLE):
        parameters["seed"] = (ENSEMBLE * seed + member) % 2**31
        booster = lightgbm.Booster(parameters, data)
        for _ in range(TREES):
            booster.update()
        boosters.append(booster)
    return boosters
