"""`heron targets show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from heron_cli.cli import output
from heron_cli.cli.options import json_option

if TYPE_CHECKING:
    from heron_cli.accelerator.model import Accelerator, Level, Memory


@click.command("show")
@click.argument("target", metavar="NAME|FILE")
@json_option
def command(target: str, as_json: bool) -> None:
    """Show an accelerator as heron understands it, with what it inherits by `extends:`."""
    from heron_cli.accelerator.loader import load

    found = _document(load(target))
    if as_json:
        output.document(found)
        return
    click.echo(f"{found['name']}: {found['description']}\n")
    output.table([(name, found[name]) for name in ("backend", "file", "digest")])
    requires = " ".join(found["requires"])
    output.table([("requires", requires)] if requires else [])
    for kind in ("intrinsics", "memories", "levels", "rules"):
        if found[kind]:
            click.echo(f"\n{kind}")
            output.table([("", name, text) for name, text in found[kind].items()])


def _document(machine: Accelerator) -> dict[str, Any]:
    """Plain values; every part in one line."""
    from heron_cli.accelerator.wording import to_prose

    rules = {}
    for rule in machine.rules:
        condition = f"where {to_prose(rule.when)}: " if rule.when is not None else ""
        rules[rule.name] = condition + to_prose(rule.require)
    return {
        "name": machine.name,
        "description": machine.description,
        "backend": machine.backend,
        "file": machine.file,
        "digest": machine.digest,
        "sources": list(machine.sources),
        "requires": list(machine.requires.cpu_flags),
        "limits": dict(machine.limits),
        "intrinsics": {
            each.name: ", ".join(" × ".join(f"{d}={n}" for d, n in shape.items()) for shape in each.shapes)
            + f", {each.dtypes.input} × {each.dtypes.weight} → {each.dtypes.accumulate}"
            for each in machine.intrinsics
        },
        "memories": {each.name: _memory(each) for each in machine.memories},
        "levels": {each.name: _level(each) for each in machine.levels},
        "rules": rules,
    }


def _memory(memory: Memory) -> str:
    size = ", ".join(f"{count:,} {unit}" for unit, count in memory.units.items()) or "unbounded"
    parts = [size, f"shared by {memory.shared_by}" if memory.shared_by else ""]
    parts += [f"holds {', '.join(memory.holds)}" if memory.holds else ""]
    parts += [f"implicit {', '.join(memory.implicit)}" if memory.implicit else ""]
    return "; ".join(filter(None, parts))


def _level(level: Level) -> str:
    parts = [", ".join(level.axes), f"bound to {level.bind}" if level.bind else "", f"order {level.order}"]
    parts += ["unrolled" if level.unroll else "", f"at most {level.at_most}" if level.at_most else ""]
    parts += [f"fills {', '.join(level.fills)}" if level.fills else ""]
    return "; ".join(filter(None, parts))
