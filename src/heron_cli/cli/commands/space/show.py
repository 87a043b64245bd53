"""`heron space show`."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any

import click

from heron_cli.cli import inputs, options, output
from heron_cli.cli.parameters import integer_pairs

if TYPE_CHECKING:
    from heron_cli.schedule.task import Task, Variant
    from heron_cli.space import Constraint, Space


@click.command("show")
@options.workload_options
@options.target_option
@options.threads_option
@click.option(
    "--set", "fixed", callback=integer_pairs, metavar="KNOB=N,…", help="Hold knobs at these values."
)
@click.option("--rules", is_flag=True, help="Show every knob and every constraint, and where it comes from.")
@click.option("--pruning", is_flag=True, help="Estimate which share of assignments each rule removes.")
@options.seed_option
@options.json_option
def command(
    asked: inputs.Asked,
    target: str | None,
    threads: int,
    fixed: Mapping[str, int] | None,
    rules: bool,
    pruning: bool,
    seed: int,
    as_json: bool,
) -> None:
    """Show the search spaces of workloads: variants, sizes, and the rules that shape them."""
    machine = inputs.accelerator(target)
    from heron_cli import session

    found = []
    for workload in asked.workloads(machine):
        task = session.make_task(workload, machine, threads)
        document = _workload(task, fixed or {}, pruning, seed)
        found.append(document)
        if not as_json:
            _print(document, rules=rules)
    if as_json:
        output.document(found[0] if len(found) == 1 else found)


def _workload(task: Task, fixed: Mapping[str, int], pruning: bool, seed: int) -> dict[str, Any]:
    from heron_cli import session

    return {
        "workload": task.key,
        "name": task.workload.name,
        "target": task.accelerator.name,
        "variants": [
            _variant(each, space, pruning, seed) for each, space in session.variants_with(task, fixed)
        ],
        "refused": [{"name": each.name, "why": each.why} for each in task.refused],
    }


def _variant(variant: Variant, space: Space, pruning: bool, seed: int) -> dict[str, Any]:
    from heron_cli.space.size import pruning as prune
    from heron_cli.space.size import size

    count = size(space, seed)
    removed = prune(space, seed) if pruning else {}
    return {
        "name": variant.name,
        "why": variant.why,
        "size": count.value,
        "exact": count.exact,
        "low": count.low,
        "high": count.high,
        "unconstrained": prod(len(knob.values) for knob in space.knobs),
        "digest": space.digest,
        "schedule": [
            {"rule": each.rule, "applied": each.applied, "reason": each.reason}
            for each in variant.template.log
        ],
        "knobs": [
            {"name": each.name, "group": each.group, "values": list(each.values)} for each in space.knobs
        ],
        "rules": [_rule(each, removed) for each in space.constraints],
    }


def _rule(constraint: Constraint, removed: Mapping[str, Any]) -> dict[str, Any]:
    from heron_cli.space import to_prose

    rule: dict[str, Any] = {
        "label": constraint.label,
        "require": to_prose(constraint.condition),
        "origin": str(constraint.origin) if constraint.origin else None,
        "why": constraint.why,
    }
    if constraint.label in removed:
        share = removed[constraint.label]
        rule["removes"] = {"share": share.value, "low": share.low, "high": share.high}
    return rule


def _print(found: Mapping[str, Any], *, rules: bool) -> None:
    click.echo(f"{found['workload']} on {found['target']}")
    for variant in found["variants"]:
        if variant["exact"]:
            count = f"{variant['size']:,}"
        else:
            count = f"about {variant['size']:.3g} ({variant['low']:.3g} to {variant['high']:.3g})"
        click.echo(f"\n{variant['name']}: {count} assignments of {len(variant['knobs'])} knobs")
        share = variant["size"] / variant["unconstrained"]
        click.echo(f"  {share:.3g} of the {variant['unconstrained']:.3g} combinations of the knobs' values")
        if variant["why"]:
            click.echo(f"  {variant['why']}")
        shares = {each["label"]: each["removes"] for each in variant["rules"] if "removes" in each}
        if rules:
            _print_rules(variant)
        if shares:
            click.echo()
            rows = [
                (label, f"{each['share']:.1%}", f"{each['low']:.1%} to {each['high']:.1%}")
                for label, each in shares.items()
            ]
            output.table(rows, ("rule", "removes", "95 % interval"))
    for each in found["refused"]:
        click.echo(f"\n{each['name']}: does not apply: {each['why']}")


def _print_rules(variant: Mapping[str, Any]) -> None:
    click.echo()
    rows = [
        (each["rule"], "yes" if each["applied"] else "no", each["reason"]) for each in variant["schedule"]
    ]
    output.table(rows, ("schedule rule", "applied", "what it did, or why not"))
    click.echo()
    output.table(
        [(each["name"], ", ".join(map(str, each["values"]))) for each in variant["knobs"]], ("knob", "values")
    )
    click.echo()
    for each in variant["rules"]:
        place = f" ({each['origin']})" if each["origin"] else ""
        click.echo(f"{each['label']}{place}: {each['require']}")
        if each["why"]:
            click.echo(f"    {each['why']}")
