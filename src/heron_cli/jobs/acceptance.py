"""The bar of a job: each workload's time against what a library or an earlier job's summary says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from heron_cli.errors import InputError
from heron_cli.records import Record

LARGEST = 64 << 20  # bytes of a manifest or summary
_SOFTWARE = frozenset({"heron", "tvm", "ortools", "lightgbm", "python"})  # what a bar is there to compare
_Cost = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Kernel(BaseModel):
    """What is read of a kernel's entry in a manifest or a summary."""

    model_config = ConfigDict(strict=True)

    workload: str
    target: str
    threads: int
    seconds: _Cost | None = None
    cycles: _Cost | None = None
    versions: dict[str, str] = {}


class _Manifest(BaseModel):
    schema_: Literal["heron/library/1"] = Field(alias="schema")
    kernels: list[_Kernel]


class _Summary(BaseModel):
    schema_: Literal["heron/job-summary/1"] = Field(alias="schema")
    kernels: list[_Kernel]


Key = tuple[str, str, int]  # workload, target, threads


class Standing(StrEnum):
    """How a workload stands to the bar."""

    PASSED = "passed"
    REGRESSED = "regressed"
    LOST = "lost"  # there was a kernel and now there is none
    NEW = "new"  # there was none to compare with
    INCOMPARABLE = "incomparable"  # measured on another machine


@dataclass(frozen=True, slots=True)
class Verdict:
    """`speedup` is old time / new time, None where there are no two times."""

    standing: Standing
    speedup: float | None = None
    reason: str = ""

    @property
    def missed(self) -> bool:
        """Whether the bar is missed."""
        return self.standing in (Standing.REGRESSED, Standing.LOST)


@dataclass(frozen=True, slots=True)
class Bar:
    """What there was, by workload, and the least speed-up."""

    before: Mapping[Key, _Kernel]
    min_speedup: float
    source: Path

    def judge(self, key: Key, best: Record | None) -> Verdict:
        """How the best kernel of a workload (None: there is none) compares."""
        old = self.before.get(key)
        if old is None:
            return Verdict(Standing.NEW, reason=f"{self.source} has no such kernel")
        if best is None:
            return Verdict(Standing.LOST, reason=f"{self.source} has a kernel, this run has none")
        measurement = best.trial.measurement
        if old.cycles is not None and measurement.cycles is not None:
            speedup = old.cycles / measurement.cycles
        elif old.seconds is not None and measurement.seconds is not None:
            other = _other_machine(old.versions, best.versions)
            if other:
                return Verdict(Standing.INCOMPARABLE, reason=other)
            speedup = old.seconds / measurement.seconds
        else:
            return Verdict(Standing.INCOMPARABLE, reason="one is in seconds, the other in cycles")
        if speedup < self.min_speedup:
            reason = f"{speedup:.3f} times as fast as in {self.source}; at least {self.min_speedup:g} is due"
            return Verdict(Standing.REGRESSED, speedup, reason)
        return Verdict(Standing.PASSED, speedup)


def read_bar(path: Path, min_speedup: float, *, required: bool) -> Bar | None:
    """The bar from a library, a directory of libraries, or a summary; None if absent and not `required`.

    Raises InputError when it is required and missing, or damaged.
    """
    files = [path] if path.is_file() else [path / "manifest.json", *sorted(path.glob("*/manifest.json"))]
    files = [file for file in files if file.is_file()]
    if not files:
        if required:
            raise InputError(f"{path}: neither a library nor a job's summary is there to compare with")
        return None
    kernels: dict[Key, _Kernel] = {}
    for file in files:
        for kernel in _read(file):
            kernels[kernel.workload, kernel.target, kernel.threads] = kernel
    return Bar(kernels, min_speedup, path)


def _read(file: Path) -> list[_Kernel]:
    model: type[_Manifest] | type[_Summary] = _Manifest if file.name == "manifest.json" else _Summary
    try:
        with file.open("rb") as stream:
            content = stream.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise InputError(f"{file}: over {LARGEST:,} bytes, so neither a manifest nor a summary")
        found = model.model_validate_json(content).kernels
        return [kernel for kernel in found if kernel.seconds is not None or kernel.cycles is not None]
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = "".join(f"{part}: " for part in [".".join(map(str, first["loc"]))] if part)
        raise InputError(f"{file}: {place}{first['msg']}; export or run again") from None


def _other_machine(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """Which part of the hardware differs; empty when none does."""
    for name in sorted((set(old) | set(new)) - _SOFTWARE):
        if old.get(name) != new.get(name):
            return f"{name} was {old.get(name, 'not recorded')}, is {new.get(name, 'not recorded')}"
    return ""
