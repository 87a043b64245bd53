"""Small real kernels, compiled from C, as the items of an export."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from heron_cli.backends.base import Kernel, Operand
from heron_cli.backends.x86.toolchain import toolchain
from heron_cli.library.export import export
from heron_cli.library.item import ExportItem, Fallback
from heron_cli.operators import registry
from heron_cli.operators.workload import Workload, make
from heron_cli.records import Record
from heron_cli.trial import Candidate, Measurement, Status, Trial

SOURCE = Path(__file__).with_name("kernels.c")
MakeItem = Callable[..., ExportItem]


def record_of(workload: Workload, seconds: float = 1e-5, **changes: object) -> Record:
    measurement = Measurement(Status.OK, seconds=seconds, spread=0.01, verified=True)
    values: dict[str, object] = {
        "workload": workload.key,
        "definition": {"operator": workload.operator},
        "operator": workload.operator,
        "target": "toy",
        "target_digest": "d" * 64,
        "threads": 1,
        "trial": Trial(Candidate.of("plain", {"tile.m": 4}), measurement),
        "seed": 0,
        "method": "cga",
        "versions": {"heron": "0.1.0", "tvm": "0.27.0", "cpu": "a CPU"},
        "created": "2026-11-23T10:00:00.000000+00:00",
    }
    return Record(**{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def make_item(tmp_path_factory: pytest.TempPathFactory) -> MakeItem:
    """Build the kernel of a gemm or conv2d workload: make_item("gemm", m=…, n=…, k=…)."""

    def build(
        operator: str, requires: tuple[str, ...] = (), fails: bool = False, **shape: object
    ) -> ExportItem:
        workload = make(operator, shape)
        folder = tmp_path_factory.mktemp("kernel")
        symbol = f"heron_{operator}"  # the same in all kernels of an operator, so that clashes would show
        macros = {"NAME": symbol, f"KIND_{operator}": "1", **({"FAILS": "1"} if fails else {})}
        if operator == "gemm":
            macros |= {name.upper(): str(shape[name]) for name in "mnk"}
        else:
            names = {"H": "height", "W": "width", "C": "in_channels", "O": "out_channels", "R": "kernel"}
            macros |= {macro: str(shape[name]) for macro, name in names.items()}
        flags = [f"-D{name}={value}" for name, value in macros.items()]
        subprocess.run(["cc", "-O2", "-fPIC", "-c", SOURCE, *flags, "-o", folder / "k.o"], check=True)
        operands = []
        for name, spec in registry.get(operator).specs(workload).items():
            packs = operator == "gemm" and spec.constant
            operands.append(Operand(name, spec.shape, spec.dtype, math.prod(spec.shape) if packs else None))
        kernel = Kernel(symbol, tuple(operands), (folder / "k.o").read_bytes(), f"program of {workload.key}")
        return ExportItem(workload, kernel, record_of(workload), requires)

    return build


@pytest.fixture
def compile_object(tmp_path: Path) -> Callable[[str], bytes]:
    """Compile C text to a relocatable object."""

    def compile_it(text: str) -> bytes:
        (tmp_path / "text.c").write_text(text)
        subprocess.run(["cc", "-O2", "-fPIC", "-c", "text.c", "-o", "text.o"], cwd=tmp_path, check=True)
        return (tmp_path / "text.o").read_bytes()

    return compile_it


CONV = {"height": 9, "width": 7, "in_channels": 3, "out_channels": 5, "kernel": 3}


@pytest.fixture(scope="session")
def items(make_item: MakeItem) -> list[ExportItem]:
    return [
        make_item("gemm", m=17, n=33, k=21),
        make_item("gemm", m=4, n=5, k=6),
        make_item("gemm", m=4, n=5, k=7),
        make_item("conv2d", **CONV),
        make_item("gemm", m=1, n=1, k=4, requires=(absent_flag(),)),
        make_item("gemm", m=1, n=1, k=8, fails=True),
    ]


def absent_flag() -> str:
    """A CPU feature that this machine has not got and that a library can check for."""
    from heron_cli.backends.x86.compiler import checkable_flags
    from heron_cli.backends.x86.host import missing_flags

    return missing_flags(sorted(checkable_flags()))[0]


@pytest.fixture(scope="session")
def library(items: list[ExportItem], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported library; tests must not write to it."""
    out = tmp_path_factory.mktemp("out") / "kernels"
    fallback = Fallback(make("gemm", {"m": 3, "n": 3, "k": 3}), "never tuned")
    export(items, out, toolchain, fallbacks=[fallback], version="1.2.3", check=False)
    return out
