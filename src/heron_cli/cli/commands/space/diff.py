"""`heron space diff`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from heron_cli.cli import inputs, options, output

if TYPE_CHECKING:
    from heron_cli.schedule.task import Task, Variant


@click.command("diff")
@click.argument("one", metavar="NAME|FILE")
@click.argument("other", metavar="NAME|FILE")
@options.workload_options
@options.threads_option
@options.seed_option
@options.json_option
def command(
    one: str,
    other: str,
    asked: inputs.Asked,
    threads: int,
    seed: int,
    as_json: bool,
) -> None:
    """Say what one accelerator admits and another does not, with a witness for each direction.

    \b
        heron space diff vta vta-small conv2d --shape height=14,width=14,in_channels=256,out_channels=256
    """  # noqa: D301  (click wants the character, not an escape)
    machines = [inputs.accelerator(name) for name in (one, other)]
    from heron_cli import session

    found = []
    for workload in asked.workloads(machines[0]):
        tasks = [session.make_task(workload, machine, threads) for machine in machines]
        found.append(_workload(tasks[0], tasks[1], seed))
        if not as_json:
            _print(found[-1])
    if as_json:
        output.document(found[0] if len(found) == 1 else found)


def _workload(one: Task, other: Task, seed: int) -> dict[str, Any]:
    others = {variant.name: variant for variant in other.variants}
    return {
        "workload": one.key,
        "one": one.accelerator.name,
        "other": other.accelerator.name,
        "only_in_one": [variant.name for variant in one.variants if variant.name not in others],
        "only_in_other": sorted(set(others) - {variant.name for variant in one.variants}),
        "variants": [
            _variant(variant, others[variant.name], seed)
            for variant in one.variants
            if variant.name in others
        ],
    }


def _variant(one: Variant, other: Variant, seed: int) -> dict[str, Any]:
    from heron_cli.space.size import size

    mine, theirs = set(one.space.names), set(other.space.names)
    entry: dict[str, Any] = {
        "name": one.name,
        "sizes": [str(size(one.space, seed)), str(size(other.space, seed))],
        "knobs_only_in_one": sorted(mine - theirs),
        "knobs_only_in_other": sorted(theirs - mine),
        "rules_only_in_one": _rules(one, other),
        "rules_only_in_other": _rules(other, one),
        "one_not_other": None,
        "other_not_one": None,
    }
    if mine == theirs:
        entry["one_not_other"] = _beyond(one, other, seed)
        entry["other_not_one"] = _beyond(other, one, seed)
    return entry


def _rules(mine: Variant, theirs: Variant) -> list[str]:
    from heron_cli.space import to_prose

    known = {(each.label, to_prose(each.condition)) for each in theirs.space.constraints}
    return [str(e) for e in mine.space.constraints if (e.label, to_prose(e.condition)) not in known]


def _beyond(mine: Variant, theirs: Variant, seed: int) -> dict[str, Any]:
    from heron_cli.space.difference import beyond

    found = beyond(mine.space, theirs.space, seed)
    return {
        "share": {"value": found.share.value, "low": found.share.low, "high": found.share.high},
        "witness": None if found.witness is None else dict(found.witness),
        "reasons": list(found.reasons),
    }


def _print(found: Mapping[str, Any]) -> None:
    one, other = found["one"], found["other"]
    click.echo(f"{found['workload']}: {one} against {other}")
    for name, names in ((one, found["only_in_one"]), (other, found["only_in_other"])):
        for each in names:
            click.echo(f"\n{each}: only {name} has this variant")
    for variant in found["variants"]:
        sizes = variant["sizes"]
        click.echo(f"\n{variant['name']}: {sizes[0]} assignments for {one}, {sizes[1]} for {other}")
        for name, knobs in ((one, variant["knobs_only_in_one"]), (other, variant["knobs_only_in_other"])):
            if knobs:
                click.echo(f"  only {name} has {', '.join(knobs)}, so no assignment is of both")
        for name, rules in ((one, variant["rules_only_in_one"]), (other, variant["rules_only_in_other"])):
            for rule in rules:
                click.echo(f"  only {name}: {rule}")
        _direction(one, other, variant["one_not_other"])
        _direction(other, one, variant["other_not_one"])


def _direction(mine: str, theirs: str, found: Mapping[str, Any] | None) -> None:
    if found is None:
        return
    if found["witness"] is None:
        click.echo(f"  {theirs} admits everything that {mine} admits (proven)")
        return
    share = found["share"]
    interval = f"{share['low']:.1%} to {share['high']:.1%}"
    click.echo(f"  {share['value']:.1%} ({interval}) of what {mine} admits {theirs} does not, for example")
    click.echo(f"    {','.join(f'{name}={value}' for name, value in found['witness'].items())}")
    for reason in found["reasons"]:
        click.echo(f"    {reason}")
