from __future__ import annotations

from pathlib import Path

from heron_cli.backends.x86.host import Host, missing_flags


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_reads_another_machine(tmp_path: Path) -> None:
    write(tmp_path, "proc/cpuinfo", "processor\t: 0\nmodel name\t: A CPU\nflags\t\t: fma avx2\n")
    cache = "sys/devices/system/cpu/cpu0/cache"
    for i, (level, kind, size) in enumerate(
        [("1", "Data", "48K"), ("1", "Instruction", "32K"), ("2", "Unified", "2M"), ("3", "Unified", "")]
    ):
        for name, text in (("level", level), ("type", kind), ("size", size)):
            write(tmp_path, f"{cache}/index{i}/{name}", f"{text}\n")
    host = Host(tmp_path)
    assert host.cpu_model == "A CPU"
    assert host.missing_flags(["avx512f", "avx2", "amx_tile"]) == ["avx512f", "amx_tile"]
    assert host.cache_sizes() == {"L1d": 48 << 10, "L1i": 32 << 10, "L2": 2 << 20}


def test_machine_that_tells_nothing(tmp_path: Path) -> None:
    assert Host(tmp_path).cache_sizes() == {}
    assert Host(tmp_path).missing_flags(["avx2"]) == ["avx2"]


def test_this_machine() -> None:
    assert missing_flags(["no_such_flag"]) == ["no_such_flag"]
    assert missing_flags(["sse2"]) == []
