from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heron_cli.backends.base import Kernel, Operand
from heron_cli.measure.rpc.wire import (
    Answer,
    Opening,
    Order,
    RemoteError,
    dump_answers,
    dump_opening,
    dump_order,
    error,
    load_answers,
    load_opening,
    load_order,
)
from heron_cli.measure.timing import Timing
from heron_cli.measure.worker import Outcome
from heron_cli.trial import Candidate, Status

operands = st.builds(
    Operand, st.text(), st.tuples(st.integers(1, 9), st.integers(1, 9)), st.text(), st.none() | st.integers(0)
)
kernels = st.builds(
    Kernel,
    st.text(),
    st.lists(operands, min_size=1, max_size=3).map(tuple),
    st.binary(),
    st.text(),
    st.dictionaries(st.text(), st.floats(allow_nan=False, allow_infinity=False)),
)
candidates = st.builds(Candidate.of, st.text(), st.dictionaries(st.text(), st.integers()))
timings = st.builds(
    Timing, st.floats(1e-9, 1), st.floats(0, 1), st.integers(1), st.integers(1), st.booleans()
)
answers = st.builds(
    Answer,
    st.builds(Outcome, st.sampled_from(Status), st.text(), st.none() | timings),
    st.none() | st.integers(0),
)


@given(st.lists(st.tuples(kernels, candidates), max_size=3), st.none() | st.floats(0, 1), st.booleans())
def test_orders_arrive_as_they_were_sent(
    pairs: list[tuple[Kernel, Candidate]], best: float | None, side_by_side: bool
) -> None:
    order = Order(tuple(k for k, _ in pairs), tuple(c for _, c in pairs), best, side_by_side)
    assert load_order(dump_order(order)) == order


@given(st.lists(answers, max_size=4))
def test_answers_arrive_as_they_were_sent(sent: list[Answer]) -> None:
    assert load_answers(dump_answers(sent)) == sent


def test_openings_arrive_as_they_were_sent_and_other_versions_are_told() -> None:
    opening = Opening("vta", "d", {"operator": "gemm", "shape": {"m": 1}}, 2, 3)
    assert load_opening(dump_opening(opening)) == opening
    older = json.dumps({**json.loads(dump_opening(opening)), "version": 0})
    with pytest.raises(RemoteError, match="version 0 of the protocol, this server 1"):
        load_opening(older)


def test_an_error_of_the_server_is_raised_with_its_words() -> None:
    with pytest.raises(RemoteError, match="no such thing"):
        load_answers(error("no such thing"))
