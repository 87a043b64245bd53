from __future__ import annotations

from itertools import chain, repeat

import pytest

from benchmarks.dlboost_operators import calm
from benchmarks.dlboost_operators.calm import Calm


def test_calm_is_what_comes_near_the_most_ever_seen() -> None:
    assert Calm(100.0).holds([99.0, 98.0, 40.0]), "one of three was disturbed"
    assert not Calm(100.0).holds([90.0, 91.0, 92.0])
    first = Calm()
    assert first.holds([90.0, 91.0, 92.0]), "nothing better is known"
    assert not first.holds([100.0, 91.0, 92.0])


def test_it_waits_for_a_calm_moment_until_the_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calm, "_PAUSE", 0.0)
    disturbed = calm._SAMPLES * 3
    peaks = chain(repeat(80.0, disturbed), repeat(99.0))
    assert Calm(100.0).wait(lambda: next(peaks), 9.0, iter(range(9)).__next__)
    asked = iter(range(3))
    assert not Calm(100.0).wait(lambda: 80.0, 2.0, asked.__next__)
    assert next(asked, None) is None, "looked until then"
