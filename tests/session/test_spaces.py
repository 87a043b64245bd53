"""What the search is told of a variant: which rows are alike."""

from __future__ import annotations

import numpy as np
import pytest

from heron_cli.accelerator.loader import load
from heron_cli.operators.workload import make
from heron_cli.search.problem import REFINED, UNTOLD, VariantSpace
from heron_cli.session.spaces import bare_spaces, make_task

TYPES = {
    "dlboost": ("uint8", "int8", "int32", "int32"),
    "vta": ("int8", "int8", "int32", "int8"),
    "tensorcore-sm90": ("float16", "float16", "float32", "float16"),
}


def first_variant(target: str) -> VariantSpace:
    types = dict(zip(("input", "weight", "accumulate", "output"), TYPES[target], strict=True))
    workload = make("gemm", {"m": 64, "n": 64, "k": 64}, dtypes=types)
    return bare_spaces(make_task(workload, load(target)))[0]


def test_without_an_estimate_tiles_are_what_makes_a_kind() -> None:
    space = first_variant("dlboost")
    assert space.refined == UNTOLD
    rows = space.sampler.sample(400, np.random.default_rng(0))
    tile = [name for name in space.names if not name.startswith(("prefetch.", "order.", "store"))]
    columns = [space.names.index(name) for name in tile]
    for row in rows[:20]:
        alike = rows[(rows[:, columns] == row[columns]).all(axis=1)]
        assert len(set(space.kinds(alike))) == 1
    kinds = set(space.kinds(rows))
    assert 1 < len(kinds) < len({tuple(row) for row in rows.tolist()})


@pytest.mark.parametrize(("target", "known"), [("vta", True), ("tensorcore-sm90", False)])
def test_with_an_estimate_kinds_are_told_by_one_that_bounds_the_cost(target: str, known: bool) -> None:
    space = first_variant(target)
    assert (space.kind is not None) == known
    assert not known or space.refined == REFINED
