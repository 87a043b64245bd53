"""What is wrong in a file: collected, so that the user sees everything at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from heron_cli.errors import InputError, Origin


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One error: where, at which key, and "what is wrong; what would be right"."""

    origin: Origin
    path: str
    message: str

    def __str__(self) -> str:
        return (
            f"{self.origin}: {self.path}: {self.message}" if self.path else f"{self.origin}: {self.message}"
        )


class AcceleratorError(InputError):
    """Every problem of an accelerator file, one line each, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type[AcceleratorError], tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)


def suggest(word: str, known: Iterable[str], what: str) -> str:
    """Say "did you mean 'x'?" if one of `known` is near to `word`, else list them, called `what`."""
    choices = list(dict.fromkeys(known))
    if near := difflib.get_close_matches(word, choices, n=1, cutoff=0.6):
        return f"did you mean '{near[0]}'?"
    return f"{what}: {', '.join(choices)}" if choices else f"there are no {what}"
