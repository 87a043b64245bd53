"""Dependence tokens: the fewest that make every legal overlap of the modules mean what program order means.

A pass over the program remembers, for every element of a shared scratch-pad, who last wrote and last read it.
An instruction that reads waits for the writer, one that writes waits for the readers. Of several producers
in one module the latest suffices, because a module works in order; and none that an earlier token covers
already. So there is at most one token per queue and instruction; tokens are consumed in the order in which
they were pushed; and since all of them point forward in program order, none can be missing: no deadlock.
"""

from __future__ import annotations

from dataclasses import fields

from heron_cli.backends.vta.accesses import accesses
from heron_cli.backends.vta.config import VtaConfig
from heron_cli.backends.vta.isa import NO_FLAGS, Finish, Flags, Memory, Module, flagged
from heron_cli.backends.vta.program import Program, with_flags
from heron_cli.backends.vta.regions import Regions

_POP_PREVIOUS, _POP_NEXT, _PUSH_PREVIOUS, _PUSH_NEXT = 1, 2, 4, 8
_FLAGS = [Flags(*(bool(bits & 1 << place) for place in range(4))) for bits in range(16)]
_PRODUCER = {Memory.INPUT: Module.LOAD, Memory.WEIGHT: Module.LOAD, Memory.OUTPUT: Module.COMPUTE}
_CONSUMER = {memory: Module(producer + 1) for memory, producer in _PRODUCER.items()}


def synchronise(program: Program, config: VtaConfig) -> Program:
    """The program with its tokens; those that it had are discarded. Finish waits for all loads and stores.

    Raises:
        ProgramError: an index outside its memory, or micro-ops that were never loaded.
    """
    flags = [0] * len(program.instructions)
    for producer, consumer, origin, target in dependences(program, config):
        flags[producer] |= _PUSH_NEXT if target > origin else _PUSH_PREVIOUS
        flags[consumer] |= _POP_PREVIOUS if target > origin else _POP_NEXT
    return with_flags(
        program,
        (
            (index, flagged(item, _FLAGS[flags[index]]))
            for index, item in enumerate(program.instructions)
            if item.flags != _FLAGS[flags[index]]
        ),
    )


def dependences(program: Program, config: VtaConfig) -> list[tuple[int, int, Module, Module]]:
    """The tokens, as (producing instruction, consuming instruction, their modules), in program order."""
    touched = accesses(program, config)
    regions = Regions(touched)
    latest = dict.fromkeys(Module, -1)  # instruction of each module
    covered: dict[tuple[Module, Module], int] = {}
    found = []
    for index, (item, access) in enumerate(zip(program.instructions, touched, strict=True)):
        module = item.module
        due: dict[Module, int] = {}
        reads, writes = regions.touched(access)
        for memory, spans in reads:
            _need(due, _PRODUCER[memory], regions.latest_writer(memory, spans))
            regions.reads(index, memory, spans)
        for memory, spans in writes:
            _need(due, _CONSUMER[memory], regions.latest_reader(memory, spans))
            regions.writes(index, memory, spans)
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
        ((i, flagged(item, NO_FLAGS)) for i, item in enumerate(program.instructions) if item.flags),
    )


def token_count(program: Program) -> int:
    """Tokens that the program pushes."""
    names = [field.name for field in fields(Flags) if field.name.startswith("push")]
    return sum(getattr(item.flags, name) for item in program.instructions for name in names)


def _need(due: dict[Module, int], module: Module, producer: int) -> None:
    due[module] = max(due.get(module, -1), producer)
