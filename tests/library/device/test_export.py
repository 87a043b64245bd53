"""What the export of GPU kernels writes, and that they are run where a GPU is."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from heron_cli.backends.cuda.toolchain import toolchain
from heron_cli.errors import InputError
from heron_cli.library.export import export
from heron_cli.library.item import ExportItem, Fallback
from heron_cli.library.manifest import sha256
from heron_cli.operators.workload import make

from .conftest import MakeItem, Stub

Items = Sequence[ExportItem]
BOX = {
    "operand": 0, "type": "bfloat16", "extents": [64, 40, 3], "strides": [128, 5120], "swizzle": 128,
    "mode": "box", "box": [64, 32, 1],
}  # fmt: skip
COLUMN = {
    "operand": 0, "type": "int8", "extents": [64, 14, 12, 2], "strides": [64, 896, 10752], "swizzle": 64,
    "mode": "column", "lower": [-1, -2], "upper": [1, 0], "steps": [1, 2, 1, 1], "channels": 64, "pixels": 96,
}  # fmt: skip


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_manifest_tells_everything(library: Path, items: Items) -> None:
    content = json.loads((library / "manifest.json").read_text())
    assert (content["schema"], content["memory"], content["alignment"]) == ("heron/library/1", "device", 16)
    assert content["platform"].endswith("-cuda")
    files = tree(library)
    assert set(content["files"]) == set(files) - {"manifest.json"}
    assert all(sha256(files[name]) == digest for name, digest in content["files"].items())
    assert [fallback["reason"] for fallback in content["fallbacks"]] == ["never tuned"]
    by_workload = {kernel["workload"]: kernel for kernel in content["kernels"]}
    assert set(by_workload) == {item.workload.key for item in items}
    for item in items:
        kernel = by_workload[item.workload.key]
        assert kernel["code_sha256"] == sha256(item.kernel.code)
        assert kernel["record"] == item.record.digest
        assert (kernel["architecture"],) == tuple(kernel["requires"]) == item.requires
        assert kernel["seconds"] == 2e-5
        shared = files["lib/libheron_kernels.so"]
        assert item.kernel.code in shared and item.kernel.code in files["lib/libheron_kernels.a"]
    packing, plain = (by_workload[f"gemm[{shape}]:u8s8s32"] for shape in ("m=17,n=33,k=21", "m=4,n=5,k=6"))
    assert packing["launch"] == {
        "version": 2,
        "function": "heron_kernel",
        "grid": [6, 2, 1],
        "threads": 128,
        "shared": 98304,
        "parameters": [{"operand": number, "map": None} for number in range(3)],
        "overlap": False,
    }
    assert packing["pack_launch"]["grid"] == [3, 1, 1] and packing["pack_launch"]["threads"] == 256
    assert plain["pack_launch"] is None and plain["operands"][1]["packed_bytes"] == 30


def test_equal_kernels_give_equal_bytes(library: Path, items: Items, tmp_path: Path) -> None:
    fallback = Fallback(make("gemm", {"m": 3, "n": 3, "k": 3}), "never tuned")
    out = tmp_path / "elsewhere"
    done = export(list(reversed(items)), out, toolchain, fallbacks=[fallback], version="1.2.3", check=False)
    assert tree(out) == tree(library)
    assert done.kernels == len(items)


def test_a_launch_is_part_of_what_a_library_is(library: Path, items: Items, tmp_path: Path) -> None:
    kernel = replace(items[0].kernel, launch={**items[0].kernel.launch, "blocks": 7})
    export(
        [replace(items[0], kernel=kernel), *items[1:]],
        tmp_path / "o",
        toolchain,
        version="1.2.3",
        check=False,
    )
    ids = {json.loads((each / "manifest.json").read_text())["build_id"] for each in (library, tmp_path / "o")}
    assert len(ids) == 2


def test_architecture_that_cannot_be_checked(items: Items, tmp_path: Path) -> None:
    item = replace(items[0], requires=("gfx90a",))
    with pytest.raises(InputError, match="cannot check for GPU architecture 'gfx90a'"):
        export([item], tmp_path / "out", toolchain)


EXPORT = """
import sys, pickle
from pathlib import Path
from heron_cli.backends.cuda.toolchain import toolchain
from heron_cli.errors import HeronError
from heron_cli.library.export import export
items = pickle.loads(Path(sys.argv[1]).read_bytes())
try:
    print(len(export(items, Path(sys.argv[2]), toolchain).unchecked), "unchecked")
except HeronError as error:
    print(error)
"""


@pytest.fixture
def exported(tmp_path: Path) -> Callable[..., str]:
    """Export with a driver; gives what is said."""
    import pickle

    def run(stub: Stub, items: Items, **options: object) -> str:
        (tmp_path / "items").write_bytes(pickle.dumps(list(items)))
        return stub.python(EXPORT, tmp_path / "items", tmp_path / "out", **options).strip()

    return run


def test_kernels_are_run_before_anything_is_written(
    items: Items, stub: Stub, tmp_path: Path, make_gemm: MakeItem, exported: Callable[..., str]
) -> None:
    # the third is for another GPU, as the first two are not run, but those after it are
    assert exported(stub, items[:3]) == "1 unchecked"
    assert len(stub.calls("cuLaunchKernel heron_kernel ")) == 2
    before = tree(tmp_path / "out")
    wrong = make_gemm(4, 6, 6, image="STUB heron_kernel:3 heron_kernel_pack:2 gemm:4,6,5\n")
    said = exported(stub, [items[1], wrong])
    assert said.endswith("the directory is not empty; name another, or replace it with --force")
    (tmp_path / "out").rename(tmp_path / "first")
    said = exported(stub, [items[1], wrong])
    assert "nothing was exported: gemm[m=4,n=6,k=6]:u8s8s32 is wrong once linked: " in said
    assert not (tmp_path / "out").exists()
    said = exported(stub, items[:1], fail="cuLaunchKernel=719")
    assert "nothing was exported: gemm[m=17" in said and said.endswith("unspecified launch failure (719)")
    said = exported(stub, items[:1], fail="cuStreamSynchronize=719")  # what goes wrong when the kernel runs
    assert said.startswith("nothing was exported: gemm[m=17")
    assert said.endswith("cuStreamSynchronize: unspecified launch failure")
    assert tree(tmp_path / "first") == before


def test_without_a_gpu_nothing_is_run(
    items: Items, stub_of: Callable[[Path], Stub], broken_driver: Path, exported: Callable[..., str]
) -> None:
    assert exported(stub_of(broken_driver), items) == f"{len(items)} unchecked"


def test_tensor_maps_are_those_of_the_measuring_process(
    make_gemm: MakeItem, stub: Stub, tmp_path: Path
) -> None:
    item = make_gemm(4, 5, 6, packs=False, image="STUB heron_kernel:3+2 gemm:4,5,6\n")
    launch = {**item.kernel.launch, "maps": [BOX, {**COLUMN, "operand": 1}]}
    export(
        [replace(item, kernel=replace(item.kernel, launch=launch))], tmp_path / "o", toolchain, check=False
    )
    (kernel,) = json.loads((tmp_path / "o/manifest.json").read_text())["kernels"]
    assert [parameter["map"] for parameter in kernel["launch"]["parameters"]][3:] == launch["maps"]
    code = """
import sys, json, numpy as np
from ctypes import c_uint64
from heron_cli.backends.cuda.driver import encode
from heron_cli.library import load
from tensors import Interface, on_gpu
operands = [on_gpu(np.zeros(s, t)) for s, t in (((4, 6), "u1"), ((5, 6), "i1"), ((4, 5), "i4"))]
for each in json.loads(sys.argv[2]):
    encode(each, c_uint64(operands[each["operand"]].ctypes.data))
load(sys.argv[1]).kernels[0](*map(Interface, operands[:2]), out=Interface(operands[2]))
print(",".join(hex(operands[i].ctypes.data) for i in (0, 1, 2, 0, 1)))
"""
    printed = stub.python(code, tmp_path / "o", json.dumps(launch["maps"])).split()[-1]
    made = [call for call in stub.calls() if call.startswith(("cuTensorMap", "columns"))]
    assert made == made[:3] * 2
    assert made[0] == "cuTensorMapEncodeTiled type=9 swizzle=3,2 64/0/64 40/128/32 3/5120/1"
    (call,) = stub.calls("cuLaunchKernel")
    assert call.endswith(f"parameters={printed}")
    with pytest.raises(AssertionError, match="cuTensorMapEncodeTiled: unknown error"):
        stub.python(code, tmp_path / "o", "[]", fail="cuTensorMapEncodeTiled=1")
