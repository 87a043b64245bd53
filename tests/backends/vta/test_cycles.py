"""Cycles without a program are those of the event model on the whole program, to the cycle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heron_cli.accelerator.loader import load
from heron_cli.backends.vta.codegen import generate
from heron_cli.backends.vta.config import TimingConstants, VtaConfig
from heron_cli.backends.vta.cycles import CycleModel
from heron_cli.backends.vta.overlap import Computation, Transfer, finish
from heron_cli.backends.vta.sync import synchronise
from heron_cli.backends.vta.timing import time_program
from heron_cli.errors import InputError
from heron_cli.operators.workload import Workload, make
from heron_cli.schedule.task import Task
from heron_cli.space import TableSampler

from .sampled import MACHINES, TYPES, workloads

CONSTANTS = st.builds(
    TimingConstants,
    bus_bytes=st.sampled_from([4, 8, 64]),
    burst_bytes=st.sampled_from([64, 2048]),
    dram_latency=st.integers(0, 200),
    row_cycles=st.integers(0, 9),
    pad_cycles=st.integers(0, 3),
    decode_cycles=st.integers(1, 50),
    gemm_fill=st.integers(0, 80),
    alu_fill=st.integers(0, 80),
    alu_immediate_cycles=st.integers(1, 2),
    alu_register_cycles=st.integers(1, 3),
    accumulator_distance=st.integers(1, 9),
)


@given(workloads(), st.sampled_from(MACHINES), CONSTANTS | st.none(), st.integers(0, 2**31))
@settings(max_examples=40)
def test_cycles_are_those_of_the_full_program(
    workload: Workload, machine: str, constants: TimingConstants | None, seed: int
) -> None:
    accelerator = load(machine)
    config = VtaConfig.of(accelerator)
    if constants is not None:
        config = replace(config, timing=constants)
    (variant,) = Task(workload, accelerator).variants
    rows = TableSampler(variant.space).sample(4, np.random.default_rng(seed))
    full = [
        time_program(synchronise(generate(nest, config), config), config).cycles
        for nest in variant.nests(rows)
    ]
    assert list(CycleModel(variant, config).of(rows)) == full


@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINES)
def test_long_programs_too(machine: str) -> None:
    shape = {"height": 14, "width": 14, "in_channels": 256, "out_channels": 256, "kernel": 3, "padding": 1}
    accelerator = load(machine)
    config = VtaConfig.of(accelerator)
    for operator, sizes in (("conv2d", shape), ("gemm", {"m": 256, "n": 256, "k": 256})):
        (variant,) = Task(make(operator, sizes, dtypes=TYPES), accelerator).variants
        rows = TableSampler(variant.space).sample(20, np.random.default_rng(1))
        for nest, cycles in zip(variant.nests(rows), CycleModel(variant, config).of(rows), strict=True):
            assert time_program(synchronise(generate(nest, config), config), config).cycles == cycles


def test_rows_that_break_a_constraint_are_refused() -> None:
    (variant,) = Task(make("gemm", {"m": 64, "n": 64, "k": 64}, dtypes=TYPES), load("vta")).variants
    rows = TableSampler(variant.space).sample(3, np.random.default_rng(0))
    rows[1] = [knob.values[-1] for knob in variant.space.knobs]
    with pytest.raises(InputError, match="row 1 violates C"):
        list(CycleModel(variant, VtaConfig.of(load("vta"))).of(rows))


def test_transfers_by_hand() -> None:
    """Three loads alike and a product of each; decode 2, latency 10, so a load of 5 takes 17 alone.

    Loads end at 17, 34, 51; products of 4 wait for each and end 6 later, at 57 the last; its store takes 17
    and finish 2.
    """
    loads = [Transfer(1, 5, 0, -1)] * 3
    products = [Computation(0, 0, 4, load=i) for i in range(3)]
    assert finish(loads, [*products, Computation(0, 0, 0, store=0)], [Transfer(1, 5, 0, 2)], 2, 10) == 76
    # as one operation of three transfers, whose end the first product waits for
    products = [Computation(0, 0, 4, load=0)] * 3
    assert finish([Transfer(3, 5, 0, -1)], [*products, Computation(0, 0, 0, store=0)],
                  [Transfer(1, 5, 0, 0)], 2, 10) == 51 + 6 + 17 + 2  # fmt: skip


def test_the_bus_is_shared() -> None:
    """A load and micro-ops are asked for at 0, load first: its 50 cycles delay the other's 5."""
    micro_ops = Computation(1, 5, 0)
    assert finish([Transfer(1, 50, 0, -1)], [micro_ops], [], 2, 10) == 2 + 10 + 50 + 5


def test_waiting_in_a_circle_is_told() -> None:
    with pytest.raises(RuntimeError, match="circle"):
        finish([Transfer(1, 5, 0, 0)], [Computation(0, 0, 1, load=0)], [], 2, 10)
