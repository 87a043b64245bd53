"""C4 against brute force: enumerate the loops of a nest and collect the coordinates that a visit touches."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from heron_cli.accelerator.model import Accelerator
from heron_cli.operators.workload import Workload
from heron_cli.schedule.nest import ROOT, SKIP, Nest
from heron_cli.schedule.task import Task
from heron_cli.space import TableSampler
from heron_cli.trial import Candidate

from .workloads import conv, depthwise, gemm

WORKLOADS = [
    (conv(), 1),
    (conv(height=9, width=11, stride=2, padding=[2, 1], dilation=[1, 2]), 1),
    (conv(height=10, width=8, out_channels=40, kernel=[3, 1], padding=[1, 0]), 2),
    (conv(height=7, width=10, batch=2, layout="NCHW", padding=0), 2),
    (conv(in_channels=3, width=12, stride=[1, 3], padding=2), 1),
    (gemm(13, 40, 9), 2),
    (depthwise(), 1),
    (depthwise(channels=100, height=11, stride=2, kernel=[5, 3], padding=[2, 0]), 2),
    (depthwise(channels=5, layout="NCHW", dilation=2), 2),
]


def visits(nest: Nest, axis: str, loops: list[tuple[str, str]]) -> dict[tuple[int, ...], set[int]]:
    """The iterations of an axis by the indices of those of its loops that are outside the stage."""
    group = nest.einsum.axis(axis).group
    tiling = nest.tilings[axis]
    if group == "k":  # every reduction loop runs inside the copy
        return {(): set(range(tiling.extent))}
    own = [(level, factor) for level, factor in tiling.factors]
    outside = [level for level, _ in own if (axis, level) in loops]
    assert outside == [level for level, _ in own][: len(outside)], "outer loops come first"
    found: dict[tuple[int, ...], set[int]] = {}
    for index in product(*(range(factor) for _, factor in own)):
        tile = 0
        for (_, factor), digit in zip(own, index, strict=True):
            tile = tile * factor + digit
        iterations = found.setdefault(index[: len(outside)], set())
        for block in range(tiling.first_block(tile), tiling.first_block(tile) + tiling.tile_blocks(tile)):
            iterations |= set(range(tiling.start(block), tiling.start(block) + tiling.unit))
    return {key: {i for i in values if i < tiling.extent} for key, values in found.items()}


def touched(nest: Nest) -> list[int]:
    """Per input dimension: the most coordinates, as one range, that any visit of the stage touches."""
    loops: list[tuple[str, str]] = []
    if nest.stage != ROOT:
        for loop in nest.positions():
            if nest.einsum.axis(loop.axis).group == "k":
                continue
            loops.append((loop.axis, loop.level))
            if loop.position == nest.stage:
                break
            last_of_level = loop == [x for x in nest.positions() if x.level == loop.level][-1]
            if loop.level == nest.stage and last_of_level:
                break
        else:
            raise AssertionError(f"no loop is the stage's place {nest.stage}")
    lengths = []
    for dim in nest.einsum.input.dims:
        ranges = []
        for name, coefficient in dim.terms:
            ranges.append([
                (coefficient * min(i), coefficient * max(i)) for i in visits(nest, name, loops).values()
            ])  # fmt: skip
        spans = [sum(high - low for low, high in chosen) for chosen in product(*ranges)]
        lengths.append(1 + max(spans, default=0))
    return lengths


def equal_tiles(nest: Nest) -> bool:
    return all(tiling.tiles == 1 or not tiling.longer for tiling in nest.tilings.values())


@pytest.mark.parametrize(("workload", "threads"), WORKLOADS)
def test_lengths_are_what_brute_force_touches(dlboost: Accelerator, workload: Workload, threads: int) -> None:
    """Equal where all tiles are equal; never less anywhere. All places and loop orders occur."""
    exact = 0
    for variant in Task(workload, dlboost, threads).variants:
        place = variant.template.place
        if place is None:
            continue
        names = place.length_names(variant.template.einsum.input.dims)
        sampler = TableSampler(variant.space)
        for index, position in enumerate(place.positions):
            restrict = {"place.pad": (index,)} if len(place.positions) > 1 else {}
            rows = sampler.sample(24, np.random.default_rng(index), restrict)
            columns = variant.evaluator.columns(rows)
            for i, row in enumerate(rows):
                nest = variant.nest(Candidate.of(variant.name, variant.space.values(row)))
                assert nest.stage == position
                derived = [int(columns[name][i]) for name in names]
                assert list(nest.lengths) == derived
                assert int(columns["pad.bytes"][i]) == np.prod(derived)
                if position == SKIP:
                    assert derived == [0] * len(derived)
                    continue
                brute = touched(nest)
                assert all(a <= b for a, b in zip(brute, derived, strict=True)), (brute, derived)
                if equal_tiles(nest):
                    exact += 1
                    assert brute == derived, position
    assert exact >= 5


def test_places_and_orders_all_occur(dlboost: Accelerator) -> None:
    variant = Task(conv(), dlboost, 2).variant("direct")
    place = variant.template.place
    assert place is not None
    assert place.positions == ("root", "parallel", "cache.1", "cache.2", "cache.3", "skip")
    alone = Task(conv(), dlboost, 1).variant("direct").template.place
    assert alone is not None and "parallel" not in alone.positions  # one thread: the same as root
