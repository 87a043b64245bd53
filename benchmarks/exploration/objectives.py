"""CGA with other cost models: what it learns from, what for, and whether the batch trusts it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.exploration.contestants import CgaBlind, CgaUnseeded
from heron_cli.search.cost_model import CostModel, boost
from heron_cli.search.problem import Table
from heron_cli.search.protocol import register

Floats = npt.NDArray[np.float64]
GRADES = 31  # LightGBM's gains are 2^grade - 1 for grades to 30


class _Ranker:
    """A booster whose scores, the higher the better, count as logarithms of cost."""

    def __init__(self, booster: Any) -> None:
        self._booster = booster

    def predict(self, table: Table, num_threads: int) -> Floats:
        """The lower the better."""
        return -np.asarray(self._booster.predict(table, num_threads=num_threads), dtype=np.float64)

    def feature_importance(self, importance_type: str) -> Floats:
        """As the booster's."""
        return np.asarray(self._booster.feature_importance(importance_type=importance_type))


class Ranking(CostModel):
    """LambdaRank (Burges 2010) on grades of the trials; its scores start from what is known before them."""

    @classmethod
    def train(cls, table: Table, labels: Floats, known: Floats, seed: int) -> list[Any]:
        """The members."""
        places = np.argsort(np.argsort(-labels, kind="stable"), kind="stable")
        grades = (places * GRADES // len(labels)).astype(np.float64)
        truncation = len(labels)
        boosters = boost(
            table, grades, seed, known.mean() - known, objective="lambdarank",
            lambdarank_truncation_level=truncation,
        )  # fmt: skip
        return [_Ranker(booster) for booster in boosters]


class Forgetful(CostModel):
    """Takes no notice of failures."""

    failures = False


@register
class CgaRanking(CgaUnseeded):
    """The objective is to rank."""

    name = "cga-ranking"
    summary = "cga-unseeded with LambdaRank for an objective (ablation)"
    model = Ranking


@register
class CgaBlindRanking(CgaBlind):
    """The objective is to rank, and no estimate helps."""

    name = "cga-blind-ranking"
    summary = "cga-blind with LambdaRank for an objective (ablation)"
    model = Ranking


@register
class CgaCertain(CgaUnseeded):
    """The batch is what the mean of the ensemble predicts to be best."""

    name = "cga-certain"
    summary = "cga-unseeded that takes no notice of how unsure the model is (ablation)"
    greedy = 1.0


@register
class CgaBlindCertain(CgaBlind):
    """The same without an estimate."""

    name = "cga-blind-certain"
    summary = "cga-blind that takes no notice of how unsure the model is (ablation)"
    greedy = 1.0


@register
class CgaForgetful(CgaUnseeded):
    """Failures are not trained on."""

    name = "cga-forgetful"
    summary = "cga-unseeded that does not train on failures (ablation)"
    model = Forgetful


@register
class CgaBlindForgetful(CgaBlind):
    """The same without an estimate."""

    name = "cga-blind-forgetful"
    summary = "cga-blind that does not train on failures (ablation)"
    model = Forgetful


INFORMED = ("cga-unseeded", "cga-ranking", "cga-certain")
BLIND = ("cga-blind", "cga-blind-ranking", "cga-blind-certain")
FAILURES = ("cga-unseeded", "cga-forgetful", "cga-blind", "cga-blind-forgetful")
