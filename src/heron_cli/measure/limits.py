"""What a child process may use before it is killed."""

from __future__ import annotations

from dataclasses import dataclass

_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Limits:
    """Deadlines in seconds, each counted from the moment the child enters that phase; sizes in bytes.

    `pick_up_seconds` is for a process at rest to begin with a job. `memory_bytes` bounds a child's private
    memory (RLIMIT_DATA). `output_bytes` is how much of what a child prints is kept (the end of it). A
    worker is replaced after `kernels_per_worker` kernels, against slow leaks. A lane is given up after
    `starts` failed starts in a row.
    """

    start_seconds: float = 60.0
    pick_up_seconds: float = 20.0
    build_seconds: float = 30.0
    load_seconds: float = 20.0
    call_seconds: float = 10.0
    timing_seconds: float = 30.0
    memory_bytes: int = 8 * _GIB
    output_bytes: int = 4096
    kernels_per_worker: int = 256
    starts: int = 3

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above zero, not {getattr(self, name)}")
