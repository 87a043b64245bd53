"""Ray clusters on this machine, with simulated candidates; skipped where Ray is not installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.reliability.lab import free_port
from heron_cli.backends import registry
from heron_cli.errors import InputError
from heron_cli.measure.protocol import Runner
from heron_cli.trial import Candidate, Status

pytestmark = pytest.mark.slow
ray = pytest.importorskip("ray", reason="heron[ray] is not installed: Ray is 70 MB, and optional")


@pytest.fixture
def cluster() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    # a machine under load must not pass for a dead node: what is killed refuses at once, and is found anyway
    patient = {"health_check_timeout_ms": 60_000}
    head = {"num_cpus": 2, "include_dashboard": False, "_system_config": patient}
    found = Cluster(initialize_head=True, head_node_args=head)
    found.add_node(num_cpus=2)
    found.wait_for_nodes()
    ray.init(address=found.address, log_to_driver=False, logging_level="error")
    yield found
    ray.shutdown()
    found.shutdown()


@pytest.fixture(scope="module")
def problem() -> Any:
    import numpy as np

    from heron_cli import session
    from heron_cli.accelerator.loader import load
    from heron_cli.measure.rpc.wire import Opening
    from heron_cli.operators.workload import make
    from heron_cli.records import Store
    from heron_cli.session.spaces import problem as search_problem

    types = {"input": "int8", "weight": "int8", "accumulate": "int32", "output": "int8"}
    workload, machine = make("gemm", {"m": 32, "n": 64, "k": 64}, dtypes=types), load("vta")
    task, settings = session.make_task(workload, machine), session.Settings()
    space = search_problem(task, settings).variants[0]
    rows = space.sampler.sample(200, np.random.default_rng(0))
    candidates = list(dict.fromkeys(space.candidate(row) for row in rows))[:16]
    with Store.in_memory() as store:
        local = dict(session.make_runner(task, settings, store).run(candidates))
    opening = Opening(machine.name, machine.digest, session.definition(workload))
    return task, candidates, [local[index].cycles for index in range(len(candidates))], opening


def make(problem: Any, **options: Any) -> Any:
    from heron_cli.measure.cluster.runner import RayRunner

    task, _, _, opening = problem
    return RayRunner(task, registry.get("vta"), opening, **options)


def test_two_nodes_measure_what_this_machine_would(cluster: Any, problem: Any) -> None:
    _, candidates, cycles, _ = problem
    with make(problem) as runner:
        assert isinstance(runner, Runner)
        assert runner.stations == 2
        broken = Candidate.of("no such variant", {})
        found = dict(runner.run([*candidates, broken]))
        again = runner.remeasure(candidates[:2])
    assert [found[index].cycles for index in range(len(candidates))] == cycles
    assert all(found[index].verified for index in range(len(candidates)))
    assert found[len(candidates)].status is Status.BUILD_ERROR
    assert [each.cycles for each in again] == cycles[:2]


def test_a_node_that_is_killed_costs_nothing(cluster: Any, problem: Any) -> None:
    _, candidates, cycles, _ = problem
    victim = next(node for node in cluster.list_all_nodes() if node is not cluster.head_node)
    found = {}
    with make(problem) as runner:
        assert runner.stations == 2
        for index, measurement in runner.run(candidates):
            found[index] = measurement
            if len(found) == 2:
                cluster.remove_node(victim, allow_graceful=False)
    assert [found[index].cycles for index in range(len(candidates))] == cycles


def test_a_client_measures_on_a_cluster_that_it_is_no_part_of(
    problem: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S", "120")  # for a machine under load
    _, candidates, cycles, _ = problem
    port = free_port()
    head = {"num_cpus": 2, "include_dashboard": False, "ray_client_server_port": port}
    found = Cluster(initialize_head=True, head_node_args=head)
    try:
        with make(problem, address=f"ray://127.0.0.1:{port}") as runner:
            measured = dict(runner.run(candidates[:6]))
            again = runner.remeasure(candidates[:2])
    finally:
        ray.shutdown()
        found.shutdown()
    assert [measured[index].cycles for index in range(6)] == cycles[:6]
    assert [each.cycles for each in again] == cycles[:2]


def test_a_cluster_that_is_not_there_is_told(problem: Any) -> None:
    with pytest.raises(InputError, match=r"--cluster 127.0.0.1:1: Ray does not start: .*refused"):
        make(problem, address="127.0.0.1:1")


def test_without_ray_it_is_told(problem: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'heron-cli\[ray\]'"):
        make(problem)
