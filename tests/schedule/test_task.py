"""Spaces of real workloads: every reader of the constraints agrees, and candidates become nests."""

from __future__ import annotations

import pickle
from itertools import product
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heron_cli.accelerator.model import Accelerator
from heron_cli.errors import InputError
from heron_cli.operators.workload import Workload
from heron_cli.schedule.task import Task
from heron_cli.space import CpBackend, TableSampler
from heron_cli.trial import Candidate

from .readers import assert_readers_agree, assert_the_same_by_all_three_ways
from .workloads import conv, depthwise, gemm, workloads

NAMED = [
    gemm(127, 509, 1021),
    gemm(1, 1000, 2048),
    gemm(64, 256, 64),
    conv(height=56, width=56, in_channels=64, out_channels=64),
    conv(height=56, width=56, in_channels=3, out_channels=64, kernel=7, stride=2, padding=3),
    conv(height=14, width=14, in_channels=32, out_channels=48, layout="NCHW", batch=2),
    depthwise(height=28, width=28, channels=100, stride=2),
    depthwise(height=9, channels=64, multiplier=2, layout="NCHW"),
]


@pytest.mark.parametrize("workload", NAMED, ids=lambda workload: workload.key)
@pytest.mark.parametrize("threads", [1, 4])
def test_readers_agree(dlboost: Accelerator, workload: Workload, threads: int) -> None:
    rows = 100 if workload.shape.get("m") == 1 else 25  # of a single row, few tiles break a constraint
    invalid = sum(assert_readers_agree(v, 0, rows) for v in Task(workload, dlboost, threads).variants)
    assert invalid > 0


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(workloads(), st.sampled_from([1, 2]), st.integers(0, 99))
def test_readers_agree_on_any_workload(
    dlboost: Accelerator, workload: Workload, threads: int, seed: int
) -> None:
    for variant in Task(workload, dlboost, threads).variants:
        assert_readers_agree(variant, seed, 4)


TINY = [(gemm(6, 32, 8), 1), (gemm(6, 32, 8), 2), (gemm(4, 33, 9), 2), (conv(height=4, width=4), 1)]
TINY += [(depthwise(height=4, width=4), 1), (depthwise(height=2, width=3, multiplier=2), 2)]


@pytest.mark.parametrize(("workload", "threads"), TINY)
def test_tiny_spaces_are_the_same_by_all_three_ways(
    dlboost: Accelerator, workload: Workload, threads: int
) -> None:
    for variant in Task(workload, dlboost, threads).variants:
        assert_the_same_by_all_three_ways(variant, 40_000)


def test_tasks_pickle_as_what_they_are_of(dlboost: Accelerator) -> None:
    task = Task(conv(), dlboost, 2)
    variant = task.variants[0]  # generated spaces are not sent along
    size = len(pickle.dumps(task))
    copied = pickle.loads(pickle.dumps(task))
    assert size == len(pickle.dumps(Task(conv(), dlboost, 2)))
    assert (copied.key, copied.threads, copied.accelerator) == (task.key, 2, dlboost)
    assert copied.variants[0].space.digest == variant.space.digest
    assert copied == task


def test_spaces_are_deterministic(dlboost: Accelerator) -> None:
    for workload in (gemm(), conv()):
        first, second = (
            [v.space.digest for v in Task(workload, dlboost, 2).variants] for _ in range(2)
        )  # fmt: skip
        assert first == second


def test_a_nest_holds_every_number(dlboost: Accelerator) -> None:
    task = Task(gemm(64, 96, 64), dlboost, 1)
    variant = task.variants[0]
    (row,) = TableSampler(variant.space).sample(1, np.random.default_rng(0))
    nest = variant.nest(Candidate.of(variant.name, variant.space.values(row)))
    assert nest.threads == 1 and nest.instruction == "llvm.x86.avx512.vpdpbusd.512"
    assert nest.parallel == "parallel" and nest.stage == "none" and nest.lengths == ()
    for tiling in nest.tilings.values():
        assert prod(factor for _, factor in tiling.factors) == tiling.tiles


def test_bad_candidates(dlboost: Accelerator) -> None:
    task = Task(gemm(64, 96, 64), dlboost, 1)
    variant = task.variants[0]
    (row,) = TableSampler(variant.space).sample(1, np.random.default_rng(0))
    good = variant.space.values(row)
    with pytest.raises(InputError, match=r"^the candidate gives no value to register\.i, parallel\.i, "):
        variant.nest(Candidate.of("direct", {}))
    with pytest.raises(InputError, match=r"^the candidate violates candidates of register\.i: "):
        variant.nest(Candidate.of("direct", {**good, "register.i": 77}))
    full = {**good, "register.i": 16, "register.j": 6, "step.k": 1}
    with pytest.raises(InputError, match=r"^the candidate violates C[56] "):
        variant.nest(Candidate.of("direct", full))


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_every_small_convolution_has_a_space(dlboost: Accelerator, layout: str) -> None:
    for channels, kernel, size in product((1, 2, 3, 4), (1, 2, 3), (3, 4)):
        workload = conv(in_channels=channels, kernel=kernel, height=size, width=size, layout=layout)
        for variant in Task(workload, dlboost, 1).variants:
            assert not CpBackend(variant.space).is_empty()
