"""`heron explain`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from heron_cli.cli import inputs, options, output
from heron_cli.cli.parameters import integer_pairs

if TYPE_CHECKING:
    from heron_cli.schedule.task import Task, Variant
    from heron_cli.space import Space


@click.command("explain")
@options.workload_options
@options.target_option
@options.threads_option
@click.option(
    "--set", "fixed", callback=integer_pairs, metavar="KNOB=N,…", help="The candidate, or a part of it."
)
@options.json_option
def command(
    asked: inputs.Asked,
    target: str | None,
    threads: int,
    fixed: Mapping[str, int] | None,
    as_json: bool,
) -> None:
    """Say why a space is empty, or why a candidate is not allowed.

    With --set for every knob, the rules that this candidate breaks are listed, and by how much; with some
    knobs, whether they leave room for the others. Either way the nearest candidate that is allowed is told.
    Without --set, whether the space holds any program at all. The exit code is 3 when what was asked about is
    impossible in every variant.
    """
    machine = inputs.accelerator(target)
    from heron_cli import session
    from heron_cli.errors import SpaceEmptyError

    found = []
    for workload in asked.workloads(machine):
        task = session.make_task(workload, machine, threads)
        document = _workload(task, fixed or {})
        found.append(document)
        if not as_json:
            _print(document)
    if as_json:
        output.document(found[0] if len(found) == 1 else found)
    if not all(any(variant["possible"] for variant in each["variants"]) for each in found):
        raise click.exceptions.Exit(SpaceEmptyError.exit_code)


def _workload(task: Task, fixed: Mapping[str, int]) -> dict[str, Any]:
    from heron_cli import session

    return {
        "workload": task.key,
        "name": task.workload.name,
        "target": task.accelerator.name,
        "variants": [_variant(each, space, fixed) for each, space in session.variants_with(task, fixed)],
    }


def _variant(variant: Variant, space: Space, fixed: Mapping[str, int]) -> dict[str, Any]:
    from heron_cli.space import CpBackend, Evaluator
    from heron_cli.space.explain import explain_empty

    if set(fixed) == set(space.names):
        violations = Evaluator(variant.space).violations(fixed)
        near = _nearest(variant, fixed) if violations else None
        return _entry(variant, possible=not violations, reasons=[str(e) for e in violations], nearest=near)
    example = _example(CpBackend(space))
    if example is not None:
        return _entry(variant, possible=True, example=example)
    explanation = explain_empty(space)
    repairs = [each.sentence for each in explanation.repairs]
    near = _nearest(variant, fixed) if fixed else None
    reasons = list(explanation.sentences)
    return _entry(variant, possible=False, reasons=reasons, repairs=repairs, nearest=near)


def _nearest(variant: Variant, fixed: Mapping[str, int]) -> dict[str, Any] | None:
    from heron_cli.space import SolverTimeoutError
    from heron_cli.space.nearest import nearest

    try:
        found = nearest(variant.space, fixed)
    except SolverTimeoutError:
        return None
    if found is None:
        return None
    return {"assignment": dict(found.values), "changed": {k: new for k, (_, new) in found.changed.items()}}


def _example(backend: Any) -> dict[str, int] | None:
    import numpy as np

    found: dict[str, int] | None = backend.solve(np.random.default_rng(0))
    return found


def _entry(
    variant: Variant,
    *,
    possible: bool,
    reasons: list[str] | None = None,
    repairs: list[str] | None = None,
    example: dict[str, int] | None = None,
    nearest: dict[str, Any] | None = None,
) -> dict[str, Any]:
    return {
        "name": variant.name,
        "possible": possible,
        "reasons": reasons or [],
        "repairs": repairs or [],
        "example": example,
        "nearest": nearest,
    }


def _print(found: Mapping[str, Any]) -> None:
    click.echo(f"{found['workload']} on {found['target']}")
    for variant in found["variants"]:
        if variant["example"] is not None:
            text = ",".join(f"{name}={value}" for name, value in variant["example"].items())
            click.echo(f"{variant['name']}: possible, for example {text}")
        elif variant["possible"]:
            click.echo(f"{variant['name']}: allowed, no rule is broken")
        else:
            click.echo(f"{variant['name']}: impossible")
        for reason in variant["reasons"]:
            click.echo(f"  {reason}")
        for repair in variant["repairs"]:
            click.echo(f"  {repair}")
        if variant["nearest"] is not None:
            changes = ", ".join(f"{name}={value}" for name, value in variant["nearest"]["changed"].items())
            text = ",".join(f"{name}={value}" for name, value in variant["nearest"]["assignment"].items())
            click.echo(f"  nearest allowed: change {changes}; that is {text}")
