"""The frame of the methods with a cost model: they differ in how they look for what it predicts to be fast.

Whatever is compared is compared fairly: every method fits the same model to the same trials, starts each
round from the same kind of rows, has about `EVALUATIONS` rows predicted per round, and has its batch picked
from the rows it saw by the same rule. Methods that evolve or walk start from the seeds, which are their
generation 0; random search has none (`seeded`). They are measured where nothing is known yet, in a variant's
first batch; later they are rows among others, which must convince the model.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ..distinct import first_of_each
from ..records import cost_of
from ..trial import Trial
from .by_variant import Taken, VariantMethod, interleave
from .cost_model import CostModel
from .problem import Rows, VariantSpace

UNIFORM = 1000  # fresh uniform samples in each round's population
MEASURED = 32  # best measured candidates that join it
POPULATION = 200  # kept of these, by prediction
GENERATIONS = 10
CHILDREN = 100  # per generation
ELITES = 20  # best of everything seen, kept in every generation
EVALUATIONS = UNIFORM + GENERATIONS * CHILDREN
GREEDY = 0.5  # share of a batch with the best predictions; the rest are what single members think best
CONSIDERED = 800  # rows of the best predictions among which the members choose
SEED_SHARE = 0.75  # at most this share of a variant's first batch is of seeds

Floats = npt.NDArray[np.float64]


class ModelGuided(VariantMethod):
    """A method that explores the cost model and has the best of what it saw measured."""

    seeded: ClassVar[bool] = True
    insistent: ClassVar[bool] = False  # whether later batches are of seeds as well, until all are measured
    model: ClassVar[type[CostModel]] = CostModel
    greedy: ClassVar[float] = GREEDY
    refined: ClassVar[float] = 0.0  # this share, too, where the variant says less

    def learn(self, history: Sequence[Trial]) -> Mapping[str, CostModel]:
        """One model of all trials, as each variant sees it."""
        with self.spent.on("model"):
            return self.model.fit_all(self.problem.variants, history, self.seed)

    def propose_rows(
        self,
        variant: VariantSpace,
        model: CostModel | None,
        count: int,
        trials: Sequence[Trial],
        taken: Taken,
        rng: np.random.Generator,
    ) -> Rows:
        """What exploring the model brings; seeds and uniform rows while there is no model."""
        placed = self.seeded and (self.insistent or model is None or not trials)
        known = variant.rows(variant.seeds if placed else ())
        seeds = taken.take(known, max(1, round(SEED_SHARE * count)))
        count -= len(seeds)
        if model is None:
            return np.concatenate([seeds, self.fresh(variant, count, taken, rng)])
        rows, _ = self.explore(variant, model, trials, rng)
        rows = rows[:CONSIDERED]
        with self.spent.on("model"):
            members = model.members(rows)
            kinds = variant.kinds(rows)
            known_kinds = set(variant.kinds(variant.rows([trial.candidate.values for trial in trials])))
        refined = round(max(self.refined, variant.refined) * count)
        chosen = self._select(rows, members, kinds, known_kinds, count, refined, taken)
        fresh = self.fresh(variant, count - len(chosen), taken, rng)
        if variant.prior is None:
            return np.concatenate([seeds, chosen, fresh])
        # What a model thinks best of thousands is less good than it thinks, and seeds are few: what other
        # workloads taught says which of them come first, and its own choice goes between them.
        seeds = seeds[np.argsort(self.predict(model, seeds), kind="stable")]
        order = interleave([range(len(seeds)), range(len(seeds), len(seeds) + len(chosen))])
        return np.concatenate([np.concatenate([seeds, chosen])[order], fresh])

    def _select(
        self,
        rows: Rows,
        members: Floats,
        kinds: Sequence[bytes],
        known: set[bytes],
        count: int,
        refined: int,
        taken: Taken,
    ) -> Rows:
        """The batch: the share `greedy` of it the best predicted, the rest what each member of the ensemble
        in turn thinks best; all but `refined` rows of kinds that are not known, one of each, as long as there
        are some.

        Members [members, rows] were trained on other draws of the trials, so where they disagree is where
        little is known: picking for one at a time is Thompson sampling (Biometrika 25, 1933) with the
        ensemble for a posterior. Kinds keep the batch from going to siblings of the best, which evolution
        breeds in numbers and which differ in loops that do not matter: niching, as genetic algorithms have
        it (Goldberg and Richardson 1987).
        """
        orders = [range(len(rows)), *(np.argsort(scores, kind="stable").tolist() for scores in members)]
        greedy = round(self.greedy * count)
        known = set(known)
        chosen: list[int] = []

        def pick(order: Sequence[int], unknown_only: bool) -> bool:
            for index in order:
                if unknown_only and kinds[index] in known:
                    continue
                if len(taken.take(rows[index : index + 1])):
                    known.add(kinds[index])
                    chosen.append(index)
                    return True
            return False

        for place in range(count):
            order = orders[0] if place < greedy else orders[1 + place % len(members)]
            if not (place >= refined and pick(order, True)) and not pick(order, False):
                break  # all that was considered is taken
        return rows[chosen]

    @abstractmethod
    def explore(
        self, variant: VariantSpace, model: CostModel, trials: Sequence[Trial], rng: np.random.Generator
    ) -> tuple[Rows, Floats]:
        """Distinct valid rows, best predicted first, and their predictions."""

    def start(
        self, variant: VariantSpace, model: CostModel, trials: Sequence[Trial], rng: np.random.Generator
    ) -> tuple[Rows, Floats]:
        """`UNIFORM` fresh rows, the best measured ones and the seeds, best predicted first, and their
        predictions.
        """
        with self.spent.on("solve"):
            uniform = variant.sampler.sample(UNIFORM, rng)
        seeds = variant.rows(variant.seeds if self.seeded else ())
        return self.rank(model, np.concatenate([uniform, best_measured(variant, trials), seeds]))

    def rank(self, model: CostModel, rows: Rows) -> tuple[Rows, Floats]:
        """The distinct rows, best predicted first, and their predictions."""
        return merge(rows, self.predict(model, rows))

    def predict(self, model: CostModel, rows: Rows) -> Floats:
        """The model's predictions, their time accounted."""
        with self.spent.on("model"):
            return model.predict(rows)


def best_measured(variant: VariantSpace, trials: Sequence[Trial]) -> Rows:
    """The rows of the fastest valid trials, at most `MEASURED`."""
    timed = [(cost, trial) for trial in trials if (cost := cost_of(trial.measurement)) is not None]
    timed.sort(key=lambda pair: pair[0])
    return variant.rows([trial.candidate.values for _, trial in timed[:MEASURED]])


def roulette(scores: Floats, count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """`count` indices, with replacement, the odds in proportion to predicted speed above the slowest."""
    speed = np.exp(scores.min() - scores)
    odds = speed - speed.min() + 1e-9
    return rng.choice(len(scores), size=count, p=odds / odds.sum())


def merge(rows: Rows, scores: Floats) -> tuple[Rows, Floats]:
    """Distinct rows, best score first; ties in the order of their values, whatever order they came in."""
    first = first_of_each(rows)
    order = first[np.argsort(scores[first], kind="stable")]
    return rows[order], scores[order]
