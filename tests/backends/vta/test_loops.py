"""Folding keeps the iterations and their order."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from heron_cli.backends.vta.loops import Loop, fold

strides = st.tuples(*[st.integers(0, 6)] * 3)
loops = st.lists(st.builds(Loop, st.integers(1, 4), strides), max_size=5)


def visited(nest: list[Loop]) -> list[tuple[int, ...]]:
    return [
        tuple(sum(i * loop.strides[o] for i, loop in zip(at, nest, strict=True)) for o in range(3))
        for at in product(*(range(loop.extent) for loop in nest))
    ]


@given(loops, st.integers(1, 64))
def test_the_same_steps_in_the_same_order(nest: list[Loop], most: int) -> None:
    folded = fold(nest, most)
    steps = [
        tuple(o * folded.outer.strides[i] + n * folded.inner.strides[i] + uop[i] for i in range(3))
        for o in range(folded.outer.extent)
        for n in range(folded.inner.extent)
        for uop in folded.offsets.tolist()
    ]
    assert steps == visited(nest)


def test_contiguous_loops_become_one() -> None:
    folded = fold([Loop(3, (8, 4, 0)), Loop(4, (2, 1, 0))], 100)
    assert (folded.outer.extent, folded.inner.extent, folded.count) == (12, 1, 1)
    assert folded.outer.strides == (2, 1, 0)


def test_a_fold_stays_within_the_field() -> None:
    folded = fold([Loop(3, (8, 4, 0)), Loop(4, (2, 1, 0))], 11)
    assert (folded.outer.extent, folded.inner.extent) == (3, 4)
