from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # `benchmarks` is no part of the wheel
from benchmarks.reliability.lab import Lab


def children(pid: int) -> list[int]:
    import psutil

    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


@pytest.fixture(autouse=True)
def installed() -> None:
    for module in ("psutil", "tornado", "cloudpickle"):
        pytest.importorskip(module, reason="heron[rpc] is not installed")


@pytest.fixture
def lab() -> Iterator[Lab]:
    found = Lab()
    found.start_tracker()
    yield found
    found.close()


@pytest.fixture(scope="session")
def problem() -> Any:
    """A small gemm on VTA, candidates of it, and their cycles as measured here."""
    import numpy as np

    from heron_cli import session
    from heron_cli.accelerator.loader import load
    from heron_cli.measure.rpc.wire import Opening
    from heron_cli.operators.workload import make
    from heron_cli.records import Store
    from heron_cli.session.spaces import problem as search_problem

    types = {"input": "int8", "weight": "int8", "accumulate": "int32", "output": "int8"}
    workload = make("gemm", {"m": 32, "n": 64, "k": 64}, dtypes=types)
    machine = load("vta")
    task = session.make_task(workload, machine)
    settings = session.Settings()
    space = search_problem(task, settings).variants[0]
    rows = space.sampler.sample(200, np.random.default_rng(0))
    candidates = list(dict.fromkeys(space.candidate(row) for row in rows))[:24]
    with Store.in_memory() as store:
        local = dict(session.make_runner(task, settings, store).run(candidates))
    opening = Opening(machine.name, machine.digest, session.definition(workload))
    return task, candidates, [local[index].cycles for index in range(len(candidates))], opening
