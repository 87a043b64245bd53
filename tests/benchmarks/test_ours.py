from __future__ import annotations

import json
import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks import duel, ours
from benchmarks.cases import CASES, GEMM, Case
from benchmarks.native import BenchmarkError
from heron_cli.backends.base import Kernel, Operand
from heron_cli.backends.x86.toolchain import toolchain
from heron_cli.library.export import export
from heron_cli.library.item import ExportItem
from heron_cli.operators import registry
from heron_cli.operators.workload import make
from heron_cli.records import Record
from heron_cli.trial import Candidate, Measurement, Status, Trial

from .test_onednn import needs_onednn

KERNEL = """
#include <stdint.h>
enum { M = 17, N = 33, K = 21 };
int32_t kernel_pack(const int8_t *weight, int8_t *packed) {
    for (int i = 0; i < N * K; i++) packed[i] = weight[N * K - 1 - i];
    return 0;
}
int32_t kernel(const uint8_t *a, const int8_t *b, int32_t *c) {
    for (int i = 0; i < M - SKIP; i++)
        for (int j = 0; j < N; j++) {
            int32_t sum = 0;
            for (int k = 0; k < K; k++) sum += a[i * K + k] * b[N * K - 1 - j * K - k];
            c[i * N + j] = sum;
        }
    return 0;
}
"""
SMALL = Case("small", "gemm", {"m": 17, "n": 33, "k": 21}, GEMM)


def test_the_command_line_and_its_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, ...]] = []
    best = {"seconds": 1e-3, "variant": "tails", "assignment": {}, "verified": True}
    spent = {"solve": 1.0, "build": 2.0, "measure": 3.0, "model": 4.0}
    document = {"trials": 9, "valid": 8, "invalid": 1, "best": best, "seconds_spent": spent}

    def heron(*arguments: object) -> tuple[str, float]:
        seen.append(tuple(map(str, arguments)))
        return json.dumps(document), 12.5

    monkeypatch.setattr(ours, "heron", heron)
    db = tmp_path / "new" / "x.db"
    tuning = ours.tune(CASES[-1], 128, 300, db, seed=3)
    assert tuning == ours.Tuning(9, 8, 1, 12.5, spent, 1e-3, "tails")
    assert db.parent.is_dir()
    words = seen[0]
    assert words[:2] == ("tune", "conv2d")
    assert words[words.index("--shape") + 1].startswith("batch=1,height=224,width=224,in_channels=3")
    for option, value in (("--trials", "128"), ("--time", "300s"), ("--seed", "3"), ("--method", "cga")):
        assert words[words.index(option) + 1] == value


def test_rankings_are_no_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ours.records(tmp_path / "none.db") == []
    listed = [{"purpose": "trial", "seconds": 1.0}, {"purpose": "ranking", "seconds": 2.0}]
    monkeypatch.setattr(ours, "heron", lambda *_: (json.dumps(listed), 0.1))
    (tmp_path / "x.db").touch()
    assert ours.records(tmp_path / "x.db") == listed[:1]


def test_a_command_that_fails_is_an_error() -> None:
    with pytest.raises(BenchmarkError, match="heron no-such-command: exit code 2"):
        ours.heron("no-such-command")


def exported(folder: Path, skipped: int) -> Path:
    """A library that holds one plain kernel for SMALL, which leaves out the last rows if told to."""
    workload = make("gemm", SMALL.shape)
    (folder / "kernel.c").write_text(KERNEL)
    subprocess.run(
        ["cc", "-O2", "-fPIC", "-c", "kernel.c", f"-DSKIP={skipped}", "-o", "kernel.o"],
        cwd=folder,
        check=True,
    )
    operands = tuple(
        Operand(name, spec.shape, spec.dtype, 33 * 21 if spec.constant else None)
        for name, spec in registry.get("gemm").specs(workload).items()
    )
    kernel = Kernel("kernel", operands, (folder / "kernel.o").read_bytes(), "program")
    measurement = Measurement(Status.OK, seconds=1e-5, verified=True)
    record = Record(
        workload=workload.key,
        definition={},
        operator="gemm",
        target="toy",
        target_digest="0",
        threads=1,
        trial=Trial(Candidate.of("plain", {"m": 1}), measurement),
        seed=0,
        method="cga",
        versions={},
        created="2026-11-23T10:00:00.000000+00:00",
    )
    # unchecked: export would refuse the wrong one
    export([ExportItem(workload, kernel, record)], folder / "library", toolchain, check=False)
    return folder / "library"


@pytest.mark.vnni
@needs_onednn
@pytest.mark.parametrize("skipped", [0, 1])
def test_a_duel_with_a_library_compares_every_element(skipped: int, tmp_path: Path) -> None:
    result = duel.duel(SMALL, exported(tmp_path, skipped), seed=0, placements=2, rounds=3, seconds=1e-4)
    assert (result.onednn_exact, result.ours_exact) == (True, skipped == 0)
    assert [len(placement.second) for placement in result.placements] == [3, 3]
    assert duel.Duel.from_json(json.loads(json.dumps(asdict(result)))) == result


@pytest.mark.vnni
@needs_onednn
def test_onednn_against_itself() -> None:
    result = duel.duel(SMALL, None, seed=0, placements=1, rounds=2, seconds=1e-4)
    assert result.onednn_exact and result.ours_exact
    assert len(result.placements) == 1


def test_a_shape_that_the_library_lacks(tmp_path: Path) -> None:
    directory = exported(tmp_path, 0)
    other = Case("other", "gemm", {"m": 2, "n": 3, "k": 4}, GEMM)
    with pytest.raises(BenchmarkError, match="no kernel of gemm with that shape"):
        ours.load_best(directory, other, {}, (2, 3))
    with pytest.raises(BenchmarkError, match="manifest"):
        ours.load_best(tmp_path / "nowhere", SMALL, {}, (17, 33))
