"""Evaluator and solver on the same rows, for tests of any space."""

from __future__ import annotations

import numpy as np

from heron_cli.schedule.task import Variant
from heron_cli.space import CpBackend, Space, TableSampler


def perturbed(space: Space, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rows with one or two knobs set to other values of their domains."""
    changed = rows.copy()
    for row in changed:
        for k in rng.choice(len(space.knobs), size=min(2, len(space.knobs)), replace=False):
            row[k] = rng.choice(space.knobs[k].values)
    return changed


def solver_says(backend: CpBackend, row: np.ndarray) -> bool:
    """Whether the solver finds the row valid."""
    fixed = {name: (value,) for name, value in backend.space.values(row).items()}
    return not backend.is_empty(fixed)


def assert_readers_agree(variant: Variant, seed: int, count: int) -> int:
    """Evaluator and solver on sampled and on perturbed rows; returns how many of the latter are invalid."""
    rng, backend = np.random.default_rng(seed), CpBackend(variant.space)
    rows = TableSampler(variant.space).sample(count, rng)
    assert variant.evaluator.valid(rows).all()
    others = perturbed(variant.space, rows, rng)
    valid = variant.evaluator.valid(others)
    for row in rows:
        assert solver_says(backend, row)
        assert not variant.evaluator.violations(variant.space.values(row))
    for row, ok in zip(others, valid, strict=True):
        assert solver_says(backend, row) == ok
        assert bool(variant.evaluator.violations(variant.space.values(row))) != ok
    return int((~valid).sum())


def every_row(space: Space, most: int) -> np.ndarray:
    """The product of all domains, which has at most so many rows."""
    domains = [np.array(knob.values, np.int64) for knob in space.knobs]
    assert np.prod([len(domain) for domain in domains]) <= most
    return np.stack([axis.ravel() for axis in np.meshgrid(*domains, indexing="ij")], axis=1)


def assert_the_same_by_all_three_ways(variant: Variant, most: int, draws: int = 60) -> None:
    """Brute force over at most so many rows, CP-SAT's enumeration, and what the sampler ever draws.

    Each row is drawn about `draws` times.
    """
    everything = every_row(variant.space, most)
    brute = everything[variant.evaluator.valid(everything)]
    assert len(brute) > 0
    enumerated = CpBackend(variant.space).enumerate(most)
    assert np.array_equal(np.unique(brute, axis=0), enumerated)
    drawn = TableSampler(variant.space).sample(draws * len(brute) + 500, np.random.default_rng(0))
    support, counts = np.unique(drawn, axis=0, return_counts=True)
    assert np.array_equal(support, enumerated)
    mean = len(drawn) / len(brute)
    assert counts.max() < mean + 8 * mean**0.5  # uniform
