"""Tuning for machines elsewhere: who measures, and which machine the records name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from heron_cli.errors import InputError

from .settings import RunnerKind, Settings
from .workloads import definition

if TYPE_CHECKING:
    from heron_cli.accelerator.model import Accelerator
    from heron_cli.backends.base import Backend
    from heron_cli.measure.cluster.runner import RayRunner
    from heron_cli.measure.nurseries import Nurseries
    from heron_cli.measure.rpc.client import Tracker
    from heron_cli.measure.rpc.runner import RpcRunner
    from heron_cli.measure.rpc.wire import Opening
    from heron_cli.schedule.task import Task
    from heron_cli.trial import Measurement


def versions_of(task: Task, settings: Settings) -> dict[str, str]:
    """The toolchain that records carry: of this process, with the processor that measures.

    Raises InputError when a server has to be asked and does not answer, or is for another accelerator.
    """
    versions = versions_here(task.accelerator)
    if settings.runner is RunnerKind.RPC:
        machine = _describe(tracker_of(task, settings))
        if machine.get("digest") != task.accelerator.digest:
            raise InputError(
                f"the servers measure for {machine.get('target')} as described there, not for "
                f"{task.accelerator.name} as described here; start them with the same file"
            )
        versions["cpu"] = str(machine["cpu"])
    elif settings.runner is RunnerKind.RAY:
        versions["cpu"] = _cluster_cpu(settings.cluster)
    return versions


def versions_here(machine: Accelerator) -> dict[str, str]:
    """The toolchain of this process, with what runs an accelerator's kernels here: the processor or a GPU."""
    from heron_cli.backends import registry
    from heron_cli.backends.base import OwnDevice
    from heron_cli.records import current_versions

    versions, backend = current_versions(), registry.get(machine.backend)
    if isinstance(backend, OwnDevice) and (name := backend.processor()):
        del versions["cpu"]
        versions["gpu"] = name
    return versions


def tracker_of(task: Task, settings: Settings) -> Tracker:
    """The tracker and key to ask; by default servers have the accelerator's name for a key."""
    from heron_cli.measure.rpc.client import Tracker

    if settings.tracker is None:
        raise InputError("--runner rpc needs --tracker HOST:PORT")
    host, port = settings.tracker
    return Tracker(host, port, settings.key or task.accelerator.name)


def rpc_runner(
    task: Task,
    backend: Backend,
    settings: Settings,
    incumbent: float | None,
    known: Mapping[str, Measurement],
    nurseries: Nurseries | None,
) -> RpcRunner:
    """The runner for the servers that the tracker knows."""
    from heron_cli.measure.rpc.runner import RpcRunner

    return RpcRunner(
        task,
        backend,
        _opening(task, settings),
        tracker_of(task, settings),
        jobs=settings.jobs,
        incumbent=incumbent,
        known=known,
        nurseries=nurseries,
    )


def ray_runner(task: Task, backend: Backend, settings: Settings, incumbent: float | None) -> RayRunner:
    """The runner for the nodes of a Ray cluster."""
    from heron_cli.measure.cluster.runner import RayRunner

    return RayRunner(task, backend, _opening(task, settings), address=settings.cluster, incumbent=incumbent)


def _opening(task: Task, settings: Settings) -> Opening:
    from heron_cli.measure.rpc.wire import Opening

    return Opening(
        target=task.accelerator.name,
        digest=task.accelerator.digest,
        definition=definition(task.workload),
        threads=settings.threads,
        seed=settings.seed,
    )


@cache
def _cluster_cpu(address: str | None) -> str:
    """The processor of a node of the cluster; the runner checks that all have the same."""
    from heron_cli.measure.cluster.runner import connect
    from heron_cli.records.versions import cpu_model

    ray = connect(address)
    return str(ray.get(ray.remote(num_cpus=1)(cpu_model).remote()))


@cache
def _describe(tracker: Tracker) -> dict[str, Any]:
    from heron_cli.measure.rpc.client import describe

    return describe(tracker)
