from __future__ import annotations

import itertools
from pathlib import Path

from heron_cli.findings import Level
from heron_cli.machine import Machine
from heron_cli.steadiness import clocks, gpus, steady


def test_a_machine_that_is_disturbed_is_told_from_one_that_is_not() -> None:
    assert steady(lambda: 1.02).level is Level.OK
    noisy = itertools.cycle([1.0, 1.0, 1.0, 1.6])
    found = steady(lambda: next(noisy))
    assert (found.level, found.advice != "") == (Level.WARNING, True)


def test_the_clock_and_turbo_are_read(tmp_path: Path) -> None:
    for path, text in {
        "proc/cpuinfo": "cpu MHz\t\t: 2400.5\n",
        "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "3600000\n",
        "sys/devices/system/cpu/intel_pstate/no_turbo": "0\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    clock, turbo = clocks(Machine(tmp_path))
    assert clock.value == "2400 MHz of at most 3600"
    assert (turbo.value, turbo.level) == ("on", Level.WARNING)
    assert list(clocks(Machine(tmp_path / "none"))) == []


def test_gpus_are_listed_with_what_spoils_a_measurement() -> None:
    lines = [
        "NVIDIA H200, 345, 1980, 0, 143000, Enabled",
        "NVIDIA H200, 1980, 1980, 97, 100, Disabled",
        "junk",
    ]
    calm, busy = gpus(lambda: lines)
    assert (calm.name, calm.level) == ("gpu 0", Level.OK)
    assert calm.value == "NVIDIA H200, 345 MHz of at most 1980, 143000 MiB free"
    assert busy.level is Level.WARNING
    assert "97 % busy" in busy.advice
    assert "persistence" in busy.advice
