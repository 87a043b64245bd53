"""In how many tasks the work of a kernel is dealt out, and what kernels say of it."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heron_cli.backends.buffers import aligned_empty
from heron_cli.backends.x86 import deal, native
from heron_cli.backends.x86.loader import NativeKernel, load
from heron_cli.operators import registry
from heron_cli.operators.workload import Workload, make
from heron_cli.schedule.nest import Nest
from heron_cli.schedule.task import Task
from heron_cli.trial import Candidate

from . import emulated
from .generated import build, draw, inputs

HOOK = "__HeronExpectTasks"


def nest_of(workload: Workload, threads: int) -> tuple[Task, Candidate, Nest]:
    task = Task(workload, emulated.accelerator("dlboost"), threads)
    variant = task.variants[0]
    sixteen = {"parallel.i": (16,), "parallel.j": (1,)} if threads > 1 else {}
    candidate = draw(variant, 1, {**sixteen, "register.i": (4,)})
    return task, candidate, variant.nest(candidate)


LARGE, SMALL = (make("gemm", {"m": m, "n": 256, "k": 256}) for m in (128, 64))
NEST = nest_of(LARGE, 2)[2]
MACS = prod(axis.extent for axis in NEST.einsum.axes)


@given(
    iterations=st.integers(1, 5000),
    threads=st.integers(1, 64),
    least=st.integers(1, 4 * MACS),
    most=st.integers(1, 40),
)
def test_tasks_are_equal_parts_that_are_worth_it(
    iterations: int, threads: int, least: int, most: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deal, "_LEAST", least)
        patch.setattr(deal, "_MOST", most)
        count = deal.tasks(replace(NEST, threads=threads), iterations)
    if count == threads:
        return
    each = -(-iterations // count)
    assert (count - 1) * each < iterations <= count * each
    assert -(-count // threads) * each == -(-iterations // threads)  # nobody waits longer than for halves
    assert MACS * each >= least * iterations and count <= most * threads


def test_small_work_is_not_divided_further() -> None:
    assert MACS == 128 * 256 * 256 and deal.tasks(NEST, 16) == 8
    assert deal.tasks(NEST, 2) == 2 and deal.tasks(NEST, 1) == 2
    assert deal.tasks(nest_of(SMALL, 2)[2], 16) == 4
    assert deal.tasks(nest_of(SMALL, 4)[2], 16) == 4


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[ctypes.CDLL]:
    """The libraries of kernels that are loaded from here on."""
    found: list[ctypes.CDLL] = []
    bind = native.Runtime.bind

    def kept(self: native.Runtime, kernel: ctypes.CDLL) -> None:
        bind(self, kernel)
        found.append(kernel)

    monkeypatch.setattr(native.Runtime, "bind", kept)
    return found


def run(loaded: NativeKernel, workload: Workload) -> None:
    arrays = inputs(workload, 3)[0]
    data = aligned_empty(arrays["input"].shape, "uint8")
    data[...] = arrays["input"]
    output = aligned_empty(registry.get(workload.operator).specs(workload)["output"].shape, "int32")
    output[...] = -1
    loaded.call([data, loaded.pack(arrays["weight"]), output])
    np.testing.assert_array_equal(output, registry.get(workload.operator).reference(workload, arrays))


@pytest.mark.usefixtures("runnable")
def test_a_kernel_says_how_many_tasks_it_is_worth(opened: list[ctypes.CDLL]) -> None:
    task, candidate, nest = nest_of(LARGE, 2)
    kernel = build(task, candidate)
    for threads in (1, 2, 3, 5, 16):
        run(load(kernel, threads=threads), LARGE)
    loaded, told = load(kernel, threads=2), list[int]()
    hook = ctypes.c_void_p.in_dll(opened[-1], HOOK)
    own = ctypes.c_void_p.in_dll(native.runtime()._library, HOOK)
    assert hook.value == own.value != 0
    say = ctypes.CFUNCTYPE(None, ctypes.c_int32)(told.append)
    hook.value = ctypes.cast(say, ctypes.c_void_p).value
    run(loaded, LARGE)
    assert told == [deal.tasks(nest, 16)] == [8]
    hook.value = None  # a runtime that does not ask
    run(loaded, LARGE)


@pytest.mark.usefixtures("runnable")
@pytest.mark.parametrize(
    ("workload", "threads", "says"), [(LARGE, 2, True), (LARGE, 1, False), (SMALL, 4, False)]
)
def test_a_kernel_that_is_worth_no_more_says_nothing(workload: Workload, threads: int, says: bool) -> None:
    task, candidate, _ = nest_of(workload, threads)
    kernel = build(task, candidate)
    assert (HOOK.encode() in kernel.code) == says
    run(load(kernel, threads=threads), workload)
