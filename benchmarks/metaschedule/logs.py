"""What MetaSchedule's log says of candidates that it drew and its own postprocessors refused.

It draws candidates until enough pass, so refusals are not among its trials; only the log counts them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

_STAGE = re.compile(r"(Sample-Init-Population|Evolve iter #\d+ done)")
_REFUSED = re.compile(r"(?:Postproc #\d+ \[[\w.]*?(\w+)\]|Trace replay failures): (\d+) failure")
_DRAWN = re.compile(r"Sampled (\d+) candidate")
POPULATION = 512  # of MetaSchedule's evolutionary search, as it is by default


@dataclass(slots=True)
class Refusals:
    """Candidates that passed, and refusals by postprocessor."""

    passed: int = 0
    refused: Counter[str] = field(default_factory=Counter)


def read(lines: Iterable[str], population: int = POPULATION) -> tuple[Refusals, Refusals]:
    """Of those drawn at random, and of those bred.

    A generation that ends has a whole `population` that passed.
    """
    drawn, bred = Refusals(), Refusals()
    stage: Refusals | None = None
    for line in lines:
        if found := _DRAWN.search(line):
            drawn.passed += int(found[1])
        elif " summary:" in line.lower():
            started = _STAGE.search(line)
            stage = None if started is None else drawn if started[1].startswith("Sample") else bred
            if stage is bred:
                bred.passed += population
        elif stage is not None and (found := _REFUSED.search(line)):
            stage.refused[found[1] or "trace replay"] += int(found[2])
    return drawn, bred
