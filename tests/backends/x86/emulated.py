"""DL Boost where there is none: the same TIR, with vpdpbusd spelled out in plain vector operations.

Kernels then run on any x86-64-v3 CPU (AVX2). They are slow, and exact to the last bit.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from heron_cli.accelerator.loader import load
from heron_cli.accelerator.model import Accelerator
from heron_cli.backends.x86 import forms
from heron_cli.machine import Machine

NATIVE = {"avx512f", "avx512bw", "avx512vl", "avx512_vnni"} <= Machine().cpu_flags
_INSTRUCTIONS = {"llvm.x86.avx512.vpdpbusd.512", "llvm.x86.avx512.vpdpbusd.256"}
_plain = forms.llvm_intrinsic


def native(name: str) -> bool:
    """Whether the CPU at hand has VNNI in the encoding of the accelerator."""
    return NATIVE and ("avx_vnni" in Machine().cpu_flags or "avx_vnni" not in load(name).requires.cpu_flags)


def accelerator(name: str = "dlboost") -> Accelerator:
    """The accelerator, with code for the CPU at hand where that lacks its VNNI."""
    found = load(name)
    if native(name):
        return found
    target = {**found.tvm_target, "mcpu": "x86-64-v3"}
    return replace(found, tvm_target=target, digest=f"{found.digest}-emulated")


def multiplication(instruction: str, lanes: int, depth: int, accumulate: str, dtypes: tuple[str, str]) -> str:
    """As `inline.multiplication` for bfloat16: its products, widened to float32, in plain operations."""
    assert (depth, accumulate, dtypes) == (2, "float32", ("bfloat16", "bfloat16"))
    words, sums = f"<{lanes} x i32>", f"<{lanes} x float>"
    lines, total = [], "%c"
    for half in ("low", "high"):
        for operand in ("a", "b"):
            move = f"shl {words} %{operand}, splat (i32 16)" if half == "low" else (
                f"and {words} %{operand}, splat (i32 -65536)"
            )  # fmt: skip
            lines += [
                f"%{operand}.{half}.bits = {move}",
                f"%{operand}.{half} = bitcast {words} %{operand}.{half}.bits to {sums}",
            ]
        lines += [
            f"%{half} = fmul {sums} %a.{half}, %b.{half}",
            f"%sum.{half} = fadd {sums} {total}, %{half}",
        ]
        total = f"%sum.{half}"
    body = "\n".join([*lines, f"ret {sums} {total}"])
    head = (
        f"define available_externally {sums} @heron_multiply({sums} %c, {words} %a, {words} %b) alwaysinline"
    )
    return f"{head} {{\n{body}\n}}"


def llvm_intrinsic(dtype: str, name: str, *arguments: Any) -> Any:
    """As `forms.llvm_intrinsic`; the byte dot product becomes four widening multiplications."""
    from tvm import tirx

    if name not in _INSTRUCTIONS:
        return _plain(dtype, name, *arguments)
    total, data, weights = arguments
    lanes = int(dtype.rpartition("x")[2])
    for byte in range(4):
        places = [tirx.IntImm("int32", 4 * lane + byte) for lane in range(lanes)]
        a, b = (tirx.Shuffle([vector], places).astype(dtype) for vector in (data, weights))
        total = total + a * b
    return total
