"""Best-so-far curves of the compared methods, as one Markdown table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.exploration.statistics import Run, quartiles

CHECKPOINTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


def curves(
    runs: Sequence[Run],
    best: Mapping[str, float],
    methods: Sequence[str],
    optima: Mapping[str, int | None] | None = None,
    ticks: Mapping[str, float] | None = None,
) -> list[str]:
    """Share of the best known speed after so many trials, by bed and method; equal ones in one row.

    `optima` are the least costs of spaces that are recorded as a whole, `ticks` the seconds of a bed's unit
    of cost, where it is no cycle.
    """
    runs = [run for run in runs if run.method in methods]
    most = max((run.budget for run in runs), default=0)
    points = [count for count in CHECKPOINTS if count <= most]
    lines = ["| space | method | " + " | ".join(map(str, points)) + " |", "|---|---|" + "---|" * len(points)]
    beds = list(dict.fromkeys(run.bed for run in runs))
    for bed in beds:
        rows: dict[tuple[str, ...], list[str]] = {}
        for method in methods:
            mine = [run for run in runs if (run.bed, run.method) == (bed, method)]
            if mine:
                rows.setdefault(_cells(mine, best[bed], points), []).append(method)
        lines += [
            f"| {bed} | {', '.join(names)} | " + " | ".join(cells) + " |" for cells, names in rows.items()
        ]
    known = "; ".join(_known(bed, best[bed], (optima or {}).get(bed), (ticks or {}).get(bed)) for bed in beds)
    return [*lines, "", f"Best known: {known}."]


def _cells(runs: Sequence[Run], best: float, points: Sequence[int]) -> tuple[str, ...]:
    cells = []
    for count in points:
        if count > max(run.budget for run in runs):
            cells.append("")
            continue
        low, middle, high = quartiles(runs, best, count)
        cells.append(f"{middle:.3f} ({low:.2f}–{high:.2f})")
    return tuple(cells)


def _known(bed: str, cost: float, optimum: int | None, tick: float | None) -> str:
    if tick is not None:
        return f"{bed} {cost * tick:.6g} s"
    text = f"{bed} {cost:,.0f} cycles" if cost > 1 else f"{bed} {cost:.6g} s"
    return f"{text} (of the whole space)" if optimum else text
