"""`heron operators`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from heron_cli.cli import output
from heron_cli.cli.options import json_option

if TYPE_CHECKING:
    from heron_cli.operators.base import Operator
    from heron_cli.operators.parameter import Parameter


@click.command("operators")
@click.argument("name", required=False)
@json_option
def command(name: str | None, as_json: bool) -> None:
    """List the operators, or show the parameters of NAME."""
    from heron_cli.operators import registry

    found = [registry.get(each) for each in ([name] if name else registry.names())]
    if as_json:
        shown = [_document(operator) for operator in found]
        output.document(shown[0] if name else shown)
    elif name:
        click.echo(f"{found[0].name}: {found[0].summary}\n")
        output.table(
            [_row(each) for each in found[0].parameters], ("parameter", "value", "default", "meaning")
        )
    else:
        output.table(
            [(each.name, each.summary, _usage(each)) for each in found], ("name", "meaning", "shape")
        )


def _usage(operator: Operator) -> str:
    return ",".join(f"{each.name}=…" for each in operator.parameters if each.default is None)


def _row(parameter: Parameter) -> tuple[str, str, str, str]:
    if parameter.choices:
        value = " | ".join(parameter.choices)
    else:
        value = f"integer ≥ {parameter.minimum}" + (f", or {parameter.rank} as AxB" if parameter.rank else "")
    default = "required" if parameter.default is None else str(parameter.default)
    return (parameter.name, value, default, parameter.meaning)


def _document(operator: Operator) -> dict[str, Any]:
    return {
        "name": operator.name,
        "summary": operator.summary,
        "parameters": [
            {
                "name": each.name,
                "meaning": each.meaning,
                "required": each.default is None,
                "default": list(each.default) if isinstance(each.default, tuple) else each.default,
                "minimum": None if each.choices else each.minimum,
                "rank": each.rank,
                "choices": list(each.choices),
            }
            for each in operator.parameters
        ],
    }
