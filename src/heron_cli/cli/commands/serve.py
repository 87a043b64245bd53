"""`heron serve`."""

from __future__ import annotations

import click

from heron_cli.cli import options, output
from heron_cli.cli.parameters import address


@click.command("serve")
@options.target_option
@click.option("--tracker", callback=address, metavar="HOST:PORT", help="TVM RPC tracker to report to.")
@click.option(
    "--key", metavar="WORD", help="Key under which tuners ask for it. Default: the accelerator's name."
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Address to listen on. Whoever reaches it can run code here.",
)
@click.option(
    "--port", type=click.IntRange(1, 65535), default=9091, show_default=True, help="First port to try."
)
@click.option(
    "--advertise", metavar="ADDRESS", help="Address that tuners reach this machine at. Default: --host."
)
def command(
    target: str | None,
    tracker: tuple[str, int] | None,
    key: str | None,
    host: str,
    port: int,
    advertise: str | None,
) -> None:
    """Measure on this machine for tuners elsewhere, until interrupted.

    \b
        python -m tvm.exec.rpc_tracker --host 127.0.0.1 --port 9190
        heron serve --target dlboost --tracker 127.0.0.1:9190
        heron tune gemm --target dlboost --shape m=64,n=64,k=64 --runner rpc --tracker 127.0.0.1:9190

    Candidates are built by the tuner, and run and verified here, each in a process of its own.
    """  # noqa: D301  (click wants the character, not an escape)
    from heron_cli.cli import inputs

    machine = inputs.accelerator(target, measured=True)
    from heron_cli import doctor
    from heron_cli.measure.rpc.server import LOOPBACK, ServerOptions, keep_serving

    for finding in doctor.examine():
        if finding.advice:
            output.note(f"{finding.level}: {finding.name}: {finding.value}; {finding.advice}")
    if host not in LOOPBACK:
        output.note(
            f"warning: whoever reaches {host}:{port} can run code on this machine; keep the network closed"
        )
    serving = ServerOptions(
        target=target or machine.name,
        key=key or machine.name,
        host=host,
        port=port,
        last_port=min(port + 100, 65535),
        tracker=tracker,
        advertise=advertise,
    )
    keep_serving(serving, output.note)
