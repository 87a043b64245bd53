"""Programs as text: one line for every instruction, and a timeline with a lane for every module."""

from __future__ import annotations

from collections.abc import Iterable

from heron_cli.backends.vta.isa import (
    Alu,
    AluOperation,
    Finish,
    Flags,
    Gemm,
    Instruction,
    Load,
    Memory,
    Module,
    Store,
)
from heron_cli.backends.vta.program import Program
from heron_cli.backends.vta.timing import Timing

KINDS = {
    "input": "i",
    "weight": "w",
    "uop": "u",
    "accumulator": "a",
    "reset": "r",
    "gemm": "G",
    "alu": "A",
    "store": "S",
    "finish": "F",
}
"""Kind of instruction -> its letter in a timeline."""

_SIGNS = {AluOperation.MIN: "min", AluOperation.MAX: "max", AluOperation.ADD: "+", AluOperation.SHIFT: ">>"}


def kind(item: Instruction) -> str:
    """What an instruction does, as one of `KINDS`."""
    match item:
        case Load():
            return "accumulator" if item.memory is Memory.NARROW else item.memory.name.lower()
        case Gemm():
            return "reset" if item.reset else "gemm"
        case _:
            return type(item).__name__.lower()


def listing(program: Program, timing: Timing | None = None) -> str:
    """The program's instructions, with the cycles in which they execute where a timing is given.

    A line holds the instruction's number, module, tokens (`<load` pops one from the load module, `>load`
    pushes one to it), and what it does; factors of loops stand as outer, inner.
    """
    lines = []
    for index, item in enumerate(program.instructions):
        when = ""
        if timing is not None:
            interval = timing.intervals[index]
            when = f"{interval.start:>10} {interval.end:>10}  "
        lines.append(
            f"{index:>6}  {when}{item.module.name.lower():<7}  {_tokens(item):<31}  {describe(item, program)}"
        )
    head = f"{'#':>6}  {'from':>10} {'to':>10}  " if timing is not None else f"{'#':>6}  "
    return "\n".join([f"{head}{'module':<7}  {'tokens':<31}  instruction", *lines]) + "\n"


def describe(item: Instruction, program: Program) -> str:
    """An instruction's effect in one line."""
    match item:
        case Load():
            target = f"{item.memory.name.lower()}[{item.sram_base}:{item.sram_base + item.sram_size}]"
            pads = (item.pad_top, item.pad_bottom, item.pad_left, item.pad_right)
            padding = (
                f" zeros top {pads[0]} bottom {pads[1]} left {pads[2]} right {pads[3]}" if any(pads) else ""
            )
            return f"{target} = {_rectangle(item, program)}{padding}"
        case Store():
            source = f"output[{item.sram_base}:{item.sram_base + item.sram_size}]"
            return f"{_rectangle(item, program)} = {source}"
        case Gemm():
            if item.reset:
                return f"accumulator[{_index(item, 'dst')}] = 0 {_loops(item)}"
            factors = f"input[{_index(item, 'src')}] * weight[{_index(item, 'wgt')}]"
            return f"accumulator[{_index(item, 'dst')}] += {factors} {_loops(item)}"
        case Alu():
            right = f"accumulator[{_index(item, 'src')}]" if item.immediate is None else str(item.immediate)
            sign = _SIGNS.get(item.operation, "*")
            return f"accumulator[{_index(item, 'dst')}] {sign}= {right} {_loops(item)}"
        case Finish():
            return "finish"


def timeline(program: Program, timing: Timing, width: int = 100) -> str:
    """The modules' work over time: a lane each, `width` columns, the kind that fills most of a column's time.

    `.` is idle. Below: how busy the modules and the bus are.
    """
    lines = []
    per_column = max(1, -(-timing.cycles // width))
    for module in Module:
        lane = _lane(program, timing, module, per_column)
        share = timing.busy(module) / timing.cycles if timing.cycles else 0.0
        lines.append(f"{module.name.lower():<7} |{lane}| {share:6.1%}")
    letters = {kind(item) for item in program.instructions}
    legend = ", ".join(f"{letter} {name}" for name, letter in KINDS.items() if name in letters)
    bus = timing.bus_cycles / timing.cycles if timing.cycles else 0.0
    return (
        f"{timing.cycles:,} cycles of the model, {per_column:,} a column; {legend}; . idle\n"
        + "\n".join(lines)
        + f"\nbus to DRAM {bus:.1%}; GEMM steps {timing.gemm_steps:,}: {timing.utilisation:.1%} of cycles\n"
    )


def _lane(program: Program, timing: Timing, module: Module, per_column: int) -> str:
    columns = -(-timing.cycles // per_column)
    spent: list[dict[str, int]] = [{} for _ in range(columns)]
    for interval in timing.intervals:
        if interval.module is not module or interval.end == interval.start:
            continue
        letter = KINDS[kind(program.instructions[interval.instruction])]
        for column in range(interval.start // per_column, (interval.end - 1) // per_column + 1):
            begin = max(interval.start, column * per_column)
            share = min(interval.end, (column + 1) * per_column) - begin
            spent[column][letter] = spent[column].get(letter, 0) + share
    lane = []
    for column, kinds in enumerate(spent):
        length = min(per_column, timing.cycles - column * per_column)
        kinds["."] = length - sum(kinds.values())
        lane.append(_most(kinds))
    return "".join(lane)


def _most(kinds: dict[str, int]) -> str:
    """The letter with most cycles; in a tie work before idleness, and of two kinds the earlier."""
    return max(kinds, key=lambda letter: (kinds[letter], letter != "."))


def _tokens(item: Instruction) -> str:
    return " ".join(_named(item.module, item.flags))


def _named(module: Module, flags: Flags) -> Iterable[str]:
    for sign, there, neighbour in (
        ("<", flags.pop_previous, module - 1),
        ("<", flags.pop_next, module + 1),
        (">", flags.push_previous, module - 1),
        (">", flags.push_next, module + 1),
    ):
        if there:
            yield sign + Module(neighbour).name.lower()


def _rectangle(item: Load | Store, program: Program) -> str:
    tensor = program.accessed(item)
    place = f"dram[{item.dram_base}" if tensor is None else f"{tensor.name}[{item.dram_base - tensor.base}"
    if item.y_size == 1:
        return f"{place} + {item.x_size}]"
    return f"{place} + {item.y_size} x {item.x_size}, stride {item.x_stride}]"


def _index(item: Gemm | Alu, role: str) -> str:
    terms = [
        f"{factor}{name}" if factor > 1 else name
        for name, factor in (("o", getattr(item, f"{role}_out")), ("i", getattr(item, f"{role}_in")))
        if factor
    ]
    return " + ".join([f"u.{role}", *terms])


def _loops(item: Gemm | Alu) -> str:
    return f"for o < {item.iter_out}, i < {item.iter_in}, u in uop[{item.uop_begin}:{item.uop_end}]"
