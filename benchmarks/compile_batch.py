"""Many kernels through one run of nvcc: its fixed cost (the headers) is more than half of a kernel's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import heron_cli.backends.cuda as cuda
from heron_cli.backends.base import BuildError, Kernel
from heron_cli.backends.cuda import compile as compiler
from heron_cli.backends.cuda.backend import SYMBOL, backend
from heron_cli.backends.cuda.disassemble import instructions
from heron_cli.schedule.task import Task
from heron_cli.trial import Candidate

_HEADERS = [path.read_text() for path in sorted((Path(cuda.__file__).parent / "device").glob("*.cuh"))]


@dataclass(slots=True)
class Built:
    """What became of one candidate: a failure, or ptxas' metrics; `machine` counts its instructions."""

    failure: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    machine: dict[str, int] | None = None


@dataclass(slots=True)
class Source:
    """The translation unit of one candidate, taken from the back end on its way to nvcc."""

    text: str = ""
    arch: str = ""
    kernel: Kernel | None = None
    failure: str = ""

    @classmethod
    def of(cls, task: Task, candidate: Candidate) -> Source:
        """What the back end would compile."""
        found = cls()

        def take(text: str, arch: str, extra: Sequence[str] = ()) -> tuple[bytes, dict[str, float]]:
            found.text, found.arch = text, arch
            return b"", {}

        try:
            with patch.object(compiler, "to_cubin", take):
                found.kernel = backend.build(task, candidate, threads=1)
        except Exception as error:  # a crash of the generator is a failure that is counted, as those of nvcc
            found.failure = f"{type(error).__name__}: {error}"[:200]
        return found


def compiled(sources: Sequence[Source], tool: str | None) -> list[Built]:
    """Compile the sources of one architecture together; where that fails, each by itself."""
    good = [source for source in sources if not source.failure]
    try:
        done = iter(_together(good, tool) if good else [])
    except BuildError as error:
        done = iter([Built(failure=str(error))] if len(good) == 1 else [compiled([s], tool)[0] for s in good])
    return [Built(failure=source.failure) if source.failure else next(done) for source in sources]


def _together(sources: Sequence[Source], tool: str | None) -> list[Built]:
    headers = [text for text in _HEADERS if any(text in source.text for source in sources)]
    parts: list[str] = []
    hoisted: dict[str, None] = {}
    for number, source in enumerate(sources):
        rest = source.text
        for text in _HEADERS:
            rest = rest.replace(text, "")
        lines = rest.splitlines()
        hoisted |= dict.fromkeys(line for line in lines if line.startswith(("#include", "typedef")))
        body = "\n".join(line for line in lines if line not in hoisted)
        renamed = re.sub(rf"\b{SYMBOL}(?=\b|_)", f"{SYMBOL}_{number}", body)
        parts.append(f"namespace sample_{number} {{\n{renamed}\n}}")
    unit = "\n".join([*hoisted, *headers, *parts])
    with patch.object(compiler, "resources", lambda said: said):
        code, said = compiler.to_cubin(unit, sources[0].arch)
    machine = instructions(code, tool) if tool else {}
    found = []
    for number, source in enumerate(sources):
        symbol = f"{SYMBOL}_{number}"
        metrics = compiler.resources(str(said), symbol)
        metrics["serialized"] = float(bool(re.search(rf"serialized.*'{symbol}'", str(said))))
        assert source.kernel is not None
        metrics["threads"] = source.kernel.launch["threads"]
        metrics["shared_bytes"] = source.kernel.launch["shared"]
        found.append(Built(metrics=metrics, machine=machine.get(symbol, {}) if tool else None))
    return found
