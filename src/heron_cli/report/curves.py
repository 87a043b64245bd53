"""What a page shows, from records: best-so-far curves, validity, failures, importance; no drawing here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..records import Record, cost_of
from ..records.record import Purpose
from ..trial import Status


@dataclass(frozen=True, slots=True)
class Curve:
    """The best cost after each trial of one run, None before the first valid one."""

    name: str
    best: tuple[float | None, ...]


@dataclass(frozen=True)
class Subject:
    """All that is shown of one workload on one accelerator. `unit` is "s" or "cycles"."""

    workload: str
    target: str
    unit: str
    curves: tuple[Curve, ...]
    statuses: tuple[tuple[str, int], ...]
    reasons: tuple[tuple[str, int], ...]
    best: Record | None
    importance: tuple[tuple[str, float], ...]


def subjects(records: Sequence[Record], best: Sequence[Record]) -> list[Subject]:
    """One for each workload, target digest and number of threads, in the order of their first record."""
    groups: dict[tuple[str, str, int], list[Record]] = {}
    for record in records:
        if record.purpose is Purpose.TRIAL:
            groups.setdefault((record.workload, record.target_digest, record.threads), []).append(record)
    winners = {(each.workload, each.target_digest, each.threads): each for each in best}
    return [_subject(mine, winners.get(key)) for key, mine in groups.items()]


def _subject(records: Sequence[Record], best: Record | None) -> Subject:
    runs: dict[tuple[str, int], list[Record]] = {}
    for record in records:
        runs.setdefault((record.method, record.seed), []).append(record)
    curves = tuple(_curve(f"{method}, seed {seed}", mine) for (method, seed), mine in sorted(runs.items()))
    statuses = Counter(str(record.trial.measurement.status) for record in records)
    reasons = Counter(
        record.trial.measurement.reason
        for record in records
        if record.trial.measurement.status is not Status.OK
    )
    seconds = any(record.trial.measurement.seconds is not None for record in records)
    first = records[0]
    threads = f", {first.threads} threads" if first.threads > 1 else ""
    return Subject(
        first.workload,
        first.target + threads,
        "s" if seconds else "cycles",
        curves,
        tuple(sorted(statuses.items())),
        tuple(reasons.most_common(10)),
        best,
        importance(records),
    )


def _curve(name: str, records: Sequence[Record]) -> Curve:
    best: list[float | None] = []
    for record in sorted(records, key=lambda each: (each.round, each.position)):
        before = best[-1] if best else None
        cost = record.cost
        best.append(cost if before is None or (cost is not None and cost < before) else before)
    return Curve(name, tuple(best))


MINIMUM = 16  # valid trials of a variant, below which trees say nothing


def importance(records: Sequence[Record], count: int = 12) -> tuple[tuple[str, float], ...]:
    """The knobs that decide the cost most, with their shares of the error that trees on the knobs remove.

    Of the variant with the most valid trials; empty where these are fewer than `MINIMUM` or all alike.
    """
    valid = [record for record in records if cost_of(record.trial.measurement) is not None]
    variants = Counter(record.trial.candidate.variant for record in valid)
    if not variants or variants.most_common(1)[0][1] < MINIMUM:
        return ()
    name = variants.most_common(1)[0][0]
    mine = [record for record in valid if record.trial.candidate.variant == name]
    knobs = sorted(set.intersection(*(set(record.trial.candidate.values) for record in mine)))
    table = np.array([[record.trial.candidate.values[knob] for knob in knobs] for record in mine], np.float64)
    gains = _gains(table, np.log([float(record.cost or 1) for record in mine]))
    total = gains.sum()
    if not total:
        return ()
    order = np.argsort(-gains, kind="stable")[:count]
    return tuple((knobs[i], float(gains[i] / total)) for i in order if gains[i] > 0)


def _gains(table: npt.NDArray[np.float64], labels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    import lightgbm

    parameters = {
        "objective": "regression",
        "num_leaves": 8,
        "min_data_in_leaf": 3,
        "num_threads": 1,
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(table, label=labels, params={"verbosity": -1})
    trees = lightgbm.train(parameters, data, num_boost_round=100)
    return np.asarray(trees.feature_importance(importance_type="gain"), dtype=np.float64)
