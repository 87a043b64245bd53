"""What is shown while a workload is tuned: a live bar on a terminal, one plain line per round otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import click

from .output import duration

if TYPE_CHECKING:
    from heron_cli.records import Record
    from heron_cli.search.events import Event, Resumed, WarmedUp


class Reporter(Protocol):
    """Receives the events of a search."""

    def __call__(self, event: Event) -> None:
        """Show one event."""


class PlainReporter:
    """One line per round, on stderr: for logs, pipes and CI."""

    def __init__(self, name: str) -> None:
        """`name` begins every line."""
        self._name = name

    def __call__(self, event: Event) -> None:
        """Show what resumes, what each round brought and what the ranking decided."""
        from heron_cli.search import events

        if isinstance(event, events.Resumed):
            self._say(resumed(event))
        elif isinstance(event, events.WarmedUp):
            self._say(warmed_up(event))
        elif isinstance(event, events.RoundDone):
            best = "" if event.best is None else f", best {cost(event.best)}"
            invalid = event.trials - event.valid
            self._say(f"round {event.round}: {event.trials} trials, {invalid} invalid{best}")
        elif isinstance(event, events.RankingStarted):
            self._say(f"measuring the best {len(event.rivals)} side by side")

    def _say(self, text: str) -> None:
        click.echo(f"{self._name}: {text}", err=True)


class LiveReporter:
    """A progress bar that is redrawn, on stderr: for people at a terminal."""

    def __init__(self, name: str, trials: int | None) -> None:
        """`trials` is the budget, None when only time is bounded."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[said]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            refresh_per_second=4,  # few, as drawing takes time from what is measured beside it
        )
        self._bar = self._progress.add_task(name, total=trials, said="")
        self._invalid = 0
        self._best: Record | None = None

    def __call__(self, event: Event) -> None:
        """Advance the bar, and keep the best time beside it."""
        from heron_cli.search import events

        if isinstance(event, events.Resumed):
            self._progress.console.print(resumed(event), highlight=False)
            self._best = event.best
            self._progress.update(self._bar, completed=event.own)
        elif isinstance(event, events.WarmedUp):
            self._progress.console.print(warmed_up(event), highlight=False)
        elif isinstance(event, events.TrialDone):
            self._invalid += event.record.cost is None
            self._progress.update(self._bar, completed=event.number)
        elif isinstance(event, events.NewBest):
            self._best = event.record
        elif isinstance(event, events.RankingStarted):
            self._progress.update(self._bar, said="ranking the best side by side")
            return
        best = "" if self._best is None else f"best {cost(self._best)}"
        invalid = f", {self._invalid} invalid" if self._invalid else ""
        self._progress.update(self._bar, said=best + invalid)

    def __enter__(self) -> LiveReporter:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


@contextmanager
def reporter(name: str, trials: int | None, *, live: bool) -> Iterator[Reporter]:
    """The reporter for this output."""
    if live:
        with LiveReporter(name, trials) as shown:
            yield shown
    else:
        yield PlainReporter(name)


def cost(record: Record) -> str:
    """The record's time, or its cycles where the runner knows only those."""
    measurement = record.trial.measurement
    return (
        duration(measurement.seconds) if measurement.seconds is not None else f"{measurement.cycles} cycles"
    )


def warmed_up(event: WarmedUp) -> str:
    """What the prior was trained on; an imported one may know this workload as well."""
    several = "s" if event.workloads != 1 else ""
    return f"warmed up by {event.trials} trials of {event.workloads} workload{several}"


def resumed(event: Resumed) -> str:
    """What was found of earlier runs."""
    parts = [f"{event.own} trials of this run are recorded already"] if event.own else []
    if event.others:
        parts.append(f"{event.others} of other runs inform it")
    if event.unfit:
        parts.append(f"{event.unfit} of other search spaces are left out")
    return "; ".join(parts)
