"""Which names a rule may use: what resolves statically, before any operator is known.

Built from the raw tree, and tolerant: where a part of the file is wrong in itself, names that depend on it
are let pass, so that one mistake is reported once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from heron_cli.accelerator import units, words
from heron_cli.accelerator.nodes import Name
from heron_cli.accelerator.problems import suggest
from heron_cli.accelerator.tree import Tree


@dataclass(frozen=True)
class Vocabulary:
    """The names of one accelerator.

    `levels`: level -> groups whose factors it has; `memories`: memory -> units of its capacity, None where
    the capacity could not be read; `stages` and `limits`: their names. `broken`: sections that are no list
    of named maps (no map), whose names are therefore not known.
    """

    levels: dict[str, frozenset[str]]
    memories: dict[str, frozenset[str] | None]
    stages: frozenset[str]
    limits: frozenset[str]
    broken: frozenset[str]

    @classmethod
    def of(cls, root: Tree) -> Vocabulary:
        """The vocabulary of a document, valid or not."""
        levels, memories = {}, {}
        held = {str(item.value) for memory in root.items("memories") for item in memory.items("holds")}
        for level in root.items("levels"):
            if (name := level.text("name")) is not None:
                levels[name] = _groups(level)
        for memory in root.items("memories"):
            if (name := memory.text("name")) is not None:
                memories[name] = _units(memory)
        return cls(
            levels=levels,
            memories=memories,
            stages=frozenset(_keys(root.child("stages"))) | held,
            limits=frozenset(_keys(root.child("limits"))),
            broken=frozenset(_broken(root)),
        )

    def refuse(self, name: Name) -> str | None:
        """Why `name` resolves to nothing, and what would; None if it resolves (or that cannot be told)."""
        section = name.path[0] if name.path[0] in ("memories", "limits") else None
        needed = {section} if section else {"levels", "stages", "memories"}
        return None if needed & self.broken else self._refuse(name)

    def _refuse(self, name: Name) -> str | None:
        match name.path, name.argument:
            case ("tile", group), str(level):
                if level not in self.levels:
                    return (
                        f"unknown level '{level}' in '{name}'; {suggest(level, self.levels, 'known levels')}"
                    )
                return self._group(name, group)
            case (stage, "length"), str():
                if stage not in self.stages:
                    return (
                        f"unknown stage '{stage}' in '{name}'; {suggest(stage, self.stages, 'known stages')}"
                    )
                return None
            case ("memories", *rest), _:
                return self._memory(name, rest)
            case ("limits", *rest), _:
                if len(rest) == 1 and rest[0] in self.limits:
                    return None
                return f"'{name}' is no limit; {suggest('.'.join(rest), sorted(self.limits), 'known limits')}"
            case (words.INTRINSIC, dim), _:
                if dim in words.INTRINSIC_NUMBERS:
                    return None
                known = suggest(dim, words.INTRINSIC_NUMBERS, "it has")
                return f"'{name}': an intrinsic has no '{dim}'; {known}"
            case (stage, words.COPIES | words.NARROW), _ if stage in self.stages and stage in words.COPIED:
                return None
            case (level, group), _:
                return self._factor(name, level, group)
        return self._shape(name)

    def _shape(self, name: Name) -> str:
        first = name.path[0]
        if first in self.levels and len(name.path) == 1:
            return f"'{name}' is a level, not a number; write '{first}.m' or 'tile({first}).m'"
        if first in self.memories and len(name.path) == 1:
            return f"'{name}' is a memory, not a number; write 'memories.{first}.bytes'"
        if first in self.limits and len(name.path) == 1:
            return f"'{name}' alone names nothing; write 'limits.{first}'"
        forms = "level.m, tile(level).m, stage.length(d), memories.x.bytes or limits.x"
        return f"'{name}' names nothing; write {forms}"

    def _group(self, name: Name, group: str) -> str | None:
        if group in words.GROUPS:
            return None
        return f"unknown group '{group}' in '{name}'; {suggest(group, words.GROUPS, 'known groups')}"

    def _factor(self, name: Name, level: str, group: str) -> str | None:
        if level in self.stages and level not in self.levels:
            return f"'{level}' is a stage; write '{level}.length(d)'"
        if level in self.memories and level not in self.levels:
            return f"'{level}' is a memory; write 'memories.{level}.bytes'"
        if level not in self.levels:
            choices = [*self.levels, "memories", "limits", words.INTRINSIC]
            return f"unknown level '{level}' in '{name}'; {suggest(level, choices, 'known')}"
        if group in words.LEVEL_NUMBERS:
            if group in self.levels[level]:
                return None
            return f"'{name}': level '{level}' has no {group}; add '{words.LEVEL_NUMBERS[group]}' to it"
        if refused := self._group(name, group):
            return refused
        if group not in self.levels[level]:
            has = ", ".join(sorted(self.levels[level])) or "none"
            return (
                f"level '{level}' splits no axis of '{group}' (it has: {has}); write 'tile({level}).{group}'"
            )
        return None

    def _memory(self, name: Name, rest: list[str]) -> str | None:
        if len(rest) != 2:
            return f"'{name}' is no number; write 'memories.name.bytes'"
        memory, unit = rest
        if memory not in self.memories:
            return (
                f"unknown memory '{memory}' in '{name}'; {suggest(memory, self.memories, 'known memories')}"
            )
        known = self.memories[memory]
        if known is None or unit in known:
            return None
        if not known:
            return f"'{name}': memory '{memory}' has no capacity; add 'capacity: 48 KiB' to it"
        return f"'{name}': the capacity is not in {unit}; {suggest(unit, sorted(known), 'it is known in')}"


def _broken(root: Tree) -> Iterator[str]:
    for key in ("levels", "memories"):
        tree = root.child(key)
        if tree is not None and not (
            isinstance(tree.value, list) and all(item.text("name") is not None for item in tree.value)
        ):
            yield key
    for key in ("stages", "limits"):
        tree = root.child(key)
        if tree is not None and not isinstance(tree.value, dict):
            yield key


def _keys(tree: Tree | None) -> list[str]:
    return list(tree.value) if tree is not None and isinstance(tree.value, dict) else []


def _groups(level: Tree) -> frozenset[str]:
    axes = [str(item.value) for item in level.items("axes")]
    depth = frozenset(n for n, key in words.LEVEL_KEYS.items() if level.child(key) is not None)
    if any(axis not in words.AXES for axis in axes):
        return depth | frozenset(words.GROUPS)
    return depth.union(*(words.AXES[axis] for axis in axes))


def _units(memory: Tree) -> frozenset[str] | None:
    capacity = memory.child("capacity")
    if capacity is None or capacity.value is None:
        return frozenset()
    try:
        vector = memory.child("vector")
        size = None if vector is None else int(units.parse(vector.value, units.BYTES).value)
        return frozenset(capacities(units.parse(capacity.value, *units.WHOLE), size))
    except units.UnitError:
        return None


def capacities(capacity: units.Quantity, vector_bytes: int | None) -> dict[str, int]:
    """A capacity in every unit in which it is known; a memory with a vector size counts in vectors, too."""
    value = int(capacity.value)
    found = {capacity.dimension: value}
    if vector_bytes is not None and capacity.dimension == units.VECTORS:
        found[units.BYTES] = value * vector_bytes
    elif vector_bytes is not None and capacity.dimension == units.BYTES:
        found[units.VECTORS] = value // vector_bytes
    return found
