from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heron_cli.errors import InputError
from heron_cli.records import Purpose, Record, Store
from heron_cli.records.codec import RecordError, parse
from heron_cli.records.exchange import read_jsonl, write_jsonl
from heron_cli.trial import Candidate, Measurement, Status, Trial

from .builders import record

INT64 = st.integers(-(2**63), 2**63 - 1)
NAMES = st.text(min_size=1, max_size=8).filter(lambda text: text.strip() != "")
POSITIVE = st.floats(1e-12, 1e6)
MEASUREMENTS = st.one_of(
    st.builds(
        Measurement,
        status=st.just(Status.OK),
        seconds=POSITIVE,
        spread=st.none() | st.floats(0, 10),
        cycles=st.none() | st.integers(0, 2**62),
        verified=st.booleans(),
        build_seconds=st.floats(0, 100),
        program=st.text(max_size=8),
        metrics=st.dictionaries(NAMES, st.floats(-1e9, 1e9), max_size=3),
    ),
    st.builds(
        Measurement,
        status=st.sampled_from([status for status in Status if status is not Status.OK]),
        reason=st.text(max_size=40),
    ),
)
RECORDS = st.builds(
    Record,
    workload=NAMES,
    definition=st.dictionaries(NAMES, st.lists(INT64 | st.text(max_size=4), max_size=3), max_size=3),
    operator=NAMES,
    target=NAMES,
    target_digest=NAMES,
    threads=st.integers(1, 1000),
    trial=st.builds(
        Trial,
        st.builds(Candidate.of, st.text(max_size=8), st.dictionaries(NAMES, INT64, max_size=4)),
        MEASUREMENTS,
    ),
    seed=INT64,
    method=NAMES,
    versions=st.dictionaries(NAMES, st.text(max_size=8), max_size=3),
    created=st.datetimes().map(lambda moment: moment.isoformat(timespec="microseconds") + "+00:00"),
    purpose=st.sampled_from(Purpose),
    round=st.integers(0, 1000),
    position=st.integers(0, 1000),
)


@given(RECORDS)
def test_any_record_survives_json_and_the_store(original: Record) -> None:
    text = io.StringIO()
    assert write_jsonl([original], text) == 1
    line = text.getvalue()
    assert line.count("\n") == 1 and line.endswith("\n")
    again = parse(line)
    assert again == original and again.digest == original.digest
    store = Store.in_memory()
    store.add(original)
    assert store.all() == [original]
    store.close()


def changed(**changes: Any) -> str:
    value = record().to_json() | changes
    return json.dumps({name: item for name, item in value.items() if item is not ...})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not JSON at column 2"),
        ("[1]", "a record is a JSON object"),
        ("[" * 100_000, "nested too deeply"),
        (changed(seed=...), "key 'seed' is missing"),
        (changed(colour=1), "unknown key 'colour'"),
        ('{"seed": 1, "seed": 2}', "key 'seed' is given twice"),
        (changed(seconds=math.nan), "NaN is no number"),
        (changed(seconds=math.inf), "Infinity is no number"),
        (changed(seconds=0), "seconds: 0 is not a number above 0"),
        (changed(seconds="fast"), 'seconds: "fast" is not a finite number'),
        (changed().replace("0.001", "1e999"), "seconds: Infinity is not a finite number"),
        (changed(seconds=None), "verified, so seconds or cycles must be given"),
        (changed(status="timeout"), "status is timeout, so it has neither seconds nor cycles"),
        (changed(status="fine"), 'status: "fine" is not one of ok, build-error'),
        (changed(purpose=[]), "purpose: [] is not one of trial, ranking"),
        (changed(verified=1), "verified: 1 is not true or false"),
        (changed(threads=0), "threads: 0 is not a 64-bit integer, at least 1"),
        (changed(threads=True), "threads: true is not a 64-bit integer"),
        (changed(seed=2**63), f"seed: {2**63} is not a 64-bit integer"),
        (changed(assignment={"tile": 1.5}), "assignment.tile: 1.5 is not a 64-bit integer"),
        (changed(assignment=[1]), "assignment: [1] is not an object"),
        (changed(metrics={"spills": None}), "metrics.spills: null is not a finite number"),
        (changed(workload=" "), 'workload: " " is not a text that says something'),
        (changed(reason="\ud800"), "reason:"),
        (changed(created="yesterday"), 'created: "yesterday" is not a moment in UTC'),
        (changed(created="2026-11-23T10:00:00"), "is not a moment in UTC"),
        (changed(reason=["x" * 100]), "..."),
    ],
)
def test_what_is_wrong_with_a_line(line: str, message: str) -> None:
    with pytest.raises(RecordError) as failure:
        parse(line)
    assert message in str(failure.value)
    assert "\n" not in str(failure.value)


def test_a_bad_line_is_named_and_nothing_is_imported(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text(f"{changed()}\n\n{changed(threads=0)}\n")
    store = Store.in_memory()
    with pytest.raises(InputError, match=r"records\.jsonl:3: threads: 0"):
        store.import_jsonl(path)
    assert store.all() == []
    path.write_bytes(changed().encode() + b"\n\xff\xfe\n")
    with pytest.raises(InputError, match=r"records\.jsonl:2: not UTF-8 at byte 1"):
        store.import_jsonl(path)
    with pytest.raises(InputError, match="cannot be read"):
        list(read_jsonl(tmp_path / "nothing.jsonl"))


def test_moments_are_brought_into_one_form() -> None:
    assert parse(changed(created="2026-11-23T10:00:00Z")).created == "2026-11-23T10:00:00.000000+00:00"
