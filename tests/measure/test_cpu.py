from __future__ import annotations

from pathlib import Path

import pytest

from heron_cli.errors import InputError
from heron_cli.measure.cpu import plan


def topology(root: Path, groups: list[str]) -> Path:
    for group in groups:
        for core in group.split(","):
            folder = root / f"cpu{core}" / "topology"
            folder.mkdir(parents=True)
            (folder / "thread_siblings_list").write_text(group + "\n")
    return root


def test_two_cores_give_one_to_each(tmp_path: Path) -> None:
    found = plan(1, [0, 1], topology(tmp_path, ["0", "1"]))
    assert (found.measure, found.build, found.overlap) == ((1,), (0,), True)


def test_builds_stay_off_the_sibling_of_a_measuring_core(tmp_path: Path) -> None:
    cores = topology(tmp_path, ["0,4", "1,5", "2,6", "3,7"])
    found = plan(2, range(8), cores)
    assert found.measure == (2, 3)
    assert found.build == (0, 1, 4, 5)


def test_more_threads_than_physical_cores_use_siblings(tmp_path: Path) -> None:
    found = plan(3, range(4), topology(tmp_path, ["0,2", "1,3"]))
    assert found.measure == (0, 1, 3)
    assert (found.build, found.overlap) == ((2,), True)


def test_without_a_core_left_builds_and_timing_take_turns(tmp_path: Path) -> None:
    found = plan(2, [3, 5], tmp_path / "absent")
    assert (found.measure, found.build, found.overlap) == ((3, 5), (3, 5), False)


@pytest.mark.parametrize("threads", [0, 3])
def test_threads_that_cannot_be_had_are_refused(threads: int, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=f"{threads} threads cannot be measured: this process may use 2 cores"
    ):
        plan(threads, [0, 1], tmp_path)
