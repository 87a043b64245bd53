"""A library of programs: what is in it, that its driver reads it, and that nothing wrong is written."""

from __future__ import annotations

import hashlib
import json
import struct
import subprocess
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heron_cli.accelerator.loader import load
from heron_cli.backends.vta.backend import backend
from heron_cli.backends.vta.binary import read_program
from heron_cli.backends.vta.checks import dram_bytes
from heron_cli.backends.vta.config import VtaConfig
from heron_cli.backends.vta.encoding import decode
from heron_cli.backends.vta.exporter import VtaExporter, exporter
from heron_cli.backends.vta.isa import Load, Store
from heron_cli.backends.vta.layout import Layouts
from heron_cli.backends.vta.packed import Packed
from heron_cli.errors import HeronError, InputError
from heron_cli.library.item import ExportItem, Fallback
from heron_cli.library.programs import ProgramItem, export
from heron_cli.operators.workload import make
from heron_cli.schedule.task import Task
from heron_cli.space import TableSampler
from heron_cli.trial import Candidate, Measurement, Status, Trial

from .conftest import record_of

TYPES = {"input": "int8", "weight": "int8", "accumulate": "int32", "output": "int8"}
GEMM = {"m": 20, "n": 33, "k": 40}
CONV = {
    "height": 7, "width": 6, "in_channels": 20, "out_channels": 18, "kernel": [3, 2], "stride": [2, 1],
    "padding": 1, "layout": "NCHW",
}  # fmt: skip
MACHINE = load("vta")
CONFIG = VtaConfig.of(MACHINE)


def item(operator: str, shape: Mapping[str, object], name: str | None = None) -> ProgramItem:
    flags = {"bias": (True, "here"), "residual": (True, "here")}
    workload = make(operator, shape, name=name, dtypes=TYPES, epilogue=flags)
    task = Task(workload, MACHINE)
    variant = task.variants[0]
    row = TableSampler(variant.space).sample(1, np.random.default_rng(3))[0]
    values = dict(zip((knob.name for knob in variant.space.knobs), map(int, row), strict=True))
    candidate = Candidate.of(variant.name, values)
    kernel = backend.build(task, candidate, threads=1)
    measurement = Measurement(Status.OK, cycles=int(kernel.metrics["cycles"]), verified=True)
    record = record_of(
        workload, trial=Trial(candidate, measurement), target="vta", target_digest=MACHINE.digest
    )
    return ProgramItem(ExportItem(workload, kernel, record), task)


@pytest.fixture(scope="module")
def items() -> list[ProgramItem]:
    return [item("gemm", GEMM, "dense"), item("conv2d", CONV, "res/3x2 é")]


@pytest.fixture(scope="module")
def library(items: list[ProgramItem], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("library") / "out"
    missing = [Fallback(make("gemm", {**GEMM, "m": 1}, name="gone"), "never tuned")]
    written = export(items, out, MACHINE, exporter, fallbacks=missing)
    assert (written.kernels, written.unchecked) == (2, ())
    assert sorted(written.files) == sorted(
        str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()
    )
    return out


@pytest.fixture(scope="module")
def driver(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported driver with a device that only remembers, as a program."""
    binary = tmp_path_factory.mktemp("driver") / "driver"
    sources = [Path(__file__).with_name("driver_main.c"), library / "driver/heron_vta_driver.c"]
    flags = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-fsanitize=undefined"]
    subprocess.run(["cc", *flags, f"-I{library / 'driver'}", *sources, "-o", binary], check=True)
    return binary


def manifest(library: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((library / "manifest.json").read_text())
    return content


def test_the_manifest_says_what_every_file_is(library: Path, items: list[ProgramItem]) -> None:
    content = manifest(library)
    assert (content["schema"], content["platform"]) == ("heron/library/1", "vta")
    assert content["accelerator"] == {"name": "vta", "digest": MACHINE.digest}
    assert [each["name"] for each in content["fallbacks"]] == ["gone"]
    assert [each["file"] for each in content["kernels"]] == ["programs/dense.bin", "programs/res_3x2.bin"]
    for name, digest in content["files"].items():
        assert hashlib.sha256((library / name).read_bytes()).hexdigest() == digest
    for entry, each in zip(content["kernels"], items, strict=True):
        program = read_program((library / entry["file"]).read_bytes(), CONFIG)
        assert entry["workload"] == each.item.workload.key
        assert entry["epilogue"] == {
            **entry["epilogue"],
            "bias": True,
            "residual": True,
            "shift": 8,
            "low": 0,
            "high": 127,
        }
        assert entry["cycles"] == each.item.record.trial.measurement.cycles
        assert entry["record"] == each.item.record.digest
        assert entry["instructions"] == len(program.instructions)
        assert entry["micro_ops"] == len(program.uops)
        names = [tensor["name"] for tensor in entry["tensors"]]
        assert names == ["input", "weight", "bias", "residual", "output", "uops"]


def test_the_described_layout_is_the_one_that_programs_use(items: list[ProgramItem]) -> None:
    for each in items:
        candidate = each.item.record.trial.candidate
        layouts = Layouts.of(each.task.variant(candidate.variant).nest(candidate), CONFIG)
        for layout in (layouts.input, layouts.weight, *layouts.added, layouts.output):
            packed = Packed.of("x", layout, "int32")
            assert Packed.read({"name": "x", **json.loads(json.dumps(packed.document()))}) == packed
            array = np.arange(np.prod(layout.access.shape()), dtype="int32").reshape(layout.access.shape())
            assert np.array_equal(packed.pack(array), layout.pack(array))
            assert np.array_equal(packed.unpack(packed.pack(array)), array)


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [5]},
        {"dims": []},
        {"dims": [{"axis": 0, "block": 1, "extent": 3}, {"axis": 1, "block": 16, "extent": 2}]},
        {"element": [{"axis": 0, "size": 16}]},
    ],
)
def test_a_description_that_fits_no_tensor_is_refused(change: dict[str, Any]) -> None:
    good = {
        "name": "x", "dtype": "int8", "shape": [4, 20],
        "dims": [{"axis": 0, "block": 1, "extent": 4}, {"axis": 1, "block": 16, "extent": 2}],
        "element": [{"axis": None, "size": 1}, {"axis": 1, "size": 16}],
    }  # fmt: skip
    Packed.read(good)
    with pytest.raises(ValueError, match="its"):
        Packed.read({**good, **change})


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("address", [0, 0x1234567])
def test_the_driver_reads_what_python_reads(library: Path, driver: Path, index: int, address: int) -> None:
    entry = manifest(library)["kernels"][index]
    path = library / entry["file"]
    program = read_program(path.read_bytes(), CONFIG)
    done = subprocess.run([driver, path, str(address)], capture_output=True, text=True, check=True)
    said: dict[str, list[list[str]]] = {}
    for line in done.stdout.splitlines():
        kind, *words = line.split()
        said.setdefault(kind, []).append(words)
    alignment = program.alignment(CONFIG)
    counts = [len(program.tensors), len(program.uops), len(program.instructions), program.image_bytes(CONFIG)]
    assert said["program"] == [[str(value) for value in (*counts, alignment)]]
    assert said["tensor"] == [
        [str(tensor[key]) for key in ("name", "offset", "bytes", "elements", "element_bytes")]
        for tensor in entry["tensors"]
    ]
    image = -(-address // alignment) * alignment
    assert said["image"] == [[str(image)]]
    code = -(-(image + program.image_bytes(CONFIG)) // 16) * 16
    writes = [(8, len(program.instructions)), (16, code & 0xFFFFFFFF), (20, code >> 32), (0, 1)]
    assert said["register"] == [[str(offset), str(value)] for offset, value in writes]
    assert said["wait"] == [["250"]]
    moved = [
        replace(each, dram_base=each.dram_base + image // dram_bytes(each.memory, CONFIG))
        if isinstance(each, Load | Store)
        else each
        for each in program.instructions
    ]
    assert [decode(bytes.fromhex(words[0]), CONFIG) for words in said["code"]] == moved


def patched(data: bytes, offset: int, value: bytes, *, sealed: bool = True) -> bytes:
    changed = bytearray(data)
    changed[offset : offset + len(value)] = value
    if sealed:
        changed[28:32] = struct.pack("<I", zlib.crc32(changed[72:]))
    return bytes(changed)


@pytest.mark.parametrize(
    ("damage", "status"),
    [
        (lambda data: b"ELF", 1),
        (lambda data: patched(data, 0, b"X"), 1),
        (lambda data: patched(data, 8, b"\2"), 2),
        (lambda data: data[:40], 3),
        (lambda data: data[:-16], 3),
        (lambda data: data + bytes(16), 3),
        (lambda data: patched(data, 16, b"\xff\xff\xff\xff"), 3),
        (lambda data: patched(data, 100, b"\1", sealed=False), 4),
        (lambda data: patched(data, 32, b"\0"), 5),
        (lambda data: patched(data, 72 + 48, b"\xff" * 8), 6),
        (lambda data: patched(data, 72 + 44, b"\0" * 4), 6),
    ],
)
def test_the_driver_refuses_damaged_files(
    library: Path, driver: Path, tmp_path: Path, damage: Any, status: int
) -> None:
    data = (library / "programs/dense.bin").read_bytes()
    (tmp_path / "bad.bin").write_bytes(damage(data))
    done = subprocess.run([driver, tmp_path / "bad.bin", "0"], capture_output=True, text=True)
    assert done.returncode == status
    assert done.stdout.startswith(f"status {status} ")


def test_an_address_beyond_the_instructions_field_is_refused(library: Path, driver: Path) -> None:
    path = library / "programs/dense.bin"
    done = subprocess.run([driver, path, str(1 << 60)], capture_output=True, text=True)
    assert done.returncode == 8


class Wrong(VtaExporter):
    def run(self, *arguments: Any) -> Any:
        return super().run(*arguments) ^ 1


def test_nothing_is_written_when_a_program_is_wrong(items: list[ProgramItem], tmp_path: Path) -> None:
    with pytest.raises(HeronError, match=r"nothing was exported: gemm.* elements are wrong"):
        export(items, tmp_path / "out", MACHINE, Wrong())
    assert not (tmp_path / "out").exists()


def test_an_export_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no kernel"):
        export([], tmp_path / "out", MACHINE, exporter)


def test_equal_names_get_files_of_their_own_and_old_ones_go(items: list[ProgramItem], tmp_path: Path) -> None:
    export(items, tmp_path / "out", MACHINE, exporter)
    (tmp_path / "out/mine.txt").write_text("kept")
    twins = [items[0], item("gemm", {**GEMM, "m": 3}, "Dense")]
    with pytest.raises(InputError, match="not empty"):
        export(twins, tmp_path / "out", MACHINE, exporter)
    export(twins, tmp_path / "out", MACHINE, exporter, force=True)
    files = sorted((tmp_path / "out/programs").iterdir())
    assert [path.name[:6].lower() for path in files] == ["dense-", "dense-"]
    assert (tmp_path / "out/mine.txt").exists()
