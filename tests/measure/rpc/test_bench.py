"""What a server does with native kernels, some of which misbehave: the same worker as at home."""

from __future__ import annotations

import pytest
from measure_fakes import OPERANDS, FakeBackend

from heron_cli.backends.base import Kernel
from heron_cli.errors import InputError
from heron_cli.measure.limits import Limits
from heron_cli.measure.rpc.bench import _NativeBench, open_bench
from heron_cli.measure.rpc.wire import Opening, Order
from heron_cli.measure.timing import TimingOptions
from heron_cli.operators.workload import make
from heron_cli.trial import Candidate, Status

TIMING = TimingOptions(
    warmup_seconds=0.001,
    slice_seconds=0.001,
    floor_seconds=0.002,
    close_floor_seconds=0.003,
    most_seconds=0.01,
)


def order(*names: str, interleaved: bool = False) -> Order:
    kernels = tuple(Kernel(name, OPERANDS, b"", name) for name in names)
    return Order(kernels, tuple(Candidate.of(name, {}) for name in names), None, interleaved)


def test_native_kernels_are_verified_timed_and_survived(library: str) -> None:
    workload = make("gemm", {"m": 4, "n": 3, "k": 8})
    opening = Opening("toy", "d", {}, timing=TIMING, limits=Limits(call_seconds=0.7))
    bench = _NativeBench(opening, FakeBackend(library), workload)
    try:
        found = [
            bench.measure(order(name))[0].outcome for name in ("good", "segfaults", "wrong", "spins", "good")
        ]
        assert [outcome.status for outcome in found] == [
            Status.OK,
            Status.RUN_ERROR,
            Status.WRONG_RESULT,
            Status.TIMEOUT,
            Status.OK,
        ]
        assert found[0].timing is not None
        pair = bench.measure(order("good", "good_twin", interleaved=True))
        assert [answer.outcome.verified for answer in pair] == [True, True]
    finally:
        bench.close()


def test_a_tuner_that_means_another_description_is_refused() -> None:
    from heron_cli.accelerator.loader import load

    machine = load("vta")
    with pytest.raises(InputError, match="this server is for vta"):
        open_bench(Opening("vta", "another", {}), machine)
