from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from heron_cli.backends import tools
from heron_cli.backends.x86.toolchain import X86Toolchain, toolchain
from heron_cli.errors import HeronError, InputError
from heron_cli.library.export import check_output, export
from heron_cli.library.item import ExportItem
from heron_cli.library.manifest import sha256
from heron_cli.library.toolchain import NativeLibrary

Items = Sequence[ExportItem]


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_manifest_tells_everything(library: Path, items: Items) -> None:
    content = json.loads((library / "manifest.json").read_text())
    assert content["schema"] == "heron/library/1"
    files = tree(library)
    assert set(content["files"]) == set(files) - {"manifest.json"}
    assert all(sha256(files[name]) == digest for name, digest in content["files"].items())
    assert content["fallbacks"] == [
        {"workload": "gemm[m=3,n=3,k=3]:u8s8s32", "name": "gemm-m=3,n=3,k=3", "reason": "never tuned"}
    ]
    by_workload = {kernel["workload"]: kernel for kernel in content["kernels"]}
    assert set(by_workload) == {item.workload.key for item in items}
    for item in items:
        kernel = by_workload[item.workload.key]
        assert kernel["code_sha256"] == sha256(item.kernel.code)
        assert kernel["record"] == item.record.digest
        assert kernel["requires"] == list(item.requires)
        assert kernel["seconds"] == 1e-5
        assert kernel["versions"]["tvm"] == "0.27.0"
    gemm, conv = by_workload["gemm[m=17,n=33,k=21]:u8s8s32"], content["kernels"][0]
    assert gemm["operands"][1] == {"name": "weight", "shape": [33, 21], "dtype": "int8", "packed_bytes": 693}
    assert conv["shape"]["kernel"] == [3, 3]
    assert conv["shape"]["layout"] == "NHWC"
    assert conv["operands"][1]["packed_bytes"] == 135  # passed packed although this kernel packs nothing


def test_equal_kernels_give_equal_bytes(library: Path, items: Items, tmp_path: Path) -> None:
    from heron_cli.library.item import Fallback
    from heron_cli.operators.workload import make

    fallback = Fallback(make("gemm", {"m": 3, "n": 3, "k": 3}), "never tuned")
    out = tmp_path / "elsewhere"
    done = export(list(reversed(items)), out, toolchain, fallbacks=[fallback], version="1.2.3", check=False)
    assert tree(out) == tree(library)
    assert done.bytes == sum(map(len, tree(out).values()))
    assert set(done.files) == set(tree(out))
    assert done.kernels == len(items)


def test_no_kernels(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no kernel to export"):
        export([], tmp_path / "out", toolchain)
    assert not (tmp_path / "out").exists()


def test_directory_that_is_not_empty(items: Items, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(
        InputError, match="the directory is not empty; name another, or replace it with --force"
    ):
        export(items[:1], tmp_path, toolchain)
    assert tree(tmp_path) == {"mine.txt": b"precious"}


def test_force_replaces_a_library_and_nothing_else(items: Items, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    export(items[:2], tmp_path, toolchain, force=True)
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.write_text("stays")
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "lib/stale.so").write_text("of an older heron")
    manifest["files"] |= {"lib/stale.so": "0", f"../{outside.name}": "0", str(outside): "0"}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    export(items[:1], tmp_path, toolchain, force=True)
    files = tree(tmp_path)
    assert files["mine.txt"] == b"precious"
    assert outside.read_text() == "stays"
    assert "lib/stale.so" not in files
    assert len(json.loads(files["manifest.json"])["kernels"]) == 1
    assert not [name for name in files if ".heron-export" in name]


@pytest.mark.parametrize("text", ["", "[1]", '{"schema": "another/1", "files": {"mine.txt": ""}}'])
def test_force_over_a_foreign_manifest(items: Items, tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    (tmp_path / "manifest.json").write_text(text)
    export(items[:1], tmp_path, toolchain, force=True)
    assert (tmp_path / "mine.txt").read_text() == "precious"


def test_output_is_a_file(items: Items, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file: not a directory"):
        check_output(tmp_path / "file", force=True)
    with pytest.raises(InputError, match="cannot write the library: Not a directory"):
        export(items[:1], tmp_path / "file" / "out", toolchain)


class FullDisk(X86Toolchain):
    def link(self, library: NativeLibrary, shared: Path, static: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_disk_full(items: Items, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="out: no space left on the disk; nothing was exported"):
        export(items[:1], tmp_path / "out", FullDisk())
    assert not (tmp_path / "out").exists()
    export(items[:1], tmp_path / "old", toolchain)
    before = tree(tmp_path / "old")
    with pytest.raises(InputError, match="no space left"):
        export(items[:2], tmp_path / "old", FullDisk(), force=True)
    assert tree(tmp_path / "old") == before


def test_tool_that_finds_the_disk_full(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left on device") as caught:
        tools.run_tool("cc", ["-x", "c", "-E", "-o", "/dev/full", os.devnull])
    assert caught.value.errno == errno.ENOSPC


def test_no_compiler(items: Items, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("ld", "ar", "objcopy"):
        (tmp_path / "bin" / name).symlink_to(tools.tool(name))
    tools.tool.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    try:
        with pytest.raises(InputError, match="no 'cc' on the PATH; install a C compiler such as gcc"):
            export(items[:1], tmp_path / "out", toolchain)
    finally:
        tools.tool.cache_clear()
    assert not (tmp_path / "out").exists()


def test_flag_that_cannot_be_checked(items: Items, tmp_path: Path) -> None:
    item = replace(items[0], requires=("avx2", "avx513"))
    with pytest.raises(InputError, match="cannot check for CPU flag 'avx513'"):
        export([item], tmp_path / "out", toolchain)


def test_same_workload_twice(items: Items, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="would hold two kernels"):
        export([items[0], items[0]], tmp_path / "out", toolchain)


@pytest.mark.parametrize("version", ["1", "1.2", "v1.2.3", "1.2.3-rc1", ""])
def test_bad_version(items: Items, tmp_path: Path, version: str) -> None:
    with pytest.raises(InputError, match="not of the form MAJOR"):
        export(items[:1], tmp_path / "out", toolchain, version=version)


def test_kernel_that_needs_an_unknown_symbol(
    items: Items, tmp_path: Path, compile_object: Callable[[str], bytes]
) -> None:
    code = compile_object(
        "extern int TVMFFIFunctionCall(void);"
        "int heron_conv2d(void *a, void *b, void *c) { return TVMFFIFunctionCall(); }"
    )
    conv = next(item for item in items if item.workload.operator == "conv2d")
    item = replace(conv, kernel=replace(conv.kernel, code=code))
    with pytest.raises(tools.ToolError, match="undefined reference to `TVMFFIFunctionCall'"):
        export([item], tmp_path / "out", toolchain)
    assert not (tmp_path / "out").exists()


def test_linked_kernels_are_run_before_anything_is_written(items: Items, tmp_path: Path) -> None:
    done = export([*items[:2], items[4]], tmp_path / "out", toolchain)
    assert done.unchecked == (items[4].workload.key,)  # needs a CPU feature that is not here
    wrong = replace(items[1], kernel=replace(items[1].kernel, code=items[2].kernel.code))
    before = tree(tmp_path / "out")
    with pytest.raises(
        HeronError, match=r"nothing was exported: gemm\[m=4,n=5,k=6\].* is wrong once linked: "
    ):
        export([items[0], wrong], tmp_path / "out", toolchain, force=True)
    with pytest.raises(HeronError, match=r"nothing was exported: .*: this kernel always fails"):
        export([items[5]], tmp_path / "out", toolchain, force=True)
    assert tree(tmp_path / "out") == before
