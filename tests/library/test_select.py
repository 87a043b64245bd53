from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from heron_cli.errors import InputError
from heron_cli.library.select import select
from heron_cli.operators.workload import Workload, make
from heron_cli.records import Query, Record, Store
from heron_cli.trial import Candidate, Measurement, Status, Trial

A, B, C = (make("gemm", {"m": m, "n": 8, "k": 8}) for m in (1, 2, 3))


def record(workload: Workload, seconds: float | None, *, verified: bool = True, **changes: object) -> Record:
    status = Status.OK if seconds is not None else Status.RUN_ERROR
    measurement = Measurement(status, seconds=seconds, verified=verified and seconds is not None)
    values: dict[str, object] = {
        "workload": workload.key,
        "definition": {},
        "operator": workload.operator,
        "target": "toy",
        "target_digest": "d",
        "threads": 1,
        "trial": Trial(Candidate.of("plain", {"x": int((seconds or 0) * 1000)}), measurement),
        "seed": 0,
        "method": "cga",
        "versions": {"heron": "1", "cpu": "x"},
        "created": f"2026-11-23T10:00:00.{int((seconds or 0) * 1000):06}+00:00",
    }
    return Record(**{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture
def store() -> Iterator[Store]:
    with Store.in_memory() as made:
        made.add(record(A, 3.0))
        made.add(record(A, 2.0))
        made.add(record(A, 1.0, verified=False))  # faster, but nobody looked at its result
        made.add(record(B, None))
        yield made


def test_takes_the_best_verified(store: Store) -> None:
    selection = select(store, Query(), [A])
    ((workload, chosen),) = selection.chosen
    assert workload == A
    assert chosen.cost == 2.0
    assert selection.fallbacks == ()


def test_lists_what_has_no_verified_record(store: Store) -> None:
    with pytest.raises(InputError) as caught:
        select(store, Query(), [A, B, C])
    assert str(caught.value).splitlines() == [
        ":memory:: no verified record of 2 workload(s); tune them:",
        "  gemm[m=2,n=8,k=8]:u8s8s32: no trial was verified",
        "  gemm[m=3,n=8,k=8]:u8s8s32: never tuned",
    ]


def test_may_leave_them_out(store: Store) -> None:
    selection = select(store, Query(), [A, B, C, A], allow_missing=True)
    assert [workload for workload, _ in selection.chosen] == [A]
    assert [(f.workload, f.reason) for f in selection.fallbacks] == [
        (B, "no trial was verified"),
        (C, "never tuned"),
    ]


@pytest.mark.parametrize("allow_missing", [False, True])
def test_nothing_at_all(store: Store, allow_missing: bool) -> None:
    with pytest.raises(InputError, match="no verified record"):
        select(store, Query(), [B], allow_missing=allow_missing)
    with pytest.raises(InputError, match="no verified record to export; run `heron tune` first"):
        select(store, Query(), [], allow_missing=allow_missing)


def test_query_and_versions_filter(store: Store) -> None:
    store.add(record(A, 0.5, target="other", target_digest="e"))
    store.add(record(A, 0.25, versions={"heron": "2", "cpu": "x"}))
    assert select(store, Query(), [A]).chosen[0][1].cost == 0.25
    old = {"heron": "1", "cpu": "x"}
    assert select(store, Query(), [A], versions=old).chosen[0][1].cost == 0.5
    assert select(store, Query(target="toy"), [A], versions=old).chosen[0][1].cost == 2.0
    assert replace(select(store, Query(threads=1), [A]).chosen[0][1], id=None).target == "toy"
