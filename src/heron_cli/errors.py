"""Errors that reach the user: one clear line each, and the exit code of the command that met them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """A place in a file that the user wrote; `line` and `column` count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class HeronError(Exception):
    """Base of every error that heron reports in one line; anything else is a bug of heron's."""

    exit_code = 1


class InputError(HeronError):
    """Bad usage, bad YAML, or a machine that cannot do what was asked (exit code 2)."""

    exit_code = 2


class SpaceEmptyError(HeronError):
    """The solver proved that no assignment satisfies the constraints (exit code 3)."""

    exit_code = 3


class NoValidTrialError(HeronError):
    """Every trial failed, so there is no best kernel (exit code 4)."""

    exit_code = 4


class RegressionError(HeronError):
    """A job's acceptance bar was missed (exit code 5)."""

    exit_code = 5
