"""Machines whose threads gather: the rules that only they use, C1 with masks, tiny spaces by brute force."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heron_cli.accelerator.loader import load
from heron_cli.accelerator.model import Accelerator
from heron_cli.backends.cuda.geometry import Geometry
from heron_cli.operators import registry
from heron_cli.operators.workload import DTypes, Workload, make
from heron_cli.schedule.analysis import analyse
from heron_cli.schedule.einsum import Einsum
from heron_cli.schedule.primitives import Bind, Pipeline, Raster, Resident, Split
from heron_cli.schedule.rewrites import complete, drop_unit_axes, flatten
from heron_cli.schedule.task import Task, Variant
from heron_cli.schedule.template import Applied
from heron_cli.schedule.variants import rewritings
from heron_cli.space import Evaluator, TableSampler
from heron_cli.trial import Candidate

from .interpreter import evaluate
from .readers import assert_readers_agree, assert_the_same_by_all_three_ways, every_row
from .workloads import CONV, arrays_of, finished, gemm, workloads

Vary = Callable[[str, str], Accelerator]
HALF = DTypes("float16", "float16", "float32", "float16")
BYTES = {"input": "int8", "output": "int32"}
SM80, SM90 = load("tensorcore-sm80"), load("tensorcore-sm90")
BOTH = pytest.mark.parametrize("machine", [SM80, SM90], ids=lambda each: each.name)


@pytest.fixture
def vary(tmp_path: Path) -> Vary:
    """A machine with a few lines of YAML changed."""

    def load_it(base: str, text: str) -> Accelerator:
        path = tmp_path / "varied.yaml"
        path.write_text(f"schema: heron/accelerator/1\nname: varied\nextends: {base}\n{text}\n")
        return load(path)

    return load_it


def product_of(m: int, n: int, k: int) -> Workload:
    return make("gemm", {"m": m, "n": n, "k": k}, dtypes=HALF)


def convolution(**changes: object) -> Workload:
    return make("conv2d", {**CONV, **changes}, dtypes=HALF)


def note(variant: Variant, rule: str) -> Applied:
    return next(entry for entry in variant.template.log if entry.rule == rule)


def einsum_of(workload: Workload) -> Einsum:
    return analyse("w", registry.get(workload.operator).compute(workload), frozenset({"weight"}))


# --- rewrites ---------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(workloads(), st.booleans())
def test_flattening_and_completing_keep_the_meaning(workload: Workload, drop: bool) -> None:
    """One axis for all rows, whatever lies between them in memory; and m, n and k each have an axis."""
    einsum = drop_unit_axes(einsum_of(workload)) if drop else einsum_of(workload)
    whole = complete(flatten(einsum, "m"))
    assert len(whole.group("m")) == 1 and whole.group("n") and whole.group("k")
    (rows,) = whole.group("m")
    assert rows.extent == prod(axis.extent for axis in einsum.group("m"))
    arrays = arrays_of(workload)
    expected = registry.get(workload.operator).reference(workload, arrays).ravel()
    assert (evaluate(whole, arrays, expected.size) == expected).all()


@settings(max_examples=25, deadline=None)
@given(workloads(), st.sampled_from([SM80, SM90]))
def test_every_variant_keeps_the_meaning(workload: Workload, machine: Accelerator) -> None:
    signed = finished(workload, "", **BYTES)
    found = [each.einsum for each in rewritings(einsum_of(signed), machine) if each.einsum]
    assert found
    arrays = arrays_of(signed)
    expected = registry.get(signed.operator).reference(signed, arrays).ravel()
    for einsum in found:
        assert (evaluate(einsum, arrays, expected.size) == expected).all(), einsum.applied


def test_flattening_leaves_a_single_axis_alone() -> None:
    einsum = drop_unit_axes(einsum_of(gemm(4, 8, 8)))
    assert flatten(einsum, "m") is einsum
    assert complete(einsum) is einsum
    row = complete(drop_unit_axes(einsum_of(gemm(1, 8, 8))))
    assert [axis.extent for axis in row.group("m")] == [1]


# --- schedule rules ---------------------------------------------------------------------------------------


@BOTH
def test_what_the_levels_of_the_yaml_record(machine: Accelerator) -> None:
    for variant in Task(convolution(), machine).variants:
        template = variant.template
        assert list(template.all(Pipeline)) == [Pipeline("stage", (2, 3, 4, 5, 6))]
        assert list(template.all(Resident)) == [Resident("grid", (1, 2, 3, 4))]
        assert list(template.all(Raster)) == [Raster("grid", (1, 2, 4, 8, 16))]
        bound = {bind.level: bind.kind for bind in template.all(Bind)}
        assert bound["grid"] == "blockIdx.x" and bound["warp"] == "threadIdx.y"
        assert {split.tail for split in template.all(Split)} == {"mask"}
        assert note(variant, "fill scratch-pads").reason.startswith("threads gather single elements")
        assert note(variant, "pipeline").reason == "stage 2/3/4/5/6 deep"


def test_where_there_is_nothing_to_choose_they_say_so(vary: Vary) -> None:
    plain = vary("tensorcore-sm80", "levels: [{name: grid, resident: [1], order: fixed}]")
    (variant,) = Task(product_of(64, 64, 64), plain).variants
    assert note(variant, "resident blocks") == Applied(
        "resident blocks", False, "a processor is given one block at a time to plan for"
    )
    assert note(variant, "rasterise") == Applied("rasterise", False, "no level is rasterised")
    assert not {"resident.grid", "band.grid"} & set(variant.space.names)
    dlboost = Task(gemm(), load("dlboost")).variants[0]
    assert note(dlboost, "pipeline") == Applied("pipeline", False, "no level is pipelined")
    assert note(dlboost, "bulk copies") == Applied("bulk copies", False, "threads copy")


def test_bulk_copies_need_boxes_and_an_instruction_that_reads_shared_memory() -> None:
    task = Task(product_of(64, 64, 64), SM90)
    assert {each.name for each in task.variants} >= {"gather-bulk-wgmma", "gather-threads-mma"}
    refused = {each.name: each.why for each in task.refused}
    assert refused["gather-bulk-mma"] == "mma reads fragments, which its own threads copy"
    narrow = Task(product_of(64, 64, 60), SM90)  # rows of 120 bytes begin anywhere
    assert "gather-bulk-wgmma" in {each.name for each in narrow.refused}


# --- C1 with masks ----------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 700), st.integers(1, 300), st.integers(1, 700), st.sampled_from([SM80, SM90]))
def test_masked_tiles_are_equal_cover_the_axis_and_waste_less_than_a_half(
    m: int, n: int, k: int, machine: Accelerator
) -> None:
    for variant in Task(product_of(m, n, k), machine).variants:
        columns = variant.evaluator.columns(TableSampler(variant.space).sample(40, np.random.default_rng(0)))
        for split in variant.template.all(Split):
            factors = {level: columns[f"{level}.{split.axis}"] for level in split.levels}
            blocks = -(-{"i": m, "j": n, "k": k}.get(split.axis, split.blocks) // split.unit)
            assert split.blocks == blocks
            last = next(name for name in split.levels if not _threads(machine, name))
            tile = prod((f for level, f in factors.items() if level != last), start=np.int64(1))
            assert (factors[last] == -(-blocks // tile)).all()
            assert (tile <= max(1, 2 * blocks - 1)).all()
            assert ((factors[last] - 1) * tile < blocks).all()  # no block computes nothing
            for level, factor in factors.items():
                most = machine.level(level).at_most
                if most is not None and level != last:
                    assert (factor <= most).all()


def _threads(machine: Accelerator, level: str) -> bool:
    bind = machine.level(level).bind
    return bind is not None and (bind.startswith("threadIdx") or bind == "cluster")


# --- spaces -----------------------------------------------------------------------------------------------

SMALL = """
memories: [{name: shared, capacity: 16 KiB}]
levels:
  - {name: grid, resident: [1, 2]}
  - {name: warp, at_most: 2}
  - {name: stage, pipeline: {depth: [2, 4]}}
  - {name: step, at_most: 2}
  - {name: tile, at_most: 2}
"""
CLUSTERS = """
  - {name: share, at_most: 2}
  - {name: split, at_most: 2}
limits: {threads: 384}
"""


@pytest.mark.parametrize(
    ("base", "work"),
    [
        ("tensorcore-sm80", product_of(24, 20, 40)),
        ("tensorcore-sm80", convolution(in_channels=8, out_channels=16)),
        ("tensorcore-sm90", product_of(200, 20, 40)),
        ("tensorcore-sm90", convolution(height=12, width=12, in_channels=32, out_channels=24)),
    ],
    ids=lambda each: each if isinstance(each, str) else each.key,
)
def test_tiny_spaces_are_the_same_by_all_three_ways(vary: Vary, base: str, work: Workload) -> None:
    """Brute force over the domains, CP-SAT's enumeration, and what the sampler ever draws; masks bind."""
    machine = vary(base, SMALL + (CLUSTERS if base == "tensorcore-sm90" else ""))
    bound = set()
    for variant in Task(work, machine).variants:
        assert_the_same_by_all_three_ways(variant, 100_000, 20)
        rows, space = every_row(variant.space, 100_000), variant.space
        valid = variant.evaluator.valid(rows)
        for label in {constraint.label for constraint in space.constraints}:
            if (Evaluator(space.without([label])).valid(rows) & ~valid).any():
                bound.add(label.split()[0])
    assert bound >= {"C1", "C5"}, "the space is too small to tell"


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(workloads(), st.sampled_from([SM80, SM90]), st.integers(0, 99))
def test_readers_agree_on_any_workload(workload: Workload, machine: Accelerator, seed: int) -> None:
    for variant in Task(finished(workload, "", **BYTES), machine).variants:
        assert_readers_agree(variant, seed, 3)


@pytest.mark.parametrize(
    "work", [product_of(127, 509, 1021), convolution(height=14, width=14, in_channels=64)]
)
@BOTH
def test_readers_agree(work: Workload, machine: Accelerator) -> None:
    assert sum(assert_readers_agree(variant, 0, 6) for variant in Task(work, machine).variants) > 0


@BOTH
def test_candidates_become_nests_that_hold_their_numbers(machine: Accelerator) -> None:
    for variant in Task(convolution(), machine).variants:
        for row in TableSampler(variant.space).sample(5, np.random.default_rng(0)):
            values = variant.space.values(row)
            nest = variant.nest(Candidate.of(variant.name, values))
            assert nest.depths == {"stage": values["depth.stage"]}
            assert (nest.resident, nest.band) == (values["resident.grid"], values["band.grid"])
            for name, tiling in nest.tilings.items():
                for level, factor in tiling.factors:
                    assert values.get(f"{level}.{name}", factor) == factor


# --- bands ------------------------------------------------------------------------------------------------


def tiles_in_order(rows: int, columns: int, band: int) -> list[tuple[int, int]]:
    """Bands of so many rows, within them one column after the other."""
    return [
        (row, column)
        for first in range(0, rows, band)
        for column in range(columns)
        for row in range(first, min(first + band, rows))
    ]


@pytest.mark.parametrize("sizes", [(64, 512, 64), (400, 16, 32), (320, 400, 64), (1024, 1024, 64)])
@BOTH
def test_every_order_of_tiles_is_one_band(machine: Accelerator, sizes: tuple[int, int, int]) -> None:
    variant = Task(product_of(*sizes), machine, 1).variants[0]
    bands = next(knob for knob in variant.space.knobs if knob.name == "band.grid").values
    evaluator = Evaluator(variant.space)
    for row in TableSampler(variant.space).sample(20, np.random.default_rng(0)):
        knobs = dict(variant.space.values(row))
        geometry = Geometry(variant.nest(Candidate.of(variant.name, knobs)))
        rows, columns = geometry.grid("m"), geometry.grid("n")
        valid = [band for band in bands if not evaluator.violations({**knobs, "band.grid": band})]
        orders = [tiles_in_order(rows, columns, band) for band in valid]
        assert all(one != other for i, one in enumerate(orders) for other in orders[:i])
        assert all(tiles_in_order(rows, columns, band) in orders for band in bands)
