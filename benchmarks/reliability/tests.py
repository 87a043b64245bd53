"""Faults that tests inject, run again and again: each passes only if nothing is lost."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as xml

ROOT = Path(__file__).resolve().parents[2]
RPC, RAY = "tests/measure/rpc/test_runner.py::", "tests/measure/cluster/test_ray.py::"
STORE, DRIVER = "tests/records/test_store.py::", "tests/search/test_driver.py::"
LOCAL, BUILDER = "tests/measure/test_local.py::", "tests/measure/test_builder.py::"
INJECTED: tuple[tuple[str, str, bool], ...] = (
    ("disk full while recording", STORE + "test_disk_full_says_so_and_keeps_what_was_there", False),
    (
        "disk full in the middle of a run",
        DRIVER + "test_a_full_disk_ends_the_run_and_keeps_its_trials",
        False,
    ),
    ("database locked by another process", STORE + "test_a_database_that_another_process_keeps", False),
    ("clock set back while tuning", DRIVER + "test_a_clock_that_is_set_back_reorders_nothing", False),
    ("a builder killed once", BUILDER + "test_a_builder_killed_by_someone_else_costs_nothing", False),
    ("the processes above workers killed", LOCAL + "test_a_nursery_killed_from_outside_costs_nothing", False),
    ("RPC server killed in the middle", RPC + "test_a_server_that_dies_in_the_middle_costs_nothing", True),
    ("RPC tracker restarted", RPC + "test_a_tracker_that_restarts_costs_nothing", True),
    (
        "RPC key that no server has",
        RPC + "test_a_key_that_no_server_has_is_told_with_those_that_there_are",
        True,
    ),
    ("garbage on a server's port", RPC + "test_garbage_on_the_port_of_a_server_harms_nobody", True),
    ("garbage in place of a tracker", RPC + "test_what_is_no_tracker_is_told", True),
    (
        "the last RPC server gone for good",
        RPC + "test_when_the_last_server_is_gone_its_trials_are_lost_and_nothing_hangs",
        True,
    ),
    ("Ray node killed", RAY + "test_a_node_that_is_killed_costs_nothing", True),
)


def run(repeats: int, slow_repeats: int) -> list[dict[str, Any]]:
    """Each test `repeats` times, those that start servers `slow_repeats` times."""
    tried, passed = Counter[str](), Counter[str]()
    for number in range(repeats):
        nodes = [node for _, node, slow in INJECTED if number < slow_repeats or not slow]
        for _, each in groupby(nodes, lambda node: node.partition("::")[0]):
            for node, survived in _once(list(each)).items():
                tried[node] += 1
                passed[node] += survived
        print(f"round {number + 1}: {passed.total()} of {tried.total()}", flush=True)
    return [{"fault": label, "tried": tried[node], "survived": passed[node]} for label, node, _ in INJECTED]


def _once(nodes: Sequence[str]) -> dict[str, bool]:
    """Whether each test of one file passes, with all of its parameters.

    Those are left out that are skipped here, or whose servers or nodes did not come up: nothing was injected.
    """
    found: dict[str, bool] = {}
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        options = ["-q", "-p", "no:cacheprovider", "--timeout", "280", f"--junitxml={report}"]
        command = [sys.executable, "-m", "pytest", *options, *nodes]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if not report.exists():
            raise RuntimeError(f"pytest failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        for case in xml.parse(report).getroot().iter("testcase"):
            name = str(case.get("name")).partition("[")[0]
            skipped = case.find("skipped") is not None
            if skipped and not any(node.endswith(f"::{name}") for node in nodes):
                continue  # a whole file, whose package is not installed
            (node,) = [node for node in nodes if node.endswith(f"::{name}")]
            wrong = [each for each in case if each.tag in ("failure", "error")]
            unready = any("failed on setup" in str(each.get("message")) for each in wrong)
            if wrong:
                print(f"{node}:\n{done.stdout[-2000:]}", flush=True)
            if not skipped and not unready:
                found[node] = found.get(node, True) and not wrong
    return found
