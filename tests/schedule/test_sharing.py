"""Completions that share the work of a program among threads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from heron_cli.accelerator.loader import load
from heron_cli.operators.workload import make
from heron_cli.schedule.seeds import seeds
from heron_cli.schedule.sharing import Completion
from heron_cli.schedule.task import Task, Variant
from heron_cli.space import TableSampler


def variant(threads: int, m: int = 96, n: int = 192, k: int = 64) -> Variant:
    return Task(make("gemm", {"m": m, "n": n, "k": k}), load("dlboost"), threads).variants[0]


def completion(found: Variant) -> Completion:
    return Completion(found.template, found.space, TableSampler(found.space))


@pytest.mark.parametrize("threads", [2, 3, 4])
def test_among_the_first_candidates_are_some_that_give_each_thread_one_part_of_an_axis(threads: int) -> None:
    found = variant(threads)
    rows = np.array([found.space.row(values) for values in seeds(found.template, found.space)])
    columns = found.evaluator.columns(rows)
    parts = {(int(i), int(j)) for i, j in zip(columns["parallel.i"], columns["parallel.j"], strict=True)}
    assert {(threads, 1), (1, threads)} <= parts
    assert found.evaluator.valid(rows).all()


@given(
    threads=st.integers(1, 5),
    m=st.integers(1, 40),
    n=st.integers(1, 90),
    k=st.integers(4, 40),
    axis=st.sampled_from(["i", "j"]),
)
def test_one_part_each_divides_that_axis_alone_or_is_none(
    threads: int, m: int, n: int, k: int, axis: str
) -> None:
    found, name = variant(threads, m, n, k), f"parallel.{axis}"
    ways = completion(found)
    assume(name in ways.names)
    row = ways.one_part_each(name, {})
    if row is None:
        assert threads not in found.space.domains[name]
    else:
        values = found.space.values(row)
        assert {each: values[each] for each in ways.names} == dict.fromkeys(ways.names, 1) | {name: threads}
        assert found.evaluator.valid(row[None, :]).all()


def test_what_is_asked_for_is_kept() -> None:
    found = variant(2)
    drawn = completion(found)
    for _ in range(6):
        values = found.space.values(drawn.draw({"register.i": (5,), "step.k": (2,)}))
        assert (values["register.i"], values["step.k"]) == (5, 2)
