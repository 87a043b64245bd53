"""What `heron doctor` finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad a finding is: a `warning` makes times less steady, a `problem` makes measuring impossible."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact; `advice` says what to do about a level other than ok."""

    name: str
    value: str
    level: Level = Level.OK
    advice: str = ""
