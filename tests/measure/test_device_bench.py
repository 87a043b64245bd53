"""The measuring process' steps for a device with a memory and a clock of its own, in this process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from measure_fakes import Exactly
from numpy.typing import NDArray

from heron_cli.backends.base import Kernel, Operand
from heron_cli.measure import worker
from heron_cli.measure.limits import Limits
from heron_cli.measure.timing import TimingOptions, timing_of
from heron_cli.measure.verify import References
from heron_cli.measure.worker import Bench, Job, WorkerSetup
from heron_cli.trial import Status

OPERANDS = (Operand("input", (4, 8), "int32"), Operand("output", (4, 8), "int32"))
KERNEL = Kernel("plain", OPERANDS, b"", "")
QUICK = TimingOptions(
    warmup_seconds=1e-6, slice_seconds=1e-6, floor_seconds=1e-6, close_floor_seconds=1e-6, host=False
)


class Loaded:
    """Doubles its input; what calls of `repeat` leave is off by `drift` and seen by `fetch` only."""

    def __init__(self, drift: int, refuses_to_close: bool) -> None:
        self.drift, self.refuses_to_close, self.closed = drift, refuses_to_close, 0

    def pack(self, weight: NDArray[Any]) -> NDArray[np.uint8]:
        raise AssertionError("nothing is packed")

    def call(self, buffers: Sequence[NDArray[Any]]) -> None:
        buffers[1][...] = buffers[0] * 2

    def repeat(self, buffers: Sequence[NDArray[Any]], count: int) -> float:
        return 1e-5 * count

    def fetch(self, buffers: Sequence[NDArray[Any]]) -> None:
        buffers[1][...] = buffers[0] * 2 + self.drift

    def close(self) -> None:
        self.closed += 1
        if self.refuses_to_close:
            raise RuntimeError("the device is lost")


class Device:
    name = "device"
    timing = QUICK

    def __init__(self, drift: int = 0, refuses_to_close: bool = False) -> None:
        self._made = drift, refuses_to_close
        self.loaded: list[Loaded] = []

    def processor(self) -> str:
        return "a device"

    def load(self, kernel: Kernel, *, threads: int) -> Loaded:
        self.loaded.append(Loaded(*self._made))
        return self.loaded[-1]


class Desk:
    def phase(self, label: str, seconds: float, detail: int = 0) -> None:
        """Nobody watches."""


def outcomes(device: Device, folder: Path, kernels: int = 1, interleaved: bool = False) -> list[Any]:
    setup: Any = WorkerSetup(device, 1, timing_of(device), Limits())  # type: ignore[arg-type]
    bench = Bench(setup, Desk())  # type: ignore[arg-type]
    bench._stopwatch.yardstick.take = _never  # type: ignore[method-assign]
    reference = References(Exactly(lambda arrays: arrays["input"] * 2), folder).get(OPERANDS)
    return bench.run(Job((KERNEL,) * kernels, reference, None, interleaved))


def _never() -> float:
    raise AssertionError("the host's pace says nothing of a device")


@pytest.fixture(autouse=True)
def _children_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is not the bench's own: what other tests left running is not a kernel's doing."""
    monkeypatch.setattr(worker, "_left_process", lambda: False)


@pytest.mark.parametrize("interleaved", [False, True])
def test_kernels_are_timed_by_the_device_and_given_back(tmp_path: Path, interleaved: bool) -> None:
    device = Device()
    found = outcomes(device, tmp_path, 3, interleaved)
    assert [outcome.status for outcome in found] == [Status.OK] * 3
    assert [outcome.timing.seconds for outcome in found] == pytest.approx([1e-5] * 3)
    assert [loaded.closed for loaded in device.loaded] == [1, 1, 1]


def test_what_repeated_calls_leave_is_fetched_and_verified(tmp_path: Path) -> None:
    device = Device(drift=1)
    (found,) = outcomes(device, tmp_path)
    assert found.status is Status.WRONG_RESULT
    assert found.reason.endswith("after repeated calls")
    assert device.loaded[0].closed == 1


def test_a_device_that_refuses_to_close_costs_the_trial_and_no_more(tmp_path: Path) -> None:
    (found,) = outcomes(Device(refuses_to_close=True), tmp_path)
    assert (found.status, found.reason) == (Status.RUN_ERROR, "the device is lost in the closing")
