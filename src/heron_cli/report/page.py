"""The page: plots by plotly, text by Jinja2, everything inside one file that needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

from ..errors import InputError
from ..records import Record
from .curves import Subject, subjects

_LAYOUT = {
    "template": "plotly_white",
    "margin": {"l": 70, "r": 20, "t": 40, "b": 45},
    "font": {"family": "system-ui, sans-serif"},
}


def missing() -> list[str]:
    """Which packages of the extra `report` are not installed."""
    return [name for name, module in (("plotly", "plotly"), ("Jinja2", "jinja2")) if not find_spec(module)]


def require() -> None:
    """Raise InputError where plotly or Jinja2 is missing."""
    if lacking := missing():
        raise InputError(
            f"report: needs {' and '.join(lacking)}; install them with pip install 'heron-cli[report]'"
        )


def render(
    records: Sequence[Record], best: Sequence[Record], title: str, *, head: str = "", style: str = ""
) -> str:
    """The page about these records; `best` holds the winner of each workload. Raises what `require` does.

    `head` is HTML that goes below the title, `style` the CSS that it needs.
    """
    require()
    import jinja2
    import plotly.offline

    from .. import __version__

    shown = subjects(records, best)
    template = files(__package__).joinpath("page.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True)
    invalid = sum(count for each in shown for status, count in each.statuses if status != "ok")
    return environment.from_string(template).render(
        title=title,
        head=head,
        style=style,
        plotly=plotly.offline.get_plotlyjs(),
        trials=sum(count for each in shown for _, count in each.statuses),
        invalid=invalid,
        version=__version__,
        subjects=[_shown(subject, number) for number, subject in enumerate(shown)],
    )


def _shown(subject: Subject, number: int) -> dict[str, Any]:
    best = subject.best
    values = {} if best is None else best.trial.candidate.values
    return {
        "workload": subject.workload,
        "target": subject.target,
        "best": best,
        "cost": "" if best is None or best.cost is None else _cost(best.cost, subject.unit),
        "assignment": ", ".join(f"{name} = {value}" for name, value in values.items()),
        "curve": _html(_best_so_far(subject), f"curve-{number}", 380),
        "validity": _html(_validity(subject), f"validity-{number}", 300),
        "importance": _html(_importance(subject), f"importance-{number}", 300) if subject.importance else "",
        "reasons": subject.reasons,
    }


def _cost(cost: float, unit: str) -> str:
    return f"{cost:,.0f} cycles" if unit == "cycles" else f"{cost * 1e6:,.1f} µs"


def _html(figure: Any, name: str, height: int) -> str:
    figure.update_layout(height=height, **_LAYOUT)
    text: str = figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=name,
        config={"displaylogo": False, "responsive": True},
    )
    return text


def _best_so_far(subject: Subject) -> Any:
    import plotly.graph_objects as go

    scale = 1.0 if subject.unit == "cycles" else 1e6
    figure = go.Figure()
    for curve in subject.curves:
        best = [None if cost is None else cost * scale for cost in curve.best]
        trials = list(range(1, len(best) + 1))
        figure.add_scatter(x=trials, y=best, mode="lines", line={"shape": "hv"}, name=curve.name)
    figure.update_layout(title="Best so far", showlegend=True)
    figure.update_xaxes(title="trials", rangemode="tozero")
    figure.update_yaxes(title="cycles" if subject.unit == "cycles" else "µs", type="log")
    return figure


def _validity(subject: Subject) -> Any:
    import plotly.graph_objects as go

    names = [name for name, _ in subject.statuses]
    figure = go.Figure(go.Bar(x=names, y=[count for _, count in subject.statuses], width=0.5))
    figure.update_layout(title="Trials by status")
    figure.update_yaxes(title="trials")
    return figure


def _importance(subject: Subject) -> Any:
    import plotly.graph_objects as go

    names = [name for name, _ in reversed(subject.importance)]
    shares = [share for _, share in reversed(subject.importance)]
    figure = go.Figure(go.Bar(x=shares, y=names, orientation="h"))
    figure.update_layout(title="What decides the time")
    figure.update_xaxes(title="share of the error that the knob removes", tickformat=".0%")
    figure.update_yaxes(automargin=True)
    return figure
