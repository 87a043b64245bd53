from __future__ import annotations

import os
import signal
from pathlib import Path

from conftest import eventually, processes_naming
from heron_cli.measure.child import Child, NurseryHandle, Place

PLACE = Place((), 1 << 30)


def ended(nursery: NurseryHandle, child: Child) -> bool:
    nursery.pump()
    child.drain_output()
    return child.exited


def test_a_child_that_cannot_start_says_why(nothing_left: Path) -> None:
    nursery = NurseryHandle()
    child = nursery.spawn("heron_cli.measure.nowhere:serve", PLACE)
    assert eventually(lambda: ended(nursery, child))
    child.drain_output()
    assert child.code == 70
    assert "No module named 'heron_cli.measure.nowhere'" in child.printed
    child.close()
    nursery.close()


def test_a_child_runs_where_it_is_told_and_is_killed_with_its_files(nothing_left: Path) -> None:
    core = max(os.sched_getaffinity(0))
    nursery = NurseryHandle(["json"])
    child = nursery.spawn("measure_fakes:report", Place((core,), 123 << 20, nice=3))
    assert eventually(lambda: (nursery.directory / "1" / "mine").exists())
    report = (nursery.directory / "1" / "mine").read_text().split()
    assert report == [str({core}).replace(" ", ""), "3", str(123 << 20), "leader"]
    nursery.kill(child)
    assert eventually(lambda: ended(nursery, child))
    assert child.code == -signal.SIGKILL
    assert not (nursery.directory / "1").exists()
    child.close()
    nursery.close()


def test_closing_before_the_preloading_is_done_waits_for_nobody(nothing_left: Path) -> None:
    nursery = NurseryHandle(["measure_fakes_slow"])
    nursery.spawn("measure_fakes:report", PLACE).close()
    nursery.close()


def test_children_end_when_the_nursery_is_killed_and_the_next_spawn_works(nothing_left: Path) -> None:
    nursery = NurseryHandle()
    child = nursery.spawn("measure_fakes:report", PLACE)
    assert eventually(lambda: (nursery.directory / "1" / "mine").exists())
    assert nursery.pid is not None
    os.kill(nursery.pid, signal.SIGKILL)
    assert eventually(lambda: ended(nursery, child))
    assert child.code is None
    child.close()
    again = nursery.spawn("measure_fakes:report", PLACE)
    assert eventually(lambda: (nursery.directory / "2" / "mine").exists())
    again.close()
    nursery.close()


def test_a_module_that_cannot_be_preloaded_is_left_to_the_child(nothing_left: Path) -> None:
    nursery = NurseryHandle(["no_such_module_at_all"])
    nursery.spawn("measure_fakes:report", PLACE).close()
    assert eventually(lambda: (nursery.directory / "1" / "mine").exists())
    assert nursery.log == "cannot preload no_such_module_at_all: No module named 'no_such_module_at_all'"
    nursery.close()


def test_ctrl_c_in_the_terminal_reaches_neither_nursery_nor_children(nothing_left: Path) -> None:
    nursery = NurseryHandle()
    child = nursery.spawn("measure_fakes:report", PLACE)
    assert eventually(lambda: (nursery.directory / "1" / "mine").exists())
    groups = {os.getpgid(pid) for pid in processes_naming(str(nothing_left))}
    assert len(groups) == 2
    assert os.getpgid(0) not in groups
    child.close()
    nursery.close()
