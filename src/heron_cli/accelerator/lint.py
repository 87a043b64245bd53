"""`heron lint`: the errors of an accelerator's file, or what in a correct one is probably not meant."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from heron_cli.accelerator import bounds, words
from heron_cli.accelerator.loader import load
from heron_cli.accelerator.model import Accelerator, Memory
from heron_cli.accelerator.nodes import Name, names
from heron_cli.accelerator.problems import AcceleratorError
from heron_cli.errors import Origin


class Severity(StrEnum):
    """How bad a finding is: the file cannot be used; it is probably wrong; it is worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding; `message` is "path: what is wrong; what would be right"."""

    origin: Origin
    severity: Severity
    message: str

    def __str__(self) -> str:
        return f"{self.origin}: {self.severity}: {self.message}"


def lint(path: str | os.PathLike[str]) -> list[Diagnostic]:
    """Check the accelerator file at `path` (or of that name); its findings in the order of the file.

    Raises:
        InputError: there is no such file, or it cannot be read.
    """
    try:
        accelerator = load(path)
    except AcceleratorError as error:
        return [
            Diagnostic(
                found.origin,
                Severity.ERROR,
                f"{found.path}: {found.message}" if found.path else found.message,
            )
            for found in error.problems
        ]
    found = [
        *_name(accelerator),
        *_rules(accelerator),
        *_memories(accelerator),
        *_capacities(accelerator),
        *_rates(accelerator),
        *_levels(accelerator),
        *_axes(accelerator),
    ]
    return sorted(found, key=lambda diagnostic: diagnostic.origin)


# What is between these is believed; a slip of a unit, a factor of a thousand, mostly falls outside.
_CLOCKS = (2e7, 2e10)  # hertz
_BANDWIDTHS = (1e8, 5e13)  # bytes per second
_ON_CHIP = 1 << 29  # bytes that no cache or scratch-pad has


def _named(accelerator: Accelerator) -> Iterator[Name]:
    for rule in accelerator.rules:
        yield from names(rule.require)
        if rule.when is not None:
            yield from names(rule.when)


def _name(accelerator: Accelerator) -> Iterator[Diagnostic]:
    stem = Path(accelerator.file).stem
    if stem != accelerator.name:
        said = (
            f"name: '{accelerator.name}' in a file called '{stem}'; --target finds it by the file's name only"
        )
        yield Diagnostic(accelerator.where("name"), Severity.WARNING, said)


def _rules(accelerator: Accelerator) -> Iterator[Diagnostic]:
    for rule in accelerator.rules:
        path = f"rules.{rule.name}"
        when = None if rule.when is None else bounds.truth(rule.when, accelerator)
        if when is not None:
            remedy = "remove 'when'" if when else "the rule never holds; remove it"
            said = f"{path}.when: always {str(when).lower()}; {remedy}"
            yield Diagnostic(accelerator.where(f"{path}.when"), Severity.WARNING, said)
        require = bounds.truth(rule.require, accelerator)
        if require is not None and when is not False:
            remedy = "it constrains nothing" if require else "no program satisfies it"
            said = f"{path}.require: always {str(require).lower()}: {remedy}; compare what a knob decides"
            yield Diagnostic(accelerator.where(f"{path}.require"), Severity.WARNING, said)


def _memories(accelerator: Accelerator) -> Iterator[Diagnostic]:
    ruled = {name.path[1] for name in _named(accelerator) if name.path[0] == "memories"}
    for memory in accelerator.memories:
        if not (memory.holds or memory.implicit or memory.bandwidth or memory.name in ruled):
            said = f"memories.{memory.name}: unused; give it 'holds:' or 'bandwidth:', or name it in a rule"
            yield Diagnostic(memory.origin, Severity.WARNING, said)


def _capacities(accelerator: Accelerator) -> Iterator[Diagnostic]:
    for index, memory in enumerate(accelerator.memories):
        path = f"memories.{memory.name}.capacity"
        where = accelerator.where(path)
        size = memory.capacity_bytes
        if size is None:
            continue
        if size < (64 if "vectors" in memory.units else 1024):
            said = f"{path}: only {size} B; did you mean {size} KiB?"
            yield Diagnostic(where, Severity.WARNING, said)
        elif size >= _ON_CHIP:
            said = f"{path}: {size:,} B is more than any cache or scratch-pad has; check the unit"
            yield Diagnostic(where, Severity.WARNING, said)
        elif size % 1000 == 0:
            said = f"{path}: {size:,} B is a multiple of 1000; on-chip memories count in KiB and MiB"
            yield Diagnostic(where, Severity.WARNING, said)
        farther = [other for other in accelerator.memories[:index] if _chained(other, memory)]
        smaller = [other for other in farther if (other.capacity_bytes or size) < size]
        if smaller:
            other = smaller[-1]
            said = f"{path}: {size:,} B, more than '{other.name}' before it ({other.capacity_bytes:,} B)"
            yield Diagnostic(
                where, Severity.WARNING, f"{said}; memories go far to near: check unit and order"
            )


def _rates(accelerator: Accelerator) -> Iterator[Diagnostic]:
    rates = [("clock", accelerator.clock, "Hz", _CLOCKS)]
    rates += [
        (f"memories.{each.name}.bandwidth", each.bandwidth, "B/s", _BANDWIDTHS)
        for each in accelerator.memories
    ]
    for path, value, unit, (low, high) in rates:
        if value is not None and not low <= value <= high:
            said = f"{path}: {value:.3g} {unit} is not between {low:.0e} and {high:.0e}; check the unit"
            yield Diagnostic(accelerator.where(path), Severity.WARNING, said)


def _chained(far: Memory, near: Memory) -> bool:
    """Whether data pass through one to the other; private memories beside each other do not compare."""
    return far.shared_by == near.shared_by and (
        bool(set(far.holds) & set(near.holds)) or not (far.holds or near.holds)
    )


def _levels(accelerator: Accelerator) -> Iterator[Diagnostic]:
    # Of `tile(cache).m` the level is the argument; a level may itself be called tile.
    mentioned = {name.argument or name.path[0] for name in _named(accelerator)}
    mentioned |= {position for stage in accelerator.stages.values() for position in stage.at}
    for level in accelerator.levels:
        path = f"levels.{level.name}"
        if level.at_most == 0:
            said = f"{path}.at_most: 0 leaves no factor, so every space is empty; write at least 1"
            yield Diagnostic(accelerator.where(f"{path}.at_most"), Severity.WARNING, said)
        elif level.at_most == 1:
            said = f"{path}.at_most: 1 leaves nothing to choose; remove the level or raise it"
            yield Diagnostic(accelerator.where(f"{path}.at_most"), Severity.NOTE, said)
        special = (
            level.bind,
            level.at_most,
            level.unroll or None,
            level.fills or None,
            level.pipeline or None,
        )
        if level.name not in mentioned | {words.INTRINSIC} and not any(item is not None for item in special):
            said = f"{path}: never named by a rule, a stage or a key of its own; only its factors are tuned"
            yield Diagnostic(level.origin, Severity.NOTE, said)


def _axes(accelerator: Accelerator) -> Iterator[Diagnostic]:
    split = {group for level in accelerator.levels for axis in level.axes for group in words.AXES[axis]}
    missing = [group for group in ("batch", "m", "n", "channel", "window") if group not in split]
    if missing:
        said = f"levels: none splits {', '.join(missing)}; such an axis must then be as long as the intrinsic"
        yield Diagnostic(accelerator.where("levels"), Severity.WARNING, said)
