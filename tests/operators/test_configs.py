"""The workload files that ship: all of them load, and every workload in them is an einsum."""

from __future__ import annotations

from pathlib import Path

import pytest

from heron_cli import configs
from heron_cli.operators import registry
from heron_cli.operators.workload import Workload, load_file
from heron_cli.schedule.task import einsum_of

FILES = sorted((configs.config_dir() / "workloads").rglob("*.yaml"))
PAPER = {"gemm", "bmm", "gemv", "scan", "conv1d", "conv2d", "conv3d", "conv2d_transpose"}


def of(name: str) -> list[Workload]:
    return load_file(next(path for path in FILES if path.stem == name))


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_every_workload_is_an_einsum(path: Path) -> None:
    workloads = load_file(path)
    assert workloads
    for workload in workloads:
        einsum = einsum_of(workload)
        assert einsum.reduction and einsum.group("n", "batch")
        assert einsum.output.dtype == workload.dtypes.output
        work = 1
        for axis in einsum.axes:
            work *= axis.extent
        # phases of a transposed convolution have taps that are zero: never fewer iterations than products
        assert work >= registry.get(workload.operator).macs(workload) or "transpose" in workload.operator


@pytest.mark.parametrize("name", ["heron-operators-dlboost", "heron-operators-tensorcore"])
def test_the_paper_s_operators_are_there(name: str) -> None:
    found = of(name)
    assert {workload.operator for workload in found} == PAPER
    assert any(workload.operator == "conv2d" and workload.shape["dilation"] == (2, 2) for workload in found)


def test_numbers_of_workloads() -> None:
    assert len(of("heron-operators-dlboost")) == 49
    assert len(of("heron-operators-tensorcore")) == 51
