"""Dependence tokens: the fewest that make every legal overlap of the modules mean what program order means.

A pass over the program remembers, for every element of a shared scratch-pad, who last wrote and last read it.
An instruction that reads waits for the writer, one that writes waits for the readers. Of several producers
in one module the latest suffices, because a module works in order; and none that an earlier token covers
already. So there is at most one token per queue and instruction; tokens are consumed in the order in which
they were pushed; and since all of them point forward in program order, none can be missing: no deadlock.
"""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from heron_cli.backends.vta.accesses import SHARED, accesses
from heron_cli.backends.vta.checks import scratchpad
from heron_cli.backends.vta.config import VtaConfig
from heron_cli.backends.vta.isa import NO_FLAGS, Finish, Flags, Memory, Module
from heron_cli.backends.vta.program import Program, with_flags

_PRODUCER = {Memory.INPUT: Module.LOAD, Memory.WEIGHT: Module.LOAD, Memory.OUTPUT: Module.COMPUTE}


def synchronise(program: Program, config: VtaConfig) -> Program:
    """The program with its tokens; those that it had are discarded. Finish waits for all loads and stores.

    Raises:
        ProgramError: an index outside its memory, or micro-ops that were never loaded.
    """
    pushes: set[tuple[int, Module]] = set()  # (instruction, to)
    pops: set[tuple[int, Module]] = set()  # (instruction, from)
    for producer, consumer, origin, target in dependences(program, config):
        pushes.add((producer, target))
        pops.add((consumer, origin))
    changed = []
    for index, instruction in enumerate(program.instructions):
        module = instruction.module
        flags = Flags(
            pop_previous=(index, module - 1) in pops,
            pop_next=(index, module + 1) in pops,
            push_previous=(index, module - 1) in pushes,
            push_next=(index, module + 1) in pushes,
        )
        if flags != instruction.flags:
            changed.append((index, replace(instruction, flags=flags)))
    return with_flags(program, changed)


def dependences(program: Program, config: VtaConfig) -> list[tuple[int, int, Module, Module]]:
    """The tokens, as (producing instruction, consuming instruction, their modules), in program order."""
    written = {memory: np.full(scratchpad(memory, config).depth, -1) for memory in SHARED}
    read = {memory: np.full(scratchpad(memory, config).depth, -1) for memory in SHARED}
    latest = dict.fromkeys(Module, -1)  # instruction of each module
    covered: dict[tuple[Module, Module], int] = {}
    found = []
    for index, (item, access) in enumerate(zip(program.instructions, accesses(program, config), strict=True)):
        module = item.module
        due: dict[Module, int] = {}
        for memory, elements in access.reads:
            if memory in SHARED:
                _need(due, _PRODUCER[memory], int(written[memory][elements].max()))
                read[memory][elements] = index
        for memory, elements in access.writes:
            if memory in SHARED:
                _need(due, _consumer(memory), int(read[memory][elements].max()))
                written[memory][elements] = index
        if isinstance(item, Finish):
            due |= {Module.LOAD: latest[Module.LOAD], Module.STORE: latest[Module.STORE]}
        for origin, producer in due.items():
            if producer > covered.get((origin, module), -1):
                covered[origin, module] = producer
                found.append((producer, index, origin, module))
        latest[module] = index
    return found


def without_tokens(program: Program) -> Program:
    """The program without any token, as before `synchronise`."""
    return with_flags(
        program,
        ((i, replace(item, flags=NO_FLAGS)) for i, item in enumerate(program.instructions) if item.flags),
    )


def token_count(program: Program) -> int:
    """Tokens that the program pushes."""
    names = [field.name for field in fields(Flags) if field.name.startswith("push")]
    return sum(getattr(item.flags, name) for item in program.instructions for name in names)


def _consumer(memory: Memory) -> Module:
    return Module(_PRODUCER[memory] + 1)


def _need(due: dict[Module, int], module: Module, producer: int) -> None:
    due[module] = max(due.get(module, -1), producer)
