"""A program's timeline as one self-contained SVG: lanes for load, compute and store."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape

from heron_cli.backends.vta.disassemble import describe, kind
from heron_cli.backends.vta.isa import Module
from heron_cli.backends.vta.program import Program
from heron_cli.backends.vta.timing import Timing

COLOURS = {
    "input": "#4e79a7",
    "weight": "#a0cbe8",
    "uop": "#9c755f",
    "accumulator": "#76b7b2",
    "reset": "#ffbe7d",
    "gemm": "#f28e2b",
    "alu": "#e15759",
    "store": "#59a14f",
    "finish": "#79706e",
}
"""Kind of instruction -> colour of its box."""

_LEFT, _RIGHT, _TOP, _LANE, _GAP, _LEGEND = 70, 20, 46, 34, 8, 40
_TICKS = 8


def timeline_svg(program: Program, timing: Timing, title: str = "VTA program", width: int = 1200) -> str:
    """The timeline as the text of an SVG file, `width` pixels wide.

    A box's tooltip says which instruction it is and when. Boxes of one kind that lie closer together than a
    tenth of a pixel are drawn as one.
    """
    plot = width - _LEFT - _RIGHT
    scale = plot / max(1, timing.cycles)
    height = _TOP + 3 * (_LANE + _GAP) + _LEGEND + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="18" font-size="14">{escape(title)}: {timing.cycles:,} cycles of the model, '
        f"GEMM steps in {timing.utilisation:.1%} of them</text>",
        *_axis(timing, scale, height),
    ]
    for lane, module in enumerate(Module):
        y = _TOP + lane * (_LANE + _GAP)
        share = timing.busy(module) / timing.cycles if timing.cycles else 0.0
        parts.append(f'<text x="6" y="{y + 15}">{module.name.lower()}</text>')
        parts.append(f'<text x="6" y="{y + 30}" fill="#666666">{share:.1%}</text>')
        parts.append(f'<rect x="{_LEFT}" y="{y}" width="{plot}" height="{_LANE}" fill="#f2f2f2"/>')
        parts += _boxes(program, timing, module, y, scale)
    parts += _legend(program, height)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _boxes(program: Program, timing: Timing, module: Module, y: int, scale: float) -> Iterator[str]:
    for name, first, last, start, end in _merged(program, timing, module, 0.1 / scale):
        item = program.instructions[first]
        what = describe(item, program) if first == last else f"{name}, up to instruction {last}"
        tip = escape(f"{first}: {what} [{start:,}, {end:,})")
        yield (
            f'<rect x="{_LEFT + start * scale:.2f}" y="{y}" width="{max((end - start) * scale, 0.1):.2f}" '
            f'height="{_LANE}" fill="{COLOURS[name]}"><title>{tip}</title></rect>'
        )


def _merged(
    program: Program, timing: Timing, module: Module, gap: float
) -> Iterator[tuple[str, int, int, int, int]]:
    """(kind, first and last instruction, start, end) of runs of instructions too small to tell apart."""
    current: tuple[str, int, int, int, int] | None = None
    for interval in timing.intervals:
        if interval.module is not module:
            continue
        name = kind(program.instructions[interval.instruction])
        if current is not None:
            small = interval.end - interval.start < gap and current[4] - current[3] < 10 * gap
            if name == current[0] and small and interval.start - current[4] < gap:
                current = (name, current[1], interval.instruction, current[3], interval.end)
                continue
            yield current
        current = (name, interval.instruction, interval.instruction, interval.start, interval.end)
    if current is not None:
        yield current


def _axis(timing: Timing, scale: float, height: int) -> Iterator[str]:
    step = max(1, timing.cycles // _TICKS)
    magnitude = 10 ** (len(str(step)) - 1)
    step = -(-step // magnitude) * magnitude
    bottom = height - _LEGEND - 16
    for cycle in range(0, timing.cycles + 1, step):
        x = _LEFT + cycle * scale
        yield f'<line x1="{x:.2f}" y1="{_TOP - 6}" x2="{x:.2f}" y2="{bottom}" stroke="#dddddd"/>'
        yield f'<text x="{x:.2f}" y="{_TOP - 10}" text-anchor="middle" fill="#666666">{cycle:,}</text>'


def _legend(program: Program, height: int) -> Iterator[str]:
    present = {kind(item) for item in program.instructions}
    x = _LEFT
    for name, colour in COLOURS.items():
        if name in present:
            yield f'<rect x="{x}" y="{height - 26}" width="12" height="12" fill="{colour}"/>'
            yield f'<text x="{x + 17}" y="{height - 16}">{name}</text>'
            x += 30 + 8 * len(name)
