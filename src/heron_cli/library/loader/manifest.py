"""manifest.json, read from a disk that somebody else may have written to: everything used is checked."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from .errors import LibraryError

SCHEMA = "heron/library/1"
LARGEST = 64 << 20  # bytes
_SYMBOL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read(path: Path) -> dict[str, Any]:
    """The manifest of the library in the directory `path`. Raises LibraryError when it cannot be used."""
    try:
        with (path / "manifest.json").open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise LibraryError(f"{path}: no exported library: manifest.json: {error.strerror}") from error
    if len(content) > LARGEST:
        raise LibraryError(f"{path}: manifest.json is damaged: over {LARGEST:,} bytes")
    try:
        manifest = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise LibraryError(f"{path}: manifest.json is damaged: {error}") from error
    schema = manifest.get("schema") if isinstance(manifest, dict) else None
    if schema != SCHEMA:
        raise LibraryError(f"{path}: manifest.json has schema {schema!r}; this loader reads {SCHEMA!r}")
    if wrong := _wrong(manifest):
        raise LibraryError(f"{path}: manifest.json is damaged: {wrong}; export it again")
    return dict(manifest)


def _wrong(manifest: dict[str, Any]) -> str:
    """The first thing that is not as heron writes it; empty if nothing."""
    for name in ("version", "build_id"):
        if not isinstance(manifest.get(name), str):
            return f"{name} is no text"
    if not isinstance(manifest.get("memory", ""), str):
        return "memory is no text"
    files = manifest.get("files")
    if not isinstance(files, dict) or not all(isinstance(digest, str) for digest in files.values()):
        return "files is no map of digests"
    kernels = manifest.get("kernels")
    if not isinstance(kernels, list):
        return "kernels is no list"
    for index, kernel in enumerate(kernels):
        if wrong := _wrong_kernel(kernel):
            return f"kernels[{index}]: {wrong}"
    return ""


def _wrong_kernel(entry: Any) -> str:
    if not isinstance(entry, dict):
        return "is no map"
    for name in ("workload", "operator"):
        if not isinstance(entry.get(name), str):
            return f"{name} is no text"
    for name in ("symbol", "pack_symbol"):
        symbol = entry.get(name, 0)
        if symbol is None and name == "pack_symbol":
            continue  # nothing is packed
        if not isinstance(symbol, str) or not _SYMBOL.fullmatch(symbol):
            return f"{name} is no symbol"
    if not _texts(entry.get("requires")):
        return "requires is no list of texts"
    if not isinstance(entry.get("dtypes"), dict):
        return "dtypes is no map"
    shape = entry.get("shape")
    if not isinstance(shape, dict) or not all(_extent(value) for value in shape.values()):
        return "shape is no map of sizes"
    operands = entry.get("operands")
    if not isinstance(operands, list) or len(operands) < 2:
        return "operands is no list of at least two"
    return next((f"operands: {wrong}" for each in operands if (wrong := _wrong_operand(each))), "")


def _wrong_operand(operand: Any) -> str:
    if not isinstance(operand, dict):
        return "one is no map"
    if not isinstance(operand.get("name"), str) or not isinstance(operand.get("dtype"), str):
        return "name or dtype is no text"
    sizes = operand.get("shape")
    if not isinstance(sizes, list) or not all(_size(size) for size in sizes):
        return "shape is no list of sizes"
    packed = operand.get("packed_bytes")
    return "" if packed is None or _size(packed) else "packed_bytes is no size"


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 48


def _extent(value: Any) -> bool:
    """A parameter of a shape: a number, a word, or a list of them."""
    items = value if isinstance(value, list) else [value]
    return all(isinstance(item, int | str) and not isinstance(item, bool) for item in items)
