"""What can be wrong with instructions and programs; one clear line each."""

from __future__ import annotations

from heron_cli.errors import HeronError, InputError


class VtaError(HeronError):
    """Base of what this back end refuses."""


class IsaError(VtaError):
    """A field's value that the instruction set cannot express."""


class ProgramError(VtaError):
    """A program whose instructions do not fit together; `instruction` counts from 0, None: no single one."""

    def __init__(self, message: str, instruction: int | None = None) -> None:
        super().__init__(message if instruction is None else f"instruction {instruction}: {message}")
        self.instruction = instruction


class DeadlockError(ProgramError):
    """Modules wait for tokens that nothing will push."""


class SimulationError(ProgramError):
    """A program that does what it should not in simulation, or tensors that do not fit it."""


class BinaryError(InputError):
    """A file that is no program, or one for another configuration."""
