"""The frame that methods share: divide the batch among variants, draw fresh points, keep streams apart."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from ..trial import Candidate, Trial
from .cost_model import CostModel
from .problem import Rows, VariantSpace
from .protocol import Method
from .shares import divide

# A space counts as exhausted when this many draws per point known and wanted bring nothing new: with one
# point left of n it is missed with probability (1 - 1/n)^(16 n) < 2e-7.
_DRAWS_PER_POINT = 16

T = TypeVar("T")


class VariantMethod(Method):
    """A method that proposes for each variant by itself."""

    def propose(self, count: int, history: Sequence[Trial], round_index: int) -> list[Candidate]:
        """Divide `count` among the variants (see `shares`); what one cannot fill goes to the others."""
        variants = list(self.problem.variants)
        shares = divide(count, [variant.name for variant in variants], history)
        models = self.learn(history)
        chosen: list[list[Candidate]] = [[] for _ in variants]
        exhausted: set[int] = set()
        for attempt in range(len(variants)):
            for index, variant in enumerate(variants):
                wanted = shares[index] - len(chosen[index])
                if wanted <= 0 or index in exhausted:
                    continue
                trials = [trial for trial in history if variant.has(trial.candidate)]
                taken = Taken(variant.rows([trial.candidate.values for trial in trials]))
                taken.add(variant.rows([candidate.values for candidate in chosen[index]]))
                stream = [self.seed % 2**64, round_index, index, attempt]
                rng = np.random.default_rng(stream)
                rows = self.propose_rows(variant, models.get(variant.name), wanted, trials, taken, rng)
                chosen[index] += [variant.candidate(row) for row in rows]
                if len(rows) < wanted:
                    exhausted.add(index)
            missing = count - sum(map(len, chosen))
            able = [index for index in range(len(variants)) if index not in exhausted]
            if not missing or not able:
                break
            for position in range(missing):
                shares[able[position % len(able)]] += 1
        return interleave(chosen)

    def learn(self, history: Sequence[Trial]) -> Mapping[str, CostModel]:
        """What is known of each variant, by name; nothing for a method without a model."""
        return {}

    @abstractmethod
    def propose_rows(
        self,
        variant: VariantSpace,
        model: CostModel | None,
        count: int,
        trials: Sequence[Trial],
        taken: Taken,
        rng: np.random.Generator,
    ) -> Rows:
        """At most `count` rows that are not taken, the most promising first; taking them is up to this."""

    def fresh(self, variant: VariantSpace, count: int, taken: Taken, rng: np.random.Generator) -> Rows:
        """`count` uniform rows that are not taken, and take them; fewer when the space has no more."""
        found = [np.empty((0, len(variant.names)), dtype=np.int64)]
        missing, idle = count, 0
        while missing and idle <= _DRAWS_PER_POINT * (len(taken) + missing):
            with self.spent.on("solve"):
                drawn = variant.sampler.sample(max(2 * missing, 64, min(len(taken), 4096)), rng)
            new = taken.take(drawn, missing)
            idle = 0 if len(new) else idle + len(drawn)
            missing -= len(new)
            found.append(new)
        return np.concatenate(found)


class Taken:
    """The rows of one variant that must not be proposed (again)."""

    def __init__(self, rows: Rows) -> None:
        """Start with `rows`."""
        self._keys: set[bytes] = set()
        self.add(rows)

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, rows: Iterable[Rows]) -> None:
        """Take every row."""
        self._keys.update(row.tobytes() for row in rows)

    def take(self, rows: Rows, limit: int | None = None) -> Rows:
        """The first `limit` rows that were not taken and differ from each other; now they are."""
        new: list[int] = []
        for index, row in enumerate(rows):
            if limit is not None and len(new) == limit:
                break
            key = row.tobytes()
            if key not in self._keys:
                self._keys.add(key)
                new.append(index)
        return rows[new]


def interleave(lists: Sequence[Sequence[T]]) -> list[T]:
    """The lists merged in proportion to their lengths, so that a batch that is cut still has of each."""
    placed = [
        ((position + 0.5) / len(items), index, item)
        for index, items in enumerate(lists)
        for position, item in enumerate(items)
    ]
    return [item for _, _, item in sorted(placed, key=lambda entry: entry[:2])]
