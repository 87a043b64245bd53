"""The whole way: kernels that heron generates, in a library, called without TVM."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from heron_cli.backends.base import Kernel
from heron_cli.backends.x86.host import missing_flags
from heron_cli.backends.x86.toolchain import toolchain
from heron_cli.library.export import export
from heron_cli.library.item import ExportItem
from heron_cli.operators.workload import Workload, make
from heron_cli.records import Record
from heron_cli.trial import Candidate, Measurement, Status, Trial

SHAPES: list[tuple[str, dict[str, object]]] = [
    ("gemm", {"m": 17, "n": 50, "k": 147}),
    ("gemm", {"m": 64, "n": 64, "k": 64}),
    ("conv2d", {"height": 9, "width": 9, "in_channels": 8, "out_channels": 32, "kernel": 3, "padding": 1}),
    ("depthwise_conv2d", {"height": 9, "width": 9, "channels": 37, "kernel": 3, "padding": 1}),
    (
        "conv2d",
        {
            "height": 8,
            "width": 7,
            "in_channels": 3,
            "out_channels": 16,
            "kernel": 3,
            "stride": 2,
            "layout": "NCHW",
        },
    ),
]


def generated(workload: Workload, threads: int) -> ExportItem:
    """A random candidate of the workload's first variant, built."""
    from heron_cli.accelerator.loader import load
    from heron_cli.backends import registry
    from heron_cli.schedule.task import Task
    from heron_cli.space import TableSampler

    accelerator = load("dlboost")
    task = Task(workload, accelerator, threads)
    variant = task.variants[0]
    row = TableSampler(variant.space).sample(1, np.random.default_rng(3))[0]
    values = dict(zip(variant.space.names, map(int, row), strict=True))
    candidate = Candidate.of(variant.name, values)
    kernel: Kernel = registry.get(accelerator.backend).build(task, candidate, threads=threads)
    trial = Trial(candidate, Measurement(Status.OK, seconds=1e-5, verified=True, program=kernel.program))
    versions = {"heron": "0.1.0"}
    record = Record(
        workload.key,
        {},
        workload.operator,
        "dlboost",
        accelerator.digest,
        threads,
        trial,
        0,
        "cga",
        versions,
        "now",
    )
    return ExportItem(workload, kernel, record, tuple(accelerator.requires.cpu_flags))


@pytest.mark.vnni
@pytest.mark.skipif(bool(missing_flags(["avx512_vnni"])), reason="needs AVX-512 VNNI")
def test_generated_kernels(tmp_path: Path) -> None:
    items = [generated(make(operator, shape), threads) for threads, (operator, shape) in enumerate(SHAPES, 1)]
    done = export(items, tmp_path / "out", toolchain)  # runs and compares each of them
    assert done.unchecked == ()
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert [kernel["threads"] for kernel in manifest["kernels"]] != [1] * 5
    undefined = subprocess.run(
        ["nm", "-D", "--undefined-only", tmp_path / "out/lib/libheron_kernels.so"],
        capture_output=True,
        text=True,
    )
    assert "TVM" not in undefined.stdout
    code = """
import sys, numpy as np
sys.path.insert(0, sys.argv[1] + "/python")
import heron_kernels
kernel = heron_kernels.load(sys.argv[1]).find("gemm", m=17)
a, b = np.full((17, 147), 255, np.uint8), np.full((50, 147), -128, np.int8)
assert (kernel(a, kernel.pack(b)) == 147 * 255 * -128).all()
assert "tvm" not in sys.modules
"""
    fresh = subprocess.run([sys.executable, "-c", code, tmp_path / "out"], capture_output=True, text=True)
    assert fresh.returncode == 0, fresh.stderr
