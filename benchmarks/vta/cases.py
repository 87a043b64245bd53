"""What is compared: the layers of ResNet-18 and three square products; which of them by several methods."""

from __future__ import annotations

from heron_cli.configs import config_dir
from heron_cli.operators.workload import Workload, load_file, make

MACHINE, TIGHT = "vta", "vta-small"
SQUARES = (64, 256, 1024)
NARROW = ("C2", "C6", "C9", "C12")
"""The 3x3 layers with stride 1, whose geometric mean has a bar."""
COMPARED = ("C2", "C9", "C12")
"""Those on which methods are compared, on both machines."""

METHODS = ("cga", "random", "model-random", "ga-repair", "ga-penalty", "sa")
TRIALS = (25, 50, 100, 200)
BUDGET = 50
"""Trials within which the bars are to be met."""
SEEDS = 10


def workloads() -> dict[str, Workload]:
    """By name."""
    layers = load_file(config_dir() / "workloads" / "resnet18-vta.yaml")
    types = {"input": "int8", "weight": "int8", "accumulate": "int32", "output": "int8"}
    squares = [make("gemm", {"m": n, "n": n, "k": n}, name=f"gemm {n}³", dtypes=types) for n in SQUARES]
    return {workload.name: workload for workload in (*layers, *squares)}
