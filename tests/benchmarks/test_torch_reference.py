"""The reference by torch agrees with heron's own, for every operator; torch for the CPU is enough."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from heron_cli.elements import numpy_type
from heron_cli.operators import registry
from heron_cli.operators.expected import Reference
from heron_cli.operators.workload import Workload, make

torch = pytest.importorskip("torch", reason="needs torch (extra 'torch')")

from benchmarks import torch_reference  # noqa: E402

HALF = {"input": "float16", "weight": "float16", "accumulate": "float32", "output": "float16"}
BRAIN = {"input": "bfloat16", "weight": "bfloat16", "accumulate": "float32", "output": "float32"}
BYTES = {"input": "uint8", "weight": "int8", "accumulate": "int32", "output": "int32"}
NARROW = {"input": "int8", "weight": "int8", "accumulate": "int32", "output": "int8"}
TYPES = {"half": HALF, "brain": BRAIN, "bytes": BYTES, "narrow": NARROW}
IMAGE = {"in_channels": 4, "out_channels": 6, "kernel": 3, "padding": 1, "batch": 2}
SHAPES: list[tuple[str, dict[str, object]]] = [
    ("gemm", {"m": 5, "n": 7, "k": 33}),
    ("gemv", {"m": 5, "k": 33}),
    ("bmm", {"batch": 2, "m": 5, "n": 7, "k": 9}),
    ("bmm", {"batch": 2, "m": 5, "n": 7, "k": 9, "layout": "NT"}),
    ("scan", {"m": 5, "n": 7, "k": 9}),
    ("scan", {"m": 5, "n": 9, "k": 9, "form": "INCLUSIVE"}),
    ("scan", {"m": 5, "n": 9, "k": 9, "form": "EXCLUSIVE"}),
    ("conv1d", {"width": 11, **IMAGE, "dilation": 2}),
    ("conv2d", {"height": 6, "width": 7, **IMAGE, "stride": [2, 1]}),
    ("conv2d", {"height": 6, "width": 7, **IMAGE, "layout": "NCHW", "groups": 2}),
    ("conv3d", {"depth": 4, "height": 5, "width": 6, **IMAGE}),
    ("depthwise_conv2d", {"height": 6, "width": 7, "channels": 4, "kernel": 3, "multiplier": 2}),
    ("conv1d_transpose", {"width": 5, **IMAGE, "stride": 2}),
    ("conv2d_transpose", {"height": 5, "width": 6, **IMAGE, "stride": 2, "output_padding": 1}),
    ("conv3d_transpose", {"depth": 3, "height": 4, "width": 3, **IMAGE, "layout": "NCDHW"}),
]


def entry_of(workload: Workload) -> dict[str, Any]:
    """What the manifest says of a kernel of the workload."""
    specs = registry.get(workload.operator).specs(workload)
    operands = [{"name": n, "shape": list(spec.shape), "dtype": spec.dtype} for n, spec in specs.items()]
    found = {
        "operator": workload.operator,
        "shape": dict(workload.shape),
        "dtypes": asdict(workload.dtypes),
        "epilogue": asdict(workload.epilogue),
        "operands": operands,
    }
    read: dict[str, Any] = json.loads(json.dumps(found))
    return read


def to_numpy(tensor: Any, dtype: str) -> np.ndarray:
    if dtype != "bfloat16":
        return np.asarray(tensor)
    return np.asarray(tensor.view(torch.uint16)).view(numpy_type(dtype))


def from_numpy(array: np.ndarray, dtype: str) -> Any:
    """An output of the right values, rounded to its type."""
    wide = np.ascontiguousarray(
        array.astype(np.float64 if dtype in ("float16", "float32", "bfloat16") else None)
    )
    return torch.from_numpy(wide).to(getattr(torch, dtype))


@pytest.mark.parametrize("types", TYPES)
@pytest.mark.parametrize(("operator", "shape"), SHAPES)
@pytest.mark.parametrize("finish", [{}, {"bias": True, "residual": True, "low": -3, "high": 100}])
def test_agrees(operator: str, shape: dict[str, object], types: str, finish: dict[str, object]) -> None:
    epilogue = {name: (value, "test") for name, value in finish.items()}
    workload = make(operator, shape, dtypes=TYPES[types], epilogue=epilogue)
    entry = entry_of(workload)
    generator = torch.Generator().manual_seed(3)
    operands = torch_reference.operands(entry, "cpu", generator)
    dtypes = {operand["name"]: operand["dtype"] for operand in entry["operands"]}
    arrays = {name: to_numpy(tensor, dtypes[name]) for name, tensor in operands.items()}
    for name, value in Reference(workload).prescribed().items():
        np.testing.assert_array_equal(arrays[name], value)
    output = from_numpy(Reference(workload)(arrays).values, dtypes["output"])
    assert torch_reference.wrong(entry, operands, output) == ""
    flat = output.view(-1)
    flat[3] = flat[3] + 2 if abs(float(flat[3])) < 50 else 0
    assert torch_reference.wrong(entry, operands, output).startswith(
        f"1 of {flat.numel()} elements are wrong"
    )
    if output.dtype.is_floating_point:
        flat[:] = float("nan")
        assert torch_reference.wrong(entry, operands, output).startswith(f"{flat.numel()} of {flat.numel()}")


def test_there_is_a_reference_for_every_operator() -> None:
    assert {operator for operator, _ in SHAPES} == set(registry.names())
