"""A job's YAML into plain values, or every error in it at once."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from heron_cli.accelerator import reader
from heron_cli.accelerator.problems import AcceleratorError
from heron_cli.accelerator.validation import validate_as
from heron_cli.configs import config_dir
from heron_cli.errors import InputError
from heron_cli.jobs.document import SCHEMA, Document

_KIND = reader.Kind("a job", SCHEMA)
_MANUAL = "docs/jobs.md"


@dataclass(frozen=True, slots=True)
class WorkloadChoice:
    """Workloads of a file: those whose names match one of `only`, or all."""

    file: str
    only: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The bar: old time / new time of every workload, at least."""

    against: Path
    min_speedup: float
    required: bool


@dataclass(frozen=True, slots=True)
class Job:
    """What to tune, within which budget, held to which bar. Files are as seen from the working directory."""

    name: str
    accelerators: tuple[str, ...]
    workloads: tuple[WorkloadChoice, ...]
    seconds: float | None
    trials: int | None
    description: str = ""
    method: str = "cga"
    seed: int = 0
    threads: int = 1
    acceptance: Acceptance | None = None
    library: Path | None = None


def load(name_or_path: str) -> Job:
    """The job of that name (of configs/jobs), or the one in that file.

    Accelerator and workload files named in a job count from its folder; the library and what it is compared
    with, being made by jobs, from the working directory.

    Raises:
        AcceleratorError: the file is wrong; one line per problem, `file:line:column: path: what; remedy`.
        InputError: there is no such job, or its file cannot be read.
    """
    path = _find(name_or_path)
    root, problems = reader.read(path, str(path), _KIND)
    document, found = validate_as(Document, root, _MANUAL)
    if problems or found or document is None:
        raise AcceleratorError([*problems, *found])
    bar = document.acceptance
    return Job(
        name=document.name,
        description=document.description,
        accelerators=tuple(_beside(path, each) for each in document.accelerators),
        workloads=tuple(
            WorkloadChoice(_beside(path, each.file), tuple(each.only)) for each in document.workloads
        ),
        seconds=document.budget.time,
        trials=document.budget.trials,
        method=document.search.method,
        seed=document.search.seed,
        threads=document.search.threads,
        acceptance=None if bar is None else Acceptance(Path(bar.against), bar.min_speedup, bar.required),
        library=None if document.library is None else Path(document.library),
    )


def names() -> list[str]:
    """The jobs that ship with heron."""
    return sorted(path.stem for path in (config_dir() / "jobs").glob("*.yaml"))


def _find(name_or_path: str) -> Path:
    path = Path(name_or_path)
    if path.suffix in (".yaml", ".yml") or path.exists():
        return path
    known = names()
    if name_or_path in known:
        return config_dir() / "jobs" / f"{name_or_path}.yaml"
    raise InputError(f"no file and no shipped job is called '{name_or_path}'; {_hint(name_or_path, known)}")


def _hint(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(known)}"


def _beside(job: Path, text: str) -> str:
    """A name stays as it is; a path counts from the folder of the job's file."""
    if Path(text).suffix not in (".yaml", ".yml"):
        return text
    return str(job.parent / text)
