"""The cycles of a workload's assignments, each modelled once and kept in build/, whoever asks for it."""

from __future__ import annotations

import hashlib
import math
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heron_cli.accelerator.loader import load
from heron_cli.backends.vta.config import VtaConfig
from heron_cli.backends.vta.cycles import CycleModel
from heron_cli.operators.workload import Workload
from heron_cli.schedule.primitives import Split
from heron_cli.schedule.task import Task

Rows = NDArray[np.int64]

_SAVE = 500  # new entries between two writes
_CHECKED = 10  # entries that are modelled again before a file is believed


class Cycles:
    """Of one workload on one machine. Leave it as a context, so that what is new is kept."""

    def __init__(self, machine: str, workload: Workload, folder: Path) -> None:
        accelerator = load(machine)
        self.task = Task(workload, accelerator)
        self.config = VtaConfig.of(accelerator)
        (self.variant,) = self.task.variants
        self._model = CycleModel(self.variant, self.config)
        knobs = [(knob.name, knob.values) for knob in self.variant.space.knobs]
        meaning = f"{self.config.digest.hex()} {self.config.timing} {workload.key} {knobs}"
        name = f"{machine}-{hashlib.sha256(meaning.encode()).hexdigest()[:16]}.npy"
        self._file = folder / "cycles" / name
        self._known: dict[bytes, int] = {}
        self._new = 0
        self._read()

    def __enter__(self) -> Cycles:
        return self

    def __exit__(self, *_: object) -> None:
        self._write()

    def of(self, rows: Rows) -> list[int]:
        """Cycles of each row."""
        keys = [row.tobytes() for row in rows.astype(np.int64)]
        new = [key for key in dict.fromkeys(keys) if key not in self._known]
        for begin in range(0, len(new), _SAVE):
            part = new[begin : begin + _SAVE]
            table = np.array([np.frombuffer(key, np.int64) for key in part])
            self._known.update(zip(part, self._model.of(table), strict=True))
            self._new += len(part)
            if self._new >= _SAVE:
                self._write()
        return [self._known[key] for key in keys]

    def modelled(self, rows: Rows) -> list[int]:
        """Cycles of each row, modelled whether they are known or not."""
        return list(self._model.of(rows))

    def _read(self) -> None:
        """What was kept, unless it is of another model: then all of it is discarded."""
        if not self._file.exists():
            return
        table: Rows = np.load(self._file)
        rows, cycles = np.ascontiguousarray(table[:, :-1]), table[:, -1].tolist()
        some = np.random.default_rng(0).choice(len(rows), min(_CHECKED, len(rows)), replace=False)
        if not self.variant.evaluator.valid(rows).all():
            return
        if list(self._model.of(rows[some])) != [cycles[i] for i in some]:
            return
        self._known = {row.tobytes(): each for row, each in zip(rows, cycles, strict=True)}

    def _write(self) -> None:
        if not self._new:
            return
        rows = np.array([np.frombuffer(key, np.int64) for key in self._known])
        table = np.column_stack([rows, list(self._known.values())])
        self._file.parent.mkdir(parents=True, exist_ok=True)
        partial = self._file.with_suffix(f".{os.getpid()}")
        with partial.open("wb") as file:
            np.save(file, table)
        partial.replace(self._file)  # a killed run leaves the old file or the new one
        self._new = 0

    def values(self, row: Rows) -> dict[str, int]:
        """Knobs by name."""
        return self.variant.space.values(row)


def mac_bound(cycles: Cycles) -> int:
    """Cycles that the GEMM unit needs at a block product a cycle, with channels padded to whole blocks."""
    return math.prod(split.blocks for split in cycles.variant.template.all(Split))
