"""How a batch is divided among a workload's variants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..records import cost_of
from ..trial import Trial

LEADERS = 16


def divide(count: int, variants: Sequence[str], history: Sequence[Trial]) -> list[int]:
    """How many of `count` proposals each variant gets; they add up to `count`.

    A variant's weight is 1 plus the number of the leaders that are its own; the leaders are the fastest
    quarter of the valid trials, at most 16. So all start equal, those that lead get more the more is known,
    and none is given up, since its weight never falls to 0.
    """
    timed = [(cost, trial) for trial in history if (cost := cost_of(trial.measurement)) is not None]
    timed.sort(key=lambda pair: pair[0])
    leaders = Counter(trial.candidate.variant for _, trial in timed[: min(LEADERS, -(-len(timed) // 4))])
    return apportion(count, [1 + leaders[variant] for variant in variants])


def apportion(count: int, weights: Sequence[int]) -> list[int]:
    """Whole shares of `count` in proportion to the weights, by largest remainder; ties to the earlier."""
    total = sum(weights)
    shares = [count * weight // total for weight in weights]
    remainders = [count * weight % total for weight in weights]
    order = sorted(range(len(weights)), key=lambda index: -remainders[index])
    for index in order[: count - sum(shares)]:
        shares[index] += 1
    return shares
