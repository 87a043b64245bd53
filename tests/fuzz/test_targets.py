"""A short run of what `python -m benchmarks.fuzz` does: any input gets an answer or a HeronError."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.fuzz.targets import TARGETS

TOKENS = [
    b"\x00",
    b"\xff",
    b"[" * 60,
    b"{",
    b'"',
    b"&a *a",
    b"!!int ",
    b"9" * 40,
    b"1e999",
    b"../",
    b"\\ud800",
    b": ",
    b"\n",
]
EDITS = st.lists(
    st.tuples(st.integers(0, 3000), st.integers(0, 20), st.sampled_from(TOKENS) | st.binary(max_size=4)),
    max_size=5,
)


@pytest.mark.parametrize("name", TARGETS)
def test_edited_inputs_get_an_answer(name: str) -> None:
    fuzzed = TARGETS[name]
    seeds = list(fuzzed.seeds())
    with tempfile.TemporaryDirectory() as folder:
        target = fuzzed.make(Path(folder))

        @given(st.sampled_from(seeds), EDITS)
        @settings(max_examples=150)
        def check(data: bytes, edits: list[tuple[int, int, bytes]]) -> None:
            for place, removed, added in edits:
                place %= len(data) + 1
                data = data[:place] + added + data[place + removed :]
            target(data)

        check()


@pytest.mark.parametrize(
    "name", ["accelerator-yaml", "workload-yaml", "job-yaml", "records-import", "library-manifest"]
)
def test_depth_and_size_get_an_answer(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        target = TARGETS[name].make(Path(folder))
        for data in (
            b"[" * 200_000,
            b"{" * 200_000,
            b'{"a":' * 100_000,
            b"a: " * 50_000,
            b"x" * (2 << 20),
            b"- " * 9_000,
        ):
            target(data)
