"""`extends:` one file's keys laid over another's; every value keeps the position of the file that said it."""

from __future__ import annotations

import os
from pathlib import Path

from heron_cli.accelerator import catalog
from heron_cli.accelerator.problems import AcceleratorError, Problem
from heron_cli.accelerator.reader import read
from heron_cli.accelerator.tree import Tree
from heron_cli.errors import InputError

_OWN = ("schema", "name", "description", "extends")
"""Keys that a file says for itself, whatever it extends."""

DEEPEST = 16  # files that extend each other


def read_with_bases(path: Path) -> tuple[Tree, list[Problem]]:
    """Read a file and all that it extends, merged.

    Raises:
        AcceleratorError: a file cannot be read, is no YAML, or the chain has a cycle.
        InputError: `path` itself cannot be read.
    """
    return _read(path, ())


def _read(path: Path, chain: tuple[Path, ...]) -> tuple[Tree, list[Problem]]:
    here = path.resolve()
    root, problems = read(path, shown(path))
    if not isinstance(root.value, dict):
        said = "a map of keys is due; begin with 'schema: heron/accelerator/1'"
        raise AcceleratorError([*problems, Problem(root.origin, "", said)])
    target = root.child("extends")
    if target is None or not isinstance(target.value, str) or not target.value.strip():
        return root, problems  # a mistyped value is the document's own error
    try:
        base_path = catalog.find(target.value, beside=here)
        if (base := base_path.resolve()) in (*chain, here):
            circle = " -> ".join(shown(item) for item in (*chain, here, base))
            raise InputError(f"the files extend each other in a circle ({circle}); remove one 'extends'")
        if len(chain) >= DEEPEST:
            raise InputError(f"over {DEEPEST} files extend each other; write some of them out")
        base_root, base_problems = _read(base_path, (*chain, here))
    except AcceleratorError:
        raise
    except InputError as error:
        raise AcceleratorError([*problems, Problem(target.origin, "extends", str(error))]) from None
    assert isinstance(base_root.value, dict)
    inherited = {key: value for key, value in base_root.value.items() if key not in _OWN}
    return merge(Tree(inherited, root.origin), root), [*base_problems, *problems]


def merge(base: Tree, over: Tree) -> Tree:
    """Lay `over` over `base`: maps deeply, lists of named maps by name, anything else as a whole."""
    if isinstance(base.value, dict) and isinstance(over.value, dict):
        merged = dict(base.value)
        for key, value in over.value.items():
            merged[key] = merge(merged[key], value) if key in merged else value
        return Tree(merged, over.origin, over.key_origin)
    if isinstance(base.value, list) and isinstance(over.value, list) and _named(base) and _named(over):
        return Tree(_merge_lists(base.value, over.value), over.origin, over.key_origin)
    return over


def _named(tree: Tree) -> bool:
    # An empty list is not of named maps: it replaces, so that a variant can drop all inherited rules.
    return (
        isinstance(tree.value, list)
        and bool(tree.value)
        and all(item.text("name") is not None for item in tree.value)
    )


def _merge_lists(base: list[Tree], over: list[Tree]) -> list[Tree]:
    """Known names change where they stand, or are dropped; a new one goes after the item before it, else
    before the next.
    """
    merged = list(base)
    place: int | None = None  # where the item before went
    waiting: list[Tree] = []  # new items with no known one before them yet
    for item in over:
        known = [index for index, old in enumerate(merged) if old.text("name") == item.text("name")]
        if known:
            place = known[0]
            dropped = (drop := item.child("drop")) is not None and drop.value is True
            merged[place : place + 1] = [*waiting, *([] if dropped else [merge(merged[place], item)])]
            place += len(waiting) - dropped
            waiting = []
        elif place is None:
            waiting.append(item)
        else:
            place += 1
            merged.insert(place, item)
    return merged + waiting


def shown(path: Path) -> str:
    """A path as the user would write it: relative if it lies below the working directory."""
    try:
        return os.fspath(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return os.fspath(path)
