"""Throughput on loopback: RPC servers and Ray nodes, with simulated candidates of VTA.

Two loads. `simulated`: the server executes the program in the simulator, which keeps a core busy, so it
scales as far as there are cores. `board`: every kernel also takes a board's time, during which the host is
idle; that shows what the messages, the queue and the builds allow, whatever the cores.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

from benchmarks.reliability.lab import Lab
from heron_cli.measure.cluster import runner as cluster_runner
from heron_cli.measure.cluster import work

BOARD_SECONDS = 0.25
_SIMULATED = {"m": 128, "n": 256, "k": 256}
_BOARD = {"m": 32, "n": 64, "k": 64}


def rpc(counts: tuple[int, ...] = (1, 2, 4), seconds: float = 15.0) -> dict[str, Any]:
    """Trials per second with 1, 2, 4 servers."""
    from heron_cli.backends import registry
    from heron_cli.measure.rpc.runner import RpcRunner

    found: dict[str, Any] = {}
    for load, shape, board in (("simulated", _SIMULATED, 0.0), ("board", _BOARD, BOARD_SECONDS)):
        task, candidates, opening = problem(shape)
        for count in counts:
            lab = Lab(script=SCRIPT.format(seconds=board))
            try:
                lab.start_tracker()
                for _ in range(count):
                    lab.start_server()
                lab.wait_for(count)
                with RpcRunner(task, registry.get("vta"), opening, lab.tracker, jobs=1) as runner:
                    found[f"{load}, {count}"] = throughput(runner, candidates, 4 * count, seconds)
            finally:
                lab.close()
    return found


def ray(counts: tuple[int, ...] = (1, 2), seconds: float = 15.0) -> dict[str, Any]:
    """Trials per second with 1 and 2 Ray nodes."""
    found: dict[str, Any] = {}
    for load, shape, station in (("simulated", _SIMULATED, work.Station), ("board", _BOARD, BoardStation)):
        with patch.object(cluster_runner, "Station", station):
            for count, numbers in _ray(shape, counts, seconds):
                found[f"{load}, {count}"] = numbers
    return found


class BoardStation(work.Station):
    """A station whose kernels take a board's time as well."""

    def measure(self, *arguments: Any) -> work.Measured:
        """As a station does, later."""
        time.sleep(BOARD_SECONDS)
        return super().measure(*arguments)


def _ray(
    shape: dict[str, int], counts: tuple[int, ...], seconds: float
) -> Iterator[tuple[int, dict[str, Any]]]:
    import ray as ray_
    from ray.cluster_utils import Cluster

    from heron_cli.backends import registry

    task, candidates, opening = problem(shape)
    for count in counts:
        patient = {"health_check_timeout_ms": 60_000}
        head = {"num_cpus": 2, "include_dashboard": False, "_system_config": patient}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        try:
            for _ in range(count - 1):
                cluster.add_node(num_cpus=2)
            cluster.wait_for_nodes()
            ray_.init(address=cluster.address, log_to_driver=False, logging_level="error")
            with cluster_runner.RayRunner(task, registry.get("vta"), opening) as runner:
                assert runner.stations == count
                yield count, throughput(runner, candidates, 16 * count, seconds)  # its builders come up late
        finally:
            ray_.shutdown()
            cluster.shutdown()


def throughput(runner: Any, candidates: Any, first: int, seconds: float) -> dict[str, Any]:
    """Trials per second for about so many seconds, after the `first`, when every server has had work."""
    done, began = 0, 0.0
    for _, measurement in runner.run(candidates):
        assert measurement.verified, measurement
        done += 1
        if done == first:
            began = time.perf_counter()
        if began and time.perf_counter() - began > seconds:
            break
    timed = done - first
    return {"trials": timed, "per second": timed / (time.perf_counter() - began)}


SCRIPT = """
import sys, time
from heron_cli.measure.rpc import bench, server
simulate = bench._SimulatedBench._one
def one(self, kernel, candidate):
    time.sleep({seconds})
    return simulate(self, kernel, candidate)
bench._SimulatedBench._one = one
server.main(sys.argv[1])
"""


def problem(shape: dict[str, int]) -> Any:
    """A task, distinct candidates of it, and how servers are told of it."""
    import numpy as np

    from heron_cli import session
    from heron_cli.accelerator.loader import load
    from heron_cli.measure.rpc.wire import Opening
    from heron_cli.operators.workload import make
    from heron_cli.session.spaces import problem as search_problem

    types = {"input": "int8", "weight": "int8", "accumulate": "int32", "output": "int8"}
    workload, machine = make("gemm", shape, dtypes=types), load("vta")
    task = session.make_task(workload, machine)
    space = search_problem(task, session.Settings()).variants[0]
    rows = space.sampler.sample(4000, np.random.default_rng(0))
    candidates = list(dict.fromkeys(space.candidate(row) for row in rows))[:2000]
    return task, candidates, Opening(machine.name, machine.digest, session.definition(workload))
