"""The root command `heron`: what every failure looks like, and which exit code it has."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from heron_cli import __version__
from heron_cli.errors import HeronError

from .lazy import LazyGroup

INTERRUPTED = 130  # 128 + SIGINT, as shells report it


class Application(LazyGroup):
    """A group whose failures are one line on stderr and an exit code."""

    def main(  # type: ignore[override]  # never returns, whatever standalone_mode says
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Run the command line and exit: 0 done, 1 internal error, or the error's own code (errors.py)."""
        extra.pop("standalone_mode", None)
        state = {"debug": False}
        try:
            result = super().main(args, prog_name or "heron", standalone_mode=False, obj=state, **extra)
            sys.stdout.flush()
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            sys.exit(error.exit_code)
        except click.ClickException as error:
            complain(_usage(error))
            sys.exit(error.exit_code)
        except click.Abort:
            complain("interrupted")
            sys.exit(INTERRUPTED)
        except BrokenPipeError:  # the reader of our output has gone: `heron records list | head`
            sys.stderr.close()
            sys.exit(1)
        except Exception as error:  # what nobody foresaw ends in one line and an exit code, too
            _trace(state["debug"])
            message, code = describe(error)
            complain(message)
            sys.exit(code)
        sys.exit(result if isinstance(result, int) else 0)


def describe(error: Exception) -> tuple[str, int]:
    """The lines for the user and the exit code of an error."""
    if isinstance(error, HeronError):
        return str(error), error.exit_code
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}", 1
    if isinstance(error, MemoryError):
        return "out of memory", 1
    text = " ".join(str(error).split())
    kind = type(error).__name__
    return f"internal error, a bug of heron's: {kind}: {text}; run again with --debug for the traceback", 1


def complain(message: str) -> None:
    """Write an error to stderr: a line each; indented lines belong to the one before."""
    for line in message.splitlines() or [""]:
        click.echo(line if line.startswith(" ") else f"heron: error: {line}", err=True)


def _usage(error: click.ClickException) -> str:
    """A usage error as one line that says where help is."""
    message = " ".join(error.format_message().split()).rstrip(".")
    context = getattr(error, "ctx", None)
    return f"{message}; see `{context.command_path} --help`" if context else message


def _trace(debug: bool) -> None:
    if debug:
        import traceback

        traceback.print_exc()


@click.group(
    cls=Application,
    package="heron_cli.cli.commands",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="heron", message="%(prog)s %(version)s")
def application() -> None:
    """Generate libraries of tuned kernels for deep-learning accelerators.

    Describe an accelerator in YAML, name an operator and its shapes; heron finds fast kernels by measuring
    candidates that all obey the accelerator's constraints, and writes them as a library.

    \b
        heron tune gemm --target dlboost --shape m=128,n=768,k=768 --trials 64
        heron export-library --out build/kernels

    Exit codes: 0 done, 1 internal error, 2 bad usage or input, 3 search space proven empty, 4 no valid trial,
    5 regression, 130 interrupted.
    """  # noqa: D301  (click wants the character, not an escape)


def main() -> NoReturn:
    """The entry point of the `heron` command."""
    application.main()
