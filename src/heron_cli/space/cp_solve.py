"""Calls of CP-SAT with heron's settings, in-place restriction of domains, and collection of solutions.

Settings, measured on schedule spaces: one worker, no presolve, no linearization, no probing, no symmetry
detection. Limits are in CP-SAT's deterministic time, so that a run with the same seed ends the same way on a
busy machine; a wall-clock limit far above stands behind it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ortools.sat.python import cp_model

from heron_cli.space.faults import SolverBugError, SolverTimeoutError
from heron_cli.space.protocol import Restriction

_WALL_FACTOR = 20.0


def call(
    model: cp_model.CpModel, seed: int, effort: float, collector: Collector | None = None, cores: bool = False
) -> cp_model.CpSolver | None:
    """Solve; the solver with its answer, or None when the model is proven infeasible.

    With `cores` the solver is returned in that case as well, to be asked for the assumptions at fault.
    Raises SolverTimeoutError when the limit ends the search without an answer, SolverBugError when CP-SAT
    refuses the model: it answers so within microseconds, which is easily taken for "infeasible".
    """
    solver = cp_model.CpSolver()
    settings = solver.parameters
    settings.num_workers = 1
    settings.cp_model_presolve = False
    settings.linearization_level = 0
    settings.cp_model_probing_level = 0
    settings.symmetry_level = 0
    settings.catch_sigint_signal = False  # Ctrl-C is the command line's to handle
    settings.random_seed = seed
    settings.max_deterministic_time = effort
    settings.max_time_in_seconds = max(effort * _WALL_FACTOR, 1.0)
    settings.enumerate_all_solutions = collector is not None
    if cores:
        settings.core_minimization_level = 2
    status = solver.solve(model, collector)
    if status == cp_model.MODEL_INVALID:
        raise SolverBugError(f"CP-SAT refuses the model: {model.validate() or 'no reason given'}")
    if status == cp_model.INFEASIBLE:
        return solver if cores else None
    if status == cp_model.UNKNOWN or (
        collector is not None and status != cp_model.OPTIMAL and not collector.full
    ):
        raise SolverTimeoutError(f"CP-SAT reached its limit of {effort:g} units of work without an answer")
    return solver


@contextmanager
def restricted(
    model: cp_model.CpModel, variables: Mapping[str, cp_model.IntVar], restrict: Restriction
) -> Iterator[bool]:
    """Narrow domains in place for the time of the block; False when a domain becomes empty.

    Edited domains must be canonical (sorted intervals, adjacent ones merged): `Domain` makes them so.
    """
    protos = model.proto.variables
    saved: list[tuple[int, list[int]]] = []
    possible = True
    try:
        for name, allowed in restrict.items():
            index = variables[name].index
            before = list(protos[index].domain)
            values = cp_model.Domain.from_values([int(value) for value in allowed])
            after = (
                cp_model.Domain.from_flat_intervals(before).intersection_with(values).flattened_intervals()
            )
            if not after:
                possible = False
                break
            saved.append((index, before))
            _write(protos[index].domain, after)
        yield possible
    finally:
        for index, before in reversed(saved):
            _write(protos[index].domain, before)


def _write(domain: Any, intervals: Sequence[int]) -> None:
    domain.clear()
    domain.extend(list(intervals))


class Collector(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]  # ortools is untyped
    """Collects the values of some variables for every solution, and stops after limit + 1."""

    def __init__(self, variables: Sequence[cp_model.IntVar], limit: int):
        super().__init__()
        self._variables = list(variables)
        self._limit = limit
        self.rows: list[list[int]] = []

    @property
    def full(self) -> bool:
        """Whether there are more solutions than the limit."""
        return len(self.rows) > self._limit

    def on_solution_callback(self) -> None:
        """Called by CP-SAT for each solution."""
        self.rows.append([self.value(variable) for variable in self._variables])
        if self.full:
            self.stop_search()
