"""Checks that span several keys: names given twice, names that must exist, and the expressions of rules."""

from __future__ import annotations

from collections.abc import Iterator

from heron_cli.accelerator import words
from heron_cli.accelerator.expression import ExpressionError, Node, is_boolean, names, parse
from heron_cli.accelerator.problems import Problem, suggest
from heron_cli.accelerator.tree import Tree
from heron_cli.accelerator.vocabulary import Vocabulary


def check(root: Tree) -> tuple[list[Problem], dict[int, tuple[Node | None, Node]]]:
    """Check the references of a document, valid or not.

    Returns:
        the problems, and for each rule (by position) without any, its `when` and `require`.
    """
    vocabulary = Vocabulary.of(root)
    problems = [*_repeated(root), *_levels(root, vocabulary), *_stages(root, vocabulary)]
    parsed: dict[int, tuple[Node | None, Node]] = {}
    for index, rule in enumerate(root.items("rules")):
        path = f"rules.{rule.text('name') or index}"
        when, when_problems = _expression(rule, "when", path, vocabulary)
        require, require_problems = _expression(rule, "require", path, vocabulary)
        problems += when_problems + require_problems
        if require is not None and not when_problems:
            parsed[index] = (when, require)
    return problems, parsed


def _repeated(root: Tree) -> Iterator[Problem]:
    for key in ("intrinsics", "memories", "levels", "rules"):
        seen: dict[str, Tree] = {}
        for item in root.items(key):
            name = item.text("name")
            if name is None:
                continue
            if name in seen:
                first = seen[name].origin.line
                said = f"the name '{name}' is given twice, first in line {first}; names must differ"
                yield Problem(item.origin, f"{key}.{name}", said)
            seen.setdefault(name, item)


def _levels(root: Tree, vocabulary: Vocabulary) -> Iterator[Problem]:
    levels = root.items("levels")
    filled = {memory.text("name"): memory for memory in root.items("memories")}
    for index, level in enumerate(levels):
        name = level.text("name")
        path = f"levels.{name}" if name else f"levels[{index}]"
        if name == words.INTRINSIC:
            yield from _intrinsic_level(level, path, last=index == len(levels) - 1)
        elif isinstance(level.value, dict) and level.child("axes") is None:
            yield Problem(
                level.origin, f"{path}.axes", "missing; add the axes it splits, as in 'axes: spatial'"
            )
        if name is not None and name in (stages := vocabulary.stages):
            # vta's scratch-pads are called like their operands, so only levels and stages can clash.
            said = f"'{name}' is a level and a stage ({', '.join(sorted(stages))}); rename the level"
            yield Problem(level.origin, path, said)
        for item in level.items("fills"):
            memory = str(item.value)
            if "memories" in vocabulary.broken:
                continue
            if memory not in vocabulary.memories:
                hint = suggest(memory, vocabulary.memories, "known memories")
                yield Problem(item.origin, f"{path}.fills", f"unknown memory '{memory}'; {hint}")
            elif not filled[memory].items("holds"):
                said = f"memory '{memory}' holds nothing to load; add 'holds: [input]' to it"
                yield Problem(item.origin, f"{path}.fills", said)
    if levels and words.INTRINSIC not in vocabulary.levels and "levels" not in vocabulary.broken:
        said = "no level 'intrinsic'; end the list with '- {name: intrinsic}'"
        yield Problem(levels[-1].origin, "levels", said)


def _intrinsic_level(level: Tree, path: str, *, last: bool) -> Iterator[Problem]:
    if not last:
        yield Problem(level.origin, path, "the level 'intrinsic' is the innermost; move it to the end")
    if isinstance(level.value, dict):
        for key, value in level.value.items():
            if key in ("axes", "bind", "order", "unroll", "at_most", "fills", "pipeline"):
                where = value.key_origin or value.origin
                yield Problem(where, f"{path}.{key}", "the intrinsic fixes its own loops; remove the key")


def _stages(root: Tree, vocabulary: Vocabulary) -> Iterator[Problem]:
    stages = root.child("stages")
    if stages is None or not isinstance(stages.value, dict) or "levels" in vocabulary.broken:
        return
    positions = [words.ROOT, words.SKIP, *(level for level in vocabulary.levels if level != words.INTRINSIC)]
    for name, stage in stages.value.items():
        legal = [each for each in positions if name != words.PACK or each != words.SKIP]
        for item in stage.items("at"):
            position = str(item.value)
            if position not in legal:
                hint = suggest(position, legal, "known positions")
                yield Problem(item.origin, f"stages.{name}.at", f"unknown position '{position}'; {hint}")


def _expression(rule: Tree, key: str, path: str, vocabulary: Vocabulary) -> tuple[Node | None, list[Problem]]:
    tree = rule.child(key)
    if tree is None or not isinstance(tree.value, str) or not tree.value.strip():
        return None, []  # missing and mistyped keys are the document's own errors
    path = f"{path}.{key}"
    try:
        node = parse(tree.value, tree.origin, tree.locate)
    except ExpressionError as error:
        return None, [Problem(error.origin, path, error.message)]
    problems = []
    if not is_boolean(node):
        said = "an integer where a condition is due; compare it, as in 'register.m * register.n <= 28'"
        problems.append(Problem(node.origin, path, said))
    for name in names(node):
        if refused := vocabulary.refuse(name):
            problems.append(Problem(name.origin, path, refused))
    return (None, problems) if problems else (node, [])
