"""What the export takes: kernels with the records that prove them, and what was asked for in vain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from heron_cli.backends.base import Kernel
    from heron_cli.operators.workload import Workload
    from heron_cli.records.record import Record


@dataclass(frozen=True, slots=True)
class ExportItem:
    """One kernel of a library, rebuilt from `record`. `requires`: see `Toolchain.requires`."""

    workload: Workload
    kernel: Kernel
    record: Record
    requires: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fallback:
    """A workload that was asked for and that the library does not hold, with the reason in one line."""

    workload: Workload
    reason: str
