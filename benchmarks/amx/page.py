"""The Markdown of benchmarks/results/amx.md, from what was tuned and measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.amx.matrices import Matrix
from benchmarks.dlboost_operators import report
from benchmarks.dlboost_operators.results import Results, label, row
from benchmarks.timing import geomean

_HELD = """Operands of
bf16 are whole numbers from -8 to 8, so that sums are exact in any order. oneDNN may use whatever the CPU has;
it names what it used in the column `oneDNN`. The two columns behind it are heron's kernel for the same CPU
without matrix registers, tuned with the same budget, in turns with that for AMX."""


def render(results: Results, matrices: Sequence[Matrix], threads: int) -> str:
    """The whole page."""
    types = ", ".join(each.types for each in matrices)
    instructions = " or ".join(each.instruction for each in matrices)
    sections = [
        [
            "# Intel AMX against oneDNN",
            "",
            *report.circumstances(results, "python -m benchmarks.amx"),
            *report.method(types, _HELD, instructions),
            *(f"\n{note}" for note in results.notes),
        ]
    ]
    sections += [_section(results, each, threads) for each in matrices]
    sections.append(["## Trials", "", *report.trials(results)])
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def _section(results: Results, matrix: Matrix, threads: int) -> list[str]:
    name, beside = (Path(each).stem for each in (matrix.target, matrix.beside))
    lines = [f"## {name}", ""]
    rows = [found for case in matrix.cases if (found := row(results, case, threads))]
    others = [found for case in matrix.cases if (found := row(results, case, threads, beside))]
    if rows:
        ratio, share = (geomean([getattr(one, each) for one in rows]) for each in ("ratio", "share"))
        best = geomean([one.at_best for one in rows])
        means = f"oneDNN / heron {ratio:.3f}, limit / heron {share:.3f} ({best:.3f} at best)"
        if others:
            means += f"; {beside} / heron {geomean([one.ratio for one in others]):.3f} over {len(others)}"
        lines += [f"Geometric means over {len(rows)} of {len(matrix.cases)} workloads: {means}.", ""]
    return [*lines, *report.table(results, matrix.cases, threads, beside)]


def wrong(results: Results, matrices: Sequence[Matrix], threads: int) -> list[str]:
    """One line for each workload that was not compared or is not exact, and one for failed candidates."""
    lines = []
    for matrix in matrices:
        for case in matrix.cases:
            for against in ("", matrix.beside):
                found, name = row(results, case, threads, against), label(case, against)
                if found is None:
                    lines.append(f"{name}: not compared")
                elif not found.exact:
                    lines.append(f"{name}: a result is not exact")
    failed = sum(entry["failed"] for entry in results.tunings.values())
    return [*lines, f"{failed} candidates failed after the solver had called them valid"] if failed else lines
