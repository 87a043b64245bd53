"""What one space admits and another does not, against enumeration."""

from __future__ import annotations

import numpy as np
import pytest

from heron_cli.space import Evaluator, SpaceBuilder
from heron_cli.space.difference import beyond

from .conftest import build_gemm


def test_the_witness_and_the_share_are_right() -> None:
    wide, tight = (build_gemm(8, 4, 8, cache_bytes=size << 10, registers=8) for size in (6, 3))
    found = beyond(wide, tight)
    assert found.witness is not None
    assert Evaluator(wide).valid(wide.row(found.witness)[None, :]).all()
    assert not Evaluator(tight).valid(tight.row(found.witness)[None, :]).any()
    assert any("cache" in reason for reason in found.reasons)
    axes = np.meshgrid(*(knob.values for knob in wide.knobs), indexing="ij")
    grid = np.stack([axis.ravel() for axis in axes], axis=1)
    mine = grid[Evaluator(wide).valid(grid)]
    exact = 1 - Evaluator(tight).valid(mine).mean()
    assert found.share.low - 0.02 <= exact <= found.share.high + 0.02


def test_what_is_contained_is_proven() -> None:
    wide, tight = (build_gemm(8, 4, 8, cache_bytes=size << 10, registers=8) for size in (6, 3))
    found = beyond(tight, wide)
    assert found.witness is None
    assert found.share.value == 0


def test_values_count_as_much_as_constraints() -> None:
    spaces = []
    for values in ([1, 2, 4], [1, 2]):
        b = SpaceBuilder()
        b.knob("copies", values)
        spaces.append(b.build())
    found = beyond(*spaces)
    assert found.witness == {"copies": 4}
    assert found.reasons[0].startswith("candidates of copies: copies is one of 1, 2")


def test_other_knobs_cannot_be_compared() -> None:
    spaces = []
    for name in ("x", "y"):
        b = SpaceBuilder()
        b.knob(name, [1])
        spaces.append(b.build())
    with pytest.raises(ValueError, match="different knobs"):
        beyond(*spaces)
