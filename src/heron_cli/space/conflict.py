"""A minimal set of constraints that cannot hold together: assumption core, deletion filter, confirmation."""

from __future__ import annotations

from collections.abc import Sequence

from heron_cli.space.expression import Compare
from heron_cli.space.faults import SolverBugError, SolverTimeoutError
from heron_cli.space.space import Space

EFFORT = 30.0
"""Limit of the first solve, in deterministic time."""
FILTER_EFFORT = 3.0
"""Limit of each attempt to leave a constraint out; one that takes longer stays in."""


def find_conflict(space: Space) -> list[int] | None:
    """The indices of constraints that conflict, none of which can be left out; None if there is a solution.

    The list is empty when the domains of the knobs alone admit nothing, which a builder prevents. Raises
    SolverTimeoutError when the solver cannot tell.
    """
    from heron_cli.space.cp_compiler import Compiler
    from heron_cli.space.cp_solve import call

    # No caps here: each is implied by a constraint, which must be able to give way.
    compiler = Compiler(space)
    model = compiler.model
    literals = [model.new_bool_var("") for _ in space.constraints]
    for literal, condition in zip(literals, space.conditions, strict=True):
        compiler.post(condition, literal)
    position = {literal.index: k for k, literal in enumerate(literals)}

    def core(assumed: Sequence[int], effort: float) -> list[int] | None:
        """A conflicting part of the assumed constraints, or None when they can hold together."""
        model.clear_assumptions()
        model.add_assumptions([literals[k] for k in assumed])
        solver = call(model, 0, effort, cores=True)
        if solver is None or solver.response_proto.status != _infeasible():
            return None
        return sorted(position[index] for index in solver.sufficient_assumptions_for_infeasibility())

    found = core(range(len(literals)), EFFORT)
    if found is None:
        return None
    # Definitions (equalities) are tried first: a conflict without them reads best.
    for candidate in sorted(found, key=lambda k: not _is_equality(space, k)):
        if candidate not in found:
            continue
        try:
            smaller = core([k for k in found if k != candidate], FILTER_EFFORT)
        except SolverTimeoutError:
            continue
        if smaller is not None:
            found = smaller
    _confirm(space, found)
    return found


def _is_equality(space: Space, index: int) -> bool:
    condition = space.conditions[index]
    return isinstance(condition, Compare) and condition.op == "=="


def _infeasible() -> int:
    from ortools.sat.python import cp_model

    return int(cp_model.INFEASIBLE)


def _confirm(space: Space, conflict: Sequence[int]) -> None:
    """Solve with the conflict's constraints posted plainly, without assumptions: it must be infeasible."""
    from heron_cli.space.cp_compiler import Compiler
    from heron_cli.space.cp_solve import call

    compiler = Compiler(space)
    for index in conflict:
        compiler.post(space.conditions[index])
    if call(compiler.model, 0, EFFORT) is not None:
        labels = ", ".join(space.constraints[k].label for k in conflict)
        raise SolverBugError(f"CP-SAT named a conflict that can be satisfied: {labels}")
