"""The accelerator of the mma.sync benchmark has no wgmma, and its section tells what was measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import mma_sync
from benchmarks.gpu.tuning import chosen
from heron_cli.accelerator.loader import load
from heron_cli.session import make_task


def row(name: str, ratio: float) -> dict[str, Any]:
    times = {"heron": 1e-3, "128×128": ratio * 1e-3, "64×64": 2 * ratio * 1e-3, "cuBLAS": 5e-4}
    return {
        "name": name, "knobs": {"tile.i": 4}, "times": times, "spread": 0.01, "trials": 64,
        "flops": 5e11, "failed": 0,
    }  # fmt: skip


def found(*ratios: float) -> dict[str, Any]:
    machine = {"gpu": "a GPU", "torch": "2", "state": "cool", "mma.sync, FLOP/s": 6e14, mma_sync.RANDOM: 5e14}
    rows = [row(f"GEMM-{i}", ratio) for i, ratio in enumerate(ratios)]
    return {"machine": machine, "triton": "3", "tried": 120, "failed": 8, "rows": rows}


def test_the_accelerator_multiplies_by_mma_sync_alone() -> None:
    from argparse import Namespace

    accelerator = load(mma_sync.ACCELERATOR)
    for _, work in chosen(Namespace(workloads=[mma_sync.WORKLOADS], part="0/1", only="")):
        variants = make_task(work, accelerator).variants
        assert variants
        assert all(variant.template.tensorize.intrinsic.name == "mma" for variant in variants)
    assert not [each for each in accelerator.intrinsics if each.name.startswith("wgmma")]


@pytest.mark.parametrize(
    ("ratios", "missed"), [((0.95, 1.2), False), ((0.94, 1.2), True), ((1.2,), True), ((), True)]
)
def test_the_bar_holds_for_both_products(ratios: tuple[float, ...], missed: bool) -> None:
    assert mma_sync.missed(found(*ratios)["rows"]) == missed


def test_the_section_compares_with_tritons_fastest_and_stays(tmp_path: Path) -> None:
    (tmp_path / "found.json").write_text(json.dumps(found(1.25, 0.5)))
    page = tmp_path / "page.md"
    page.write_text("# Page\n")
    mma_sync.keep(page, tmp_path)
    text = page.read_text()
    assert text.startswith(f"# Page\n\n{mma_sync.TITLE}\n")
    assert (
        "| GEMM-0 | 1000.0 | 1250.0 | **1.250** | ≥ 0.95 | met | 500 | 400 | 1.00 | 1000 | 64 | 0.01 |"
        in text
    )
    assert "| GEMM-1 | 1000.0 | 500.0 | **0.500** | ≥ 0.95 | **missed** |" in text
    assert "fastest of 120 configurations (8 more did not run)" in text
    assert "GEMM-0: heron {'tile.i': 4}; Triton 128×128" in text
    assert "500 TFLOP/s with random operands, 600 with small ones" in text


def test_the_peer_compiles_to_mma_sync_alone() -> None:
    pytest.importorskip("triton")
    from benchmarks.gpu import triton_product

    every = triton_product.configs()
    assert len(set(every)) == len(every) > 100
    built = triton_product.build(every[-1])
    assert isinstance(built, triton_product.Built), built
    assert built.code[:4] == b"\x7fELF" and built.extra == 2 and built.shared > 0
