"""What must be done at least, against counts by the reference and by loops over real shapes."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from heron_cli.configs import config_dir
from heron_cli.elements import BYTES
from heron_cli.operators import registry
from heron_cli.operators.convolution import Spatial
from heron_cli.operators.workload import Workload, load_file, make
from heron_cli.schedule import work as module
from heron_cli.schedule.task import einsum_of
from heron_cli.schedule.work import Work, work

from .workloads import conv, finished, gemm, workloads

SHIPPED = sorted((config_dir() / "workloads").rglob("*.yaml"))
IMAGE: dict[str, object] = {"height": 4, "width": 5, "in_channels": 2, "out_channels": 3, "kernel": 3}
OTHERS = [
    make("gemv", {"m": 3, "k": 4}),
    make("bmm", {"batch": 2, "m": 3, "n": 2, "k": 4}),
    make("conv1d", {"width": 7, "in_channels": 2, "out_channels": 2, "kernel": 2, "stride": 3}),
    make("conv3d", {"depth": 2, "height": 3, "width": 2, "in_channels": 1, "out_channels": 2, "kernel": 2,
                    "padding": 1}),
    make("conv2d", {**IMAGE, "in_channels": 4, "out_channels": 4, "groups": 2, "padding": 2, "stride": 2}),
    make("depthwise_conv2d", {"height": 4, "width": 5, "channels": 3, "kernel": 3, "padding": 1}),
    make("conv2d_transpose", {**IMAGE, "stride": 2, "padding": 1}),
    make("conv2d_transpose", {**IMAGE, "stride": 3, "kernel": 2}),
]  # fmt: skip


def sums(workload: Workload, **changed: Any) -> Any:
    """The output by the reference for operands of ones, but for those given."""
    operator = registry.get(workload.operator)
    operands = {n: np.ones(s.shape, s.dtype) for n, s in operator.specs(workload).items() if n != "output"}
    return operator.reference(workload, {**operands, **changed})


def needed(workload: Workload, name: str) -> int:
    """How many elements of an operand change the output: each is tried alone, the others being zero."""
    spec = registry.get(workload.operator).specs(workload)[name]
    count = 0
    for place in range(prod(spec.shape)):
        alone = np.zeros(spec.shape, spec.dtype)
        alone.flat[place] = 1
        count += bool(sums(workload, **{name: alone}).any())
    return count


def least(workload: Workload) -> Work:
    found = work(einsum_of(workload))
    assert found is not None
    return found


def check(workload: Workload) -> None:
    specs = registry.get(workload.operator).specs(workload)
    found = least(workload)
    assert found.products == sums(workload).sum()
    read = sum(needed(workload, name) * BYTES[specs[name].dtype] for name in ("input", "weight"))
    assert found.bytes == read + specs["output"].bytes


@given(workload=workloads())
@settings(max_examples=40)
def test_products_and_bytes_are_those_that_matter_to_the_reference(workload: Workload) -> None:
    check(workload)


@pytest.mark.parametrize("workload", OTHERS, ids=lambda each: each.name)
def test_of_every_operator(workload: Workload) -> None:
    check(workload)


def test_the_zeros_of_a_scan_are_data() -> None:
    assert least(make("scan", {"m": 2, "n": 5, "k": 5, "form": "INCLUSIVE"})).products == 2 * 5 * 5


def real_share(operator: Spatial, shape: Any) -> tuple[int, int]:
    """Pairs of an element and a tap that meet an element, of all pairs, over all spatial dimensions."""
    real = nominal = 1
    names = ("kernel", "stride", "padding", "dilation")
    for size, kernel, stride, padding, dilation in zip(
        operator.input_size(shape), *(operator.window(shape, name) for name in names), strict=True
    ):
        span = dilation * (kernel - 1) + 1
        outputs, extent = (size + 2 * padding - span) // stride + 1, size
        if operator.name.endswith("transpose"):  # the input's elements are what steps, over the output
            outputs, extent = size, (size - 1) * stride - 2 * padding + span
        places = np.add.outer(np.arange(outputs) * stride, np.arange(kernel) * dilation) - padding
        real *= int(((places >= 0) & (places < extent)).sum())
        nominal *= places.size
    return real, nominal


@pytest.mark.parametrize("path", SHIPPED, ids=[path.stem for path in SHIPPED])
def test_of_every_workload_that_ships(path: Path) -> None:
    for workload in load_file(path):
        operator = registry.get(workload.operator)
        found, expected = least(workload), operator.macs(workload)
        if isinstance(operator, Spatial):
            real, nominal = real_share(operator, workload.shape)
            expected = expected * real // nominal
        assert 0 < found.products == expected
        assert operator.specs(workload)["output"].bytes < found.bytes <= operator.bytes(workload)


def test_operands_of_the_epilogue_are_read() -> None:
    plain = gemm(4, 8, 16)
    more = finished(plain, "bias=1,residual=1", output="int8")
    assert least(more).products == least(plain).products
    assert least(more).bytes == (4 * 16 + 8 * 16) + 4 * 8 + 4 * 8 + 8 * 4


def test_what_is_too_large_to_count_has_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 17)
    assert work(einsum_of(conv(height=6, width=6, kernel=3))) is None
    assert work(einsum_of(gemm(17, 17, 17))) is not None
