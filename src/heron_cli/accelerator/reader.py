"""YAML text to a `Tree`, within limits: nothing is constructed but maps, lists and scalars."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import yaml

from heron_cli.accelerator.problems import AcceleratorError, Problem
from heron_cli.accelerator.tree import Scalar, Span, Tree
from heron_cli.accelerator.words import SCHEMA
from heron_cli.errors import InputError, Origin

LARGEST = 2**20  # bytes of a file
DEEPEST = 24  # maps and lists inside each other
MOST = 20_000  # values, each alias counted as often as it is used


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file describes, for messages; `instead` says what to do instead of YAML's merge keys."""

    what: str
    schema: str
    instead: str = "write the values out"


ACCELERATOR = Kind("an accelerator", SCHEMA, "use 'extends:'")

_CONSTANTS: dict[str, Scalar] = {"": None, "~": None, "null": None, "true": True, "false": False}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?")


class _Mark(Protocol):
    line: int
    column: int


class _LimitedLoader(yaml.SafeLoader):
    """Stops at the first node that is too deep, too many, or tagged, before anything is built of it."""

    def __init__(self, text: str, file: str, kind: Kind = ACCELERATOR) -> None:
        super().__init__(text)
        self.file = file
        self.kind = kind
        self.depth = 0
        self.count = 0

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # PyYAML's stubs leave it out
        self.depth += 1
        self.count += 1
        try:
            if self.depth > DEEPEST:
                raise self.refuse(event, f"maps and lists nested over {DEEPEST} deep; flatten the file")
            if self.count > MOST:
                raise self.refuse(event, f"over {MOST} values; {self.kind.what} needs a few hundred")
            if not isinstance(event, yaml.AliasEvent) and event.tag is not None:
                raise self.refuse(event, f"the tag '{event.tag}' is not supported; write the value plainly")
            return super().compose_node(parent, index)  # type: ignore[arg-type]  # the stubs ask for an int
        finally:
            self.depth -= 1

    def refuse(self, event: yaml.Event, message: str) -> AcceleratorError:
        return AcceleratorError([Problem(_origin(self.file, event.start_mark), "", message)])


def read(path: Path, file: str, kind: Kind = ACCELERATOR) -> tuple[Tree, list[Problem]]:
    """Read the YAML file at `path`, called `file` in positions.

    Returns:
        the tree, and the problems that do not stop the reading: duplicate keys and keys that are no words.

    Raises:
        InputError: the file cannot be read.
        AcceleratorError: the text is no YAML, or passes a limit.
    """
    try:
        if not path.is_file():
            missing = "is a folder" if path.is_dir() else "no such file"
            raise InputError(f"{file}: {missing}; name {kind.what}'s YAML file")
        with path.open("rb") as stream:
            raw = stream.read(LARGEST + 1)
    except OSError as error:
        raise InputError(f"{file}: {error.strerror or error}; name a file that can be read") from None
    if len(raw) > LARGEST:
        raise InputError(f"{file}: over {LARGEST:,} bytes; {kind.what}'s file has a few thousand")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - (raw.rfind(b"\n", 0, error.start) + 1) + 1
        problem = Problem(Origin(file, line, column), "", "not UTF-8; save the file as UTF-8 text")
        raise AcceleratorError([problem]) from None
    return read_text(text, file, kind)


def read_text(text: str, file: str, kind: Kind = ACCELERATOR) -> tuple[Tree, list[Problem]]:
    """`read`, for text that is at hand."""
    # One kind of line end, so that offsets, lines and columns agree with the reader's.
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    try:
        root = compose(text, file, kind)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = Origin(file, 1, 1) if mark is None else _origin(file, mark)
        what = " ".join(part for part in (error.problem, error.context) if part)
        raise AcceleratorError(
            [Problem(where, "", f"not YAML: {what}; check indentation and quotes")]
        ) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        where = Origin(file, line, error.position - (text.rfind("\n", 0, error.position) + 1) + 1)
        what = f"the character U+{ord(text[error.position]):04X} is not allowed in YAML; remove it"
        raise AcceleratorError([Problem(where, "", what)]) from None
    if root is None:
        empty = f"the file is empty; begin with 'schema: {kind.schema}'"
        raise AcceleratorError([Problem(Origin(file, 1, 1), "", empty)])
    grower = _Grower(text, file, kind)
    return grower.grow(root, None, ""), grower.problems


def compose(text: str, file: str, kind: Kind) -> yaml.Node | None:
    """The YAML node of a text, of which nothing is built yet; None when there is none.

    Raises:
        AcceleratorError: the text passes a limit or has a tag.
        yaml.YAMLError: it is no YAML.
    """
    return _LimitedLoader(text, file, kind).get_single_node()


def _origin(file: str, mark: _Mark | None) -> Origin:
    assert mark is not None  # the pure-Python reader marks every event and node
    return Origin(file, mark.line + 1, mark.column + 1)


class _Grower:
    """Turns composed nodes into trees; the limits hold again because an alias is a copy here."""

    def __init__(self, text: str, file: str, kind: Kind) -> None:
        self._kind = kind
        self.problems: list[Problem] = []
        self._text = text
        self._file = file
        self._count = 0
        self._above: set[int] = set()

    def grow(self, node: yaml.Node, key_origin: Origin | None, title: str) -> Tree:
        where = _origin(self._file, node.start_mark)
        self._count += 1
        if self._count > MOST or id(node) in self._above or len(self._above) > DEEPEST:
            kind = "contain themselves" if id(node) in self._above else "multiply without end"
            raise AcceleratorError([Problem(where, title, f"the aliases {kind}; write the values out")])
        self._above.add(id(node))
        try:
            value = self._value(node, title)
        finally:
            self._above.discard(id(node))
        span = None
        if isinstance(node, yaml.ScalarNode):
            span = Span(self._text, node.start_mark.index, node.end_mark.index)
        return Tree(value, where, key_origin, span)

    def _value(self, node: yaml.Node, title: str) -> Scalar | list[Tree] | dict[str, Tree]:
        if isinstance(node, yaml.MappingNode):
            return self._map(node, title)
        if isinstance(node, yaml.SequenceNode):
            return [self.grow(item, None, f"{title}[{index}]") for index, item in enumerate(node.value)]
        return scalar(str(node.value), plain=isinstance(node, yaml.ScalarNode) and node.style is None)

    def _map(self, node: yaml.MappingNode, title: str) -> dict[str, Tree]:
        found: dict[str, Tree] = {}
        for key_node, value_node in node.value:
            where = _origin(self._file, key_node.start_mark)
            key = key_node.value
            if not isinstance(key_node, yaml.ScalarNode) or not isinstance(key, str):
                self.problems.append(Problem(where, title, "a key that is no word; write 'name: value'"))
                continue
            label = f"{title}.{key}" if title else key
            tree = self.grow(value_node, where, label)
            if key == "<<":
                self.problems.append(
                    Problem(where, title, f"merge keys are not supported; {self._kind.instead}")
                )
            elif key in found:
                first = found[key].key_origin
                said = (
                    f"'{key}' is given twice, first in line {first.line if first else '?'}; keep one of them"
                )
                self.problems.append(Problem(where, label, said))
            else:
                found[key] = tree
        return found


def scalar(text: str, *, plain: bool) -> Scalar:
    """A scalar by YAML 1.2's core rules: `yes`, `0o7`, `1:30` and dates stay strings, unlike in YAML 1.1."""
    if not plain:
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if len(text) <= 32:
        if _INTEGER.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text):
            return float(text)
    return text
