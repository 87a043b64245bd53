"""The spaces on which methods are compared, and where the cost of an assignment comes from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from benchmarks.exploration import tables
from heron_cli import session
from heron_cli.backends.vta.config import VtaConfig
from heron_cli.backends.vta.cycles import CycleModel
from heron_cli.search.driver import BATCH
from heron_cli.search.prior import Prior
from heron_cli.search.problem import PlainProblem, Problem, VariantSpace
from heron_cli.search.protocol import get_method
from heron_cli.search.spent import Spent
from heron_cli.session import Settings
from heron_cli.session.spaces import bare_spaces, variant_space
from heron_cli.space import TableSampler
from heron_cli.trial import Candidate, Measurement, Status, Trial

NEAR = 0.99  # a run that came so near to the best known of its space is over
GOALS = tables.FOLDER / "best-known.json"  # of spaces too large to record, see `goals`


@dataclass
class Bed:
    """A layer on VTA, costs from the recorded table where there is one, else from the timing model."""

    machine: str
    layer: str
    known: dict[bytes, int] = field(default_factory=dict)
    optimum: int | None = None  # of the whole space, where all of it is recorded
    goal: int | None = None  # the best known: the optimum, or what a long search found

    def __post_init__(self) -> None:
        if tables.path_of(self.machine, self.layer).exists():
            table = tables.read(self.machine, self.layer)
            self.known, self.optimum = table.lookup(), table.best
        self.goal = self.optimum
        if self.goal is None and GOALS.exists():
            found = json.loads(GOALS.read_text()).get(self.name)
            self.goal = None if found is None else int(found["cycles"])

    @property
    def name(self) -> str:
        """What the report calls it."""
        return f"{self.machine} {self.layer}"

    @cached_property
    def task(self) -> Any:
        """The layer's task."""
        return tables.task(self.machine, self.layer)

    @cached_property
    def problem(self) -> Problem:
        """The cold problem, with seeds."""
        return session.problem(self.task, Settings())

    @cached_property
    def _model(self) -> CycleModel:
        return CycleModel(self.task.variants[0], VtaConfig.of(self.task.accelerator))

    def warm(self, prior: Prior) -> Problem:
        """The problem as it is after other layers were tuned."""
        variants = [replace(variant, prior=prior) for variant in self.problem.variants]
        return replace(self.problem, variants=variants)  # type: ignore[type-var]  # a PlainProblem

    def costs(self, candidates: Sequence[Candidate]) -> list[int]:
        """Cycles of each."""
        rows = self.problem.variants[0].rows([candidate.values for candidate in candidates])
        new = [row for row in rows if row.tobytes() not in self.known]
        if new:
            fresh = self._model.of(np.array(new))
            self.known.update((row.tobytes(), int(c)) for row, c in zip(new, fresh, strict=True))
        return [self.known[row.tobytes()] for row in rows]

    def measure(self, candidates: Sequence[Candidate]) -> list[Measurement]:
        """What a device would say of each."""
        return [Measurement(Status.OK, cycles=c, verified=False) for c in self.costs(candidates)]

    def search(
        self,
        method: str,
        seed: int,
        trials: int,
        problem: Problem | None = None,
        spent: Spent | None = None,
        near: float | None = NEAR,
    ) -> list[Trial]:
        """One search, in the driver's rounds; shorter when it came `near` the best known."""
        proposer = get_method(method)(problem or self.problem, seed, spent)
        history: list[Trial] = []
        number = 0
        while len(history) < trials:
            batch = proposer.propose(BATCH, history, number)
            if not batch:
                break
            history += map(Trial, batch, self.measure(batch))
            number += 1
            valid = [cycles for trial in history if (cycles := trial.measurement.cycles) is not None]
            if near is not None and self.goal is not None and min(valid, default=np.inf) <= self.goal / near:
                break
        return history[:trials]


@dataclass
class LenientBed(Bed):
    """A layer whose accelerator's file forgot its memories and fields (rules C5 and C6), so that trials fail.

    They take part in the search's space; what breaks them does not build.
    """

    @property
    def name(self) -> str:
        """What the report calls it."""
        return f"{super().name} without C5, C6"

    @cached_property
    def problem(self) -> Problem:
        """The problem as the search sees it."""
        (variant,) = self.task.variants
        labels = {each.label for each in variant.space.constraints if each.label.startswith(("C5", "C6"))}
        space = variant.space.without(labels)
        found = variant_space(self.task, variant, space, TableSampler(space))
        return PlainProblem(self.task.key, "conv2d", self.machine, "", [found])

    @cached_property
    def _true(self) -> VariantSpace:
        return bare_spaces(self.task)[0]

    def measure(self, candidates: Sequence[Candidate]) -> list[Measurement]:
        """An error for each that breaks a rule."""
        fits = [self._true.fits(each) for each in candidates]
        good = iter(super().measure([each for each, fit in zip(candidates, fits, strict=True) if fit]))
        return [next(good) if fit else Measurement(Status.BUILD_ERROR) for fit in fits]


VTA_BEDS = (("vta", "C11"), ("vta-1x32x32", "C3"), ("vta", "gemm"), ("vta-small", "C6"), ("vta", "C2"))
HELD_OUT = ("vta gemm", "vta C2")  # never run while the algorithm was changed; C5 and the others were
X86_BEDS = (
    ("gemm 1024³", "gemm", {"m": 1024, "n": 1024, "k": 1024}),
    ("gemm 16×4096×1024", "gemm", {"m": 16, "n": 4096, "k": 1024}),
    ("conv2d 28² 128→128", "conv2d", {"height": 28, "width": 28, "in_channels": 128, "out_channels": 128,
                                      "kernel": 3, "padding": 1}),
    ("conv2d 14² 1024→256 1×1", "conv2d", {"height": 14, "width": 14, "in_channels": 1024,
                                           "out_channels": 256, "kernel": 1}),
)  # fmt: skip
X86_TOLD = (  # other shapes of the same operators, from which transfer learns
    ("gemm 512³", "gemm", {"m": 512, "n": 512, "k": 512}),
    ("gemm 128×3072×768", "gemm", {"m": 128, "n": 3072, "k": 768}),
    ("gemm 64×1024×2048", "gemm", {"m": 64, "n": 1024, "k": 2048}),
    ("conv2d 56² 64→64", "conv2d", {"height": 56, "width": 56, "in_channels": 64, "out_channels": 64,
                                    "kernel": 3, "padding": 1}),
    ("conv2d 7² 512→512", "conv2d", {"height": 7, "width": 7, "in_channels": 512, "out_channels": 512,
                                     "kernel": 3, "padding": 1}),
    ("conv2d 28² 512→128 1×1", "conv2d", {"height": 28, "width": 28, "in_channels": 512, "out_channels": 128,
                                          "kernel": 1}),
)  # fmt: skip


def unavailable(target: str = "dlboost") -> list[str]:
    """Why the accelerator cannot be measured here; empty where it can."""
    from heron_cli.accelerator.loader import load
    from heron_cli.doctor import obstacles

    return list(obstacles(load(target)))
