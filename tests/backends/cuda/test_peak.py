"""The peak of a GPU, from what its driver would say."""

from __future__ import annotations

import pytest

from heron_cli.accelerator.loader import load
from heron_cli.backends.base import Peak
from heron_cli.backends.cuda import probe
from heron_cli.backends.cuda.backend import backend
from heron_cli.backends.cuda.driver import CudaError, Device
from heron_cli.operators.workload import make
from heron_cli.schedule.task import Task

# What the driver says of an H100 SXM, by CUdevice_attribute: clock and memory clock in kHz, bus in bits.
H100 = {13: 1_980_000, 16: 132, 36: 2_619_000, 37: 5120, 38: 50 << 20}
HALF = {"input": "float16", "weight": "float16", "accumulate": "float32", "output": "float32"}


def gemm(target: str, **types: str) -> Task:
    return Task(make("gemm", {"m": 64, "n": 64, "k": 64}, dtypes={**HALF, **types}), load(target))


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    monkeypatch.setattr(Device, "__init__", lambda self: None)
    monkeypatch.setattr(Device, "attribute", lambda self, which: H100[which])
    return Device()


def test_clocks_and_bandwidth_are_those_of_the_data_sheet(device: Device) -> None:
    assert device.clock == 1.98e9
    assert device.bandwidth == pytest.approx(3.35e12, rel=0.002)


def test_what_a_driver_refuses_is_not_told(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Device, which: int) -> int:
        raise CudaError("cuDeviceGetAttribute: invalid argument")

    monkeypatch.setattr(Device, "attribute", refuse)
    assert (device.clock, device.bandwidth) == (0, 0)
    with pytest.raises(CudaError):
        _ = device.processors


def test_the_peak_is_that_of_the_data_sheet(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    here = probe.Gpu("H100", 90, device.processors, device.l2_bytes, device.clock, device.bandwidth)
    monkeypatch.setattr(probe, "gpu", lambda: here)
    found = backend.peak(gemm("tensorcore-sm90"), [0])
    assert isinstance(found, Peak)
    assert 2 * found.products == pytest.approx(989.4e12 * 1980 / 1830, rel=0.001)  # which is at 1830 MHz
    assert (found.source, found.bandwidth, found.cached) == ("documented", device.bandwidth, 50 << 20)
    tf32 = backend.peak(gemm("tensorcore-sm90", input="float32", weight="float32"), [0])
    assert isinstance(tf32, Peak)
    assert tf32.products == found.products / 2


def test_silent_drivers_and_files_give_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "gpu", lambda: probe.Gpu("Some GPU", 90, 132, 1))
    assert backend.peak(gemm("tensorcore-sm90"), [0]) == "the driver does not tell the clock of Some GPU"
    monkeypatch.setattr(probe, "gpu", lambda: probe.Gpu("Some GPU", 90, 132, 1, 10, 0))
    without = backend.peak(gemm("tensorcore-sm90"), [0])
    assert isinstance(without, Peak)
    assert without.bandwidth is None
    task = gemm("tensorcore-sm90")
    object.__setattr__(task.accelerator, "peak", {})
    assert backend.peak(task, [0]) == "the accelerator states no peak for float16"


@pytest.mark.parametrize("name", ["tensorcore-sm75", "tensorcore-sm80", "tensorcore-sm89", "tensorcore-sm90"])
def test_every_type_of_every_machine_has_a_peak(name: str) -> None:
    machine = load(name)
    assert {each.dtypes.input for each in machine.intrinsics} <= set(machine.peak)
