"""The modules' instruction streams and the queues of tokens between them, whatever a token carries."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

from heron_cli.backends.vta.errors import DeadlockError, ProgramError
from heron_cli.backends.vta.isa import Flags, Instruction, Module

Queue = tuple[Module, Module]  # from, to
QUEUES: tuple[Queue, ...] = (
    (Module.LOAD, Module.COMPUTE),
    (Module.COMPUTE, Module.LOAD),
    (Module.COMPUTE, Module.STORE),
    (Module.STORE, Module.COMPUTE),
)
T = TypeVar("T")


def pops(module: Module, flags: Flags) -> Iterator[Queue]:
    """The queues from which an instruction of `module` takes a token."""
    if flags.pop_previous:
        yield Module(module - 1), module
    if flags.pop_next:
        yield Module(module + 1), module


def pushes(module: Module, flags: Flags) -> Iterator[Queue]:
    """The queues to which an instruction of `module` gives a token."""
    if flags.push_previous:
        yield module, Module(module - 1)
    if flags.push_next:
        yield module, Module(module + 1)


class Streams(Generic[T]):
    """Instructions by module, executed one at a time in any order that the tokens allow."""

    def __init__(self, instructions: Sequence[Instruction]) -> None:
        self._instructions = instructions
        self._streams: dict[Module, list[int]] = {module: [] for module in Module}
        for index, item in enumerate(instructions):
            self._streams[item.module].append(index)
        self._position = dict.fromkeys(Module, 0)
        self._queues: dict[Queue, deque[T]] = {queue: deque() for queue in QUEUES}

    def head(self, module: Module) -> int | None:
        """The instruction that a module executes next; None if it is done."""
        position = self._position[module]
        return self._streams[module][position] if position < len(self._streams[module]) else None

    def ready(self) -> list[Module]:
        """Modules whose next instruction has all its tokens."""
        return [module for module in Module if self.head(module) is not None and not self._missing(module)]

    def begin(self, module: Module) -> tuple[int, list[T]]:
        """Take a ready module's next instruction: its number and the tokens that it pops."""
        index = self.head(module)
        assert index is not None
        self._position[module] += 1
        flags = self._instructions[index].flags
        return index, [self._queues[queue].popleft() for queue in pops(module, flags)]

    def end(self, index: int, token: T) -> None:
        """Push the tokens of an instruction."""
        item = self._instructions[index]
        for queue in pushes(item.module, item.flags):
            self._queues[queue].append(token)

    def check_done(self) -> None:
        """To be called when no module is ready.

        Raises:
            DeadlockError: instructions are left.
            ProgramError: tokens are left, which the next program would find.
        """
        waiting = []
        for module in Module:
            head = self.head(module)
            if head is not None:
                origins = " and ".join(origin.name.lower() for origin, _ in self._missing(module))
                waiting.append(f"{module.name.lower()} at instruction {head} for a token from {origins}")
        if waiting:
            raise DeadlockError(f"deadlock: {'; '.join(waiting)}; {self._state()}")
        if any(self._queues.values()):
            raise ProgramError(f"tokens are left at the end: {self._state()}")

    def _missing(self, module: Module) -> list[Queue]:
        index = self.head(module)
        assert index is not None
        flags = self._instructions[index].flags
        return [queue for queue in pops(module, flags) if not self._queues[queue]]

    def _state(self) -> str:
        held = [
            f"{len(tokens)} from {origin.name.lower()} to {target.name.lower()}"
            for (origin, target), tokens in self._queues.items()
            if tokens
        ]
        return f"tokens waiting: {', '.join(held) or 'none'}"
