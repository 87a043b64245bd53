"""What can go wrong with the solver itself."""

from __future__ import annotations

from heron_cli.errors import HeronError


class SolverTimeoutError(HeronError):
    """CP-SAT neither found an assignment nor proved that there is none within its limit."""


class SolverBugError(RuntimeError):
    """CP-SAT refused the model, or an answer of it contradicts the evaluator: a bug of heron's."""
