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
    size,
    total,
)
from heron_cli.space.conflict import find_conflict
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


@st.composite
def split_spaces(draw: st.DrawFn) -> Space:
    """Axes split exactly or with an overlapping tail, and a capacity over products of their tiles."""
    builder = SpaceBuilder()
    tiles, inner = [], []
    for axis in "mn"[: draw(st.integers(1, 2))]:
        extent, levels = draw(st.integers(1, 24)), draw(st.integers(2, 3))
        names = [f"{axis}{k}" for k in range(levels)]
        if draw(st.booleans()):
            divisors = [d for d in range(1, extent + 1) if extent % d == 0]
            factors = [builder.knob(name, divisors) for name in names]
            builder.require(f"split {axis}", compare("==", product(factors), extent))
        else:
            tail = builder.knob(names[-1], range(1, min(extent, 4) + 1))
            factors = [builder.knob(name, range(1, min(extent, 6) + 1)) for name in names[:-1]]
            builder.require(f"split {axis}", compare("==", product(factors), ceil_div(extent, tail)))
            factors.append(tail)
        tiles.append(builder.derive(f"tile.{axis}", product(factors[1:])))
        inner.append(factors[-1])
    order = builder.knob("order", range(2))
    held = [product(tiles) * 4 + tiles[0], tiles[-1] * tiles[-1] * inner[0] + 3]
    builder.require("capacity", compare("<=", select(order, held), draw(st.integers(1, 200))))
    builder.require("budget", compare("<=", product(inner) + inner[-1] + 1, draw(st.integers(2, 12))))
    if draw(st.booleans()):
        builder.require("whole", compare("==", tiles[0] % inner[-1], 0))
    return builder.build()


def check_every_reader(space: Space) -> None:
    grid = np.array(list(itertools.product(*(knob.values for knob in space.knobs))), np.int64)
    expected = []
    for row in grid.tolist():
        values = dict(zip(space.names, row, strict=True))
        for item in space.derived:
            values[item.name] = meaning(item.expression, values)
        if all(meaning(c.condition, values) for c in space.constraints):
            expected.append(row)
    assert grid[Evaluator(space).valid(grid)].tolist() == expected
    assert CpBackend(space).enumerate(10_000).tolist() == sorted(expected)
    sampler = TableSampler(space)
    tables = group(space).tables
    assert all(len(np.unique(table.rows, axis=0)) == len(table) for table in tables)
    every = np.meshgrid(*(np.arange(len(table)) for table in tables), indexing="ij")
    drawn = [index.ravel() for index in every]
    supported = sampler._proposals.rows(drawn, sampler._proposals.survivors(drawn))
    assert sorted(supported.tolist()) == sorted(expected)
    assert size(space).value == len(expected)
    if expected:
        rows = sampler.sample(50, np.random.default_rng(0))
        assert {tuple(r) for r in rows.tolist()} <= {tuple(r) for r in expected}


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(spaces())
def test_every_reader_finds_the_same_assignments(space: Space) -> None:
    check_every_reader(space)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(split_spaces())
def test_every_reader_finds_the_same_assignments_of_splits(space: Space) -> None:
    check_every_reader(space)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.one_of(spaces(), split_spaces()))
def test_a_conflict_is_found_exactly_in_empty_spaces_and_is_minimal(space: Space) -> None:
    grid = np.array(list(itertools.product(*(knob.values for knob in space.knobs))), np.int64)
    conflict = find_conflict(space)
    assert (conflict is None) == bool(Evaluator(space).valid(grid).any())
    for left_out in conflict or ():
        rest = tuple(space.constraints[k] for k in conflict if k != left_out)
        assert Evaluator(Space(space.knobs, space.derived, rest)).valid(grid).any()


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
