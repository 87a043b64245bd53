"""The plain values that search, measurement and records exchange."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

DISTURBED = "timing disturbed"  # how the reason begins of a measurement that something disturbed


class Status(StrEnum):
    """What became of a candidate."""

    OK = "ok"
    BUILD_ERROR = "build-error"
    RUN_ERROR = "run-error"
    TIMEOUT = "timeout"
    WRONG_RESULT = "wrong-result"
    DEVICE_LOST = "device-lost"


@dataclass(frozen=True, slots=True)
class Candidate:
    """An assignment to try: the variant of the template and a value for each of its knobs."""

    variant: str
    knobs: tuple[tuple[str, int], ...]  # sorted by name, so that equal candidates compare equal

    @classmethod
    def of(cls, variant: str, values: Mapping[str, int]) -> Candidate:
        """Build a candidate from any mapping of knob name to value."""
        return cls(variant, tuple(sorted((name, int(value)) for name, value in values.items())))

    @property
    def values(self) -> dict[str, int]:
        """The knob values by name."""
        return dict(self.knobs)


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a runner says of one candidate.

    `seconds` is the median time of one call and `spread` its relative inter-quartile range; both are None
    unless the status is ok. Runners that model time report `cycles` as well. `verified` is True when the
    output was compared with the numpy reference and equal. `metrics` holds numbers the build reports
    (stack vectors, instructions), `program` a digest of the lowered program.
    """

    status: Status
    seconds: float | None = None
    spread: float | None = None
    cycles: int | None = None
    verified: bool = False
    reason: str = ""
    build_seconds: float = 0.0
    run_seconds: float = 0.0
    program: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def disturbed(self) -> bool:
        """Whether something else used the processor meanwhile, be it made up for or not."""
        return self.reason.startswith(DISTURBED)


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate that was measured."""

    candidate: Candidate
    measurement: Measurement
