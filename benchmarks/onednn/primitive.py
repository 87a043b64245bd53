"""A oneDNN primitive on arrays of the caller."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Mapping

from benchmarks.buffers import Array, aligned, random_array
from benchmarks.native import BenchmarkError
from benchmarks.onednn.library import VNNI, c_problem, library
from benchmarks.onednn.problem import Problem, Workload, problem
from benchmarks.timing import Burst, NativeCall, sample


class Primitive:
    """Weights packed as oneDNN likes, activations and result in the user's layout.

    `arrays` holds "input" and "weight" in heron's layouts (see `problem`); the result is in `output`.
    """

    def __init__(
        self, workload: Workload, arrays: Mapping[str, Array], isa: str = VNNI, threads: int = 1
    ) -> None:
        self.problem: Problem = problem(workload)
        self._library = library(isa, threads)
        self._arrays = {name: arrays[name] for name in ("input", "weight")}
        for name, array in self._arrays.items():
            self._check(name, array)
        self.output = aligned(self.problem.output.shape, self.problem.types.output)
        addresses = tuple(array.ctypes.data for array in (*self._arrays.values(), self.output))
        message = ctypes.create_string_buffer(512)
        described = c_problem(self.problem, (addresses[0], addresses[1], addresses[2]))
        handle = self._library.onednn_create(ctypes.byref(described), message, len(message))
        if not handle:
            raise BenchmarkError(f"oneDNN has no primitive for this workload: {message.value.decode()}")
        weakref.finalize(self, self._library.onednn_destroy, handle)
        self.implementation: str = self._library.onednn_implementation(handle).decode()
        address = ctypes.cast(self._library.onednn_execute, ctypes.c_void_p).value
        assert address is not None
        self.call = NativeCall(address, (handle,), self)

    def _check(self, name: str, array: Array) -> None:
        shape, dtype = getattr(self.problem, name).shape, getattr(self.problem.types, name)
        if array.shape != shape or array.dtype.name != dtype or not array.flags.c_contiguous:
            raise BenchmarkError(
                f"{name} must be a contiguous {dtype}{list(shape)}, not {array.dtype}{list(array.shape)}"
            )

    def run(self) -> Array:
        """Execute once; returns the output."""
        self.call.repeat(1)
        return self.output

    def time(self, rounds: int = 15, seconds: float = 0.02) -> tuple[Burst, ...]:
        """Bursts of about `seconds` each."""
        return sample(self.call, rounds, seconds)


def random_arrays(workload: Workload, seed: int = 0) -> dict[str, Array]:
    """Inputs over the full range of their types, 0..255 and -128..127; of floats whole numbers -8..8."""
    import numpy as np

    rng = np.random.default_rng(seed)
    described = problem(workload)
    return {
        "input": random_array(described.input.shape, described.types.input, rng),
        "weight": random_array(described.weight.shape, described.types.weight, rng),
    }
