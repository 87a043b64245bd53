"""Short runs of what benchmarks/reliability does at length, and its page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.reliability import faults, kills, page


@pytest.mark.slow
@pytest.mark.parametrize("tuner", [kills.vta, kills.local])
def test_a_tuner_killed_at_random_instants_ends_as_if_it_had_not_been(tuner: object) -> None:
    found = tuner(3, seed=1)  # type: ignore[operator]
    assert found.pop("kills") >= 3
    assert found.pop("runs") >= 1
    assert found.pop("trials of a run") == kills.TRIALS
    assert set(found.values()) == {0}, found


@pytest.mark.slow
def test_every_fault_costs_itself_and_leaves_nothing() -> None:
    found = faults.run(1)
    assert [row["fault"] for row in found["rows"] if row["survived"] < row["tried"]] == []
    assert sum(row["records lost"] for row in found["rows"]) == 0
    assert (found["files left"], found["processes left"]) == (0, 0)


def test_the_page_names_what_was_not_measured_and_counts_what_was(tmp_path: Path) -> None:
    document = {
        "command": "python -m benchmarks.reliability faults",
        "created": "2026-11-25T00:00:00+00:00",
        "machine": {"cpu": "c"},
        "numbers": {
            "rows": [{"fault": "spins", "outcome": "timeout", "tried": 9, "survived": 8, "records lost": 1}],
            "files left": 2,
            "processes left": 0,
        },
    }
    (tmp_path / "faults.json").write_text(json.dumps(document))
    text = page.page(tmp_path)
    assert "| spins | timeout | 9 | 8 | 1 |" in text
    assert "**8 of 9 survived, 1 records lost;** left behind at the end: 0 processes, 2 files." in text
    assert text.count("Not measured yet") == 7
