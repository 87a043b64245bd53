from __future__ import annotations

import itertools

import numpy as np
import pytest
from ortools.sat.python import cp_model

from heron_cli.space import (
    CpBackend,
    Evaluator,
    SolverBugError,
    SolverTimeoutError,
    SpaceBuilder,
    Var,
    any_of,
    at_most,
    ceil_div,
    different,
    equal,
    maximum,
    minimum,
    select,
)
from heron_cli.space.cp_solve import call


def test_enumeration_is_the_brute_force_set(small, small_rows):
    found = CpBackend(small).enumerate(len(small_rows))
    assert found.tolist() == sorted(small_rows.tolist())


def test_enumeration_refuses_more_than_its_limit(small, small_rows):
    with pytest.raises(ValueError, match=f"more than {len(small_rows) - 1:,} assignments"):
        CpBackend(small).enumerate(len(small_rows) - 1)


def test_enumeration_within_a_restriction(small, small_rows):
    tile = Evaluator(small).columns(small_rows)["tile.m"]
    found = CpBackend(small).enumerate(10_000, {"tile.m": [8, 9]})
    assert found.tolist() == sorted(small_rows[np.isin(tile, [8, 9])].tolist())


def test_solutions_are_deterministic_and_the_model_forgets_restrictions(small):
    backend = CpBackend(small)
    first = [backend.draw(np.random.default_rng(k)) for k in range(5)]
    assert backend.solve(np.random.default_rng(0), {"tile.m": [8]}) is not None
    assert backend.is_empty({"tile.m": [999]})
    assert backend.is_empty({"tile.m": []})
    assert not backend.is_empty()
    assert first == [CpBackend(small).draw(np.random.default_rng(k)) for k in range(5)]


def test_draws_are_diverse(small):
    backend, rng = CpBackend(small), np.random.default_rng(0)
    assert len({tuple(backend.draw(rng).items()) for _ in range(60)}) > 50


def test_a_hint_that_is_valid_is_the_answer(small, small_rows):
    backend, rng = CpBackend(small), np.random.default_rng(0)
    for row in small_rows[::700]:
        values = small.values(row)
        assert backend.solve(rng, hints=values) == values


def test_restricting_a_name_the_space_lacks_is_an_error(small):
    with pytest.raises(KeyError, match="the space has no variable nothing"):
        CpBackend(small).solve(np.random.default_rng(0), {"nothing": [1]})
    with pytest.raises(KeyError, match="the space has no variable nothing"):
        CpBackend(small).minimise(Var("tile.m") * Var("nothing"))


@pytest.mark.parametrize(
    "objective",
    [
        Var("footprint"),
        -Var("footprint"),
        Var("tile.m") * Var("tile.n") - 3 * Var("tile.k") * Var("cache.k"),
        maximum(Var("parallel.m") * 7, Var("tile.n")) + Var("footprint") // 100,
        select(Var("order@cache"), [Var("tile.k"), 40, Var("tile.n")]) % 24,
    ],
)
def test_the_optimum_is_the_least_value_of_all(small, small_rows, objective):
    values, least, bound = CpBackend(small).minimise(objective)
    every = Evaluator(small).evaluate(objective, small_rows)
    assert least == bound == every.min()
    assert Evaluator(small).evaluate(objective, small.row(values)[None, :])[0] == least


def test_avoiding_what_was_used_forces_other_optima(small):
    backend, used, objectives = CpBackend(small), [], []
    tile_names = ["tile.m", "tile.n", "tile.k"]
    for _ in range(6):
        optimum = backend.minimise(-Var("footprint"), avoid=used)
        columns = Evaluator(small).columns(small.row(optimum.values)[None, :])
        used.append({name: int(columns[name][0]) for name in tile_names})
        objectives.append(optimum.objective)
    assert len({tuple(item.items()) for item in used}) == 6
    assert objectives == sorted(objectives)


def test_an_optimum_within_a_restriction_or_none(small, small_rows):
    tile = Evaluator(small).columns(small_rows)["tile.m"]
    every = Evaluator(small).evaluate(Var("footprint"), small_rows[tile == 8])
    assert CpBackend(small).minimise(Var("footprint"), {"tile.m": [8]}).objective == every.min()
    assert CpBackend(small).minimise(Var("footprint"), {"tile.m": [999]}) is None


def test_one_backend_answers_as_fresh_ones_whatever_it_was_asked_before(small):
    objectives = [Var("footprint"), -Var("footprint"), Var("tile.m") * Var("tile.n")]
    backend = CpBackend(small)
    for objective in objectives:
        backend.minimise(objective, {"tile.m": [8]}, avoid=[{"tile.n": 8}])
        found = backend.minimise(objective)
        assert (found.objective, found.bound) == tuple(CpBackend(small).minimise(objective))[1:]
    assert not backend.is_empty()
    assert Evaluator(small).valid(small.row(backend.solve(np.random.default_rng(1)))[None, :]).all()


def test_an_optimum_of_at_most_a_value_or_none(small, small_rows):
    least = int(Evaluator(small).columns(small_rows)["footprint"].min())
    backend = CpBackend(small)
    assert backend.minimise(Var("footprint"), at_most=least).objective == least
    assert backend.minimise(Var("footprint"), at_most=least - 1) is None
    assert backend.minimise(Var("footprint")).objective == least


def test_an_invalid_model_raises():
    model = cp_model.CpModel()
    x = model.new_int_var(0, 5, "x")
    domain = model.proto.variables[x.index].domain
    domain.clear()
    domain.extend([1, 1, 2, 2])  # not canonical: adjacent values must be one interval
    with pytest.raises(SolverBugError, match="CP-SAT refuses the model"):
        call(model, 0, 1.0)


def test_a_restriction_to_adjacent_values_is_written_canonically():
    builder = SpaceBuilder()
    x, y = builder.knob("x", range(20)), builder.knob("y", range(20))
    builder.require("far", at_most(x + 15, y))
    rows = CpBackend(builder.build()).enumerate(1000, {"x": [3, 1, 2, 2, 19], "y": (18, 17)})
    assert rows.tolist() == [[1, 17], [1, 18], [2, 17], [2, 18], [3, 18]]


def test_reaching_the_limit_is_an_error_of_its_own():
    builder = SpaceBuilder()
    pigeons = [builder.knob(f"k{i}", range(11)) for i in range(12)]
    for first, second in itertools.combinations(pigeons, 2):
        builder.require("one pigeon in a hole", different(first, second))
    with pytest.raises(SolverTimeoutError, match="reached its limit"):
        CpBackend(builder.build(), effort=1e-2).solve(np.random.default_rng(0))


def test_an_answer_that_the_evaluator_rejects_raises(small, monkeypatch):
    backend = CpBackend(small)
    monkeypatch.setattr(Evaluator, "violations", lambda self, values: ["register budget: 40 against 32"])
    with pytest.raises(SolverBugError, match="breaks register budget: 40 against 32"):
        backend.solve(np.random.default_rng(0))


def test_two_names_of_one_variable_can_be_restricted_together():
    builder = SpaceBuilder()
    x = builder.knob("x", range(10))
    builder.derive("alias", x)
    builder.derive("twice", 2 * x)
    backend = CpBackend(builder.build())
    assert backend.enumerate(99, {"x": [1, 2, 3], "alias": [2, 3, 4], "twice": [6, 8]}).tolist() == [[3]]
    assert backend.is_empty({"x": [1], "alias": [2]})


@pytest.mark.parametrize(
    "make",
    [
        lambda x, y: x // y,
        lambda x, y: ceil_div(x, y),
        lambda x, y: x % y,
        lambda x, y: (x * 3) // (y + y * y),
        lambda x, y: ceil_div(x * y + 1, y + 2),
        lambda x, y: (x + y) % (y * 2),
        lambda x, y: minimum(x, y * y, 11),
        lambda x, y: maximum(x - y, -2),
        lambda x, y: select(y - 1, [x, x * x, 4, x + 1, 0, -x]),
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_each_operation_means_the_same_to_the_solver(make, nested):
    builder = SpaceBuilder()
    x, y = builder.knob("x", range(-9, 40)), builder.knob("y", range(1, 7))
    result = builder.knob("result", range(-6, 14))
    condition = equal(make(x, y), result)
    builder.require("meaning", any_of(condition, equal(result, 14 - y)) if nested else condition)
    space = builder.build()
    grid = np.array(list(itertools.product(*space.domains.values())))
    expected = grid[Evaluator(space).valid(grid)]
    assert len(expected)
    assert CpBackend(space).enumerate(len(expected)).tolist() == expected.tolist()
