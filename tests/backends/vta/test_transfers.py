"""Rectangles cover a region exactly: every element of the scratch-pad, from the right place or zero."""

from itertools import product
from math import prod

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from heron_cli.backends.vta.errors import ProgramError
from heron_cli.backends.vta.transfers import Rectangle, Span, rectangles

FAR = 65535


def covered(region: list[Rectangle]) -> dict[int, int | None]:
    """DRAM element by scratch-pad element, None for zero."""
    found: dict[int, int | None] = {}
    for r in region:
        width = r.pad_left + r.x_size + r.pad_right
        for y, x in product(range(r.pad_top + r.y_size + r.pad_bottom), range(width)):
            inside = r.pad_top <= y < r.pad_top + r.y_size and r.pad_left <= x < r.pad_left + r.x_size
            place = r.sram + y * width + x
            assert place not in found
            found[place] = r.dram + (y - r.pad_top) * r.x_stride + x - r.pad_left if inside else None
    return found


def expected(spans: list[Span]) -> dict[int, int | None]:
    found: dict[int, int | None] = {}
    for place, at in enumerate(product(*(range(s.low, s.low + s.length) for s in spans))):
        inside = all(0 <= i < s.extent for i, s in zip(at, spans, strict=True))
        found[place] = sum(i * s.dram_stride for i, s in zip(at, spans, strict=True)) if inside else None
    return found


@st.composite
def regions(draw: st.DrawFn) -> list[Span]:
    extents = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    spans = []
    for i, extent in enumerate(extents):
        padded = i >= len(extents) - 2
        low = draw(st.integers(-2 if padded else 0, extent - 1))
        high = draw(st.integers(max(low, 0), extent + (1 if padded else -1)))
        spans.append(Span(low, high - low + 1, extent, prod(extents[i + 1 :])))
    return spans


@given(regions(), st.sampled_from([2, 10, FAR]))
def test_every_element_once_and_from_its_place(spans: list[Span], stride: int) -> None:
    try:
        found = covered(region := list(rectangles(spans, stride)))
    except ProgramError:
        # only where padding is left in a dimension outside the two that a transfer pads
        assume(False)
    assert found == expected(spans)
    assert all(r.x_stride <= stride for r in region if r.y_size > 1)


def test_a_whole_tensor_is_one_row() -> None:
    (only,) = rectangles([Span(0, 3, 3, 20), Span(0, 4, 4, 5), Span(0, 5, 5, 1)], FAR)
    assert (only.x_size, only.y_size, only.dram) == (60, 1, 0)


def test_padding_in_a_third_dimension_is_refused() -> None:
    with pytest.raises(ProgramError, match="third dimension"):
        list(rectangles([Span(-1, 2, 3, 20), Span(0, 2, 4, 5), Span(0, 2, 5, 1)], FAR))


def test_rows_too_far_apart_are_transfers_of_their_own() -> None:
    spans = [Span(1, 3, 4, 100), Span(2, 5, 10, 1)]
    assert [(r.sram, r.dram, r.x_size, r.y_size) for r in rectangles(spans, 99)] == [
        (0, 102, 5, 1), (5, 202, 5, 1), (10, 302, 5, 1),
    ]  # fmt: skip
    assert len(list(rectangles(spans, 100))) == 1


def test_padding_alone_is_refused() -> None:
    with pytest.raises(ProgramError, match="padding only"):
        list(rectangles([Span(-2, 2, 3, 5), Span(0, 5, 5, 1)], FAR))
