"""A job's outcome as one HTML file that needs nothing else: for people who follow a link of their CI.

The verdicts stand above the curves of `heron report`, or alone where its extra is not installed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from heron_cli.report import page

if TYPE_CHECKING:
    from heron_cli.records import Record

_STYLE = """
.verdicts { width: 100% } .verdicts th, .verdicts td { border-bottom: 1px solid #ddd }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.bad { color: #b00020; font-weight: 600 } .good { color: #0a6b2d } .idle { color: #777 }
dl { display: grid; grid-template-columns: max-content auto; gap: 0 1em } dt { color: #777 } dd { margin: 0 }
"""
_ALONE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 1100px; padding: 0 1em }
table { border-collapse: collapse }
th, td { text-align: left; padding: .3em .8em .3em 0; vertical-align: top }
"""
_HEADER = ("accelerator", "workload", "result", "best", "trials", "invalid", "slices", "tuning")


def html(summary: Mapping[str, Any], records: Sequence[Record], best: Sequence[Record]) -> str:
    """The page of a summary (summary.py), with the curves of the job's `records`."""
    code = int(summary["exit_code"])
    verdict = {0: "passed", 5: "regressed"}.get(code, f"failed, exit code {code}")
    title = f"{summary['job']}: {verdict}"
    head = _verdicts(summary)
    lacking = page.missing()
    if not lacking:
        return page.render(records, best, title, head=head, style=_STYLE)
    title, remedy = escape(title), f"No curves here: {' and '.join(lacking)} missing (heron-cli[report])."
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        f"<style>{_ALONE}{_STYLE}</style></head>\n"
        f'<body><h1>{title}</h1>\n{head}\n<p class="idle">{remedy}</p></body></html>\n'
    )


def _verdicts(summary: Mapping[str, Any]) -> str:
    rows = "\n".join(_row(kernel) for kernel in summary["kernels"])
    head = "".join(f"<th>{each}</th>" for each in _HEADER)
    facts = "".join(f"<dt>{escape(label)}</dt><dd>{escape(value)}</dd>" for label, value in _facts(summary))
    return (
        f'<table class="verdicts"><thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody></table>\n'
        f"<h2>Circumstances</h2>\n<dl>{facts}</dl>"
    )


def _facts(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "started", str(summary["started"])
    yield "took", f"{summary['seconds']:.1f} s"
    for unit, value in summary["budget"].items():
        if value is not None:
            yield f"budget, {unit}", f"{value:g}"
    for part, version in summary["versions"].items():
        yield part, str(version)


def _row(kernel: Mapping[str, Any]) -> str:
    kind, text = _result(kernel)
    cells = [
        f"<td>{escape(str(kernel['target']))}</td>",
        f'<td title="{escape(str(kernel["workload"]))}">{escape(str(kernel["name"]))}</td>',
        f'<td class="{kind}">{escape(text)}</td>',
        *(
            f'<td class="number">{escape(each)}</td>'
            for each in (
                _cost(kernel),
                str(kernel["trials"]),
                str(kernel["invalid"]),
                str(kernel["slices"]),
                f"{kernel['seconds_of_job']:.1f} s",
            )
        ),
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _result(kernel: Mapping[str, Any]) -> tuple[str, str]:
    verdict = kernel["verdict"]
    if verdict is not None and verdict["standing"] in ("regressed", "lost"):
        return "bad", str(verdict["reason"])
    if kernel["error"]:
        return "bad", str(kernel["error"])
    if kernel["best"] is None:
        return "idle", "not reached within the budget"
    if verdict is None:
        return "good", "tuned"
    if verdict["speedup"] is not None:
        return "good", f"{verdict['standing']}, {verdict['speedup']:.3f} times as fast as before"
    return "idle", f"{verdict['standing']}: {verdict['reason']}"


def _cost(kernel: Mapping[str, Any]) -> str:
    if kernel["seconds"] is not None:
        return f"{1e6 * kernel['seconds']:,.2f} µs"
    return f"{kernel['cycles']:,} cycles" if kernel["cycles"] is not None else "–"
