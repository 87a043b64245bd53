"""A YAML document as plain values that remember where they were written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from heron_cli.errors import Origin

Scalar = str | int | float | bool | None
Plain = Scalar | list["Plain"] | dict[str, "Plain"]


@dataclass(frozen=True, slots=True)
class Span:
    """The characters of a file from which a scalar was read."""

    source: str
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Tree:
    """A value, where it stands, and where its key stands (for the value of a map's key)."""

    value: Scalar | list[Tree] | dict[str, Tree]
    origin: Origin
    key_origin: Origin | None = None
    span: Span | None = field(default=None, repr=False)

    def plain(self) -> Plain:
        """The value without positions."""
        match self.value:
            case dict():
                return {key: child.plain() for key, child in self.value.items()}
            case list():
                return [child.plain() for child in self.value]
            case _:
                return self.value

    def child(self, key: str) -> Tree | None:
        """The value of a key of this map, None if there is none or this is no map."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def items(self, key: str) -> list[Tree]:
        """The items of the list at `key`; a single scalar counts as a list of one."""
        found = self.child(key)
        if found is None:
            return []
        if isinstance(found.value, list):
            return found.value
        return [] if isinstance(found.value, dict) else [found]

    def text(self, key: str) -> str | None:
        """The string at `key`, None if there is none or it is something else."""
        found = self.child(key)
        return found.value if found is not None and isinstance(found.value, str) else None

    def follow(self, path: Sequence[str | int]) -> tuple[Tree, str, bool]:
        """Walk along `path`: the last node on it, its dotted name, and whether the whole path exists.

        Items of a list are called by their `name` where they have one. Parts that do not exist are skipped:
        a value that may be written alone or as a list has fewer positions than its list form.
        """
        node, title, complete = self, "", True
        for part in path:
            step: Tree | None = None
            label = str(part)
            if isinstance(node.value, dict):
                step = node.value.get(str(part))
                title_after = f"{title}.{label}" if title else label
            elif isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
                step = node.value[part]
                name = step.text("name")
                title_after = f"{title}[{part}]" if name is None else f"{title}.{name}"
            if step is None:
                complete = False
                continue
            node, title, complete = step, title_after, True
        return node, title, complete

    def walk(self, title: str = "") -> Iterator[tuple[str, Tree]]:
        """Every node below this one with its dotted name, in the order of the file."""
        if isinstance(self.value, dict):
            for key, child in self.value.items():
                label = f"{title}.{key}" if title else key
                yield label, child
                yield from child.walk(label)
        elif isinstance(self.value, list):
            for index, child in enumerate(self.value):
                name = child.text("name")
                label = f"{title}[{index}]" if name is None else f"{title}.{name}"
                yield label, child
                yield from child.walk(label)

    def locate(self, offset: int) -> Origin:
        """Where character `offset` of this string stands in the file.

        Exact for plain, folded and literal scalars and for quoted ones without escapes (the characters that
        are not blank follow each other in the file as in the value); else the start of the scalar.
        """
        if self.span is None or not isinstance(self.value, str):
            return self.origin
        source, at = self.span.source, self._first_character()
        for index, character in enumerate(self.value):
            if character.isspace():
                continue
            while at < self.span.end and source[at].isspace():
                at += 1
            if at >= self.span.end or source[at] != character:
                return self.origin
            if index >= offset:
                line = source.count("\n", 0, at) + 1
                return Origin(self.origin.file, line, at - (source.rfind("\n", 0, at) + 1) + 1)
            at += 1
        return self.origin

    def _first_character(self) -> int:
        assert self.span is not None
        source, begin = self.span.source, self.span.begin
        if source[begin : begin + 1] in ("'", '"'):
            return begin + 1
        if source[begin : begin + 1] in ("|", ">"):  # the header line of a block scalar
            return source.find("\n", begin) + 1 or begin
        return begin
