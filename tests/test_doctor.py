from __future__ import annotations

from pathlib import Path

import pytest

from heron_cli import doctor
from heron_cli.doctor import Finding, Level
from heron_cli.machine import Machine


def levels(findings: list[Finding]) -> dict[str, Level]:
    return {finding.name: finding.level for finding in findings}


def test_every_concern_has_advice_and_nothing_else_has() -> None:
    for finding in doctor.examine():
        assert (finding.level is Level.OK) == (finding.advice == ""), finding


def test_an_unsteady_machine_is_warned_about(tmp_path: Path) -> None:
    cpu = tmp_path / "sys/devices/system/cpu/cpu0"
    (cpu / "cpufreq").mkdir(parents=True)
    (cpu / "topology").mkdir()
    (cpu / "cpufreq/scaling_governor").write_text("powersave\n")
    (cpu / "topology/thread_siblings_list").write_text("0-1\n")
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/loadavg").write_text("99 99 99 1/1 1\n")
    (tmp_path / "proc/meminfo").write_text("MemAvailable: 1000 kB\n")
    found = levels(doctor.examine(Machine(tmp_path), tmp_path))
    for name in ("frequency governor", "threads per core", "load", "free memory"):
        assert found[name] is Level.WARNING


def test_the_toolchain_is_tried_out() -> None:
    assert doctor.toolchain().level is Level.OK


@pytest.mark.parametrize(
    ("script", "value"),
    [("exit 1", "`cc` fails: it says nothing"), ("echo no >&2; exit 1", "`cc` fails: no")],
)
def test_a_broken_compiler_is_a_problem(
    script: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for tool in ("cc", "ld"):
        (tmp_path / tool).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / tool).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    finding = doctor.toolchain()
    assert (finding.level, finding.value) == (Level.PROBLEM, value)


def test_a_missing_linker_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cc").write_text("#!/bin/sh\n")
    (tmp_path / "cc").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    finding = doctor.toolchain()
    assert (finding.level, finding.value) == (Level.PROBLEM, "`ld` is not there")
    assert "install" in finding.advice


@pytest.mark.parametrize(
    ("requirement", "level"),
    [
        ("click>=8.1", Level.OK),
        ("click>=8.1,<8.2", Level.PROBLEM),
        ("click<99,>=1", Level.OK),
        ("click==1.0", Level.PROBLEM),
        ("click", Level.OK),
        ("no-such-distribution>=1", Level.PROBLEM),
    ],
)
def test_packages_are_held_to_their_pins(requirement: str, level: Level) -> None:
    assert [finding.level for finding in doctor.packages([requirement])] == [level]


def test_extras_are_not_demanded() -> None:
    assert list(doctor.packages(['no-such-distribution==1; extra == "bench"'])) == []
