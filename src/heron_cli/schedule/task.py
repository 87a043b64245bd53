"""A task: one workload on one accelerator, and its variants with their templates and spaces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from heron_cli.accelerator.model import Accelerator
from heron_cli.errors import InputError
from heron_cli.operators import registry
from heron_cli.operators.workload import Workload
from heron_cli.schedule.analysis import NotAnEinsum, analyse
from heron_cli.schedule.constraints import RULES as CONSTRAINT_RULES
from heron_cli.schedule.constraints import Poster
from heron_cli.schedule.einsum import Einsum
from heron_cli.schedule.features import add_features
from heron_cli.schedule.nest import Nest
from heron_cli.schedule.roofline import add_roofline
from heron_cli.schedule.rules import RULES as SCHEDULE_RULES
from heron_cli.schedule.rules.base import NotApplicableError, UnsupportedError
from heron_cli.schedule.template import Template
from heron_cli.schedule.variants import rewritings
from heron_cli.schedule.waves import add_waves
from heron_cli.space import Evaluator, Rows, Space
from heron_cli.trial import Candidate


@dataclass(frozen=True)
class Variant:
    """A template with its space; `why` says what the variant does."""

    name: str
    template: Template
    space: Space
    why: str

    @cached_property
    def evaluator(self) -> Evaluator:
        """The evaluator of the space."""
        return Evaluator(self.space)

    def nest(self, candidate: Candidate) -> Nest:
        """The candidate's loops. Raises InputError if a constraint is violated or a knob is missing."""
        values = candidate.values
        missing = [name for name in self.space.names if name not in values]
        if missing:
            raise InputError(f"the candidate gives no value to {', '.join(missing)}")
        violated = self.evaluator.violations(values)
        if violated:
            raise InputError(f"the candidate violates {violated[0].label}: {violated[0].prose}")
        (nest,) = self._nests(self.space.row(values)[None, :])
        return nest

    def nests(self, rows: Rows) -> Iterator[Nest]:
        """The loops of each row of knob values [n, knobs], several times faster than one by one.

        Raises InputError, before the first, if any row violates a constraint.
        """
        invalid = np.flatnonzero(~self.evaluator.valid(rows))
        for index in invalid[:1].tolist():
            violated = self.evaluator.violations(self.space.values(rows[index]))
            raise InputError(f"row {index} violates {violated[0].label}: {violated[0].prose}")
        return self._nests(rows)

    def _nests(self, rows: Rows) -> Iterator[Nest]:
        columns = self.evaluator.columns(rows)
        names = tuple(columns)
        for values in zip(*(column.tolist() for column in columns.values()), strict=True):
            yield self.template.nest(dict(zip(names, values, strict=True)))


@dataclass(frozen=True)
class Refused:
    """A variant that does not apply, and why not."""

    name: str
    why: str


@dataclass(frozen=True)
class Task:
    """One workload on one accelerator with a number of threads. Pickles as just that."""

    workload: Workload
    accelerator: Accelerator
    threads: int = 1

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return Task, (self.workload, self.accelerator, self.threads)

    @property
    def key(self) -> str:
        """The workload's key."""
        return self.workload.key

    @cached_property
    def einsum(self) -> Einsum:
        """The workload's einsum. Raises InputError if the operator has another form."""
        return einsum_of(self.workload)

    @cached_property
    def _generated(self) -> tuple[tuple[Variant, ...], tuple[Refused, ...]]:
        variants: list[Variant] = []
        refused: list[Refused] = []
        for rewriting in rewritings(self.einsum, self.accelerator):
            if rewriting.einsum is None:
                refused.append(Refused(rewriting.name, rewriting.why))
                continue
            template = Template(
                rewriting.einsum,
                self.accelerator,
                self.threads,
                rewriting.instruction,
                rewriting.computes,
                rewriting.filled_by,
            )
            try:
                for rule in SCHEDULE_RULES:
                    template = rule.run(template)
                variants.append(Variant(rewriting.name, template, _space(template), rewriting.why))
            except UnsupportedError as error:
                raise InputError(
                    f"{self.accelerator.name} cannot run {self.workload.name}: {error}"
                ) from error
            except NotApplicableError as error:
                refused.append(Refused(rewriting.name, str(error)))
        if not variants:
            names: dict[str, list[str]] = {}
            for item in refused:
                names.setdefault(item.why, []).append(item.name)
            reasons = "; ".join(f"{', '.join(alike)}: {why}" for why, alike in names.items())
            raise InputError(f"{self.accelerator.name} cannot run {self.workload.name}: {reasons}")
        return tuple(variants), tuple(refused)

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The variants that apply. Raises InputError, with every reason, when none does."""
        return self._generated[0]

    @property
    def refused(self) -> tuple[Refused, ...]:
        """The variants that do not apply."""
        return self._generated[1]

    def variant(self, name: str) -> Variant:
        """The variant called `name`. Raises InputError."""
        found = next((variant for variant in self.variants if variant.name == name), None)
        if found is None:
            names = ", ".join(variant.name for variant in self.variants)
            raise InputError(f"{self.workload.name} has no variant '{name}'; it has {names}")
        return found


@lru_cache(maxsize=64)
def einsum_of(workload: Workload) -> Einsum:
    """The einsum of a workload, by analysis. Raises InputError if the operator has another form."""
    operator = registry.get(workload.operator)
    constant = frozenset(name for name, spec in operator.specs(workload).items() if spec.constant)
    try:
        return analyse(workload.name, operator.compute(workload), constant)
    except NotAnEinsum as error:
        raise InputError(f"{workload.name} cannot be tensorized: {error}") from error


def _space(template: Template) -> Space:
    poster = Poster(template)
    for rule in CONSTRAINT_RULES:
        rule.post(poster)
    add_features(poster)
    add_roofline(poster)
    add_waves(poster)
    return poster.space.build()
