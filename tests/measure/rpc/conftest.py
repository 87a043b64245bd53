from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from heron_cli.measure.rpc.client import Tracker, servers

KEY = "vta"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Lab:
    """A tracker and servers on loopback, as processes of their own."""

    port: int = field(default_factory=free_port)
    tracker_process: subprocess.Popen[bytes] | None = None
    serving: list[subprocess.Popen[bytes]] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)

    @property
    def tracker(self) -> Tracker:
        return Tracker("127.0.0.1", self.port, KEY)

    def start_tracker(self) -> None:
        command = ["tvm.exec.rpc_tracker", "--host", "127.0.0.1", "--port", str(self.port)]
        self.tracker_process = start([sys.executable, "-m", *command, "--port-end", str(self.port + 1)])

    def stop_tracker(self) -> None:
        assert self.tracker_process is not None
        stop(self.tracker_process)

    def start_server(self) -> subprocess.Popen[bytes]:
        port = free_port()
        options = {"target": "vta", "key": KEY, "port": port, "last_port": port + 1}
        script = (
            "import json, sys; from heron_cli.measure.rpc.server import *;"
            " options = json.loads(sys.argv[1]);"
            " keep_serving(ServerOptions(tracker=tuple(options.pop('tracker')), **options), print)"
        )
        text = json.dumps({**options, "tracker": ["127.0.0.1", self.port]})
        process = start([sys.executable, "-c", script, text])
        self.serving.append(process)
        self.ports.append(port)
        return process

    def wait_for(self, count: int, seconds: float = 120.0) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                if servers(self.tracker) >= count:
                    return
            except Exception:
                if time.monotonic() > deadline:
                    raise
            assert time.monotonic() < deadline, "the servers do not come up"
            time.sleep(0.2)

    def close(self) -> None:
        for process in (*self.serving, self.tracker_process):
            if process is not None:
                stop(process)


def start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)


def stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


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
