"""Workload files by name or path, read for one accelerator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from heron_cli.errors import InputError

if TYPE_CHECKING:
    from heron_cli.accelerator.model import Accelerator
    from heron_cli.operators.workload import Workload


def workload_file(name: str) -> Path:
    """The file called `name`: a path, or the name of a shipped one. Raises InputError."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.exists():
        return path
    from heron_cli.configs import config_dir

    folder = config_dir() / "workloads"
    shipped = {str(file.relative_to(folder).with_suffix("")): file for file in sorted(folder.rglob("*.yaml"))}
    if name not in shipped:
        close = get_close_matches(name, shipped, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(shipped)}"
        raise InputError(f"--workloads: no file and no shipped workloads are called '{name}'; {hint}")
    return shipped[name]


def workloads_of_file(file: str, only: Sequence[str], types: Mapping[str, str]) -> list[Workload]:
    """The workloads of a file whose names match one of `only` (or all); at least one, else InputError.

    `types` are element types for the roles that the file leaves open.
    """
    from heron_cli.operators.workload import load_file

    path = workload_file(file)
    names: list[str] = []

    def wanted(name: str) -> bool:
        names.append(name)
        return not only or any(fnmatchcase(name, glob) for glob in only)

    chosen = load_file(path, wanted, types)
    if not chosen:
        raise InputError(
            f"--only {' '.join(only)}: no workload of {path} matches; there are: {', '.join(names)}"
        )
    return chosen


def native_types(machine: Accelerator) -> dict[str, str]:
    """The element types that the accelerator computes with, where it has an intrinsic."""
    if not machine.intrinsics:
        return {}
    types = machine.intrinsics[0].dtypes
    return {
        "input": types.input,
        "weight": types.weight,
        "accumulate": types.accumulate,
        "output": types.output or types.accumulate,
    }
