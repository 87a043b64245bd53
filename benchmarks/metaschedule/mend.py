"""MetaSchedule of TVM 0.27.0.post1, imported and made to work.

* TVMScript asks `inspect.stack()` for each of the hundreds of intrinsics that an import parses, and that
  reads source files: 30 to 40 s. Frames without source text are all that it needs: 3 to 8 s.
* `dot_16x4_vnni` calls `llvm.x86.avx512.vpdpbusd.512` with vectors of int32. The LLVM 22 in the wheel takes
  bytes, so no candidate would build. `vnni.py` is the same product for the LLVM that is there.

`load` is also what MetaSchedule's worker processes begin with (`begin_worker`).
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

_VNNI = "dot_16x4_vnni"


@cache
def load() -> Any:
    """The module `tvm.s_tir.meta_schedule`, mended."""
    with _without_sources():
        import tvm.s_tir.meta_schedule as module
        import tvm.s_tir.tensor_intrin  # noqa: F401  registers them
        from tvm.s_tir import TensorIntrin

        from benchmarks.metaschedule import vnni

    TensorIntrin.register(_VNNI, vnni.description, vnni.implementation, override=True)
    return module


def begin_worker(cores: Sequence[int]) -> None:
    """What a worker process does first: keep to its cores, and import in seconds what it needs."""
    if cores:
        os.sched_setaffinity(0, cores)
    load()


@contextmanager
def _without_sources() -> Iterator[None]:
    """`inspect.stack` that reads no source files."""
    usual = inspect.stack
    inspect.stack = _stack
    try:
        yield
    finally:
        inspect.stack = usual


def _stack(context: int = 0) -> list[inspect.FrameInfo]:
    frame, found = sys._getframe(1), []
    while frame is not None:
        code = frame.f_code
        found.append(inspect.FrameInfo(frame, code.co_filename, frame.f_lineno, code.co_name, None, None))
        frame = frame.f_back  # type: ignore[assignment]
    return found
