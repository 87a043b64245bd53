"""Options that several commands share, so that they are spelt, checked and explained alike everywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import click

from .inputs import Asked
from .parameters import address, pairs

Command = Callable[..., Any]

FILE = click.Path(path_type=Path)

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Write exactly one JSON document to stdout."
)

target_option = click.option(
    "--target",
    metavar="NAME|FILE",
    help="Accelerator: a name of `heron targets` or a YAML file. Default: what this machine supports.",
)

db_option = click.option(
    "--db",
    type=FILE,
    metavar="FILE",
    default=Path("heron.db"),
    show_default=True,
    help="Database of records.",
)

seed_option = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of every random choice."
)

threads_option = click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Threads that a kernel runs on.",
)

sampler_option = click.option(
    "--sampler",
    type=click.Choice(["table", "cpsat"]),
    default="table",
    show_default=True,
    help="How random assignments are drawn: exactly uniform by tables, or each from the solver.",
)

out_help = "Directory to write; must be empty unless --force is given."

_RUNNER_OPTIONS = (
    click.option(
        "--runner",
        type=click.Choice(["local", "rpc", "ray", "replay"]),
        default="local",
        show_default=True,
        help="Who measures: this machine, servers (`heron serve`), a Ray cluster, or the records of --db.",
    ),
    click.option(
        "--tracker",
        callback=address,
        metavar="HOST:PORT",
        help="TVM RPC tracker that knows the servers, for --runner rpc.",
    ),
    click.option("--key", metavar="WORD", help="Key of the servers to use. Default: the accelerator's name."),
    click.option(
        "--cluster", metavar="ADDRESS", help="Ray cluster, ray://HOST:10001 or auto. Default: this machine."
    ),
)


def runner_options(command: Command) -> Command:
    """Add --runner, --tracker, --key and --cluster; the command is called only if they go together."""

    @wraps(command)
    def checked(**given: Any) -> Any:
        _check_runner(given["runner"], given["tracker"], given["key"], given["cluster"])
        return command(**given)

    return _with(_RUNNER_OPTIONS, checked)


def _check_runner(runner: str, tracker: tuple[str, int] | None, key: str | None, cluster: str | None) -> None:
    if runner == "rpc" and tracker is None:
        raise click.UsageError("--runner rpc needs --tracker HOST:PORT", click.get_current_context())
    if runner != "rpc" and (tracker, key) != (None, None):
        raise click.UsageError("--tracker and --key are for --runner rpc", click.get_current_context())
    if runner != "ray" and cluster is not None:
        raise click.UsageError("--cluster is for --runner ray", click.get_current_context())


_WORKLOAD_NAMES = ("operator", "shape", "dtype", "epilogue", "workloads", "only")
_WORKLOAD_OPTIONS = (
    click.argument("operator", required=False),
    click.option("--shape", metavar="K=V,…", help="Shape of OPERATOR; lists as 3x5. See `heron operators`."),
    click.option(
        "--dtype",
        callback=pairs,
        metavar="ROLE=TYPE,…",
        help="Element types: input, weight, accumulate, output.",
    ),
    click.option(
        "--epilogue",
        metavar="STEP=N,…",
        help="What is done to each sum: bias, residual (0 or 1), shift, low, high. Default: by the types.",
    ),
    click.option("--workloads", metavar="NAME|FILE", help="Workload YAML: a shipped one's name, or a file."),
    click.option("--only", metavar="GLOB", multiple=True, help="Of --workloads, those whose names match."),
)


def workload_options(command: Command) -> Command:
    """Add OPERATOR, --shape, --dtype, --epilogue, --workloads and --only; the command gets `asked`."""

    @wraps(command)
    def asking(**given: Any) -> Any:
        operator, shape, dtype, epilogue, file, only = (given.pop(name) for name in _WORKLOAD_NAMES)
        return command(asked=Asked.check(operator, shape, dtype, epilogue, file, only), **given)

    return _with(_WORKLOAD_OPTIONS, asking)


def _with(options: Sequence[Callable[[Command], Command]], command: Command) -> Command:
    for option in reversed(options):
        command = option(command)
    return command
