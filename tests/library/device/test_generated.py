"""The whole way without a GPU: records, kernels that heron generates and compiles, a library."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from heron_cli.accelerator.loader import load
from heron_cli.backends import registry
from heron_cli.backends.base import Kernel
from heron_cli.cli import application
from heron_cli.operators.workload import Workload, make
from heron_cli.records import Store, current_versions
from heron_cli.schedule.task import Task
from heron_cli.session import definition
from heron_cli.space import TableSampler
from heron_cli.trial import Candidate, Measurement, Status, Trial

from ..conftest import record_of
from .conftest import Stub

TARGET = "tensorcore-sm90"
HALF = {"input": "float16", "weight": "float16", "accumulate": "float32", "output": "float16"}
CONV = {"height": 9, "width": 9, "in_channels": 64, "out_channels": 64, "kernel": 3, "padding": 1}

CALL = """
import sys, numpy as np
from heron_cli.library import load
from tensors import Interface, on_gpu
for kernel in load(sys.argv[1]).kernels:
    operands = [Interface(on_gpu(np.zeros(o["shape"], o["dtype"]))) for o in kernel.operands]
    for number, operand in enumerate(kernel.operands):
        if operand["packed_bytes"] is not None:
            form = Interface(on_gpu(np.zeros(operand["packed_bytes"], np.uint8)))
            operands[number] = kernel.pack(operands[number], out=form)
    kernel(*operands[:-1], out=operands[-1])
"""


def built(workload: Workload, variant: str) -> tuple[Candidate, Kernel]:
    """A random candidate of a variant, and its kernel."""
    task = Task(workload, load(TARGET), 1)
    (found,) = (each for each in task.variants if each.name == variant)
    row = TableSampler(found.space).sample(1, np.random.default_rng(3))[0]
    candidate = Candidate.of(found.name, dict(zip(found.space.names, map(int, row), strict=True)))
    return candidate, registry.get("cuda").build(task, candidate, threads=1)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records as `heron tune` would have written them on a machine with a GPU."""
    path = tmp_path_factory.mktemp("records") / "gpu.db"
    bias = {"bias": (True, "test"), "low": (0, "test")}
    with Store.open(path) as store:
        for workload, variant in (
            (make("gemm", {"m": 128, "n": 256, "k": 192}, dtypes=HALF), "gather-bulk-wgmma"),
            (make("conv2d", CONV, dtypes=HALF, epilogue=bias), "gather-threads-mma"),
        ):
            candidate, kernel = built(workload, variant)
            measured = Measurement(Status.OK, seconds=1e-5, verified=True, program=kernel.program)
            store.add(
                record_of(
                    workload,
                    definition=definition(workload),
                    target=TARGET,
                    target_digest=load(TARGET).digest,
                    trial=Trial(candidate, measured),
                    versions=current_versions(),
                )
            )
    return path


@pytest.mark.slow
@pytest.mark.cubin
def test_export_and_call(
    database: Path,
    stub: Stub,
    stub_of: Callable[[Path], Stub],
    broken_driver: Path,
    tmp_path: Path,
) -> None:
    arguments = ["--target", TARGET, "--db", database, "--out", tmp_path / "out", "--json"]
    code = "import sys; from heron_cli.cli import main; main()"
    said = json.loads(stub_of(broken_driver).python(code, "export-library", *arguments))
    kernels = {kernel["operator"]: kernel for kernel in manifest_of(tmp_path / "out")["kernels"]}
    assert sorted(said["unchecked"]) == sorted(kernel["workload"] for kernel in kernels.values())
    gemm, conv = kernels["gemm"], kernels["conv2d"]
    assert gemm["architecture"] == conv["architecture"] == "sm_90a"
    assert gemm["symbol"] == "heron_gemm_f16f16f16_f32_m128_n256_k192"
    assert conv["function"] == "heron_conv2d_f16f16f16_f32_bias_low0"
    maps = [parameter["map"] for parameter in gemm["launch"]["parameters"]]
    assert [found and found["operand"] for found in maps] == [None, None, None, 0, 1]
    assert conv["pack_launch"] is not None  # 3x3 filters are reordered
    # the driver finds all functions in the cubins, and is asked for the launches of the manifest
    stub.python(CALL, tmp_path / "out")
    for kernel in (gemm, conv):
        launch = kernel["launch"]
        grid = ",".join(map(str, launch["grid"]))
        shape = f"grid={grid} block={launch['threads']},1,1 shared={launch['shared']} "
        assert launch["overlap"]
        assert [call for call in stub.calls("cuLaunchKernelEx heron_kernel ") if shape in call]
    assert len(stub.calls("cuLaunchKernel heron_kernel_pack ")) == (gemm["pack_launch"] is not None) + 1
    assert len(stub.calls("cuTensorMapEncode")) == 2


def test_nothing_to_export(tmp_path: Path) -> None:
    with Store.open(tmp_path / "empty.db"):
        pass
    arguments = [
        "export-library",
        "--target",
        TARGET,
        "--db",
        tmp_path / "empty.db",
        "--out",
        tmp_path / "out",
    ]
    said = CliRunner().invoke(application, list(map(str, arguments)))
    assert re.search(
        f"no verified kernel for {TARGET} to export: none is recorded", said.output + said.stderr
    )
    assert said.exit_code == 2


def manifest_of(folder: Path) -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = json.loads((folder / "manifest.json").read_text())
    return found
