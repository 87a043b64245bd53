"""What tiles ask of the caches: every line that they write, once, and the rows that the next tile reads."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heron_cli.accelerator.loader import load
from heron_cli.backends.x86 import forms
from heron_cli.backends.x86.ahead import Ahead
from heron_cli.backends.x86.cases import Case
from heron_cli.backends.x86.stage import Source
from heron_cli.operators.workload import make
from heron_cli.schedule.nest import Nest
from heron_cli.schedule.task import Task

from .generated import draw


def conv(knobs: dict[str, int]) -> Nest:
    shape = {"height": 12, "width": 12, "in_channels": 16, "out_channels": 96, "kernel": 3}
    variant = Task(make("conv2d", shape), load("dlboost"), 1).variants[0]
    return variant.nest(draw(variant, 0, {name: (value,) for name, value in knobs.items()}))


ROWS = conv({"register.h": 2, "register.w": 5, "register.o": 2, "prefetch.output": 1, "store": 0})


@settings(deadline=None)
@given(high=st.integers(1, 3), wide=st.integers(1, 5), blocks=st.integers(1, 4), count=st.integers(1, 40))
def test_every_line_of_a_tile_is_asked_for(high: int, wide: int, blocks: int, count: int) -> None:
    """All of them once over the iterations of the outermost loop, however many these are."""
    asked: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forms, "prefetch", lambda buffer, place, write: asked.append(place))
        ahead = Ahead(ROWS, "o", 16)
        case = Case({"n": 1, "h": high, "w": wide, "o": blocks})
        for index in range(count):
            ahead.lines(None, 7, 3, case, blocks, index, count)
    row, column = (ROWS.einsum.output.stride(name) for name in ("h", "w"))
    expected = {
        7 + (3 + j) * 16 + h * row + w * column
        for h in range(high) for w in range(wide) for j in range(blocks)
    }  # fmt: skip
    assert sorted(asked) == sorted(expected)


@pytest.mark.parametrize(
    ("order", "moving"),
    [(0, "w"), (1, "w"), (2, "h")],  # h w o, h o w, o h w without tiles along w
)
def test_the_next_tile_is_the_next_along_the_innermost_loop_that_moves_the_input(
    order: int, moving: str
) -> None:
    width = {"register.w": 10} if moving == "h" else {"register.w": 4}
    knobs = {"register.h": 1, "register.o": 1, **width, "order.cache": order, "prefetch.input": 1}
    nest = conv(knobs)
    asked: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forms, "prefetch", lambda buffer, place: asked.append(place))
        case = Case({"h": 1, "w": width["register.w"], "o": 1})
        Ahead(nest, "o", 16).inputs(Source.user(None, nest.einsum.input), 100, case)
    step = case.size(moving) * nest.einsum.input.stride(moving)
    assert asked == [100 + step]
