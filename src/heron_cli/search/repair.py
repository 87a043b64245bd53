"""From invalid rows to valid ones nearby."""

from __future__ import annotations

import numpy as np

from .genes import Domains, domains
from .problem import Rows, VariantSpace


def repair(variant: VariantSpace, rows: Rows, fallbacks: Rows, rng: np.random.Generator) -> Rows:
    """The rows, each invalid one replaced by a valid one near it, [len(rows), knobs].

    Where changing one gene is enough, the change of the fewest steps through the sorted domain is made, ties
    at random. Where it is not, the genes are put in random order and the sampler draws a point that keeps all
    but the first 2, 4, 8, … of them. What is still without an answer becomes its fallback, a valid row.
    """
    values = domains(variant)
    result = rows.copy()
    left: list[int] = []
    for index in np.flatnonzero(~variant.admits(rows)).tolist():
        near = _by_one_gene(variant, rows[index], values, rng)
        if near is None:
            left.append(index)
        else:
            result[index] = near
    orders = {index: rng.permutation(rows.shape[1]).tolist() for index in left}
    relaxed = 2
    while left and relaxed < rows.shape[1]:
        asked = np.zeros((len(left), rows.shape[1]), bool)
        for place, index in enumerate(left):
            asked[place, orders[index][relaxed:]] = True
        drawn = variant.sampler.offspring(rows[left][:, None, :], asked, fallbacks[left], rng)
        still: list[int] = []
        for index, row in zip(left, drawn, strict=True):
            kept = orders[index][relaxed:]
            if np.array_equal(row[kept], rows[index, kept]):
                result[index] = row
            else:
                still.append(index)
        left, relaxed = still, 2 * relaxed
    result[left] = fallbacks[left]
    return result


def _by_one_gene(variant: VariantSpace, row: Rows, values: Domains, rng: np.random.Generator) -> Rows | None:
    """The nearest valid row that differs from `row` in one gene; None when there is none."""
    columns = np.repeat(np.arange(len(values)), [len(domain) for domain in values])
    changed = np.tile(row, (len(columns), 1))
    changed[np.arange(len(columns)), columns] = np.concatenate(values)
    steps = np.concatenate(
        [
            np.abs(np.arange(len(domain)) - np.searchsorted(domain, value))
            for domain, value in zip(values, row, strict=True)
        ]
    )
    valid = np.flatnonzero(variant.admits(changed))
    if not len(valid):
        return None
    nearest: Rows = changed[valid[np.argmin(steps[valid] + rng.random(len(valid)))]]
    return nearest
