"""What is left out of padded windows, counted tap by tap."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from heron_cli.accelerator.loader import load
from heron_cli.accelerator.model import Accelerator
from heron_cli.operators.workload import make
from heron_cli.schedule.nest import Tiling
from heron_cli.schedule.padding import windows
from heron_cli.schedule.task import Task, einsum_of
from heron_cli.space import TableSampler
from heron_cli.space.expression import Select
from heron_cli.space.resolve import walk


@given(
    size=st.integers(1, 9), kernel=st.integers(1, 4), stride=st.integers(1, 3), padding=st.integers(0, 4),
    dilation=st.integers(1, 3), tile=st.integers(1, 9),
)  # fmt: skip
def test_a_tap_counts_for_a_tile_if_it_reads_data_for_any_of_its_rows(
    size: int, kernel: int, stride: int, padding: int, dilation: int, tile: int
) -> None:
    shape = {
        "width": size, "in_channels": 4, "out_channels": 16, "kernel": kernel, "stride": stride,
        "padding": padding, "dilation": dilation,
    }  # fmt: skip
    if dilation * (kernel - 1) + 1 > size + 2 * padding:
        return
    for window in windows(einsum_of(make("conv1d", shape)), None):
        if (window.row, window.tap) != ("w", "kw"):
            continue
        tiling = Tiling(window.rows, 1, min(tile, window.rows), ())
        expected = 0
        for index in range(tiling.tiles):
            first, rows = tiling.first_block(index), tiling.tile_blocks(index)
            for tap in range(kernel):
                at = [row * stride + tap * dilation - padding for row in range(first, first + rows)]
                expected += rows * any(0 <= each < size for each in at)
        found = window.multiplied(tiling)  # strides may step over the data, which is not noticed
        assert found >= expected
        assert found == expected or (stride > size and tile > 1)


def test_tiles_of_one_row_multiply_least() -> None:
    shape = {"height": 14, "width": 14, "in_channels": 16, "out_channels": 32, "kernel": 3, "padding": 1}
    (direct, runs) = Task(make("conv2d", shape), load("dlboost"), 1).variants[:2]
    rows = TableSampler(runs.space).sample(200, np.random.default_rng(0))
    columns = runs.evaluator.columns(rows)
    one = columns["register.h"] == 1
    assert set(columns["feature.taps_per_kilo"][one]) == {1000 * 40 // 42}
    assert set(columns["feature.taps_per_kilo"][~one]) == {1000}
    skipped = TableSampler(direct.space).sample(20, np.random.default_rng(0), {"place.pad": (4,)})
    both = 1000 * (1000 * 40 // 42) // 1000 * (1000 * 40 // 42) // 1000
    assert set(direct.evaluator.columns(skipped)["feature.taps_per_kilo"]) == {both}


def test_the_first_candidates_leave_padding_out(dlboost: Accelerator) -> None:
    from heron_cli.schedule.seeds import seeds

    shape = {"height": 7, "width": 7, "in_channels": 64, "out_channels": 64, "kernel": 3, "padding": 1}
    for variant in Task(make("conv2d", shape), dlboost, 1).variants:
        found = seeds(variant.template, variant.space)
        assert all(1 in (values["register.h"], values["register.w"]) for values in found[:4])


def test_long_rows_make_no_long_tables(dlboost: Accelerator) -> None:
    shape = {"width": 40_000, "in_channels": 4, "out_channels": 16, "kernel": 3, "padding": 1}
    found = 0
    for variant in Task(make("conv1d", shape), dlboost, 1).variants:
        for taps in (each for each in variant.space.derived if each.name == "feature.taps_per_kilo"):
            found += 1
            chosen = [node for node in walk([taps.expression]) if isinstance(node, Select)]
            assert max(len(node.cases) for node in chosen) < 300
            rows = TableSampler(variant.space).sample(50, np.random.default_rng(0))
            assert (variant.evaluator.columns(rows)["feature.taps_per_kilo"] >= 990).all()
    assert found
