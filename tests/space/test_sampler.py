from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from heron_cli.errors import SpaceEmptyError
from heron_cli.space import (
    CpBackend,
    CpSampler,
    Evaluator,
    SolverTimeoutError,
    SpaceBuilder,
    TableSampler,
    at_most,
    equal,
)
from heron_cli.space import sampler as sampler_module
from heron_cli.space.proposals import Proposals


def marginal_distance(rows, reference):
    """Mean total variation between the knobs' marginals of some rows and of the whole space."""
    distances = []
    for column in range(reference.shape[1]):
        values, exact = np.unique(reference[:, column], return_counts=True)
        seen = (rows[:, column][:, None] == values).mean(axis=0)
        distances.append(0.5 * np.abs(seen - exact / len(reference)).sum())
    return float(np.mean(distances))


def test_samples_are_uniform(small, small_rows):
    n, rng = 20_000, np.random.default_rng(5)
    noise = [
        marginal_distance(small_rows[rng.integers(0, len(small_rows), n)], small_rows) for _ in range(20)
    ]
    rows = TableSampler(small).sample(n, np.random.default_rng(11))
    assert marginal_distance(rows, small_rows) <= 1.5 * np.mean(noise)
    # And jointly: the chi-square statistic over all assignments lies within five deviations of its mean.
    _, counts = np.unique(rows, axis=0, return_counts=True)
    expected = n / len(small_rows)
    statistic = ((counts - expected) ** 2 / expected).sum() + (len(small_rows) - len(counts)) * expected
    freedom = len(small_rows) - 1
    assert abs(statistic - freedom) < 5 * np.sqrt(2 * freedom)


def test_the_uniformity_test_would_see_a_bias(small, small_rows):
    rng = np.random.default_rng(5)
    noise = [
        marginal_distance(small_rows[rng.integers(0, len(small_rows), 2000)], small_rows) for _ in range(5)
    ]
    biased = CpSampler(small).sample(300, rng)
    assert marginal_distance(biased, small_rows) > 1.5 * np.mean(noise)


@pytest.mark.parametrize("shape", [(1024, 64, 256), (1000, 63, 250), (17, 62, 512)])
def test_every_sample_is_valid(gemm, shape):
    space = gemm(*shape)
    rows = TableSampler(space).sample(5000, np.random.default_rng(0))
    assert rows.shape == (5000, len(space.knobs))
    assert rows.dtype == np.int64
    assert Evaluator(space).valid(rows).all()
    assert len(np.unique(rows, axis=0)) > 1000


def test_restricted_samples_are_uniform_within_the_restriction(small, small_rows):
    footprint = Evaluator(small).columns(small_rows)["footprint"]
    cache_m = small_rows[:, small.names.index("cache.m")]
    allowed = np.unique(footprint)[::3].tolist()
    inside = small_rows[np.isin(footprint, allowed) & np.isin(cache_m, [1, 2])]
    assert len(inside) > 20
    rows = TableSampler(small).sample(
        4000, np.random.default_rng(2), {"footprint": allowed, "cache.m": [1, 2, 999]}
    )
    assert {tuple(r) for r in rows.tolist()} == {tuple(r) for r in inside.tolist()}
    rng = np.random.default_rng(3)
    noise = [marginal_distance(inside[rng.integers(0, len(inside), 4000)], inside) for _ in range(20)]
    assert marginal_distance(rows, inside) <= 1.5 * np.mean(noise)


def test_the_same_generator_gives_the_same_rows_in_any_process(small):
    script = (
        "import sys, hashlib, numpy as np; sys.path.insert(0, sys.argv[1]); from conftest import build_gemm; "
        "from heron_cli.space import TableSampler; rng = np.random.default_rng(7); "
        "s = TableSampler(build_gemm(8, 4, 8, cache_bytes=3 << 10, registers=8)); rows = s.sample(500, rng); "
        "children = s.offspring(rows[:40].reshape(20, 2, -1), rng.random((20, rows.shape[1])) < 0.5, "
        "rows[:20], rng); "
        "print(hashlib.sha256(rows.tobytes() + children.tobytes()).hexdigest())"
    )
    rng = np.random.default_rng(7)
    sampler = TableSampler(small)
    rows = sampler.sample(500, rng)
    kept = rng.random((20, rows.shape[1])) < 0.5
    children = sampler.offspring(rows[:40].reshape(20, 2, -1), kept, rows[:20], rng)
    expected = hashlib.sha256(rows.tobytes() + children.tobytes()).hexdigest()
    environment = {"PYTHONHASHSEED": "123", "PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, "-c", script, str(Path(__file__).parent)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == expected, done.stderr


def test_a_needle_that_rejection_misses_is_found_by_the_solver(monkeypatch):
    monkeypatch.setattr(sampler_module, "PATIENCE", 1000)
    monkeypatch.setattr(sampler_module, "PATIENCE_PER_ROW", 0)
    monkeypatch.setattr("heron_cli.space.tables.JOIN_CAP", 0)
    builder = SpaceBuilder()
    knobs = [builder.knob(f"k{i}", range(100)) for i in range(4)]
    builder.require("corner", at_most(396, knobs[0] + knobs[1] + knobs[2] + knobs[3]))
    builder.derive("whole", knobs[0] + knobs[1])
    space = builder.build()
    rows = TableSampler(space).sample(3, np.random.default_rng(0), {"whole": [198]})
    assert Evaluator(space).valid(rows).all()
    assert (rows[:, :2].sum(axis=1) == 198).all()


def test_an_empty_space_is_proven_empty_not_guessed():
    builder = SpaceBuilder()
    x, y = builder.knob("x", range(1, 50)), builder.knob("y", range(1, 50))
    builder.require("prime", equal(x * y, 53))
    sampler = TableSampler(builder.build())
    with pytest.raises(SpaceEmptyError, match="no assignment satisfies its 1 constraints"):
        sampler.sample(1, np.random.default_rng(0))


@pytest.mark.parametrize("kind", [TableSampler, CpSampler])
def test_an_empty_restriction_is_named(small, kind):
    with pytest.raises(SpaceEmptyError, match=r"tile\.m in \{3331\}"):
        kind(small).sample(1, np.random.default_rng(0), {"tile.m": [3331]})


def test_no_rows_are_no_rows(small):
    assert TableSampler(small).sample(0, np.random.default_rng(0)).shape == (0, len(small.knobs))


@pytest.mark.parametrize("kind", [TableSampler, CpSampler])
def test_offspring_take_each_restricted_value_from_a_parent(small, kind):
    rng = np.random.default_rng(4)
    parents = TableSampler(small).sample(40, rng).reshape(20, 2, -1)
    kept = np.argsort(rng.random((20, parents.shape[2])), axis=1) < 5
    children = kind(small).offspring(parents, kept, parents[:, 0], rng)
    assert Evaluator(small).valid(children).all()
    inherited = (children == parents[:, 0]) | (children == parents[:, 1])
    assert inherited[kept].all()
    assert not inherited[~kept].all(), "what is not kept is free"
    assert len(np.unique(children, axis=0)) > 10


def test_proposals_and_solver_answer_alike_whether_a_child_exists(small, small_rows):
    rng = np.random.default_rng(9)
    choices = np.stack([rng.choice(knob.values, size=(60, 1)) for knob in small.knobs], axis=2)
    kept = rng.random((60, len(small.knobs))) < 0.4
    fallbacks = np.repeat(small_rows[:1], 60, axis=0)
    children = TableSampler(small).offspring(choices, kept, fallbacks, rng)
    some = 0
    for child, wanted, mask in zip(children, choices[:, 0], kept, strict=True):
        fitting = small_rows[(small_rows[:, mask] == wanted[mask]).all(axis=1)]
        expected = fitting if len(fitting) else fallbacks[:1]
        assert (expected == child).all(axis=1).any()
        some += bool(len(fitting))
    assert 0 < some < 60, "the test needs both kinds"


def test_offspring_differ_from_their_parents_where_they_can(small):
    rng = np.random.default_rng(4)
    parents = TableSampler(small).sample(2, rng)
    pairs, free = np.tile(parents, (100, 1, 1)), np.zeros((100, parents.shape[1]), bool)
    children = TableSampler(small).offspring(pairs, free, pairs[:, 0], rng)
    assert len(np.unique(children, axis=0)) > 80


@pytest.mark.parametrize("kind", [TableSampler, CpSampler])
def test_where_nothing_exists_the_parent_survives(small, kind):
    parents = TableSampler(small).sample(2, np.random.default_rng(0))
    kept = np.zeros(parents.shape, bool)
    kept[0, 0] = True
    children = kind(small).offspring(
        np.full_like(parents, 99_999)[:, None], kept, parents, np.random.default_rng(1)
    )
    assert children[0].tolist() == parents[0].tolist()


def test_where_the_solver_gives_up_the_parent_survives(small, monkeypatch):
    class Tired(CpBackend):
        def draw(self, rng, restrict=None):
            raise SolverTimeoutError("tired")

    parents = TableSampler(small).sample(4, np.random.default_rng(0))
    sampler = TableSampler(small, Tired(small))
    monkeypatch.setattr(Proposals, "survivors", lambda *_: np.empty(0, np.int64))
    kept = np.ones(parents.shape, bool)
    children = sampler.offspring(parents[:, None], kept, parents, np.random.default_rng(1))
    assert children.tolist() == parents.tolist()


def test_no_offspring_of_nobody(small):
    nobody = np.empty((0, len(small.knobs)), np.int64)
    kept = nobody.astype(bool)
    assert (
        TableSampler(small).offspring(nobody[:, None], kept, nobody, np.random.default_rng(0)).shape
        == nobody.shape
    )


def test_a_restriction_on_an_unknown_name_is_an_error(small):
    with pytest.raises(KeyError):
        TableSampler(small).sample(1, np.random.default_rng(0), {"nothing": [1]})


def test_a_restricted_constant_is_kept_or_empties():
    builder = SpaceBuilder()
    builder.knob("x", [1, 2])
    builder.derive("seven", 7)
    sampler = TableSampler(builder.build())
    assert len(sampler.sample(5, np.random.default_rng(0), {"seven": [7]})) == 5
    with pytest.raises(SpaceEmptyError):
        sampler.sample(5, np.random.default_rng(0), {"seven": [8]})
