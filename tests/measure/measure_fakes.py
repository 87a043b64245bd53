"""A task and a back end whose kernels live in kernels.c; importable by name in child processes."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heron_cli.backends.base import BuildError, Kernel, Operand
from heron_cli.measure.arena import ALIGNMENT
from heron_cli.measure.channel import Channel
from heron_cli.operators.expected import Expected
from heron_cli.trial import Candidate

M, N, K = 4, 3, 8
OPERANDS = (
    Operand("input", (M, K), "uint8"),
    Operand("weight", (N, K), "int8", packed_bytes=N * K),
    Operand("output", (M, N), "int32"),
)


@dataclass
class Exactly:
    """A reference whose result must be met exactly; `calls` counts how often it was computed."""

    compute: Callable[[Mapping[str, NDArray[Any]]], NDArray[Any]]
    given: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    calls: int = 0

    def __call__(self, arrays: Mapping[str, NDArray[Any]]) -> Expected:
        self.calls += 1
        return Expected(self.compute(arrays))

    def prescribed(self) -> Mapping[str, NDArray[Any]]:
        return self.given


def product(arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    return arrays["input"].astype(np.int32) @ arrays["weight"].astype(np.int32).T


reference = Exactly(product)


def candidate(variant: str, **knobs: int) -> Candidate:
    return Candidate.of(variant, knobs)


@dataclass(frozen=True)
class Task:
    key: str = "fake"


@dataclass(frozen=True)
class FakeBackend:
    """The variant of a candidate names a kernel of the library, or a misbehaviour of the build."""

    library: str
    name: str = "fake"
    build_seconds: float = 0.0
    marks: str = ""  # a folder in which every build leaves a file
    programs: Mapping[str, str] = field(default_factory=dict)

    def unavailable(self, requires: Mapping[str, Any]) -> list[str]:
        return []

    def build(self, task: Any, candidate: Candidate, *, threads: int) -> Kernel:
        assert isinstance(task, Task)
        if self.marks:
            (Path(self.marks) / f"{candidate.variant}-{time.monotonic_ns()}").touch()
        time.sleep(self.build_seconds)
        match candidate.variant:
            case "build-error":
                raise BuildError("tile of 7 does not divide 16\nand much more text")
            case "build-bug":
                raise KeyError("no such loop")
            case "build-segfaults":
                ctypes.string_at(0)
            case "build-aborts":
                os.write(2, b"some noise\nLLVM ERROR: Cannot select: t42\n")
                os.abort()
            case "build-exits":
                os._exit(3)
            case "build-hangs":
                ctypes.CDLL(None).pause()
            case "build-leaks":
                hoard = []
                while True:
                    hoard.append(bytearray(32 << 20))
            case "build-killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case "build-touches-file":
                Path(os.environ["HERON_TEST_FILE"]).touch()
                raise BuildError("only here for its side effect")
            case "build-prints":
                for _ in range(1000):
                    os.write(1, b"z" * 4096)
        name = candidate.variant.partition(":")[0]
        name = "good" if name == "build-prints" else name
        program = self.programs.get(candidate.variant, f"{candidate.variant}-{candidate.knobs}")
        return Kernel(name, OPERANDS, b"", program, {"instructions": 12.0})

    def load(self, kernel: Kernel, *, threads: int) -> LoadedFake:
        if kernel.symbol == "load-fails":
            raise OSError("undefined symbol: nothing")
        if kernel.symbol == "load-segfaults":
            ctypes.string_at(0)
        return LoadedFake(ctypes.CDLL(self.library), kernel)


def report(channel: Channel) -> None:
    """A child that writes down how it is confined, then waits for its end."""
    import resource
    import tempfile

    cores = str(os.sched_getaffinity(0)).replace(" ", "")
    leader = "leader" if os.getsid(0) == os.getpgid(0) == os.getpid() else "follower"
    memory = resource.getrlimit(resource.RLIMIT_DATA)[0]
    draft = Path(tempfile.gettempdir()) / "draft"
    draft.write_text(
        f"{cores} {os.nice(0) - os.getpriority(os.PRIO_PROCESS, os.getppid())} {memory} {leader}"
    )
    draft.rename(draft.with_name("mine"))
    while True:
        signal.pause()


class LoadedFake:
    def __init__(self, library: ctypes.CDLL, kernel: Kernel) -> None:
        self._library = library
        self._function = getattr(library, kernel.symbol)
        self.closed = False
        library.repeat.restype = ctypes.c_double

    def pack(self, weight: NDArray[Any]) -> NDArray[np.uint8]:
        raw = np.empty(weight.nbytes + ALIGNMENT, np.uint8)
        start = -raw.ctypes.data % ALIGNMENT
        packed = raw[start : start + weight.nbytes]
        self._library.plain_pack(_pointer(weight), _pointer(packed))
        return packed

    def call(self, buffers: Sequence[NDArray[Any]]) -> None:
        status = self._function(*map(_pointer, buffers))
        if status:
            raise RuntimeError(f"the kernel returned {status}")

    def repeat(self, buffers: Sequence[NDArray[Any]], count: int) -> float:
        arguments = (ctypes.c_void_p * len(buffers))(*(buffer.ctypes.data for buffer in buffers))
        status = ctypes.c_int(0)
        seconds: float = self._library.repeat(
            self._function, arguments, ctypes.c_long(count), ctypes.byref(status)
        )
        if status.value:
            raise RuntimeError(f"the kernel returned {status.value}")
        return seconds

    def fetch(self, buffers: Sequence[NDArray[Any]]) -> None:
        """The kernels write into the buffers."""

    def close(self) -> None:
        """Libraries of tests stay loaded."""
        self.closed = True


def _pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    assert array.ctypes.data % ALIGNMENT == 0
    return ctypes.c_void_p(array.ctypes.data)
