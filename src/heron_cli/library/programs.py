"""Write a library of programs: for machines that run what heron encodes, and link nothing.

The directory holds `programs/NAME.bin`, a driver in C, and a manifest in which the entry of a kernel says all
that is needed to run it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from heron_cli import __version__
from heron_cli.errors import HeronError, InputError
from heron_cli.library.item import ExportItem, Fallback
from heron_cli.library.manifest import NAME, SCHEMA, described, missing, sha256
from heron_cli.library.staging import Exported, check_output, staged

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heron_cli.accelerator.model import Accelerator
    from heron_cli.backends.base import Kernel
    from heron_cli.schedule.task import Task
    from heron_cli.trial import Candidate

PROGRAMS = "programs"
_LONGEST = 180


class ProgramExporter(Protocol):
    """What a back end offers whose kernels are programs, as in `heron_cli.backends.vta.exporter`."""

    platform: str

    def files(self, accelerator: Accelerator) -> Mapping[str, str]:
        """Path in the library → text of what feeds the programs to a device."""

    def describe(self, task: Task, candidate: Candidate, kernel: Kernel) -> dict[str, Any]:
        """What the manifest says of a program beside workload and record: JSON, enough for `run`."""

    def run(
        self,
        entry: Mapping[str, Any],
        code: bytes,
        accelerator: Accelerator,
        arrays: Mapping[str, NDArray[Any]],
    ) -> NDArray[Any]:
        """The output of a program of the library, from its entry in the manifest and the operands by name.

        Raises HeronError with one line when it cannot run.
        """


@dataclass(frozen=True, slots=True)
class ProgramItem:
    """A kernel of a library with the task that it was built for."""

    item: ExportItem
    task: Task


def export(
    items: Sequence[ProgramItem],
    out: Path,
    accelerator: Accelerator,
    exporter: ProgramExporter,
    *,
    fallbacks: Sequence[Fallback] = (),
    version: str = __version__,
    force: bool = False,
) -> Exported:
    """Write the library of `items` to the directory `out`; each is run and compared with numpy before.

    Raises InputError when there is nothing to export or `out` is not empty; HeronError when a program gives
    a wrong result.
    """
    if not items:
        raise InputError("there is no kernel to export")
    check_output(out, force=force)
    with staged(out) as stage:
        entries = []
        texts = dict(exporter.files(accelerator))
        codes: dict[str, bytes] = {}
        for name, each in zip(_names(items), items, strict=True):
            path = f"{PROGRAMS}/{name}.bin"
            entry = _entry(each, path, exporter)
            _verify(entry, each, accelerator, exporter)
            entries.append(entry)
            codes[path] = each.item.kernel.code
        files = {**{path: text.encode() for path, text in texts.items()}, **codes}
        for path, data in files.items():
            (stage.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (stage.folder / path).write_bytes(data)
        content = {
            "schema": SCHEMA,
            "version": version,
            "heron": __version__,
            "build_id": sha256("".join(sha256(files[path]) for path in sorted(files)).encode())[:32],
            "platform": exporter.platform,
            "accelerator": {"name": accelerator.name, "digest": accelerator.digest},
            "kernels": entries,
            "fallbacks": missing(fallbacks),
            "files": {path: sha256(data) for path, data in sorted(files.items())},
        }
        (stage.folder / NAME).write_text(
            json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8"
        )
        stage.names = [*sorted(files), NAME]
    return Exported(out, tuple(stage.names), stage.bytes, len(items), ())


def _entry(each: ProgramItem, path: str, exporter: ProgramExporter) -> dict[str, Any]:
    item = each.item
    found = {
        **described(item),
        "epilogue": asdict(item.workload.epilogue),
        "record_id": item.record.id,
        "operands": [
            {"name": operand.name, "shape": list(operand.shape), "dtype": operand.dtype}
            for operand in item.kernel.operands
        ],
        "file": path,
        **exporter.describe(each.task, item.record.trial.candidate, item.kernel),
    }
    parsed: dict[str, Any] = json.loads(json.dumps(found))  # what is verified is what a reader will see
    return parsed


def _verify(
    entry: Mapping[str, Any], each: ProgramItem, accelerator: Accelerator, exporter: ProgramExporter
) -> None:
    from heron_cli.measure.inputs import random_operands
    from heron_cli.measure.verify import compare
    from heron_cli.operators.expected import Reference

    workload, kernel = each.item.workload, each.item.kernel
    reference = Reference(workload)
    arrays = random_operands(kernel.operands, 1, reference.prescribed())
    output = exporter.run(entry, kernel.code, accelerator, arrays)
    wrong = compare(output, reference(arrays))
    if wrong:
        raise HeronError(f"nothing was exported: {workload.key} is wrong: {wrong}")


def _names(items: Sequence[ProgramItem]) -> list[str]:
    """A file's name for each, after its workload's; those that would be equal get a digest of their key."""
    plain = [
        re.sub(r"[^A-Za-z0-9._=-]+", "_", each.item.workload.name)[:_LONGEST].strip("._") for each in items
    ]
    folded = [name.casefold() for name in plain]
    return [
        name if name and folded.count(name.casefold()) == 1 else f"{name}-{_short(each)}".lstrip("-")
        for name, each in zip(plain, items, strict=True)
    ]


def _short(each: ProgramItem) -> str:
    return sha256(each.item.workload.key.encode())[:8]
