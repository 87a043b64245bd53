from __future__ import annotations

import ctypes
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks.native import BenchmarkError, compile_library
from benchmarks.timing import Burst, Comparison, NativeCall, geomean, interleave, median_interval, sample

SOURCE = """
#include <stdint.h>
int32_t count(void *where) { ++*(int64_t *)where; return 0; }
int32_t add(void *a, void *b, void *sum) {
    *(int64_t *)sum = *(int64_t *)a + *(int64_t *)b;
    return 0;
}
int32_t fail(void *where) { return ++*(int64_t *)where == 3 ? 7 : 0; }
"""


@pytest.fixture
def helpers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ctypes.CDLL:
    monkeypatch.setattr("benchmarks.native.CACHE", tmp_path / "cache")
    source = tmp_path / "helpers.c"
    source.write_text(SOURCE)
    return ctypes.CDLL(str(compile_library(source)))


def bound(library: ctypes.CDLL, name: str, *places: ctypes.c_int64) -> NativeCall:
    address = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
    assert address is not None
    return NativeCall(address, tuple(ctypes.addressof(place) for place in places), places)


def test_a_burst_calls_as_often_as_asked(helpers: ctypes.CDLL) -> None:
    counter = ctypes.c_int64()
    burst = bound(helpers, "count", counter).repeat(1000)
    assert counter.value == 1000
    assert burst.cpu > 0 and burst.wall > 0


def test_arguments_arrive_in_order(helpers: ctypes.CDLL) -> None:
    places = ctypes.c_int64(3), ctypes.c_int64(4), ctypes.c_int64()
    bound(helpers, "add", *places).repeat(1)
    assert places[2].value == 7


def test_a_status_ends_the_burst_and_is_told(helpers: ctypes.CDLL) -> None:
    counter = ctypes.c_int64()
    with pytest.raises(BenchmarkError, match="status 7"):
        bound(helpers, "fail", counter).repeat(10)
    assert counter.value == 3


def test_rounds_give_each_side_equal_bursts(helpers: ctypes.CDLL) -> None:
    one, other = ctypes.c_int64(), ctypes.c_int64()
    comparison = interleave(bound(helpers, "count", one), bound(helpers, "count", other), 5, 1e-4)
    assert len(comparison.first) == len(comparison.second) == 5
    assert len(sample(bound(helpers, "count", one), 3, 1e-4)) == 3


def test_a_ratio_is_the_median_of_the_rounds() -> None:
    ours = tuple(Burst(1.0, time) for time in (1.0, 2.0, 4.0))
    theirs = tuple(Burst(3.0, 2 * burst.cpu) for burst in ours)
    comparison = Comparison(theirs, ours)
    assert comparison.ratio() == 2.0
    assert comparison.ratio("wall") == 3.0
    assert Comparison.from_json(asdict(comparison)) == comparison


def test_an_interval_holds_its_median_and_repeats() -> None:
    values = [0.9, 1.0, 1.1, 1.3, 0.8]
    interval = median_interval(values)
    assert interval.low <= interval.median == 1.0 <= interval.high
    assert interval.low < interval.high
    assert interval == median_interval(values)


def test_geometric_mean() -> None:
    assert geomean([2.0, 8.0]) == pytest.approx(4.0)


def test_a_source_that_does_not_compile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.native.CACHE", tmp_path / "cache")
    source = tmp_path / "wrong.c"
    source.write_text("int f(void) { return }")
    with pytest.raises(BenchmarkError, match=r"could not build wrong\.c"):
        compile_library(source)
    assert not list((tmp_path / "cache").glob("*.so"))
