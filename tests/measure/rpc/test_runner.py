"""A tracker and servers on loopback: candidates of VTA are built here and run there."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.reliability.lab import Lab
from heron_cli.backends import registry
from heron_cli.errors import HeronError, InputError
from heron_cli.measure.protocol import Runner
from heron_cli.measure.rpc.client import Tracker, describe, servers
from heron_cli.measure.rpc.runner import RpcRunner
from heron_cli.trial import Status

from .conftest import children

pytestmark = pytest.mark.slow


def make(lab: Lab, problem: Any, **options: Any) -> RpcRunner:
    task, _, _, opening = problem
    return RpcRunner(task, registry.get("vta"), opening, lab.tracker, jobs=1, **options)


@pytest.fixture(scope="module")
def steady() -> Iterator[Lab]:
    """Two servers that no test harms."""
    found = Lab()
    found.start_tracker()
    found.start_server()
    found.start_server()
    found.wait_for(2)
    yield found
    found.close()


def test_servers_measure_what_this_machine_would(steady: Lab, problem: Any) -> None:
    _, candidates, cycles, _ = problem
    with make(steady, problem) as runner:
        assert isinstance(runner, Runner)
        assert runner.sessions == 2
        found = dict(runner.run(candidates))
        again = runner.remeasure(candidates[:3])
    assert [found[index].cycles for index in range(len(candidates))] == cycles
    assert all(found[index].verified for index in found)
    assert [(each.cycles, each.verified) for each in again] == [(each, True) for each in cycles[:3]]


def test_a_key_that_no_server_has_is_told_with_those_that_there_are(steady: Lab) -> None:
    with pytest.raises(InputError, match=r"no server has the key 'gpu'; it knows vta"):
        servers(Tracker("127.0.0.1", steady.port, "gpu"))


def test_a_server_says_what_machine_it_is(steady: Lab, problem: Any) -> None:
    task = problem[0]
    machine = describe(steady.tracker)
    assert (machine["target"], machine["digest"]) == ("vta", task.accelerator.digest)


def test_a_tuner_with_another_description_is_told_by_the_server(steady: Lab, problem: Any) -> None:
    from dataclasses import replace

    task, candidates, _, opening = problem
    wrong = replace(opening, digest="another")
    with (
        RpcRunner(task, registry.get("vta"), wrong, steady.tracker, jobs=1) as runner,
        pytest.raises(HeronError, match="this server is for vta"),
    ):
        list(runner.run(candidates[:2]))


def _reached(port: int) -> socket.socket:
    """A connection; a server that noise has ended is there again in a moment."""
    for _ in range(300):
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection(("127.0.0.1", port))
        time.sleep(0.1)
    raise AssertionError(f"no server came back on port {port}")


def test_garbage_on_the_port_of_a_server_harms_nobody(steady: Lab, problem: Any) -> None:
    noise = random.Random(0)
    for length in (0, 1, 4, 100, 100_000):
        for port in steady.ports:
            with _reached(port) as connection:
                try:
                    connection.sendall(noise.randbytes(length))
                except OSError:
                    continue  # it hung up, as it should
    _, candidates, cycles, _ = problem
    with make(steady, problem) as runner:
        found = dict(runner.run(candidates[:4]))
    assert [found[index].cycles for index in range(4)] == cycles[:4]


@pytest.mark.parametrize("answer", [b"", b"\x00" * 64, b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_what_is_no_tracker_is_told(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return  # the test is over
                with connection, contextlib.suppress(OSError):
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with pytest.raises(InputError, match="no TVM RPC tracker answers there"):
            servers(Tracker("127.0.0.1", port, "vta"))
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def test_a_tracker_that_is_not_there_is_told() -> None:
    with pytest.raises(InputError, match=r"no TVM RPC tracker answers there: .*refused"):
        servers(Tracker("127.0.0.1", 1, "vta"))


def test_a_server_that_dies_in_the_middle_costs_nothing(lab: Lab, problem: Any) -> None:
    """Its kernels go to the other one; it comes up again by itself."""
    _, candidates, cycles, _ = problem
    victim = lab.start_server()
    lab.start_server()
    lab.wait_for(2)
    found = {}
    with make(lab, problem) as runner:
        for index, measurement in runner.run(candidates):
            found[index] = measurement
            if len(found) == 3:
                for pid in children(victim.pid):
                    os.kill(pid, signal.SIGKILL)
    assert [found[index].cycles for index in range(len(candidates))] == cycles
    assert victim.poll() is None
    lab.wait_for(2)


def test_a_tracker_that_restarts_costs_nothing(lab: Lab, problem: Any) -> None:
    _, candidates, cycles, _ = problem
    lab.start_server()
    lab.wait_for(1)
    found = {}
    with make(lab, problem) as runner:
        for index, measurement in runner.run(candidates[:8]):
            found[index] = measurement
            if len(found) == 2:
                lab.stop_tracker()
                lab.start_tracker()
    assert [found[index].cycles for index in range(8)] == cycles[:8]
    lab.wait_for(1)  # the server has come back to the tracker
    with make(lab, problem) as runner:
        assert [m.cycles for _, m in sorted(runner.run(candidates[:2]), key=lambda pair: pair[0])] == cycles[
            :2
        ]


def test_when_the_last_server_is_gone_its_trials_are_lost_and_nothing_hangs(lab: Lab, problem: Any) -> None:
    candidates = problem[1]
    server = lab.start_server()
    lab.wait_for(1)
    found = {}
    with make(lab, problem, patience=0.5) as runner:
        for index, measurement in runner.run(candidates[:6]):
            found[index] = measurement
            if len(found) == 2:
                os.killpg(server.pid, signal.SIGKILL)
                lab.stop_tracker()
    assert len(found) == 6
    lost = [measurement for measurement in found.values() if measurement.status is Status.DEVICE_LOST]
    assert lost
    assert all(measurement.reason for measurement in lost)
