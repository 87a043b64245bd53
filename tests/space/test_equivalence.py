"""The readers of one tree agree: plain Python, the evaluator, CP-SAT, and the sampler's tables."""

from __future__ import annotations

import itertools
from math import prod

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heron_cli.space import (
    All,
    Any_,
    Boolean,
    CeilDiv,
    Compare,
    Const,
    CpBackend,
    Evaluator,
    Expression,
    FloorDiv,
    Maximum,
    Minimum,
    Modulo,
    Not,
    Product,
    Select,
    Space,
    SpaceBuilder,
    Sum,
    TableSampler,
    Var,
    all_of,
    any_of,
    ceil_div,
    compare,
    maximum,
    minimum,
    negate,
    product,
    select,
    total,
)
from heron_cli.space.tables import group


def meaning(node, values):
    """The reference: what a tree means, in plain Python."""
    match node:
        case Const(value):
            return value
        case Var(name):
            return values[name]
        case Sum(items):
            return sum(meaning(i, values) for i in items)
        case Product(items):
            return prod(meaning(i, values) for i in items)
        case FloorDiv(a, b):
            return meaning(a, values) // meaning(b, values)
        case CeilDiv(a, b):
            return -(-meaning(a, values) // meaning(b, values))
        case Modulo(a, b):
            return meaning(a, values) % meaning(b, values)
        case Minimum(items):
            return min(meaning(i, values) for i in items)
        case Maximum(items):
            return max(meaning(i, values) for i in items)
        case Select(index, cases):
            return meaning(cases[meaning(index, values)], values)
        case Compare(op, a, b):
            x, y = meaning(a, values), meaning(b, values)
            return {"==": x == y, "!=": x != y, "<": x < y, "<=": x <= y, ">": x > y, ">=": x >= y}[op]
        case All(items):
            return all(meaning(i, values) for i in items)
        case Any_(items):
            return any(meaning(i, values) for i in items)
        case Not(item):
            return not meaning(item, values)
    raise AssertionError(node)


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    builder = SpaceBuilder()
    count = draw(st.integers(1, 4))
    positive, signed = [], []
    for k in range(count):
        if draw(st.booleans()):
            positive.append(builder.knob(f"p{k}", draw(st.sets(st.integers(1, 12), min_size=1, max_size=4))))
        else:
            signed.append(builder.knob(f"s{k}", draw(st.sets(st.integers(-7, 9), min_size=1, max_size=4))))
    index = builder.knob("i", range(draw(st.integers(1, 3))))
    cases = builder.build().domains["i"]

    def integer(depth: int) -> Expression:
        leaves = [*positive, *signed, index]
        kind = draw(st.integers(0, 9)) if depth else 0
        if kind == 0:
            return draw(st.sampled_from([*leaves, Const(draw(st.integers(-5, 40)))]))
        first, second = integer(depth - 1), integer(depth - 1)
        divisor = draw(st.sampled_from([Const(draw(st.integers(1, 6))), *positive]))
        match kind:
            case 1 | 2:
                return total((first, draw(st.integers(-3, 3)) * second))
            case 3 | 4:
                return product((first, second))
            case 5:
                return first // divisor
            case 6:
                return ceil_div(first, divisor)
            case 7:
                return first % divisor
            case 8:
                return draw(st.sampled_from([minimum, maximum]))(first, second)
        return select(index, [integer(depth - 1) for _ in cases])

    def boolean(depth: int) -> Boolean:
        kind = draw(st.integers(0, 5)) if depth else 0
        if kind <= 2:
            op = draw(st.sampled_from(["==", "==", "!=", "<", "<=", ">", ">="]))
            return compare(op, integer(2), integer(1))
        if kind == 3:
            return negate(boolean(depth - 1))
        return draw(st.sampled_from([all_of, any_of]))(boolean(depth - 1), boolean(depth - 1))

    if draw(st.booleans()):
        signed.append(builder.derive("d", integer(2)))
    for k in range(draw(st.integers(1, 3))):
        builder.require(f"rule {k}", boolean(2))
    return builder.build()


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(spaces())
def test_every_reader_finds_the_same_assignments(space: Space) -> None:
    grid = np.array(list(itertools.product(*(knob.values for knob in space.knobs))), np.int64)
    expected = []
    for row in grid.tolist():
        values = dict(zip(space.names, row, strict=True))
        for item in space.derived:
            values[item.name] = meaning(item.expression, values)
        if all(meaning(c.condition, values) for c in space.constraints):
            expected.append(row)
    valid = grid[Evaluator(space).valid(grid)]
    assert valid.tolist() == expected
    assert CpBackend(space).enumerate(10_000).tolist() == sorted(expected)
    sampler = TableSampler(space)
    assert all(len(np.unique(t.rows, axis=0)) == len(t) for t in group(space).tables)
    proposals = sampler._proposals
    every = np.meshgrid(*(np.arange(len(t)) for t in group(space).tables), indexing="ij")
    drawn = [index.ravel() for index in every]
    supported = proposals.rows(drawn, proposals.survivors(drawn))
    assert sorted(supported.tolist()) == sorted(expected)
    if expected:
        rows = sampler.sample(50, np.random.default_rng(0))
        assert {tuple(r) for r in rows.tolist()} <= {tuple(r) for r in expected}


@pytest.mark.parametrize("shape", [(64, 8, 16), (37, 6, 12), (1, 62, 9)])
def test_cp_sat_and_the_evaluator_agree_on_sampled_and_on_perturbed_rows(gemm, shape) -> None:
    space = gemm(*shape, cache_bytes=1 << 14)
    backend, evaluator, rng = CpBackend(space), Evaluator(space), np.random.default_rng(1)
    rows = TableSampler(space).sample(60, rng)
    perturbed = rows.copy()
    for row in perturbed:
        for _ in range(int(rng.integers(1, 3))):
            k = int(rng.integers(len(space.knobs)))
            row[k] = rng.choice(space.knobs[k].values)
    both = np.concatenate((rows, perturbed))
    expected = evaluator.valid(both)
    assert expected[:60].all()
    assert 0 < expected[60:].sum() < 60
    answers = [backend.solve(rng, {n: [v] for n, v in space.values(row).items()}) for row in both]
    assert [answer is not None for answer in answers] == expected.tolist()
