"""How to tune."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class RunnerKind(StrEnum):
    """Where measurements come from."""

    LOCAL = "local"  # this machine
    REPLAY = "replay"  # the records of the database
    RPC = "rpc"  # machines that run `heron serve`, found by a TVM RPC tracker
    RAY = "ray"  # the nodes of a Ray cluster
    BUILD_ONLY = "build-only"  # none: candidates are built and not run


@dataclass(frozen=True, slots=True)
class Settings:
    """How to tune.

    `trials` or `seconds` bounds each workload; `gap` ends it once the best is within that share of the
    bound of any kernel; `transfer` warms up from the records of other workloads; `rank_again` compares the
    best few side by side also where they were; `fixed` gives knobs the one value to try.
    """

    trials: int | None = 64
    seconds: float | None = None
    seed: int = 0
    method: str = "cga"
    threads: int = 1
    jobs: int | None = None
    sampler: str = "table"
    runner: RunnerKind = RunnerKind.LOCAL
    gap: float | None = None
    transfer: bool = True
    rank_again: bool = False
    tracker: tuple[str, int] | None = None  # host and port, for RPC
    cluster: str | None = None  # address for Ray; None: this machine
    key: str | None = None  # of the servers, for RPC; None: the accelerator's name
    fixed: Mapping[str, int] = field(default_factory=dict)

    @property
    def measures(self) -> bool:
        """Whether what the runner says is a measurement, to be recorded."""
        return self.runner not in (RunnerKind.REPLAY, RunnerKind.BUILD_ONLY)

    def check(self) -> None:
        """Raise InputError when there is no such search method."""
        from heron_cli.search.protocol import get_method

        get_method(self.method)
