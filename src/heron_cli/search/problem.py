"""What is searched: a workload's variants, each with its space. Search knows the rest by these protocols."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..trial import Candidate, Measurement
from .bound import Bound

Rows = npt.NDArray[np.int64]  # [candidates, knobs], the columns in the order of the space's knobs
Table = npt.NDArray[np.float64]  # [candidates, features]
REFINED = 0.25  # share of a batch that may be of kinds measured before, where kinds are all that matters
UNTOLD = 0.5  # the same where knobs matter that kinds do not tell apart


class Knob(Protocol):
    """A tunable variable."""

    @property
    def name(self) -> str:
        """Its name, unique in the space."""

    @property
    def values(self) -> Sequence[int]:
        """The values it can take, ascending; not each of them need be part of a valid point."""


class Space(Protocol):
    """The knobs of one variant, in the order of the columns of its rows."""

    @property
    def knobs(self) -> Sequence[Knob]:
        """The knobs."""


class Sampler(Protocol):
    """Draws assignments that satisfy every constraint; equal generators give equal draws."""

    def sample(self, n: int, rng: np.random.Generator, restrict: Mapping[str, Collection[int]] = ...) -> Rows:
        """`n` uniform draws. Raises SpaceEmptyError when the solver proves that there is none."""

    def offspring(
        self, choices: Rows, kept: npt.NDArray[np.bool_], fallbacks: Rows, rng: np.random.Generator
    ) -> Rows:
        """One row per child, [n, knobs]: in each `kept` [n, knobs] knob the value of one of its `choices`
        [n, parents, knobs]; its fallback [n, knobs] where none is found.
        """


class Prior(Protocol):
    """A model of the costs that other workloads' trials made."""

    def predict(self, variant: VariantSpace, rows: Rows) -> npt.NDArray[np.float64]:
        """The predicted logarithm of the cost of each row, up to a constant, [len(rows)]."""

    def knob_importance(self, variant: VariantSpace) -> npt.NDArray[np.float64]:
        """How much each knob of the variant matters, [knobs]."""


def no_features(rows: Rows) -> tuple[Table, Sequence[str]]:
    """No derived features: the cost model sees the knobs alone."""
    return np.empty((len(rows), 0)), ()


@dataclass(frozen=True)
class VariantSpace:
    """One way to schedule the workload: its space, sampler and derived features.

    `features` maps rows to columns that the cost model sees besides the knobs (tile bytes, arithmetic
    intensity); `seeds` are assignments worth trying first, as the optimum of an analytic model is; `valid`
    tells which rows satisfy the constraints, so that records made under other rules are left out;
    `violation` tells by how much each row breaks them, 0 for valid rows and above 0 for others: penalty
    methods follow it. `estimate` is an analytic model's cost of each row, up to a factor, and rows of equal
    `kind` [n, columns] are alike to the search, which takes at most the share `refined` of a batch from kinds
    that were measured before; `work` is the amount of work where there is no estimate. `prior` is what other
    workloads' trials make of the rows before any of this one's.
    """

    name: str
    space: Space
    sampler: Sampler
    features: Callable[[Rows], tuple[npt.NDArray[Any], Sequence[str]]] = no_features
    seeds: Sequence[Mapping[str, int]] = ()
    valid: Callable[[Rows], npt.NDArray[np.bool_]] | None = None
    violation: Callable[[Rows], npt.NDArray[np.float64]] | None = None
    estimate: Callable[[Rows], npt.NDArray[Any]] | None = None
    kind: Callable[[Rows], npt.NDArray[Any]] | None = None
    refined: float = REFINED
    work: float = 1.0
    prior: Prior | None = None

    @property
    def informed(self) -> bool:
        """Whether rows can be told apart before the first trial."""
        return self.prior is not None or self.estimate is not None

    def base(self, rows: Rows) -> npt.NDArray[np.float64]:
        """What the cost of each row is compared with across workloads: its estimate, or the work,
        [len(rows)].
        """
        if self.estimate is None:
            return np.full(len(rows), self.work)
        return np.maximum(1.0, np.asarray(self.estimate(rows), dtype=np.float64))

    def kinds(self, rows: Rows) -> list[bytes]:
        """The kind of each row, [len(rows)]; every row is of its own kind where `kind` is not known."""
        table = rows if self.kind is None else self.kind(rows)
        return [row.tobytes() for row in np.ascontiguousarray(table)]

    @property
    def names(self) -> tuple[str, ...]:
        """The knobs' names, in the order of columns."""
        return tuple(knob.name for knob in self.space.knobs)

    def candidate(self, row: Rows) -> Candidate:
        """The candidate of one row."""
        return Candidate.of(self.name, dict(zip(self.names, row.tolist(), strict=True)))

    def rows(self, assignments: Sequence[Mapping[str, int]]) -> Rows:
        """Assignments as rows [len(assignments), knobs]."""
        names = self.names
        table = [[values[name] for name in names] for values in assignments]
        return np.array(table, dtype=np.int64).reshape(len(assignments), len(names))

    def has(self, candidate: Candidate) -> bool:
        """True when the candidate is of this variant and gives a value to exactly its knobs."""
        return candidate.variant == self.name and set(candidate.values) == set(self.names)

    def fits(self, candidate: Candidate) -> bool:
        """True when the space `has` the candidate and it satisfies every constraint, if `valid` is known."""
        if not self.has(candidate):
            return False
        return self.valid is None or bool(self.valid(self.rows([candidate.values]))[0])

    def admits(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Which rows satisfy every constraint, [len(rows)]. Raises ValueError when `valid` is not known."""
        if self.valid is None:
            raise ValueError(f"variant {self.name}: this search method needs to know which rows are valid")
        return self.valid(rows)

    def distance(self, rows: Rows) -> npt.NDArray[np.float64]:
        """How much each row breaks the constraints, [len(rows)]; 0 or 1 where `violation` is not known."""
        if self.violation is None:
            return (~self.admits(rows)).astype(np.float64)
        return self.violation(rows)


class Problem(Protocol):
    """A workload on an accelerator."""

    @property
    def key(self) -> str:
        """The workload's text id."""

    @property
    def operator(self) -> str:
        """The operator's name."""

    @property
    def definition(self) -> Mapping[str, Any]:
        """The workload as JSON."""

    @property
    def target(self) -> str:
        """The accelerator's name."""

    @property
    def digest(self) -> str:
        """The digest of the accelerator's description."""

    @property
    def variants(self) -> Sequence[VariantSpace]:
        """The ways to schedule it; at least one, names distinct."""

    @property
    def bound(self) -> Bound | None:
        """A cost that no kernel is below; None when not known."""

    def bound_again(self) -> Bound | None:
        """The bound once more: one that rests on something measured can only sink."""

    @property
    def solve_seconds(self) -> float:
        """What the solver took to make the problem: its seeds and its bound."""


@dataclass(frozen=True)
class PlainProblem:
    """A `Problem` made of given values."""

    key: str
    operator: str
    target: str
    digest: str
    variants: Sequence[VariantSpace]
    definition: Mapping[str, Any] = field(default_factory=dict)
    bound: Bound | None = None
    solve_seconds: float = 0.0
    measure_bound: Callable[[], Bound | None] | None = None

    def bound_again(self) -> Bound | None:
        """See `Problem`."""
        return self.bound if self.measure_bound is None else self.measure_bound()


class Runner(Protocol):
    """Measures candidates of one problem."""

    def run(self, candidates: Sequence[Candidate]) -> Iterator[tuple[int, Measurement]]:
        """Measure each candidate once; (index, measurement) in any order. Closing the iterator stops it."""

    def remeasure(self, candidates: Sequence[Candidate]) -> list[Measurement]:
        """Measure the candidates side by side, so that their times are comparable, and verify each."""

    def close(self) -> None:
        """Release what the runner holds."""
