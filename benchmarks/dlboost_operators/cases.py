"""The workloads: the paper's 49, and ResNet-50 at batch 1; and the bars they are held to.

Layers of MobileNet beside them, depthwise ones, are compared and not held to a bar.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

from benchmarks.native import HERE
from benchmarks.onednn.problem import BFLOAT16, INT8, Types

WORKLOADS = HERE.parent / "configs" / "workloads"
FILES = ("heron-operators-dlboost", "networks/resnet50-int8")
BESIDE = ("networks/mobilenet-depthwise-int8",)
_NETWORKS = {"networks/resnet50-int8": "ResNet-50", "networks/mobilenet-depthwise-int8": "MobileNet"}
GEOMEAN, FAMILY, LEAST, OF_LIMIT = 1.05, 0.97, 0.92, 0.90
BETTER = 1.15  # the bar of the families where oneDNN is weak
WEAK = frozenset({"bmm", "gemv", "scan", "first layer"})
_PAPER = {
    "GEMM": "gemm",
    "BMM": "bmm",
    "GEMV": "gemv",
    "SCAN": "scan",
    "C1D": "conv1d",
    "C2D": "conv2d",
    "C3D": "conv3d",
    "T2D": "conv2d_transpose",
    "DIL": "dilated conv2d",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One workload; `count` is how often it occurs in its network."""

    name: str
    operator: str
    shape: Mapping[str, Any]
    family: str
    count: int = 1
    types: Types = INT8


def bar(family: str) -> float:
    """What the geometric mean of a family must reach."""
    return BETTER if family in WEAK else FAMILY


@cache
def cases() -> tuple[Case, ...]:
    """All that are held to bars, in the order of the files."""
    return _cases(FILES)


@cache
def beside() -> tuple[Case, ...]:
    """Those that are compared beside them."""
    return _cases(BESIDE)


def _cases(files: tuple[str, ...]) -> tuple[Case, ...]:
    return tuple(
        Case(_name(name, each.name), each.operator, dict(each.shape), _family(each), each.count)
        for name in files
        for each in workloads(name)
    )


def workloads(name: str) -> list[Any]:
    """What a shipped workload file holds."""
    from heron_cli.operators.workload import load_file

    return load_file(WORKLOADS / f"{name}.yaml")


def workload_of(case: Case) -> Any:
    """The case as heron's workload."""
    from heron_cli.operators.workload import make

    accumulate = "int32" if case.types == INT8 else "float32"
    dtypes = {**asdict(case.types), "accumulate": accumulate}
    return make(case.operator, case.shape, name=case.name, dtypes=dtypes, count=case.count)


@cache
def floats() -> tuple[Case, ...]:
    """The same in bfloat16."""
    return tuple(replace(case, name=f"{case.name} bf16", types=BFLOAT16) for case in cases())


def find(name: str) -> Case:
    """The case of this name; raises KeyError."""
    for case in (*cases(), *beside(), *floats()):
        if case.name == name:
            return case
    raise KeyError(name)


def _name(file: str, name: str) -> str:
    network = _NETWORKS.get(file)
    return f"{network} {name}" if network else name


def _family(workload: Any) -> str:
    prefix = workload.name.partition("-")[0]
    if prefix in _PAPER:
        return _PAPER[prefix]
    if workload.operator == "depthwise_conv2d":
        return "depthwise"
    return "first layer" if workload.shape.get("in_channels", 64) <= 4 else "ResNet-50"
