"""What a back end offers to measurement and to the library: build a kernel, load it, call it.

A kernel is a relocatable object with plain C functions, so that what is measured is byte for byte what
is exported, and neither measuring nor the exported library needs TVM.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from heron_cli.measure.timing import TimingOptions
    from heron_cli.trial import Candidate

    Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Operand:
    """One argument of a kernel, in call order. `shape` and `dtype` are the user's (before packing).

    `packed_bytes` is the size of the packed form for an operand that the kernel wants pre-packed by its
    pack function, None for one that is passed as it is. The output is the last operand.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    packed_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Kernel:
    """A built kernel.

    `code` is an ELF relocatable object. It defines
    ``int32_t SYMBOL(const void *operand0, …, void *output)`` and, when an operand is packed,
    ``int32_t SYMBOL_pack(const void *operand, void *packed)``; both return 0. All pointers are 64-byte
    aligned. `program` is a digest of the generated code: equal digests are the same program.
    For machines that are launched, `code` is what their driver loads, with kernels of the same names and
    arguments, and `launch` says on how many blocks and threads,
    in plain JSON values.
    """

    symbol: str
    operands: tuple[Operand, ...]
    code: bytes
    program: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    launch: Mapping[str, Any] = field(default_factory=dict)

    @property
    def output(self) -> Operand:
        """The operand that the kernel writes."""
        return self.operands[-1]

    @property
    def packed(self) -> Operand | None:
        """The operand that is passed packed, if there is one."""
        return next((operand for operand in self.operands if operand.packed_bytes is not None), None)


class LoadedKernel(Protocol):
    """A kernel in this process's memory. Buffers are 64-byte aligned arrays in operand order."""

    def pack(self, weight: Array) -> NDArray[np.uint8]:
        """The packed form of the operand that is passed packed, 64-byte aligned."""

    def call(self, buffers: Sequence[Array]) -> None:
        """One call. Raises RuntimeError when the kernel returns a status other than 0."""

    def repeat(self, buffers: Sequence[Array], count: int) -> float:
        """Seconds for `count` calls in a row, looped in native code or on the device."""

    def fetch(self, buffers: Sequence[Array]) -> None:
        """Bring what the calls of `repeat` wrote into the buffers, from a device with its own memory."""

    def close(self) -> None:
        """Give back the memory and the code. The kernel cannot be called afterwards."""


class Backend(Protocol):
    """A machine family. Implementations register in `heron_cli.backends.registry`."""

    name: str

    def unavailable(self, requires: Mapping[str, Any]) -> list[str]:
        """Why this machine cannot run kernels for an accelerator with these requirements; empty if it can."""

    def build(self, task: Any, candidate: Candidate, *, threads: int) -> Kernel:
        """Generate and compile one candidate. Imports TVM. Raises BuildError with a one-line reason."""

    def load(self, kernel: Kernel, *, threads: int) -> LoadedKernel:
        """Link and load a kernel into this process. Must not import TVM."""


@runtime_checkable
class OwnDevice(Protocol):
    """A back end whose kernels run beside the host's processor, and are timed by the device's own clock."""

    timing: TimingOptions

    def processor(self) -> str:
        """What the device is called, as records name it; empty where there is none."""


@dataclass(frozen=True, slots=True)
class Peak:
    """What a machine cannot exceed, all of its cores or processors that a kernel runs on together.

    `products` a second, and `bandwidth` in bytes a second of the memory behind the caches, which keep at most
    `cached` bytes from one call to the next; None where it is not known. `source` says how these numbers are
    known, in one word: "measured", "documented".
    """

    products: float
    source: str
    bandwidth: float | None = None
    cached: int = 0


@runtime_checkable
class Peaked(Protocol):
    """A back end that knows how fast its machine can be at most."""

    def peak(self, task: Any, cores: Sequence[int]) -> Peak | str:
        """The peak for the task's element types, of these cores where it is the host that computes.

        Otherwise one line of why it is not known. For a machine that is here. May measure for some
        milliseconds, and then answers with the best that this process has seen.
        """


@runtime_checkable
class Disassembling(Protocol):
    """A back end that can say of which instructions a kernel is made."""

    def instructions(self, kernel: Kernel) -> Mapping[str, int] | None:
        """How many it has of those that matter; None where this machine lacks the tool to tell."""


@runtime_checkable
class SimulatedBackend(Protocol):
    """A machine that exists as a model: builds report `metrics["cycles"]`, a simulator gives results."""

    name: str

    def build(self, task: Any, candidate: Candidate, *, threads: int) -> Kernel:
        """As `Backend.build`."""

    def simulate(self, task: Any, candidate: Candidate, kernel: Kernel, arrays: Mapping[str, Array]) -> Array:
        """The output from the operands by name. Raises BuildError with one line if the program cannot run."""


class BuildError(Exception):
    """A candidate that the code generator or the compiler rejected; the message is one line."""
