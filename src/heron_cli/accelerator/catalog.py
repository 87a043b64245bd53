"""Which accelerators there are: the YAML files that ship with heron, and any other by its path."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from heron_cli.accelerator.problems import suggest
from heron_cli.configs import config_dir
from heron_cli.errors import InputError

SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Entry:
    """An accelerator that can be asked for by name."""

    name: str
    path: Path


def entries() -> tuple[Entry, ...]:
    """The accelerators that ship with heron, by name."""
    folder = config_dir() / "accelerators"
    found = (path for path in folder.iterdir() if path.suffix in SUFFIXES and not path.name.startswith("."))
    return tuple(Entry(path.stem, path) for path in sorted(found))


def family(name: str) -> tuple[Entry, ...]:
    """The accelerators that `name` stands for where it is no accelerator itself: NAME-….

    `tensorcore` stands for `tensorcore-sm80` and others; which of them is meant, the machine decides.
    """
    known = entries()
    if any(entry.name == name for entry in known):
        return ()
    return tuple(entry for entry in known if name and entry.name.startswith(f"{name}-"))


def is_path(text: str) -> bool:
    """Whether `text` means a file (it has a folder or a YAML suffix) rather than a name."""
    return "/" in text or os.sep in text or text.endswith(SUFFIXES)


def find(name_or_path: str | os.PathLike[str], beside: Path | None = None) -> Path:
    """The file of an accelerator.

    `beside` is a file that refers to it: relative paths count from its folder, and a name is looked for there
    before the catalog.

    Raises:
        InputError: there is no such file, or no such name (the near one is named).
    """
    text = os.fspath(name_or_path)
    if is_path(text):
        path = Path(text).expanduser()
        if beside is not None:
            path = beside.parent / path
        if not path.is_file():
            missing = "is a folder" if path.is_dir() else "no such file"
            raise InputError(f"{path}: {missing}; name an accelerator's YAML file")
        return path
    if beside is not None:
        for suffix in SUFFIXES:
            neighbour = beside.with_name(text + suffix)
            # A file that extends its own name means the one in the catalog.
            if neighbour.is_file() and not neighbour.samefile(beside):
                return neighbour
    known = {entry.name: entry.path for entry in entries()}
    if text not in known:
        hint = suggest(text, known, "known accelerators")
        raise InputError(f"no accelerator '{text}'; {hint} (a file of your own: ./{text or 'name'}.yaml)")
    return known[text]
