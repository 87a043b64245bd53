"""What this machine can measure, and why not if not."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from heron_cli.errors import InputError
from heron_cli.findings import Finding, Level
from heron_cli.machine import Machine

if TYPE_CHECKING:
    from heron_cli.accelerator.model import Accelerator

_GIB = 1 << 30
_DISTRIBUTION = "heron-cli"
__all__ = ["Finding", "Level", "Verdict", "examine", "obstacles", "packages", "toolchain", "verdicts"]
_PROBE = "int heron_probe(void) { return 42; }\n"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether kernels for an accelerator can be measured here: they can when there are no reasons."""

    target: str
    backend: str
    reasons: tuple[str, ...]


def examine(machine: Machine | None = None, directory: Path | None = None) -> list[Finding]:
    """Findings about the machine; `directory` is where the database and the libraries would go."""
    machine = machine or Machine()
    from heron_cli import steadiness

    return [
        *_processor(machine),
        *steadiness.clocks(machine),
        steadiness.steady(),
        *steadiness.gpus(),
        *_memory(machine, directory or Path.cwd()),
        toolchain(),
        *packages(),
    ]


def verdicts(accelerators: Iterable[Accelerator]) -> list[Verdict]:
    """What the back end of each accelerator says of this machine."""
    return [Verdict(each.name, each.backend, tuple(obstacles(each))) for each in accelerators]


def obstacles(accelerator: Accelerator) -> list[str]:
    """Why kernels for an accelerator cannot be measured here; empty when they can."""
    from heron_cli.backends import registry

    try:
        backend = registry.get(accelerator.backend)
    except InputError as error:
        return [str(error)]
    return backend.unavailable(asdict(accelerator.requires))


def _processor(machine: Machine) -> Iterator[Finding]:
    yield Finding("cpu", machine.cpu_model)
    vectors = sorted(f for f in machine.cpu_flags if re.match(r"avx|amx|sse4|fma|asimd|sve|i8mm", f))
    yield Finding("cpu features", " ".join(vectors) or "none that heron knows of")
    quota = machine.cpu_quota
    if quota is not None and quota < machine.cores:
        advice = "raise the control group's limit: a throttled process measures its pauses"
        yield Finding("cores", f"{machine.cores}, of which {quota:g} granted", Level.WARNING, advice)
    else:
        yield Finding("cores", str(machine.cores))
    if machine.threads_per_core > 1:
        advice = "leave the sibling of a measured core idle, or turn SMT off"
        yield Finding("threads per core", str(machine.threads_per_core), Level.WARNING, advice)
    governor = machine.governor
    if governor not in ("", "performance"):
        advice = "choose `performance`: other governors change the frequency while measuring"
        yield Finding("frequency governor", governor, Level.WARNING, advice)
    else:
        yield Finding("frequency governor", governor or "not this system's to choose")
    load = machine.load
    if load is not None:
        busy = load > 0.5 * machine.cores
        advice = "stop other work: it disturbs what is measured"
        yield Finding("load", f"{load:g}", Level.WARNING if busy else Level.OK, advice if busy else "")


def _memory(machine: Machine, directory: Path) -> Iterator[Finding]:
    free = machine.free_bytes
    if free is not None:
        short = free < 2 * _GIB
        advice = "free some: builds and measurements run in processes of their own, about 0.5 GiB each"
        level = Level.WARNING if short else Level.OK
        yield Finding("free memory", f"{free / _GIB:.1f} GiB", level, advice if short else "")
    for name, place in (
        ("free disk here", directory),
        ("free disk for temporary files", Path(tempfile.gettempdir())),
    ):
        space = shutil.disk_usage(place).free
        short = space < _GIB // 4
        level = Level.WARNING if short else Level.OK
        yield Finding(name, f"{space / _GIB:.1f} GiB in {place}", level, "free some" if short else "")


def toolchain() -> Finding:
    """Whether a C file compiles, links with ld and loads: what measuring and exporting stand on."""
    for tool in ("cc", "ld"):
        if shutil.which(tool) is None:
            return _broken(
                f"`{tool}` is not there", "install a C compiler and binutils (on Debian: gcc libc6-dev)"
            )
    with tempfile.TemporaryDirectory(prefix="heron-doctor-") as folder:
        source, obj, library = (Path(folder) / name for name in ("probe.c", "probe.o", "probe.so"))
        source.write_text(_PROBE, encoding="utf-8")
        for line in (["cc", "-fPIC", "-c", source, "-o", obj], ["ld", "-shared", "-o", library, obj]):
            done = subprocess.run([str(part) for part in line], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                said = (done.stderr.strip().splitlines() or ["it says nothing"])[0]
                return _broken(f"`{line[0]}` fails: {said}", "repair the C compiler and binutils")
        try:
            answer = ctypes.CDLL(str(library)).heron_probe()
        except OSError as error:
            return _broken(
                f"a library does not load: {error}", "set TMPDIR to a directory not mounted noexec"
            )
    version = subprocess.run(["cc", "--version"], capture_output=True, text=True, check=False).stdout
    if answer != 42:
        return _broken("compiled code computes wrongly", "repair the C compiler")
    return Finding("C compiler and linker", (version.splitlines() or ["cc"])[0])


def _broken(value: str, advice: str) -> Finding:
    return Finding("C compiler and linker", value, Level.PROBLEM, advice)


def packages(requirements: Iterable[str] | None = None) -> Iterator[Finding]:
    """The packages that heron is pinned to, against those that are installed."""
    if requirements is None:
        try:
            requirements = metadata.requires(_DISTRIBUTION) or []
        except metadata.PackageNotFoundError:
            advice = "`make setup` installs it with the versions that it is tested with"
            yield Finding("heron-cli", "not installed, running from its sources", Level.WARNING, advice)
            return
    for requirement in requirements:
        match = re.match(r"([\w.-]+)([^;]*)$", requirement)  # those with a marker belong to extras
        if match is None:
            continue
        name, bounds = match[1], match[2].strip()
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Finding(name, "not installed", Level.PROBLEM, f"pip install '{name}{bounds}'")
            continue
        fits = all(_within(version, bound.strip()) for bound in bounds.split(",") if bound.strip())
        advice = "" if fits else f"heron is made for {name}{bounds}; pip install '{name}{bounds}'"
        yield Finding(name, version, Level.OK if fits else Level.PROBLEM, advice)


def _within(version: str, bound: str) -> bool:
    """Whether a release (no pre-releases) lies within `==1.2`, `>=1.2` or `<1.2`."""
    match = re.fullmatch(r"(==|>=|<)\s*(\S+)", bound)
    if match is None:
        return True
    have, want = ([int(part) for part in re.findall(r"\d+", text)] for text in (version, match[2]))
    if match[1] == "==":
        return have == want
    return have >= want if match[1] == ">=" else have < want
