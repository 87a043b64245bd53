"""The page of the comparison on a GPU, from made-up times."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gpu.page import ratio, write

MACHINE = {
    "file": "", "name": "machine", "gpu": "a GPU", "torch": "2", "cudnn": 9, "versions": {"heron": "1"},
    "state": "clocks: 1", "matmul 8192, FLOP/s": 1e14,
    "copy of 1 GiB, bytes/s": 1e12, "mma.sync, FLOP/s": 6e13,
}  # fmt: skip


def row(file: str, name: str, heron: float, theirs: float, **more: Any) -> dict[str, Any]:
    times = {"heron": heron, "matmul": theirs, "slow": 9 * theirs}
    return {
        "file": file, "name": name, "count": 1, "warm": times, "cold": {"heron": heron, "matmul": 2 * theirs},
        "spread": {"heron": 0.01}, "variant": "v", "trials": 5, "statuses": {"ok": 4, "timeout": 1},
        "flops": 100, "bytes": 10, **more,
    }  # fmt: skip


def page(folder: Path, *rows: dict[str, Any]) -> str:
    source = folder / "rows.jsonl"
    source.write_text("".join(json.dumps(each) + "\n" for each in (MACHINE, *rows)))
    write(source, folder / "page.md", ["a remark"])
    return (folder / "page.md").read_text()


def test_the_fastest_call_of_the_peer_counts() -> None:
    assert ratio({"heron": 2.0, "matmul": 3.0, "slow": 9.0}) == 1.5


def test_families_have_their_geometric_mean_and_their_least(tmp_path: Path) -> None:
    file = "heron-operators-tensorcore"
    text = page(tmp_path, row(file, "GEMM-a", 1e-6, 1e-6), row(file, "GEMM-b", 1e-6, 4e-6))
    assert "| GEMM | 2 | 2.00 | 1.00 | 4.00 | 2.00 |" in text
    assert "2 workloads, 10 trials, 2 of them not ok." in text
    assert "a remark" in text


def test_kernels_that_overlap_are_also_compared_alone(tmp_path: Path) -> None:
    file, alone = "heron-operators-tensorcore", {"warm": 2e-6, "cold": 4e-6}
    text = page(tmp_path, row(file, "GEMM-a", 1e-6, 4e-6, alone=alone))
    assert "| all, without overlap | 1 | 2.00 | 2.00 | 2.00 | 2.00 |" in text
    assert "all, without overlap |" not in page(tmp_path, row(file, "GEMM-a", 1e-6, 4e-6))


def test_layers_of_a_network_count_as_often_as_they_occur(tmp_path: Path) -> None:
    text = page(tmp_path, row("bert", "a", 1e-6, 1e-6, count=3), row("bert", "b", 1e-6, 5e-6))
    assert "| bert | 2 | 4.0 | 8.0 | 2.00 | 4.00 |" in text
    assert "| bert, sum of layers × count | 2.000 | 2.000 | ≥ 1.1 | met |" in text


def test_bars_are_judged_with_overlap_and_without(tmp_path: Path) -> None:
    file, alone = "heron-operators-tensorcore", {"warm": 4e-6, "cold": 4e-6}
    text = page(tmp_path, row(file, "GEMM-a", 1e-6, 3e-6, alone=alone), row(file, "C2D-b", 1e-6, 9e-7))
    assert "| all operators, geometric mean | 1.643 | 0.822 | ≥ 1.3 | met with overlap only |" in text
    assert "| C2D (1) | 0.900 | 0.900 | ≥ 1.0 | **missed** |" in text
    assert "| GEMM-8192 | 1.000 | 1.000 | ≥ 0.95 | met |" in page(
        tmp_path, row("large-gemm", "GEMM-8192", 1e-6, 1e-6)
    )


def test_rows_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    text = page(tmp_path, *(row("bert", f"layer-{i}", 1e-6, 1e-6) for i in (10, 2)))
    assert text.index("| layer-2 |") < text.index("| layer-10 |")


@pytest.mark.parametrize("later", [True, False])
def test_what_failed_is_named_unless_it_was_measured_later(tmp_path: Path, later: bool) -> None:
    failed = {"file": "net", "name": "a", "count": 1, "error": "RuntimeError: wrong"}
    text = page(
        tmp_path, failed, *([row("net", "a", 1e-6, 1e-6)] if later else [row("net", "b", 1e-6, 1e-6)])
    )
    assert ("RuntimeError: wrong" in text) is not later
