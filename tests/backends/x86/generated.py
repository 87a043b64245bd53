"""Random candidates of real workloads, built here and run next to guard pages in a process of their own."""

from __future__ import annotations

import ctypes
import mmap
import os
import pickle
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heron_cli.accelerator.model import Accelerator
from heron_cli.backends import registry as backends
from heron_cli.backends.base import Kernel
from heron_cli.elements import is_float, numpy_type
from heron_cli.operators import registry as operators
from heron_cli.operators.workload import Workload
from heron_cli.schedule.task import Task, Variant
from heron_cli.space import TableSampler
from heron_cli.trial import Candidate

Array = NDArray[Any]
_CANARY = 0x5C
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


@dataclass(frozen=True)
class Job:
    """A kernel, the inputs to call it on, and what must come out."""

    name: str
    kernel: Kernel
    threads: int
    arrays: tuple[dict[str, Array], ...]
    expected: tuple[Array, ...]


def draw(variant: Variant, seed: int, only: Mapping[str, tuple[int, ...]] | None = None) -> Candidate:
    row = TableSampler(variant.space).sample(1, np.random.default_rng(seed), only or {})[0]
    return Candidate.of(variant.name, variant.space.values(row))


def build(task: Task, candidate: Candidate) -> Kernel:
    return backends.get(task.accelerator.backend).build(task, candidate, threads=task.threads)


def inputs(workload: Workload, seed: int) -> tuple[dict[str, Array], ...]:
    """Random operands over the full range of their types, and the extremes: all 255 by all -128.

    Floats are small whole numbers, whose sums are exact in any order.
    """
    rng, operator = np.random.default_rng(seed), operators.get(workload.operator)
    random, extreme = {}, {}
    given = operator.prescribed(workload)
    for name, spec in operator.specs(workload).items():
        if name != "output" and name not in given:
            dtype = numpy_type(spec.dtype)
            low, high = (-8, 8) if is_float(dtype) else (np.iinfo(dtype).min, np.iinfo(dtype).max)
            random[name] = rng.integers(low, high, spec.shape, endpoint=True).astype(dtype)
            extreme[name] = np.full(spec.shape, low if low else high, dtype)
    return {**random, **given}, {**extreme, **given}


def job(workload: Workload, seed: int, threads: int = 1, accelerator: Accelerator | str = "dlboost") -> Job:
    """A random candidate of a random variant of the workload."""
    from .emulated import accelerator as runnable

    machine = runnable(accelerator) if isinstance(accelerator, str) else accelerator
    task = Task(workload, machine, threads)
    variant = task.variants[seed % len(task.variants)]
    return job_of(task, draw(variant, seed), seed)


def job_of(task: Task, candidate: Candidate, seed: int = 0) -> Job:
    arrays = inputs(task.workload, seed)
    reference, output = operators.get(task.workload.operator).reference, task.workload.dtypes.output
    name = f"{task.key} on {task.threads} threads, seed {seed}: {candidate.variant} {candidate.values}"
    expected = tuple(reference(task.workload, each).astype(output) for each in arrays)  # one rounding
    return Job(name, build(task, candidate), task.threads, arrays, expected)


class Fenced:
    """Memory of `size` bytes that ends, or begins, at a page that nobody may touch; canaries elsewhere."""

    def __init__(self, size: int, at_end: bool) -> None:
        page = mmap.PAGESIZE
        body = -(-size // page) * page
        self._memory = mmap.mmap(-1, body + 2 * page, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        whole = np.frombuffer(self._memory, np.uint8)
        for fence in (whole.ctypes.data, whole.ctypes.data + page + body):
            if _libc.mprotect(fence, page, 0) != 0:
                raise OSError(ctypes.get_errno(), "mprotect")
        first = page + (body - size if at_end else 0)
        self.rest = (whole[page:first], whole[first + size : page + body])
        for part in self.rest:
            part[:] = _CANARY
        self.bytes = whole[first : first + size]
        self._body = (whole.ctypes.data + page, body)

    def freeze(self) -> None:
        """Writing is a fault from now on."""
        _libc.mprotect(*self._body, mmap.PROT_READ)

    def intact(self) -> bool:
        return all((part == _CANARY).all() for part in self.rest)


class Workspaces:
    """Those of a loaded kernel that are not freed yet, by address; its hooks come here first."""

    def __init__(self, loaded: Any) -> None:
        (_, _, (handle,), _) = loaded._close.peek()
        kernel, runtime = ctypes.CDLL("", handle=handle), loaded._runtime._library
        self.alive: set[int] = set()
        allocate, free = runtime.TVMBackendAllocWorkspace, runtime.TVMBackendFreeWorkspace
        allocate.restype, free.argtypes = ctypes.c_void_p, (ctypes.c_int, ctypes.c_int, ctypes.c_void_p)

        def allocated(device: int, number: int, size: int, code: int, bits: int) -> int:
            address = int(allocate(device, number, ctypes.c_uint64(size), code, bits))
            self.alive.add(address)
            return address

        def freed(device: int, number: int, address: int) -> int:
            self.alive.remove(address)
            return int(free(device, number, address))

        made, number, pointer = ctypes.CFUNCTYPE, ctypes.c_int, ctypes.c_void_p
        self._hooks = {
            "__TVMBackendAllocWorkspace": made(pointer, number, number, ctypes.c_uint64, number, number)(
                allocated
            ),
            "__TVMBackendFreeWorkspace": made(number, number, number, pointer)(freed),
        }
        for name, hook in self._hooks.items():
            try:
                ctypes.c_void_p.in_dll(kernel, name).value = ctypes.cast(hook, pointer).value
            except ValueError:  # the kernel does not call it
                continue


def run_fenced(job: Job, at_end: bool) -> None:
    """Pack and call with every operand against a fence.

    Raises AssertionError for wrong or stray values and for workspaces that are not freed.
    """
    from heron_cli.backends.x86.loader import load

    kernel = job.kernel
    loaded: Any = load(kernel, threads=job.threads)
    loaded._runtime.set_threads(job.threads)
    workspaces = Workspaces(loaded)
    for arrays, expected in zip(job.arrays, job.expected, strict=True):
        fenced = []
        for operand in kernel.operands[:-1]:
            here = Fenced(arrays[operand.name].nbytes, at_end)
            here.bytes[:] = arrays[operand.name].view(np.uint8).ravel()
            here.freeze()
            if operand.packed_bytes is not None:
                first, second = (Fenced(operand.packed_bytes, at_end) for _ in range(2))
                first.bytes[:], second.bytes[:] = 0, 255
                for packed in (first, second):
                    assert loaded._pack(*_pointers([here, packed])) == 0
                    assert packed.intact(), "the pack function writes outside its result"
                assert (first.bytes == second.bytes).all(), "the pack function leaves bytes unwritten"
                first.freeze()
                here = first
            fenced.append(here)
        output = Fenced(expected.nbytes, at_end)
        output.bytes[:] = 0xA5
        for _ in range(2):  # the second call must not depend on what the first left behind
            assert loaded._function(*_pointers([*fenced, output])) == 0
            assert output.intact(), "the kernel writes outside its output"
            assert not workspaces.alive, f"{len(workspaces.alive)} workspaces are not freed"
            result = output.bytes.copy().view(expected.dtype).reshape(expected.shape)
            wrong = np.flatnonzero(result != expected)
            assert not wrong.size, f"{wrong.size} of {result.size} are wrong, the first at {wrong[0]}"


def _pointers(fenced: Sequence[Fenced]) -> list[ctypes.c_void_p]:
    return [ctypes.c_void_p(each.bytes.ctypes.data) for each in fenced]


class Apart:
    """Runs jobs in a process of its own, which is started again when a kernel ended it."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None

    def run(self, job: Job) -> None:
        """Both placements. Raises AssertionError, naming the job, for anything that goes wrong."""
        child = self._child or self._start()
        assert child.stdin is not None and child.stdout is not None
        pickle.dump(job, child.stdin)
        child.stdin.flush()
        told = child.stdout.readline().decode().strip()
        if not told:
            told = f"ended with status {child.wait()}"
            self._child = None
        assert told == "exact", f"{told}: {job.name}"

    def close(self) -> None:
        """End the process."""
        if self._child is not None:
            self._child.communicate()
            self._child = None

    def _start(self) -> subprocess.Popen[bytes]:
        path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
        self._child = subprocess.Popen(
            [sys.executable, "-c", "import generated; generated.serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
        )
        return self._child


class _Unpickler(pickle.Unpickler):
    """pytest imports this module by another name."""

    def find_class(self, module: str, name: str) -> Any:
        return Job if name == "Job" else super().find_class(module, name)


def serve() -> None:
    """Run the jobs that come in, one line of answer each: `exact`, or what is wrong."""
    while True:
        try:
            job = _Unpickler(sys.stdin.buffer).load()
        except EOFError:
            return
        answer = "exact"
        try:
            for at_end in (True, False):
                run_fenced(job, at_end)
        except AssertionError as error:
            answer = str(error).splitlines()[0]
        if "tvm" in sys.modules:
            answer = "the process that runs kernels imported TVM"
        print(answer, flush=True)
