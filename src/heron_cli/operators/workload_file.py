"""Workload YAML (schema heron/workloads/1), read with line numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from heron_cli.accelerator.reader import Kind, compose
from heron_cli.errors import InputError, Origin
from heron_cli.operators import epilogue as _epilogue
from heron_cli.operators import registry
from heron_cli.operators import workload as _workload
from heron_cli.operators.workload import SCHEMA, Workload

_MAXIMUM_BYTES = 1 << 20
_KIND = Kind("a workload file", SCHEMA)
_TOP = {"schema", "name", "dtype", "epilogue", "workloads"}
_ENTRY = {"name", "operator", "shape", "dtype", "epilogue", "count"}


def read(path: Path, only: Callable[[str], bool], types: Mapping[str, str]) -> list[Workload]:
    """See `workload.load_file`."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if len(raw) > _MAXIMUM_BYTES:
        raise InputError(f"{path}: is larger than 1 MiB; workload files are small")
    try:
        root = compose(raw.decode("utf-8"), str(path), _KIND)
        top = _mapping(root, path, "the file", _TOP)
        return _workloads(top, path, only, types)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise InputError(f"{place}: is not YAML: {error.problem}") from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: is not YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise InputError(f"{path}: is nested too deeply") from None


def _origin(node: yaml.Node | None, path: Path) -> str:
    mark = node.start_mark if node is not None else None
    return str(Origin(str(path), mark.line + 1 if mark else 1, mark.column + 1 if mark else 1))


def _mapping(node: yaml.Node | None, path: Path, what: str, keys: set[str] | None) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        raise InputError(f"{_origin(node, path)}: {what} is not a mapping")
    entries: dict[str, yaml.Node] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise InputError(f"{_origin(key, path)}: a key is a word, not a list or a mapping")
        name = str(key.value)
        if keys is not None and name not in keys:
            raise InputError(
                f"{_origin(key, path)}: unknown key '{name}'; there are {', '.join(sorted(keys))}"
            )
        if name in entries:
            raise InputError(f"{_origin(key, path)}: duplicate key '{name}'")
        entries[name] = value
    return entries


def _word(node: yaml.Node, path: Path, what: str) -> str:
    value = _plain(node, path)
    if value is None or isinstance(value, list) or not str(value).isprintable() or not str(value).strip():
        raise InputError(f"{_origin(node, path)}: {what} is {value!r}; it is a word")
    return str(value)


def _plain(node: yaml.Node, path: Path) -> Any:
    """The value of a scalar or of a list of scalars; aliases are refused with everything nested."""
    if isinstance(node, yaml.SequenceNode):
        return [_scalar(item, path, "a number or a word") for item in node.value]
    return _scalar(node, path, "a number, a word or a list")


def _scalar(node: yaml.Node, path: Path, due: str) -> Any:
    if not isinstance(node, yaml.ScalarNode):
        raise InputError(f"{_origin(node, path)}: {due} is due here")
    try:
        return yaml.SafeLoader("").construct_object(node)
    except ValueError as error:  # such as a date of month 99 or !!int on a word
        raise InputError(f"{_origin(node, path)}: is not YAML: {error}") from None


def _text_map(node: yaml.Node, path: Path, what: str) -> dict[str, Any]:
    return {name: _plain(value, path) for name, value in _mapping(node, path, what, None).items()}


def _types(entry: dict[str, yaml.Node], path: Path) -> dict[str, str]:
    given = _text_map(entry["dtype"], path, "dtype") if "dtype" in entry else {}
    return {role: str(dtype) for role, dtype in given.items()}


def _fields(entry: dict[str, yaml.Node], path: Path) -> _epilogue.Fields:
    """The epilogue's fields with their places; each is checked as far as it can be without element types."""
    if "epilogue" not in entry:
        return {}
    given = _mapping(entry["epilogue"], path, "epilogue", set(_epilogue.NAMES))
    found = {name: (_plain(node, path), _origin(node, path)) for name, node in given.items()}
    _epilogue.check(found)
    return found


def _workloads(
    top: dict[str, yaml.Node], path: Path, only: Callable[[str], bool], types: Mapping[str, str]
) -> list[Workload]:
    schema = top.get("schema")
    if schema is None or _plain(schema, path) != SCHEMA:
        raise InputError(f"{_origin(schema, path)}: schema is not '{SCHEMA}'")
    common = {**types, **_types(top, path)}
    _workload.element_types(common, _origin(top.get("dtype"), path))
    finish = _fields(top, path)
    items = top.get("workloads")
    if not isinstance(items, yaml.SequenceNode) or not items.value:
        raise InputError(f"{_origin(items, path)}: workloads is not a list with at least one entry")
    found: dict[str, Workload | None] = {}
    for item in items.value:
        entry = _mapping(item, path, "a workload", _ENTRY)
        name = str(_plain(entry["name"], path)) if "name" in entry else ""
        if name and name in found:
            raise InputError(f"{_origin(item, path)}: the name '{name}' occurs twice")
        found[name] = _entry(item, common, finish, path) if not name or only(name) else None
    return [workload for workload in found.values() if workload is not None]


def _entry(item: yaml.Node, common: dict[str, str], finish: _epilogue.Fields, path: Path) -> Workload:
    entry = _mapping(item, path, "a workload", _ENTRY)
    for needed in ("name", "operator", "shape"):
        if needed not in entry:
            raise InputError(f"{_origin(item, path)}: the workload lacks '{needed}'")
    dtypes = {**common, **_types(entry, path)}
    place = _origin(entry.get("dtype", item), path)
    count = _plain(entry["count"], path) if "count" in entry else 1
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise InputError(f"{_origin(entry['count'], path)}: count is {count!r}; it is an integer above 0")
    operator = _word(entry["operator"], path, "operator")
    try:
        registry.get(operator)
    except InputError as error:
        raise InputError(f"{_origin(entry['operator'], path)}: {error}") from None
    return _workload.make(
        operator,
        _text_map(entry["shape"], path, "shape"),
        name=_word(entry["name"], path, "name"),
        dtypes=_workload.element_types(dtypes, place),
        count=count,
        epilogue={**finish, **_fields(entry, path)},
        where=_origin(entry["shape"], path),
    )
