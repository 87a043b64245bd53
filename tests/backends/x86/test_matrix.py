"""Kernels of AMX: exact on the hardware, and where there is none by a handler in C for its instructions."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from heron_cli.accelerator.loader import load
from heron_cli.accelerator.model import Accelerator
from heron_cli.backends.base import BuildError, Kernel
from heron_cli.backends.x86 import backend, host, peak
from heron_cli.backends.x86.compile import merge
from heron_cli.backends.x86.host import missing_flags
from heron_cli.backends.x86.loader import load as load_kernel
from heron_cli.elements import numpy_type
from heron_cli.errors import InputError
from heron_cli.operators.epilogue import resolve
from heron_cli.operators.workload import Workload, make
from heron_cli.schedule.task import Task

from .generated import Apart, Job, build, draw, job_of

BFLOAT16 = {"input": "bfloat16", "weight": "bfloat16", "accumulate": "float32", "output": "float32"}
MACHINES: dict[str, dict[str, str]] = {"amx-int8": {}, "amx-bf16": BFLOAT16}
PADDED: dict[str, object] = {
    "height": 9, "width": 19, "in_channels": 70, "out_channels": 40, "kernel": 3, "padding": 1,
}  # fmt: skip
SHAPES: list[tuple[str, dict[str, object]]] = [
    ("gemm", {"m": 64, "n": 64, "k": 128}),
    ("gemm", {"m": 37, "n": 43, "k": 150}),
    ("gemm", {"m": 7, "n": 11, "k": 64}),
    ("gemm", {"m": 2, "n": 130, "k": 65}),
    ("gemm", {"m": 130, "n": 16, "k": 70}),
    ("gemm", {"m": 33, "n": 40, "k": 20}),
    ("gemm", {"m": 1, "n": 70, "k": 130}),
    ("gemv", {"m": 100, "k": 200}),
    ("bmm", {"batch": 3, "m": 18, "n": 35, "k": 66}),
    ("conv2d", {"height": 7, "width": 9, "in_channels": 70, "out_channels": 40, "kernel": 1}),
    ("conv2d", {**PADDED}),
    ("conv2d", {**PADDED, "stride": 2, "width": 37}),
    ("conv2d", {**PADDED, "height": 7, "width": 7, "batch": 2}),
    ("conv2d", {**PADDED, "width": 12, "kernel": [1, 5], "dilation": [1, 7], "padding": [0, 14]}),
    ("conv2d", {**PADDED, "in_channels": 3, "kernel": 5, "padding": 2}),
    ("conv2d", {**PADDED, "layout": "NCHW", "width": 21}),
    (
        "conv1d",
        {"width": 50, "in_channels": 64, "out_channels": 20, "kernel": 3, "padding": 1, "dilation": 2},
    ),
    (
        "conv2d_transpose",
        {"height": 4, "width": 18, "in_channels": 65, "out_channels": 20, "kernel": 3, "stride": 2},
    ),
]
IDS = [f"{operator}-{i}" for i, (operator, _) in enumerate(SHAPES)]


class Hardware:
    """Runs kernels as they are: the loader asks Linux for the registers, and no handler is there."""

    def machine(self, name: str) -> Accelerator:
        return load(name)

    def kernel(self, kernel: Kernel) -> Kernel:
        assert kernel.metrics["matrix_shapes"] == 1
        return kernel

    def job(self, workload: Workload, seed: int, threads: int, name: str) -> Job:
        task = Task(workload, load(name), threads)
        return job_of(task, draw(task.variants[seed % len(task.variants)], seed), seed)


@dataclass(frozen=True)
class Emulation:
    """Runs kernels on CPUs without AMX: its instructions are executed by a signal handler (matrix.c)."""

    handler: bytes

    def machine(self, name: str) -> Accelerator:
        """The accelerator, with code that has AMX and nothing else that this CPU may lack."""
        found = load(name)
        target = {**found.tvm_target, "mcpu": "x86-64-v3", "mattr": ["+amx-tile", "+amx-int8", "+amx-bf16"]}
        return replace(found, tvm_target=target)

    def kernel(self, kernel: Kernel) -> Kernel:
        """With the handler, and no need to ask Linux for anything."""
        assert kernel.metrics["matrix_shapes"] == 1
        return replace(kernel, code=merge([kernel.code, self.handler]), metrics={})

    def job(self, workload: Workload, seed: int, threads: int, name: str) -> Job:
        task = Task(workload, self.machine(name), threads)
        made = job_of(task, draw(task.variants[seed % len(task.variants)], seed), seed)
        # threads of the runtime's pool block signals, so that the caller does what several share
        return replace(made, kernel=self.kernel(made.kernel), threads=1)


@pytest.fixture(scope="module", params=["hardware", "emulation"])
def cpu(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Hardware | Emulation:
    """What runs kernels of AMX. Emulated ones would find the real registers on CPUs that have them."""
    missing = missing_flags([flag for name in MACHINES for flag in load(name).requires.cpu_flags])
    if request.param == "hardware":
        if missing:
            pytest.skip(f"needs {', '.join(dict.fromkeys(missing))}")
        return Hardware()
    if "amx_tile" not in missing:
        pytest.skip("this CPU has AMX")
    target = tmp_path_factory.mktemp("matrix") / "matrix.o"
    source = Path(__file__).with_name("matrix.c")
    flags = ["-O2", "-march=x86-64-v3", "-ffp-contract=off", "-fPIC", "-Wall", "-Werror"]
    subprocess.run(["cc", *flags, "-c", source, "-o", target], check=True)
    return Emulation(target.read_bytes())


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize(("operator", "shape"), SHAPES, ids=IDS)
def test_kernels_are_exact(
    apart: Apart, cpu: Hardware | Emulation, operator: str, shape: dict[str, object], name: str
) -> None:
    for seed in range(4):
        workload = make(operator, shape, dtypes=MACHINES[name])
        apart.run(cpu.job(workload, seed, 1 + seed % 2, name))


@pytest.mark.parametrize("epilogue", [{"bias": True, "low": 0}, {"bias": True, "residual": True}])
def test_epilogues(apart: Apart, cpu: Hardware | Emulation, epilogue: dict[str, object]) -> None:
    for seed, (operator, shape) in enumerate(SHAPES[1:10]):
        workload = make(operator, shape)
        added = resolve({name: (value, "here") for name, value in epilogue.items()}, workload.dtypes)
        apart.run(cpu.job(replace(workload, epilogue=added), seed, 1, "amx-int8"))


def test_requantisation(apart: Apart, cpu: Hardware | Emulation) -> None:
    for seed, (operator, shape) in enumerate(SHAPES[:10]):
        workload = make(operator, shape)
        types = replace(workload.dtypes, output="int8")
        added = resolve({"bias": (True, "here"), "scale": (True, "here")}, types)
        apart.run(cpu.job(replace(workload, dtypes=types, epilogue=added), seed, 2, "amx-int8"))


@pytest.mark.parametrize("name", MACHINES)
def test_a_peak_multiplies_every_sum_in_every_step(cpu: Hardware | Emulation, name: str) -> None:
    machine = cpu.machine(name)
    dot = peak.dot_of(machine.intrinsics[0])
    kernel = peak.build(dot, 4, machine.tvm_target)
    loaded = load_kernel(cpu.kernel(kernel), threads=1)
    operands = peak.buffers(kernel)
    loaded.call(operands)
    loaded.close()
    ones = operands[0].view(np.uint8)
    value = int(ones[0]) if not MACHINES[name] else float(ones.view(numpy_type("bfloat16"))[0])
    expected = peak.STEPS * dot.depth * value * value
    assert operands[2].size == 4 * 16 * 16
    np.testing.assert_allclose(operands[2].astype(np.float64), expected, rtol=1e-3 if MACHINES[name] else 0)


INSTRUCTIONS = {"amx-int8": "tdpbusd", "amx-bf16": "tdpbf16ps"}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", MACHINES)
def test_the_instructions(tmp_path: Path, name: str, threads: int) -> None:
    """A tile of 2 × 2 matrices loads two inputs and two weights a step, multiplies and stores four."""
    workload = make("gemm", {"m": 64, "n": 64, "k": 1024}, dtypes=MACHINES[name])
    task = Task(workload, load(name), threads)
    variant = task.variants[0]
    (row,), (lane,), (depth,) = (variant.template.einsum.group(group) for group in ("m", "n", "k"))
    tile = {f"register.{row.name}": 2, f"register.{lane.name}": 2, f"step.{depth.name}": 1}
    candidate = draw(variant, 0, {**{knob: (value,) for knob, value in tile.items()}, "store": (0,)})
    kernel = build(task, candidate)
    (tmp_path / "kernel.o").write_bytes(kernel.code)
    command = ["objdump", "-d", "--no-show-raw-insn", tmp_path / "kernel.o"]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = {
        word: listing.count(f"{word} ")
        for word in (INSTRUCTIONS[name], "tileloadd", "tilezero", "tilestored", "ldtilecfg", "tilerelease")
    }
    products = found[INSTRUCTIONS[name]]
    assert products == kernel.metrics["instructions"] and products % 4 == 0 and products
    assert found["tileloadd"] == products
    assert found["tilezero"] == found["tilestored"] and found["tilestored"] % 4 == 0
    assert found["ldtilecfg"] == kernel.metrics["matrix_shapes"] == 1
    assert listing.count("tilerelease") == 1


@pytest.mark.skipif(not missing_flags(["amx_tile"]), reason="this CPU has AMX")
def test_a_process_without_amx_is_told_in_one_line() -> None:
    task = Task(make("gemm", {"m": 16, "n": 16, "k": 64}), load("amx-int8"), 1)
    with pytest.raises(RuntimeError, match="this CPU has no AMX, or Linux does not let this process use it"):
        load_kernel(build(task, draw(task.variants[0], 0)), threads=1)


def test_channels_of_their_own_are_refused_in_one_line() -> None:
    shape = {"height": 9, "width": 11, "channels": 64, "kernel": 3}
    with pytest.raises(InputError, match="no n-like axis") as caught:
        _ = Task(make("depthwise_conv2d", shape), load("amx-int8"), 1).variants
    assert "\n" not in str(caught.value)


def test_tiles_of_too_many_registers_are_refused_in_one_line() -> None:
    machine = load("amx-int8")
    rules = tuple(rule for rule in machine.rules if rule.name != "register-budget")
    task = Task(make("gemm", {"m": 64, "n": 96, "k": 128}), replace(machine, rules=rules), 1)
    variant = task.variants[0]
    (row,), (lane,) = (variant.template.einsum.group(group) for group in ("m", "n"))
    candidate = draw(variant, 0, {f"register.{row.name}": (4,), f"register.{lane.name}": (2,)})
    with pytest.raises(
        BuildError, match=r"llvm.x86.tdpbusd: the tile needs 11 matrix registers; there are 8"
    ):
        build(task, candidate)


@pytest.mark.skipif(not missing_flags(["amx_tile"]), reason="this CPU has AMX")
def test_a_refusal_of_linux_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "missing_flags", lambda flags: [])
    (line,) = backend.unavailable({"cpu_flags": ["amx_tile", "amx_int8"]})
    assert line.startswith("Linux does not let this process use AMX: ")
    assert backend.unavailable({"cpu_flags": ["avx2"]}) == []
