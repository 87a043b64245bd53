"""Execution of a program on data, obeying its tokens, in any order of the modules that they allow.

An order in which a missing token shows may be rare; `races.py` proves what this can only try.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from heron_cli.backends.vta.accesses import accesses
from heron_cli.backends.vta.arrays import State
from heron_cli.backends.vta.config import VtaConfig
from heron_cli.backends.vta.isa import Module
from heron_cli.backends.vta.kernels import kernels
from heron_cli.backends.vta.program import Program, check_program
from heron_cli.backends.vta.tokens import Streams

Heads = Mapping[Module, int]  # ready modules and the instructions that are next in them
Interleaving = Callable[[Heads], Module]
"""Which of the ready modules executes its next instruction."""


@dataclass(frozen=True, slots=True)
class Result:
    """`outputs` by tensor, [elements, batch, block_out]; `stored`: which of its elements were written.

    `order`: instructions as they were executed.
    """

    outputs: Mapping[str, NDArray[Any]]
    stored: Mapping[str, NDArray[Any]]
    order: tuple[int, ...]


def in_program_order(heads: Heads) -> Module:
    """The ready instruction that comes first in the program."""
    return min(heads, key=heads.__getitem__)


def by_priority(modules: Sequence[Module]) -> Interleaving:
    """The first of `modules` that is ready: runs one as far ahead of the others as tokens allow."""
    rank = {module: place for place, module in enumerate(modules)}
    return lambda heads: min(heads, key=rank.__getitem__)


def at_random(seed: int) -> Interleaving:
    """Bursts of random length, each under random priorities: adversarial and arbitrary orders by turns."""
    rng = random.Random(seed)
    modules = list(Module)
    left = 0

    def choose(heads: Heads) -> Module:
        nonlocal left
        if left == 0:
            rng.shuffle(modules)
            left = rng.choice((1, 1, 2, 5, 20, 100))
        left -= 1
        return next(module for module in modules if module in heads)

    return choose


def simulate(
    program: Program,
    config: VtaConfig,
    tensors: Mapping[str, NDArray[Any]],
    interleaving: Interleaving = in_program_order,
) -> Result:
    """Execute a program.

    `tensors`: what every tensor that the program loads (but micro-ops) holds, any shape of the right size and
    type in the order of its elements; a stored tensor may be given, too, else it begins as a pattern.

    Raises:
        ProgramError: the program is wrong in itself, or tokens are left at its end.
        DeadlockError: no module can go on.
        SimulationError: it reads what was never written, or the tensors do not fit.
    """
    check_program(program, config)
    touched, uops = accesses(program, config), kernels(program, config)
    state = State(program, config, tensors)
    streams: Streams[None] = Streams(program.instructions)
    order = []
    while ready := streams.ready():
        heads = {module: head for module in ready if (head := streams.head(module)) is not None}
        index, _ = streams.begin(interleaving(heads))
        state.execute(index, program.instructions[index], uops[index], touched[index])
        streams.end(index, None)
        order.append(index)
    streams.check_done()
    return Result(state.outputs(), state.stored, tuple(order))
