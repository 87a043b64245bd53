"""Conflicts planted in real spaces: every repair is done, and what is left is solved again."""

from __future__ import annotations

import numpy as np
import pytest

from heron_cli import session
from heron_cli.accelerator.loader import load
from heron_cli.operators.workload import make
from heron_cli.space import Constraint, CpBackend, Space, Var, equal
from heron_cli.space.explain import Repair, explain_empty
from heron_cli.space.expression import Boolean, Compare
from heron_cli.space.functions import all_of, at_most

CASES = {
    "dlboost": ("gemm", {"m": 96, "n": 256, "k": 128}, ("uint8", "int8", "int32", "int32")),
    "vta-small": ("gemm", {"m": 64, "n": 256, "k": 128}, ("int8", "int8", "int32", "int8")),
    "tensorcore-sm80": ("gemm", {"m": 256, "n": 256, "k": 256}, ("float16", "float16", "float32", "float16")),
}


@pytest.fixture(scope="module", params=CASES)
def space(request: pytest.FixtureRequest) -> Space:
    operator, shape, types = CASES[request.param]
    dtypes = dict(zip(("input", "weight", "accumulate", "output"), types, strict=True))
    task = session.make_task(make(operator, shape, dtypes=dtypes), load(request.param))
    found: Space = task.variants[0].space
    return found


def relaxed(condition: Boolean, by: int) -> Boolean:
    """The inequality with so much room, or the equality within so much."""
    assert isinstance(condition, Compare), condition
    left, right = condition.left, condition.right
    match condition.op:
        case "<=" | "<":
            return Compare(condition.op, left, right + by)
        case ">=" | ">":
            return Compare(condition.op, left + by, right)
        case "==":
            return all_of(at_most(left - right, by), at_most(right - left, by))
    raise AssertionError(f"{condition} has no limit to move")


def without(space: Space, index: int) -> Space:
    kept = [each for k, each in enumerate(space.constraints) if k != index]
    return Space(space.knobs, space.derived, tuple(kept))


def holds(whole: Space, repair: Repair, short: int = 0) -> bool:
    """Whether the space has a point once the repair is done, but for `short` of it."""
    index = next(k for k, each in enumerate(whole.constraints) if each is repair.constraint)
    rest = without(whole, index)
    if repair.limit is not None and repair.needed is not None:
        room = abs(repair.needed - repair.limit) - short
        rest = rest.extended([Constraint("relaxed", relaxed(whole.conditions[index], room))])
    return not CpBackend(rest).is_empty()


def planted(space: Space, seed: int) -> Space | None:
    """The space with some knobs held at values, where that leaves no point."""
    rng = np.random.default_rng(seed)
    free = [knob for knob in space.knobs if len(knob.values) > 1]
    chosen = rng.choice(len(free), size=min(len(free), int(rng.integers(2, 5))), replace=False)
    whole = space.extended(
        Constraint(f"--set {free[k].name}", equal(Var(free[k].name), int(rng.choice(free[k].values))))
        for k in chosen.tolist()
    )
    return whole if CpBackend(whole).is_empty() else None


@pytest.mark.parametrize("start", [0, 1000, 2000, 3000])
def test_a_repair_is_enough_and_the_conflict_minimal(space: Space, start: int) -> None:
    whole = next(found for seed in range(start, start + 1000) if (found := planted(space, seed)) is not None)
    explanation = explain_empty(whole)
    assert explanation.conflict
    for repair in explanation.repairs:
        assert holds(whole, repair), repair.sentence
    cheapest = explanation.repair
    if cheapest is not None and cheapest.limit is not None and "about" not in str(explanation):
        assert not holds(whole, cheapest, short=1), cheapest.sentence
    bare = Space(space.knobs, space.derived, ())
    assert CpBackend(bare.extended(explanation.conflict)).is_empty()
    for left_out in explanation.conflict:
        rest = [each for each in explanation.conflict if each is not left_out]
        assert not CpBackend(bare.extended(rest)).is_empty(), left_out.label
