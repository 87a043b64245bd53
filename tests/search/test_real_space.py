"""Search on the spaces that heron builds, with both of their samplers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import pytest

from heron_cli.records import Store
from heron_cli.search.driver import tune
from heron_cli.search.problem import PlainProblem, Sampler, VariantSpace
from heron_cli.search.result import Budget
from heron_cli.space import CpSampler, Evaluator, Space, SpaceBuilder, TableSampler, at_most, equal, product
from heron_cli.space.violation import violation
from heron_cli.trial import Candidate, Measurement, Status


def build() -> Space:
    builder = SpaceBuilder()
    divisors = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 96]
    tiles = {}
    for axis in "mn":
        factors = [builder.knob(f"{axis}{level}", divisors, axis) for level in range(3)]
        builder.require(f"split {axis}", equal(product(factors), 96))
        tiles[axis] = factors
    builder.require("registers", at_most(tiles["m"][2] * tiles["n"][2], 32))
    return builder.build()


class Formula:
    def __init__(self, space: Space) -> None:
        self.evaluator = Evaluator(space)

    def run(self, candidates: Sequence[Candidate]) -> Iterator[tuple[int, Measurement]]:
        for index, candidate in enumerate(candidates):
            assert not self.evaluator.violations(candidate.values)
            values = candidate.values
            seconds = 1.0 + abs(values["m2"] * values["n2"] - 24) + abs(values["m1"] - values["n1"])
            yield index, Measurement(Status.OK, seconds, verified=True)

    def remeasure(self, candidates: Sequence[Candidate]) -> list[Measurement]:
        return [measurement for _, measurement in self.run(candidates)]

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("make", "trials", "method"),
    [(TableSampler, 64, "cga"), (CpSampler, 24, "cga")]
    + [(TableSampler, 48, method) for method in ("ga-penalty", "ga-repair", "sa")],
)
def test_every_trial_is_valid_and_the_optimum_is_near(
    make: Callable[[Space], Sampler], trials: int, method: str
) -> None:
    space = build()
    evaluator = Evaluator(space)
    violated = partial(violation, evaluator)
    variant = VariantSpace("plain", space, make(space), valid=evaluator.valid, violation=violated)
    toy = PlainProblem("gemm", "gemm", "toy", "d", [variant])
    result = tune(toy, method, Formula(space), Store.in_memory(), Budget(trials), batch=8)
    assert result.valid == trials
    assert result.best is not None and result.best.cost is not None
    assert result.best.cost <= 2.0
