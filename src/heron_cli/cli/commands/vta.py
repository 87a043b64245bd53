"""`heron vta`: programs that were exported for a VTA."""

from __future__ import annotations

from pathlib import Path

import click

from heron_cli.cli import output
from heron_cli.cli.options import FILE, json_option, seed_option, target_option


@click.group("vta")
def command() -> None:
    """Run and read the programs of a library that was exported for a VTA.

    \b
        heron tune gemm --target vta --shape m=64,n=64,k=64
        heron export-library --target vta --out build/vta
        heron vta run build/vta
        heron vta disasm build/vta --timeline
    """  # noqa: D301  (click wants the character, not an escape)


@command.command("run")
@click.argument("path", type=FILE, metavar="FILE.bin|LIBRARY")
@click.argument("name", required=False)
@target_option
@seed_option
@json_option
def run(path: Path, name: str | None, target: str | None, seed: int, as_json: bool) -> None:
    """Run a program in simulation on random operands and compare the result with numpy.

    NAME chooses a kernel of a library by its file, its name or its workload; a library of one needs none.
    """
    from heron_cli.backends.vta import exported

    file = exported.find(path, name, target)
    result = exported.run(file, seed)
    if as_json:
        output.document(
            {
                "file": str(file.path),
                "workload": result.workload.key,
                "target": file.accelerator.name,
                "cycles": result.cycles,
                "compared": result.compared,
                "seed": seed,
            }
        )
    else:
        click.echo(
            f"{result.workload.key} on {file.accelerator.name}: {result.cycles:,} cycles of the model; "
            f"all {result.compared:,} numbers are numpy's"
        )


@command.command("disasm")
@click.argument("path", type=FILE, metavar="FILE.bin|LIBRARY")
@click.argument("name", required=False)
@target_option
@click.option("--timeline", is_flag=True, help="Show the lanes of load, compute and store over time, too.")
@click.option("--svg", type=FILE, metavar="FILE", help="Write the timeline as an SVG.")
def disasm(path: Path, name: str | None, target: str | None, timeline: bool, svg: Path | None) -> None:
    """Show a program's instructions, with the cycles in which the model executes them."""
    from heron_cli.backends.vta import disassemble, exported
    from heron_cli.backends.vta.timeline_svg import timeline_svg
    from heron_cli.errors import InputError

    file = exported.find(path, name, target)
    program, timing = file.read()
    if svg is not None:
        try:
            svg.write_text(timeline_svg(program, timing, file.path.stem), encoding="utf-8")
        except OSError as error:
            raise InputError(f"--svg: {svg}: {error.strerror}") from None
    click.echo(disassemble.listing(program, timing), nl=False)
    if timeline:
        click.echo()
        click.echo(disassemble.timeline(program, timing), nl=False)
