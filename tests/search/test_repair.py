from __future__ import annotations

import numpy as np
import pytest

from heron_cli.search.genes import breed, domains
from heron_cli.search.problem import VariantSpace
from heron_cli.search.repair import repair
from heron_cli.space import Evaluator, SpaceBuilder, TableSampler, at_most, equal, product

from .toy import variant


def real() -> VariantSpace:
    builder = SpaceBuilder()
    divisors = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 96]
    factors = [[builder.knob(f"{axis}{level}", divisors, axis) for level in range(3)] for axis in "mn"]
    for axis in factors:
        builder.require("split", equal(product(axis), 96))
    builder.require("registers", at_most(factors[0][2] * factors[1][2], 32))
    space = builder.build()
    evaluator = Evaluator(space)
    return VariantSpace("real", space, TableSampler(space), valid=evaluator.valid)


@pytest.mark.parametrize("make", [variant, real])
def test_repaired_rows_are_valid_and_near(make: type) -> None:
    space = make()
    rng = np.random.default_rng(0)
    parents = space.sampler.sample(400, rng).reshape(200, 2, -1)
    children = breed(parents, domains(space), rng)
    valid = space.admits(children)
    assert 0 < valid.sum() < 200, "the test needs both kinds"
    repaired = repair(space, children, parents[:, 0], rng)
    assert space.admits(repaired).all()
    assert (repaired[valid] == children[valid]).all(), "what is valid stays"
    changes = (repaired != children).sum(axis=1)[~valid]
    assert changes.min() == 1
    to_parent = (parents[:, 0] != children).sum(axis=1)[~valid]
    assert changes.mean() < to_parent.mean()


def test_the_nearest_change_of_one_gene_is_taken() -> None:
    space = real()
    row = np.array([[3, 2, 16, 8, 6, 1]])  # 8 * 6 * 1 is 48: n0 = 16 and n2 = 2 are 2 and 1 steps away
    repaired = repair(space, row, row, np.random.default_rng(0))
    assert repaired.tolist() == [[3, 2, 16, 8, 6, 2]]


def test_what_cannot_be_repaired_becomes_its_fallback() -> None:
    space = variant()

    class Helpless:
        def offspring(self, choices: object, kept: object, fallbacks: object, rng: object) -> object:
            return np.array(fallbacks)

    lost = VariantSpace("lost", space.space, Helpless(), valid=space.valid)  # type: ignore[arg-type]
    good = space.sampler.sample(1, np.random.default_rng(0))
    bad = np.array([[256, 256, 256, 384, 384, 384, 512, 512, 0, 1]])
    assert repair(lost, bad, good, np.random.default_rng(0)).tolist() == good.tolist()


def test_genes_come_from_one_parent_each_but_for_mutants() -> None:
    values = [np.arange(100)] * 20
    parents = np.stack([np.full((500, 20), 100), np.full((500, 20), 200)], axis=1)
    children = breed(parents, values, np.random.default_rng(0))
    mutants = children < 100
    assert 0.04 < mutants.mean() < 0.06
    clean = np.where(mutants, 0, children)
    for row in clean:
        kept = row[row > 0]
        assert (np.diff(kept) >= 0).all() and kept.size, "one cut: first parent, then second"


def test_a_space_of_one_knob_breeds() -> None:
    children = breed(np.array([[[1], [2]]] * 50), [np.array([1, 2, 4])], np.random.default_rng(0))
    assert children.shape == (50, 1) and set(children.ravel().tolist()) <= {1, 2, 4}


def test_without_rules_the_methods_that_need_them_say_so() -> None:
    plain = variant(valid=None, violation=None)
    with pytest.raises(ValueError, match="variant plain: this search method needs to know"):
        plain.admits(plain.sampler.sample(1, np.random.default_rng(0)))
    assert plain.fits(plain.candidate(plain.sampler.sample(1, np.random.default_rng(0))[0]))
