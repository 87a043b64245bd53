"""The learned cost model: which of many candidates are worth measuring."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..records import cost_of
from ..trial import Status, Trial
from .problem import Rows, Table, VariantSpace

MINIMUM_TRIALS = 8
ENSEMBLE = 4  # models of differently drawn trials and features; their mean is steadier where data is scarce
# On simulated spaces 40 trees at this rate rank as well as 150 at 0.1 and take a third of the time.
TREES, RATE = 40, 0.25
_FAILURE = np.log(2.0)  # a failure ranks as twice as slow as the slowest valid trial


class CostModel:
    """Gradient-boosted trees, a small ensemble, from knobs and derived features to the logarithm of the cost.

    They learn what the prior gets wrong, or the analytic estimate where there is no prior; where there is
    neither, the cost itself.

    Failures are trained on, as worst: what breaks the build is worth knowing. A candidate that was not
    measured because the device was lost says nothing and is left out. One thread and fixed seeds: equal
    trials give equal predictions.
    """

    def __init__(self, variant: VariantSpace, boosters: Sequence[Any], offset: float = 0.0) -> None:
        """Use `CostModel.fit`."""
        self._variant = variant
        self._boosters = boosters
        self._offset = offset

    @classmethod
    def fit(cls, variant: VariantSpace, trials: Sequence[Trial], seed: int = 0) -> CostModel | None:
        """A model of the variant's trials; where they are too few or none of them is valid, the variant's
        prior alone, and None without one.
        """
        told = [trial for trial in trials if trial.measurement.status is not Status.DEVICE_LOST]
        labels = _labels(told)
        if labels is None or len(told) < MINIMUM_TRIALS:
            return None if variant.prior is None else cls(variant, [])
        rows = variant.rows([trial.candidate.values for trial in told])
        table, labels = feature_table(variant, rows), labels - _known(variant, rows)
        offset = float(labels.mean())
        return cls(variant, _train(table, labels - offset, seed), offset)

    def predict(self, rows: Rows) -> npt.NDArray[np.float64]:
        """The predicted logarithm of the cost of each row, [len(rows)]: the mean of the members."""
        return np.asarray(self.members(rows).mean(axis=0), dtype=np.float64)

    def members(self, rows: Rows) -> npt.NDArray[np.float64]:
        """What each member of the ensemble predicts, [members, len(rows)]; a prior alone counts as one."""
        if not len(rows):
            return np.empty((max(1, len(self._boosters)), 0))
        known = _known(self._variant, rows)
        if not self._boosters:
            return known[None, :]
        table = feature_table(self._variant, rows)
        predictions = [booster.predict(table, num_threads=1) for booster in self._boosters]
        return np.asarray(known + self._offset + np.array(predictions), dtype=np.float64)

    def knob_importance(self) -> npt.NDArray[np.float64]:
        """How much each knob reduces the model's error, [knobs]; derived features are not counted."""
        if not self._boosters:
            assert self._variant.prior is not None  # see `fit`
            return self._variant.prior.knob_importance(self._variant)
        gains = [booster.feature_importance(importance_type="gain") for booster in self._boosters]
        return np.asarray(np.sum(gains, axis=0)[: len(self._variant.names)], dtype=np.float64)


def _known(variant: VariantSpace, rows: Rows) -> npt.NDArray[np.float64]:
    """What is known of the logarithm of each row's cost before any trial of this workload, [len(rows)]."""
    if variant.prior is not None:
        return variant.prior.predict(variant, rows)
    return np.log(variant.base(rows))


def feature_table(variant: VariantSpace, rows: Rows) -> Table:
    """What the model sees: each knob as a signed log2(1 + |value|), then the variant's derived features."""
    knobs = np.sign(rows) * np.log2(1.0 + np.abs(rows))
    derived, _ = variant.features(rows)
    return np.hstack([knobs, np.nan_to_num(np.asarray(derived, dtype=np.float64))])


def _labels(trials: Sequence[Trial]) -> npt.NDArray[np.float64] | None:
    """The logarithms of the costs, failures as worst, [trials]; None when no trial is valid."""
    costs = [cost_of(trial.measurement) for trial in trials]
    valid = [cost for cost in costs if cost is not None]
    if not valid:
        return None
    worst = np.log(max(valid)) + _FAILURE
    return np.array([worst if cost is None else np.log(cost) for cost in costs])


def _train(table: Table, labels: npt.NDArray[np.float64], seed: int) -> list[Any]:
    """An ensemble of boosters."""
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
    }
    data = lightgbm.Dataset(table, label=labels, params=parameters)
    boosters = []
    for member in range(ENSEMBLE):
        parameters["seed"] = (ENSEMBLE * seed + member) % 2**31
        booster = lightgbm.Booster(parameters, data)
        for _ in range(TREES):
            booster.update()
        boosters.append(booster)
    return boosters
