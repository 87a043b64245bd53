"""What each constraint rule posts, judged by enumeration."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from pathlib import Path

import numpy as np
import pytest

from heron_cli.accelerator.loader import load
from heron_cli.accelerator.model import Accelerator
from heron_cli.operators.workload import Workload, make
from heron_cli.schedule.primitives import Split
from heron_cli.schedule.task import Task, Variant
from heron_cli.space import CpBackend, TableSampler
from heron_cli.trial import Candidate

from .workloads import conv, gemm

Vary = Callable[[str], Accelerator]


@pytest.fixture
def vary(tmp_path: Path) -> Vary:
    def load_it(text: str) -> Accelerator:
        path = tmp_path / "varied.yaml"
        path.write_text(f"schema: heron/accelerator/1\nname: varied\nextends: dlboost\n{text}\n")
        return load(path)

    return load_it


def sampled(variant: Variant, count: int = 200) -> dict[str, np.ndarray]:
    return variant.evaluator.columns(TableSampler(variant.space).sample(count, np.random.default_rng(0)))


def labels(variant: Variant) -> set[str]:
    return {constraint.label for constraint in variant.space.constraints}


@pytest.mark.parametrize(
    "workload", [gemm(13, 100, 37), conv(height=11), conv(in_channels=3, out_channels=70)]
)
@pytest.mark.parametrize("threads", [1, 3])
def test_c1_factors_cover_every_axis(dlboost: Accelerator, workload: Workload, threads: int) -> None:
    for variant in Task(workload, dlboost, threads).variants:
        columns = sampled(variant)
        for split in variant.template.all(Split):
            *outer, inner = (columns[f"{level}.{split.axis}"] for level in split.levels)
            tiles = prod(outer, start=np.ones(len(inner), np.int64))
            assert (tiles == -(-split.blocks // inner)).all()
            assert (tiles * inner >= split.blocks).all()


@pytest.mark.parametrize("threads", [1, 3])
def test_c4_no_serial_loop_repeats_the_packing(dlboost: Accelerator, threads: int) -> None:
    variant = Task(make("bmm", {"batch": 2, "m": 24, "n": 96, "k": 16}), dlboost, threads).variants[0]
    rows = TableSampler(variant.space).sample(300, np.random.default_rng(0))
    seen = set()
    for nest in variant.nests(rows):
        seen.add(nest.pack)
        if nest.pack in ("root", "parallel"):
            continue
        outside = nest.positions()[: -len(nest.inner_loops(nest.pack))]
        cache = [loop for loop in outside if loop.level == "cache"]
        assert all(nest.tilings[loop.axis].factor("cache") == 1 for loop in cache if loop.axis == "i")
    pack = variant.template.pack
    assert pack is not None and seen == set(pack.positions)


def test_c1_without_tails_every_tile_divides(vary: Vary) -> None:
    variant = Task(gemm(12, 96, 24), vary("tails: none"), 1).variants[0]
    columns = sampled(variant, 50)
    for split in variant.template.all(Split):
        assert (split.blocks % columns[f"{split.inner}.{split.axis}"] == 0).all()


@pytest.mark.parametrize("level", ["parallel", "cache", "register", "step"])
@pytest.mark.parametrize("most", [1, 3])
def test_at_most_bounds_each_factor_and_the_product_of_a_bound_level(
    vary: Vary, dlboost: Accelerator, level: str, most: int
) -> None:
    """And nothing else: what is within the bound without it is still there with it."""
    workload, axes = gemm(12, 48, 12), "ijk"
    free = Task(workload, dlboost, 2).variants[0]
    bounded = Task(workload, vary(f"levels: [{{name: {level}, at_most: {most}}}]"), 2).variants[0]

    def rows(variant: Variant) -> set[tuple[tuple[str, int], ...]]:
        found = CpBackend(variant.space).enumerate(100_000)
        columns = variant.evaluator.columns(found)
        factors = [columns[f"{level}.{axis}"] for axis in axes if f"{level}.{axis}" in columns]
        together = prod(factors) if level == "parallel" else np.max(factors, axis=0)
        inside = together <= most
        if variant is bounded:
            assert inside.all()
        values = [tuple(sorted(variant.space.values(row).items())) for row in found[inside]]
        return set(values)

    assert rows(bounded) == rows(free)


def test_c2_threads_get_work(dlboost: Accelerator) -> None:
    for threads in (2, 4):
        variant = Task(gemm(256, 64, 64), dlboost, threads).variants[0]
        columns = sampled(variant)
        iterations, tiles = columns["parallel.iterations"], columns["parallel.i"] * columns["parallel.j"]
        assert (iterations == tiles).all()
        every = tiles * columns["cache.i"] * columns["cache.j"]
        assert (iterations >= np.minimum(threads, every)).all()
        assert (iterations <= 64 * threads).all()
    alone = sampled(Task(gemm(256, 64, 64), dlboost, 1).variants[0])
    assert (alone["parallel.iterations"] == 1).all()


def test_c2_one_thread_may_do_all_of_little_work(dlboost: Accelerator) -> None:
    columns = sampled(Task(gemm(64, 64, 16), dlboost, 4).variants[0])
    iterations, every = columns["parallel.iterations"], columns["cache.i"] * columns["cache.j"]
    alone = iterations == 1
    assert alone.any() and not alone.all()
    assert (iterations[~alone] >= np.minimum(4, (iterations * every)[~alone])).all()


def test_c2_counts_the_work_of_levels_of_any_name(vary: Vary) -> None:
    levels = "levels: [{name: cache}, {name: strip, axes: spatial}]"
    columns = sampled(Task(gemm(256, 64, 64), vary(levels), 4).variants[0])
    every = prod(columns[f"{level}.{axis}"] for level in ("parallel", "cache", "strip") for axis in "ij")
    assert (columns["parallel.iterations"] >= np.minimum(4, every)).all()
    assert (columns["strip.i"] > 1).any()


def test_c3_knobs_only_where_there_is_a_choice(dlboost: Accelerator) -> None:
    assert "order.cache" in Task(conv(), dlboost, 1).variant("direct").space.names
    assert "place.pad" in Task(conv(), dlboost, 1).variant("direct").space.names
    assert "place.pad" not in Task(gemm(), dlboost, 1).variants[0].space.names
    row = Task(gemm(1, 64, 64), dlboost, 1).variants[0].space
    assert "order.cache" not in row.names  # one spatial axis and one reduction


def test_c5_accumulators_are_counted_in_whole_vectors(dlboost: Accelerator) -> None:
    variant = Task(gemm(30, 200, 16), dlboost, 1).variants[0]
    columns = sampled(variant)
    assert (columns["bytes.register"] == 64 * columns["register.i"] * columns["register.j"]).all()
    assert columns["bytes.register"].max() <= 32 * 64


def test_c5_what_lives_together_is_summed(vary: Vary) -> None:
    both = vary(
        "memories: [{name: l2, capacity: 512 B, holds: [input, weight]}]\n"
        "levels: [{name: cache, fills: [l2]}]"
    )
    variant = Task(gemm(64, 256, 64), both, 1).variants[0]
    columns = sampled(variant)
    einsum = variant.template.einsum
    inside = {"i": columns["register.i"], "j": 16 * columns["register.j"], "k": 4 * columns["step.k"]}
    tile = {axis.name: np.minimum(axis.extent, inside[axis.name]) for axis in einsum.axes}
    expected = tile["i"] * tile["k"] + tile["j"] * tile["k"]
    assert (columns["bytes.l2"] == expected).all()
    assert columns["bytes.l2"].max() <= 512
    assert (columns["bytes.l2"] > 256).any()  # the sum is limited, not each alone
    origins = {str(c.origin) for c in variant.space.constraints if c.label == "C5 memory limit l2"}
    assert origins == {str(both.where("memories.l2.capacity"))}


RULES = """
rules:
  - {name: a, why: x, when: register.n > 1, require: register.m * 2 <= 6 and not register.m == 2}
  - {name: b, why: x, require: tile(cache).k % 8 == 0 or tile(cache).spatial >= 3 - 1}
  - {name: c, why: x, require: "min(cache.m, cache.n) // 2 <= max(1, 0) and step.k in (1, 2)"}
  - {name: d, why: x, require: memories.l2.bytes >= limits.unrolled}
"""


def test_c6_rules_of_the_yaml_mean_what_they_say(vary: Vary) -> None:
    machine = vary(RULES)
    task, plain = Task(gemm(12, 96, 12), machine, 1), Task(gemm(12, 96, 12), load("dlboost"), 1)
    rows = CpBackend(plain.variants[0].space).enumerate(100_000)
    c = plain.variants[0].evaluator.columns(rows)
    rows_of, columns_of = (
        np.minimum(e, f)
        for e, f in ((12, c["cache.i"] * c["register.i"]), (96, 16 * c["cache.j"] * c["register.j"]))
    )
    spatial = rows_of * columns_of
    reduced = np.minimum(12, 4 * c["step.k"] * c["cache.k"])
    wanted = (c["register.j"] <= 1) | ((c["register.i"] * 2 <= 6) & (c["register.i"] != 2))
    wanted &= (reduced % 8 == 0) | (spatial >= 2)
    wanted &= (np.minimum(c["cache.i"], c["cache.j"]) // 2 <= 1) & np.isin(c["step.k"], (1, 2))
    assert 0 < wanted.sum() < len(rows)
    valid = task.variants[0].evaluator.valid(rows)
    assert (valid == wanted).all()
    assert {"C6 a", "C6 b", "C6 c", "C6 d", "C6 register-budget"} <= labels(task.variants[0])


def test_c6_lengths_of_a_stage(vary: Vary) -> None:
    """By the name of a loop, fused or not, and by position; 0 where nothing is copied."""
    machine = vary("rules: [{name: short, why: x, require: pad.length(w) <= 5 and pad.length(3) <= 4}]")
    columns = sampled(Task(conv(), machine, 1).variant("direct"))
    assert columns["pad.length.w"].max() <= 5
    for workload in (gemm(), conv(padding=0), conv(kernel=1, padding=0, layout="NCHW")):
        assert Task(workload, machine, 1).variants  # the rule holds, or names the fused loop
    fused = sampled(Task(conv(kernel=1, padding=0, layout="NCHW"), machine, 1).variants[0])
    assert fused["pad.length.h_w"].max() <= 5


def test_c6_skipped_taps_need_one_row_a_tile(dlboost: Accelerator) -> None:
    variant = Task(conv(), dlboost, 1).variant("direct")
    place = variant.template.place
    assert place is not None
    columns = sampled(variant, 400)
    skips = columns["place.pad"] == place.positions.index("skip")
    assert skips.any() and not skips.all()
    assert (columns["register.h"][skips] == 1).all()
    assert (columns["register.h"][~skips] > 1).any()
    assert (columns["register.w"][skips] > 1).any()  # the innermost window is unrolled instead


def test_every_constraint_says_where_it_comes_from(dlboost: Accelerator) -> None:
    for workload in (gemm(), conv()):
        for variant in Task(workload, dlboost, 2).variants:
            for constraint in variant.space.constraints:
                assert constraint.label and constraint.why, constraint
                assert constraint.origin is not None


def test_features_are_what_their_names_say(dlboost: Accelerator) -> None:
    variant = Task(conv(height=8, width=8, padding=0), dlboost, 1).variants[0]
    rows = TableSampler(variant.space).sample(50, np.random.default_rng(0))
    columns = variant.evaluator.columns(rows)
    assert {name for name in columns if name.startswith("feature.")}
    for i, row in enumerate(rows):
        nest = variant.nest(Candidate.of(variant.name, variant.space.values(row)))
        vectors = points = 1
        for axis in nest.einsum.spatial:
            if axis.name == nest.intrinsic["n"]:
                vectors *= nest.tilings[axis.name].size
            else:
                points *= nest.tilings[axis.name].size
        assert columns["feature.accumulators"][i] == points * vectors
        assert columns["feature.loads"][i] == points + vectors
