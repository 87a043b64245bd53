"""Seeds made of what other numbers of threads found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from heron_cli.accelerator.loader import load
from heron_cli.operators.workload import Workload, make
from heron_cli.records import Record, Store
from heron_cli.schedule.task import Task, Variant
from heron_cli.session import RunnerKind, Settings
from heron_cli.session.elsewhere import MOST, Elsewhere
from heron_cli.session.remote import versions_here
from heron_cli.session.spaces import problem
from heron_cli.session.tuning import _asked
from heron_cli.session.workloads import definition
from heron_cli.space import TableSampler
from heron_cli.trial import Candidate, Measurement, Status, Trial

GEMM = make("gemm", {"m": 96, "n": 192, "k": 64})
CONV = make(
    "conv2d",
    {"batch": 1, "height": 9, "width": 9, "in_channels": 32, "out_channels": 64, "kernel": 3, "padding": 1},
)
MACHINE = load("dlboost")


def drawn(workload: Workload, threads: int, count: int) -> tuple[Variant, list[dict[str, int]]]:
    variant = Task(workload, MACHINE, threads).variants[0]
    rows = TableSampler(variant.space).sample(count, np.random.default_rng(3))
    return variant, [variant.space.values(row) for row in rows]


def record(
    workload: Workload,
    variant: Variant,
    values: dict[str, int],
    seconds: float,
    threads: int = 1,
    **changes: Any,
) -> Record:
    trial = Trial(Candidate.of(variant.name, values), Measurement(Status.OK, seconds=seconds, verified=True))
    known: dict[str, Any] = {
        "workload": workload.key,
        "definition": definition(workload),
        "operator": workload.operator,
        "target": MACHINE.name,
        "target_digest": MACHINE.digest,
        "threads": threads,
        "trial": trial,
        "seed": 0,
        "method": "cga",
        "versions": versions_here(MACHINE),
        "created": "2026-01-01T00:00:00.000000Z",
    }
    return Record(**(known | changes))


def unshared(values: dict[str, int]) -> dict[str, int]:
    return {name: value for name, value in values.items() if not name.startswith("parallel.")}


def seeds(workload: Workload, store: Store, threads: int) -> tuple[Variant, list[dict[str, int]]]:
    task = Task(workload, MACHINE, threads)
    variant = task.variants[0]
    return variant, Elsewhere(task, store, versions_here(MACHINE)).seeds(variant, TableSampler(variant.space))


@pytest.mark.parametrize(("there", "here"), [(1, 2), (2, 1), (2, 3)])
def test_the_fastest_program_comes_first_divided_among_the_threads(there: int, here: int) -> None:
    variant, points = drawn(GEMM, there, 12)
    store = Store.in_memory()
    store.add_all(record(GEMM, variant, each, 1e-3 + 1e-5 * i, there) for i, each in enumerate(points))
    found, made = seeds(GEMM, store, here)
    assert unshared(made[0]) == unshared(points[0])
    assert 1 < len(made) <= MOST
    assert found.evaluator.valid(np.array([found.space.row(values) for values in made])).all()
    assert {values["parallel.i"] * values["parallel.j"] for values in made} == {here}


def test_a_place_means_the_same_where_several_threads_have_more_of_them() -> None:
    one, points = drawn(CONV, 1, 64)
    here = Task(CONV, MACHINE, 2).variants[0].template.place
    there = one.template.place
    assert here is not None and there is not None and here.positions != there.positions
    for values in points:
        store = Store.in_memory()
        store.add(record(CONV, one, values, 1e-3))
        _, made = seeds(CONV, store, 2)
        position = there.positions[values["place.pad"]]
        assert all(here.positions[each["place.pad"]] == position for each in made)


def test_what_was_measured_on_as_many_threads_is_no_news() -> None:
    variant, points = drawn(GEMM, 2, 4)
    store = Store.in_memory()
    store.add_all(record(GEMM, variant, each, 1e-3, 2) for each in points)
    assert seeds(GEMM, store, 2)[1] == []


@pytest.mark.parametrize("changes", [{"target_digest": "0" * 64}, {"versions": {"cpu": "another"}}])
def test_what_was_measured_elsewhere_is_left_out(changes: dict[str, Any]) -> None:
    variant, points = drawn(GEMM, 1, 4)
    store = Store.in_memory()
    store.add_all(record(GEMM, variant, each, 1e-3, **changes) for each in points)
    assert seeds(GEMM, store, 2)[1] == []


def test_a_record_whose_knobs_are_others_is_left_out() -> None:
    variant, points = drawn(GEMM, 1, 2)
    store = Store.in_memory()
    store.add(record(GEMM, variant, {**points[0], "unroll": 4}, 1e-4))
    store.add(record(GEMM, variant, points[1], 1e-3))
    assert unshared(seeds(GEMM, store, 2)[1][0]) == unshared(points[1])


def test_the_search_begins_with_them() -> None:
    variant, points = drawn(GEMM, 1, 2)
    store = Store.in_memory()
    store.add_all(record(GEMM, variant, each, 1e-3) for each in points)
    task = Task(GEMM, MACHINE, 2)
    (first, *_) = problem(
        task, Settings(threads=2), None, Elsewhere(task, store, versions_here(MACHINE))
    ).variants
    plain, *_ = problem(task, Settings(threads=2)).variants
    made = seeds(GEMM, store, 2)[1]
    assert [dict(each) for each in first.seeds] == [*made, *map(dict, plain.seeds)]


def test_tuning_asks_for_them_and_replaying_does_not() -> None:
    variant, points = drawn(GEMM, 1, 1)
    store = Store.in_memory()
    store.add(record(GEMM, variant, points[0], 1e-3))
    task = Task(GEMM, MACHINE, 2)
    made = seeds(GEMM, store, 2)[1]
    assert made
    for runner, begins in ((RunnerKind.LOCAL, True), (RunnerKind.REPLAY, False)):
        searched, _ = _asked(task, store, Settings(threads=2, transfer=False, runner=runner), None)
        assert (list(searched.variants[0].seeds)[: len(made)] == made) is begins


def test_a_value_that_is_asked_for_is_kept() -> None:
    variant, points = drawn(GEMM, 1, 8)
    store = Store.in_memory()
    store.add_all(record(GEMM, variant, each, 1e-3 + 1e-6 * i) for i, each in enumerate(points))
    fixed = {"step.k": points[0]["step.k"]}
    task = Task(GEMM, MACHINE, 2)
    held = problem(
        task, Settings(threads=2, fixed=fixed), None, Elsewhere(task, store, versions_here(MACHINE))
    )
    found = list(held.variants[0].seeds)
    assert unshared(points[0]) in [unshared(dict(each)) for each in found]
    assert {each["step.k"] for each in found} == set(fixed.values())
