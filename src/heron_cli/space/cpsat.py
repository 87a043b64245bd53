"""The CP-SAT backend, a space's source of truth: solves, proofs, optima and enumerations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from heron_cli.space.evaluator import Evaluator
from heron_cli.space.expression import Expression, Var
from heron_cli.space.faults import SolverBugError, SolverTimeoutError
from heron_cli.space.functions import equal
from heron_cli.space.protocol import FREE, Restriction
from heron_cli.space.resolve import support
from heron_cli.space.space import Rows, Space

if TYPE_CHECKING:
    from ortools.sat.python import cp_model

    from heron_cli.space.cp_compiler import Compiler

EFFORT = 30.0
"""Default limit of one solve, in CP-SAT's deterministic time (about seconds on an idle core)."""
HALF_EFFORT = 0.05
"""Limit of a solve over random half-domains: it only serves diversity, so it is given up early."""


@dataclass(frozen=True, slots=True)
class Optimum:
    """The best assignment found; proven optimal when `bound` equals `objective`. Unpacks in this order."""

    values: dict[str, int]
    objective: int
    bound: int

    def __iter__(self) -> Iterator[Any]:
        return iter((self.values, self.objective, self.bound))


class CpBackend:
    """CP-SAT over one space. Not for use by several threads: restrictions edit the model in place.

    Restrictions name knobs or derived variables; a name the space lacks raises KeyError. Every answer is
    checked with the evaluator before it is returned (SolverBugError otherwise).
    """

    def __init__(self, space: Space, effort: float = EFFORT):
        self.space = space
        self._effort = effort
        self._evaluator = Evaluator(space)
        self._names = {*space.names, *(item.name for item in space.derived)}

    def solve(
        self, rng: np.random.Generator, restrict: Restriction = FREE, hints: Mapping[str, int] | None = None
    ) -> dict[str, int] | None:
        """The knob values of an assignment near `hints` (None: random ones); None if there provably is none.

        Raises SolverTimeoutError when the limit is reached first.
        """
        return self._attempt(rng, restrict, hints, self._effort)

    def draw(self, rng: np.random.Generator, restrict: Restriction = FREE) -> dict[str, int] | None:
        """The knob values of a diverse assignment; None: there provably is none.

        First within random half-domains of all knobs, then of half of the knobs, then within the restriction
        alone: the halves keep the solver from the same few corners.
        """
        for share in (1.0, 0.5):
            halves: dict[str, list[int]] = {name: list(values) for name, values in restrict.items()}
            for knob in self.space.knobs:
                own = set(halves.get(knob.name, knob.values))
                allowed = [value for value in knob.values if value in own]
                if len(allowed) > 2 and rng.random() < share:
                    half = (len(allowed) + 1) // 2
                    halves[knob.name] = rng.permutation(allowed)[:half].tolist()
            try:
                found = self._attempt(rng, halves, None, HALF_EFFORT)
            except SolverTimeoutError:
                continue
            if found is not None:
                return found
        return self.solve(rng, restrict)

    def is_empty(self, restrict: Restriction = FREE) -> bool:
        """Whether no assignment satisfies the constraints and the restriction: a proof, not a guess."""
        return self.solve(np.random.default_rng(0), restrict) is None

    def minimise(
        self,
        expression: Expression,
        restrict: Restriction = FREE,
        avoid: Sequence[Mapping[str, int]] = (),
        effort: float | None = None,
        seed: int = 0,
        at_most: int | None = None,
    ) -> Optimum | None:
        """The assignment with the least value of `expression`; None: there provably is none.

        `avoid` lists partial assignments of knobs or derived variables that the answer must not contain:
        the tile shapes used already, to force diversity; `at_most` is the largest value of interest. When
        the limit ends the search early, the best assignment so far is returned with the bound proven so far.
        """
        from heron_cli.space.cp_solve import call, restricted

        compiler = self._compiler
        for name in sorted(support(expression)):
            self._tree(name)
        # Definitions stay in the compiled model; what is asked of this optimum goes into a copy.
        objective = compiler.integer(self.space.expression(expression))
        avoided = [
            [compiler.literal(equal(self._tree(n), value)) for n, value in item.items()] for item in avoid
        ]
        variables = self._variables(compiler, restrict)
        model = compiler.model.clone()
        model.clear_hints()
        for literals in avoided:
            model.add_bool_or([~literal for literal in literals])
        if at_most is not None:
            model.add(objective <= at_most)
        model.minimize(objective)
        with restricted(model, variables, restrict) as possible:
            solver = call(model, seed, effort or self._effort) if possible else None
        if solver is None:
            return None
        values = self._read(solver, compiler)
        return Optimum(values, round(solver.objective_value), round(solver.best_objective_bound))

    def enumerate(self, limit: int, restrict: Restriction = FREE) -> Rows:
        """All valid rows in lexicographic order; raises ValueError when there are more than `limit`."""
        from heron_cli.space.cp_solve import Collector, call, restricted

        compiler = self._compile()
        collector = Collector([compiler.variable(Var(name)) for name in self.space.names], limit)
        with restricted(compiler.model, self._variables(compiler, restrict), restrict) as possible:
            if possible:
                call(compiler.model, 0, self._effort, collector)
        if collector.full:
            raise ValueError(f"the space has more than {limit:,} assignments")
        rows = np.array(collector.rows, np.int64).reshape(-1, len(self.space.knobs))
        distinct = np.unique(rows, axis=0)
        if len(distinct) < len(rows):
            raise SolverBugError("CP-SAT found an assignment twice: an auxiliary variable is not determined")
        return distinct

    def _attempt(
        self, rng: np.random.Generator, restrict: Restriction, hints: Mapping[str, int] | None, effort: float
    ) -> dict[str, int] | None:
        from heron_cli.space.cp_solve import call, restricted

        compiler = self._compiler
        model = compiler.model
        if hints is None:
            hints = {knob.name: knob.values[int(rng.integers(len(knob.values)))] for knob in self.space.knobs}
        model.clear_hints()
        for name, value in hints.items():
            model.add_hint(self._variable(compiler, name), int(value))
        with restricted(model, self._variables(compiler, restrict), restrict) as possible:
            seed = int(rng.integers(1 << 30))
            solver = call(model, seed, effort) if possible else None
        return None if solver is None else self._read(solver, compiler)

    def _read(self, solver: cp_model.CpSolver, compiler: Compiler) -> dict[str, int]:
        values = {name: int(solver.value(compiler.variable(Var(name)))) for name in self.space.names}
        wrong = self._evaluator.violations(values)
        if wrong:
            raise SolverBugError(f"CP-SAT returned an assignment that breaks {wrong[0]}")
        return values

    @cached_property
    def _compiler(self) -> Compiler:
        return self._compile()

    def _compile(self) -> Compiler:
        from heron_cli.space.cp_compiler import Compiler

        compiler = Compiler(self.space, self.space.caps)
        for condition in self.space.conditions:
            compiler.post(condition)
        return compiler

    def _tree(self, name: str) -> Expression:
        if name not in self._names:
            raise KeyError(f"the space has no variable {name}")
        return self.space.expression(Var(name))

    def _variable(self, compiler: Compiler, name: str) -> cp_model.IntVar:
        return compiler.variable(self._tree(name))

    def _variables(self, compiler: Compiler, restrict: Restriction) -> dict[str, cp_model.IntVar]:
        return {name: self._variable(compiler, name) for name in restrict}
