"""The accelerators with matrix registers, and on which workloads they are compared."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.dlboost_operators.cases import Case, find

_FAMILIES = (
    "GEMM-G1", "GEMM-G4", "BMM-B1", "BMM-B2", "C2D-C2D3", "C2D-C2D5",
    "GEMV-GV5", "SCAN-S3", "C1D-C1D3", "C3D-C3D3", "T2D-T3", "DIL-D3",
)  # fmt: skip
_FLOATS = ("GEMM-G1", "GEMM-G4", "C2D-C2D3", "C2D-C2D5")


@dataclass(frozen=True, slots=True)
class Matrix:
    """An accelerator with matrix registers: its file's name, and that of the one without, on the same CPU.

    `instruction` multiplies its registers (`benchmarks.peak.TILE_OPERATIONS`).
    """

    target: str
    beside: str
    instruction: str
    types: str
    names: tuple[str, ...]

    @property
    def cases(self) -> tuple[Case, ...]:
        """The workloads."""
        return tuple(map(find, self.names))


MATRICES = (
    Matrix("amx-int8", "dlboost", "tdpbusd", "u8 × s8 → s32", _FAMILIES),
    Matrix(
        "amx-bf16", "avx512-bf16", "tdpbf16ps", "bf16 × bf16 → f32", tuple(f"{name} bf16" for name in _FLOATS)
    ),
)
