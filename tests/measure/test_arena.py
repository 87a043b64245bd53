from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heron_cli.measure.arena import ALIGNMENT, Guarded


def signal_of(action: Callable[[], object]) -> int:
    """The signal that ends a process doing this; 0 if it survives."""
    pid = os.fork()
    if pid == 0:
        try:
            signal.signal(signal.SIGSEGV, signal.SIG_DFL)
            action()
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=3),
    st.sampled_from(["uint8", "int8", "int32", "float16", "float32"]),
)
def test_arrays_are_aligned_and_whole(shape: list[int], dtype: str) -> None:
    guarded = Guarded(shape, dtype)
    assert guarded.array.shape == tuple(shape)
    assert guarded.array.dtype == dtype
    assert guarded.array.ctypes.data % ALIGNMENT == 0
    guarded.poison()
    assert guarded.damage() == ""
    guarded.array[...] = 1
    assert guarded.damage() == ""


@given(st.integers(1, 5000), st.integers(1, 4096))
def test_a_byte_written_in_front_is_found(size: int, distance: int) -> None:
    guarded = Guarded((size,), "uint8")
    ctypes.memset(guarded.array.ctypes.data - distance, 0, 1)
    assert guarded.damage() == f"wrote up to {distance} bytes before its output"


@given(st.integers(1, 5000))
def test_a_byte_written_behind_is_found_or_kills(size: int) -> None:
    slack = -size % ALIGNMENT
    for offset in range(slack):
        fresh = Guarded((size,), "uint8")
        ctypes.memset(fresh.array.ctypes.data + size + offset, 0, 1)
        assert fresh.damage() == f"wrote up to {offset + 1} bytes past the end of its output"


@pytest.mark.parametrize("size", [1, 64, 100, 4096, 5000])
def test_the_page_behind_cannot_be_touched(size: int) -> None:
    guarded = Guarded((size,), "uint8")
    end = guarded.array.ctypes.data + size + -size % ALIGNMENT
    assert end % 4096 == 0
    assert signal_of(lambda: ctypes.string_at(end - 1, 1)) == 0
    assert signal_of(lambda: ctypes.string_at(end, 1)) == signal.SIGSEGV


def test_a_guarded_copy_can_be_read_but_not_written() -> None:
    values = np.arange(300, dtype=np.int16).reshape(3, 100)
    guarded = Guarded.holding(values)
    assert (guarded.array == values).all()
    assert signal_of(lambda: ctypes.memset(guarded.array.ctypes.data, 0, 1)) == signal.SIGSEGV


def test_poison_is_no_plausible_answer() -> None:
    for dtype in ("int32", "int8", "uint8"):
        guarded = Guarded((8,), dtype)
        guarded.poison()
        limits = np.iinfo(dtype)
        assert not set(guarded.array.tolist()) & {0, -1, limits.min, limits.max}
    for dtype in ("float16", "float32"):
        guarded = Guarded((8,), dtype)
        guarded.poison()
        assert np.isnan(guarded.array).all()
