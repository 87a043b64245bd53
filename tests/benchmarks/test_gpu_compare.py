"""The turns that the sides of a comparison on a GPU take."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.gpu.compare import ROUNDS, rounds


def test_every_side_has_as_many_slices_and_none_always_the_same_before_it() -> None:
    order: list[str] = []

    def side(name: str, seconds: float) -> Callable[[], float]:
        def one() -> float:
            order.append(name)
            return seconds

        return one

    found = rounds({"heron": side("heron", 2e-6), "alone": side("alone", 3e-6), "peer": side("peer", 4e-6)})
    assert found == {"heron": (2e-6, 0.0), "alone": (3e-6, 0.0), "peer": (4e-6, 0.0)}
    assert {order.count(name) for name in found} == {ROUNDS}
    for name in found:
        before = {order[i - 1] for i in range(1, len(order)) if order[i] == name}
        assert before >= set(found) - {name}
