from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from heron_cli.schedule.nest import Tiling


@st.composite
def tilings(draw: st.DrawFn) -> Tiling:
    return Tiling(draw(st.integers(1, 300)), draw(st.integers(1, 17)), draw(st.integers(1, 40)), ())


@given(tilings())
def test_balanced_tiles_cover_every_block_exactly_once(tiling: Tiling) -> None:
    blocks = []
    for tile in range(tiling.tiles):
        first = tiling.first_block(tile)
        blocks += range(first, first + tiling.tile_blocks(tile))
    assert blocks == list(range(tiling.blocks))


@given(tilings())
def test_tiles_are_balanced_and_not_larger_than_asked(tiling: Tiling) -> None:
    sizes = [tiling.tile_blocks(tile) for tile in range(tiling.tiles)]
    assert 1 <= min(sizes) <= max(sizes) <= tiling.size
    assert max(sizes) - min(sizes) <= 1
    assert sizes == sorted(sizes, reverse=True)
    assert tiling.tiles == -(-tiling.blocks // tiling.size)  # no more tiles than the size asks for


@given(tilings())
def test_blocks_cover_every_iteration_and_nothing_else(tiling: Tiling) -> None:
    """The last block is shifted back to end with the axis, unless the axis is shorter than a block."""
    touched: set[int] = set()
    for block in range(tiling.blocks):
        start = tiling.start(block)
        touched |= set(range(start, start + tiling.unit))
    if tiling.extent >= tiling.unit:
        assert touched == set(range(tiling.extent))
    else:
        assert touched == set(range(tiling.unit))
