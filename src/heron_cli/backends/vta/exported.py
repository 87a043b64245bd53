"""Programs on disk: found by file or by name in a library, run in simulation, or read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heron_cli.backends.vta.errors import BinaryError, VtaError
from heron_cli.errors import HeronError, InputError

if TYPE_CHECKING:
    from heron_cli.accelerator.model import Accelerator
    from heron_cli.backends.vta.config import VtaConfig
    from heron_cli.backends.vta.program import Program
    from heron_cli.backends.vta.timing import Timing
    from heron_cli.operators.workload import Workload

_MANIFEST = "manifest.json"
_SCHEMA = "heron/library/1"
_DIGEST = slice(32, 64)  # of the header (binary.py)


@dataclass(frozen=True)
class ProgramFile:
    """A program's file; `entry` is its kernel in the manifest, None for a file that is in no library."""

    path: Path
    code: bytes
    accelerator: Accelerator
    entry: Mapping[str, Any] | None

    @property
    def config(self) -> VtaConfig:
        """The machine that it is read for."""
        from heron_cli.backends.vta.config import VtaConfig

        return VtaConfig.of(self.accelerator)

    def read(self) -> tuple[Program, Timing]:
        """The program and its modelled time. Raises InputError for a file that is none."""
        from heron_cli.backends.vta.binary import read_program
        from heron_cli.backends.vta.timing import time_program

        program = read_program(self.code, self.config, str(self.path))
        try:
            return program, time_program(program, self.config)
        except VtaError as error:
            raise InputError(f"{self.path}: {error}") from None


def find(path: Path, name: str | None = None, target: str | None = None) -> ProgramFile:
    """The program of a .bin file, or of the library in a folder by its file's, workload's or kernel's name.

    `target` names the accelerator; by default the manifest does, and for a file without one the shipped
    accelerator whose digest the file holds. Raises InputError with one line.
    """
    from heron_cli.accelerator.loader import load

    entry: Mapping[str, Any] | None
    if path.is_dir():
        entry = _choose(path, _manifest(path / _MANIFEST), name)
        path = path / str(entry["file"])
    elif name is not None:
        raise InputError(f"{path}: is no folder; NAME chooses a kernel of a library")
    else:
        entry = _beside(path)
    try:
        code = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if entry is not None and hashlib.sha256(code).hexdigest() != entry.get("code_sha256"):
        raise InputError(f"{path}: is not the program that the manifest describes: its sha-256 is another")
    if target is not None:
        return ProgramFile(path, code, load(target), entry)
    if entry is None:
        return ProgramFile(path, code, _by_digest(path, code), None)
    accelerator = load(str(entry.get("target")))
    if accelerator.digest != entry.get("target_digest"):
        raise InputError(
            f"{path}: was exported for another description of {accelerator.name}; give it by --target"
        )
    return ProgramFile(path, code, accelerator, entry)


@dataclass(frozen=True, slots=True)
class Run:
    """A run in simulation that gave what numpy gives: modelled cycles, and numbers that were compared."""

    workload: Workload
    cycles: int
    compared: int


def run(file: ProgramFile, seed: int = 0) -> Run:
    """Run a program of a library on random operands, packed as the manifest says, and compare with numpy.

    Raises InputError for a file that cannot be run, HeronError when its result is wrong.
    """
    from heron_cli.backends.base import Operand
    from heron_cli.backends.vta.exporter import exporter
    from heron_cli.measure.inputs import random_operands
    from heron_cli.measure.verify import compare
    from heron_cli.operators import registry

    if file.entry is None:
        raise InputError(
            f"{file.path}: no manifest says what it computes; it lies in no library (../{_MANIFEST})"
        )
    workload = _workload(file.path, file.entry)
    operator = registry.get(workload.operator)
    specs = operator.specs(workload)
    _, timing = file.read()
    operands = [Operand(name, spec.shape, spec.dtype) for name, spec in specs.items()]
    arrays = random_operands(operands, seed, operator.prescribed(workload))
    try:
        output = exporter.run(file.entry, file.code, file.accelerator, arrays)
    except VtaError as error:
        raise InputError(f"{file.path}: {error}") from None
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{file.path}: the manifest's entry is damaged: {error}") from None
    expected = operator.expected(workload, arrays)
    if output.shape != expected.values.shape:
        raise InputError(f"{file.path}: the manifest gives its output the shape {output.shape}")
    wrong = compare(output, expected)
    if wrong:
        raise HeronError(f"{file.path}: {wrong}")
    return Run(workload, timing.cycles, output.size)


def _workload(path: Path, entry: Mapping[str, Any]) -> Workload:
    from heron_cli.operators.workload import make

    try:
        steps = {key: (value, str(path)) for key, value in entry["epilogue"].items()}
        found = make(
            entry["operator"], entry["shape"], dtypes=entry["dtypes"], epilogue=steps, where=str(path)
        )
        key = entry["workload"]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(f"{path}: the manifest's entry lacks its workload: {error}") from None
    if found.key != key:
        raise InputError(f"{path}: the manifest calls it {key}, but describes {found.key}")
    return found


def _manifest(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path.parent}: no exported library: {_MANIFEST}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is no JSON: {error}") from None
    if not isinstance(content, dict) or content.get("schema") != _SCHEMA:
        raise InputError(f"{path}: is no manifest of a library: its schema is not {_SCHEMA}")
    kernels = content.get("kernels")
    if not isinstance(kernels, list) or not all(isinstance(each, dict) for each in kernels):
        raise InputError(f"{path}: lists no kernels")
    return content


def _beside(path: Path) -> Mapping[str, Any] | None:
    """The entry of a file in the manifest of the library that it lies in."""
    manifest = path.absolute().parent.parent / _MANIFEST
    if not manifest.is_file():
        return None
    name = f"{path.absolute().parent.name}/{path.name}"
    return next((each for each in _manifest(manifest)["kernels"] if each.get("file") == name), None)


def _choose(path: Path, content: Mapping[str, Any], name: str | None) -> Mapping[str, Any]:
    """The kernel of a library that is called `name`; the only one, without a name."""
    programs = [each for each in content["kernels"] if isinstance(each.get("file"), str)]
    names = [Path(each["file"]).stem for each in programs]
    if not programs:
        raise InputError(f"{path}: a library without programs; its kernels are native code")
    if name is None:
        if len(programs) > 1:
            raise InputError(f"{path}: holds {len(programs)} programs; name one: {', '.join(names)}")
        return _inside(path, programs[0])
    for stem, each in zip(names, programs, strict=True):
        if name in (stem, each.get("name"), each.get("workload")):
            return _inside(path, each)
    close = get_close_matches(name, names, n=1)
    hint = f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(names)}"
    raise InputError(f"{path}: no program is called '{name}'; {hint}")


def _inside(path: Path, entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The entry, whose file must lie in the library."""
    file = Path(entry["file"])
    if file.is_absolute() or ".." in file.parts or "\0" in str(file):
        raise InputError(f"{path / _MANIFEST}: names a file outside the library: {file}")
    return entry


def _by_digest(path: Path, code: bytes) -> Accelerator:
    """The shipped accelerator that a program was made for."""
    from heron_cli.accelerator import catalog
    from heron_cli.accelerator.loader import load
    from heron_cli.backends.vta.backend import backend
    from heron_cli.backends.vta.binary import MAGIC
    from heron_cli.backends.vta.config import VtaConfig

    if code[: len(MAGIC)] != MAGIC:
        raise BinaryError(f"{path}: is no VTA program: it does not begin with '{MAGIC.decode()}'")
    for each in catalog.entries():
        accelerator = load(each.name)
        if accelerator.backend == backend.name and VtaConfig.of(accelerator).digest == code[_DIGEST]:
            return accelerator
    raise InputError(
        f"{path}: was made for no accelerator that ships ({code[_DIGEST].hex()[:12]}); give it by --target"
    )
