"""From workload and accelerator to results: composes task, spaces, runner, method, store and library.

What the command line does, without its printing, so that benchmarks and tests can do it too.
"""

from __future__ import annotations

from .accelerators import default_accelerator, of_family, require_measurable
from .exporting import export
from .idle import idle
from .settings import RunnerKind, Settings
from .spaces import make_task, problem, variants_with, why_empty
from .tuning import make_runner, open_search, tune
from .workloads import definition, workload_of

__all__ = [
    "RunnerKind",
    "Settings",
    "default_accelerator",
    "definition",
    "export",
    "idle",
    "make_runner",
    "make_task",
    "of_family",
    "open_search",
    "problem",
    "require_measurable",
    "tune",
    "variants_with",
    "why_empty",
    "workload_of",
]
