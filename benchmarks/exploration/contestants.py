"""Who takes part: the methods that ship, and what CGA is made of taken away piece by piece (ablations)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from heron_cli.search.by_variant import Taken
from heron_cli.search.cost_model import CostModel
from heron_cli.search.methods.cga import Cga
from heron_cli.search.methods.ga_repair import GaRepair
from heron_cli.search.methods.model_random import ModelRandom
from heron_cli.search.methods.random import RandomSearch
from heron_cli.search.problem import Problem, Rows, VariantSpace
from heron_cli.search.protocol import register
from heron_cli.search.spent import Spent
from heron_cli.trial import Trial

METHODS = ("cga", "cga-random-keys", "ga-repair", "ga-penalty", "sa", "model-random", "random")
CONTRAST = "model-random"


@register
class CgaUnseeded(Cga):
    """CGA without generation 0."""

    name = "cga-unseeded"
    summary = "cga that starts from uniform rows (ablation)"
    seeded = False


@register
class CgaBlind(CgaUnseeded):
    """CGA that knows nothing of the analytic model: neither seeds, features nor estimate."""

    name = "cga-blind"
    summary = "cga without generation 0 and without the analytic model in the cost model (ablation)"

    def __init__(self, problem: Problem, seed: int, spent: Spent | None = None) -> None:
        super().__init__(_blinded(problem), seed, spent)


@register
class CgaUnrefined(CgaUnseeded):
    """CGA whose children are all of few key variables, as the paper has it."""

    name = "cga-unrefined"
    summary = "cga-unseeded without refinements (ablation)"
    refinements = 0.0


@register
class ModelRandomBlind(ModelRandom):
    """Model-ranked random search as peers have it: what it knows of the machine is what it measured."""

    name = "model-random-blind"
    summary = "model-random without the analytic model in the cost model (ablation)"

    def __init__(self, problem: Problem, seed: int, spent: Spent | None = None) -> None:
        super().__init__(_blinded(problem), seed, spent)


@register
class ModelRandomSeeded(ModelRandom):
    """Model-ranked random search that is given CGA's generation 0."""

    name = "model-random-seeded"
    summary = "model-random that starts from cga's generation 0 (ablation)"
    seeded = True


@register
class RandomSeeded(RandomSearch):
    """Random search that is given CGA's generation 0."""

    name = "random-seeded"
    summary = "random that starts from cga's generation 0 (ablation)"

    def propose_rows(
        self,
        variant: VariantSpace,
        model: CostModel | None,
        count: int,
        trials: Sequence[Trial],
        taken: Taken,
        rng: np.random.Generator,
    ) -> Rows:
        """The seeds that were not tried, then uniform rows."""
        seeds = taken.take(variant.rows(variant.seeds), count)
        return np.concatenate([seeds, self.fresh(variant, count - len(seeds), taken, rng)])


@register
class GaRepairUnseeded(GaRepair):
    """GA with repair, without generation 0."""

    name = "ga-repair-unseeded"
    summary = "ga-repair that starts from uniform rows (ablation)"
    seeded = False


@register
class CgaPlaced(Cga):
    """CGA that has every seed measured, three quarters of each batch, before the model chooses all of it."""

    name = "cga-placed"
    summary = "cga whose seeds are all measured, whatever the model says of them (ablation)"
    insistent = True


@register
class CgaSiblings(CgaUnseeded):
    """CGA whose batches may be siblings of what was measured."""

    name = "cga-siblings"
    summary = "cga-unseeded that does not tell kinds apart (ablation)"
    refined = 1.0


class _Direct(CgaUnseeded):
    def __init__(self, problem: Problem, seed: int, spent: Spent | None = None) -> None:
        variants = [replace(each, estimate=None) for each in problem.variants]
        super().__init__(_Same(problem, variants), seed, spent)


@register
class CgaDirect(_Direct):
    """CGA whose trees learn the cost itself, not what the estimate gets wrong."""

    name = "cga-direct"
    summary = "cga-unseeded whose model starts from no estimate (ablation)"


@register
class CgaBefore(_Direct):
    """Both taken away: the algorithm as it was compared at first."""

    name = "cga-before"
    summary = "cga-unseeded with neither kinds nor an estimate to start from (ablation)"
    refined = 1.0


CHANGES = ("cga-siblings", "cga-direct", "cga-before")
UNSEEDED = ("cga-unseeded", "ga-repair-unseeded")
SEEDED = ("model-random-seeded", "random-seeded")
BLIND = ("cga-blind", "model-random-blind")
ABLATIONS = (*UNSEEDED, *BLIND, *SEEDED)


class _Same:
    """A problem with other variants."""

    def __init__(self, problem: Problem, variants: list[VariantSpace]) -> None:
        self._problem = problem
        self.variants = variants

    def __getattr__(self, name: str) -> Any:
        return getattr(self._problem, name)


# the roofline, and the weights of instructions, which take its place where there is none
ANALYTIC = ("roofline.", "feature.cost_per_kilo")


def blinded(variant: VariantSpace) -> VariantSpace:
    """The variant without anything that an analytic model says; knobs and sizes of tiles are left."""

    def features(rows: Rows) -> tuple[Any, list[str]]:
        table, names = variant.features(rows)
        kept = [i for i, name in enumerate(names) if not name.startswith(ANALYTIC)]
        return np.asarray(table)[:, kept], [names[i] for i in kept]

    return replace(variant, features=features, estimate=None, kind=None, seeds=())


def _blinded(problem: Problem) -> Problem:
    return _Same(problem, [blinded(each) for each in problem.variants])
