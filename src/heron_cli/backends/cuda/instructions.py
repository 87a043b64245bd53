"""The device function around the accelerator's own instruction, written from the PTX text in its YAML.

Registers follow from the shape and the types: a warp's fragments hold 32 bits a register (PTX ISA, matrix
fragments); a warpgroup reads its operands through descriptors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from heron_cli.backends.base import BuildError
from heron_cli.backends.buffers import item_bytes
from heron_cli.backends.cuda import fragments, groups
from heron_cli.backends.cuda.geometry import Geometry


def instruction(geometry: Geometry, transposed: tuple[bool, bool]) -> str:
    """CUDA source of the function that the emitted kernel calls for one product.

    `transposed`: whether input and weight lie in shared memory with k as their rows.
    """
    return _grouped(geometry, transposed) if geometry.grouped else _fragmented(geometry)


def _sum_type(geometry: Geometry) -> tuple[str, str]:
    return {"float32": ("float", "f"), "int32": ("int", "r")}[geometry.nest.einsum.accumulate]


def _fragmented(geometry: Geometry) -> str:
    """Fragments of 16 rows (or 8 columns) are matrices of 8 rows × 16 bytes: one register of each lane.

    The instruction may be smaller than a fragment; then it is issued for every part of the rows and of k.
    """
    nest = geometry.nest
    kind, constraint = _sum_type(geometry)
    item = item_bytes(nest.einsum.input.dtype)
    rows, columns, halves = nest.shape["m"] // 8, nest.shape["n"] // 8, nest.shape["k"] * item // 16
    m, n, k = _own_shape(nest.instruction, nest.shape)
    high, long = m // 8, k * item // 16
    if n != nest.shape["n"] or rows % high or halves % long:
        raise BuildError(
            f"{nest.instruction} does not make up {nest.shape['m']}×{nest.shape['n']}×{nest.shape['k']}"
        )
    calls = []
    for half in range(0, halves, long):
        for row in range(0, rows, high):
            c = [2 * columns * (row + i) + j for i in range(high) for j in range(2 * columns)]
            a = [rows * (half + j) + row + i for j in range(long) for i in range(high)]
            b = [columns * (half + j) + i for j in range(long) for i in range(columns)]
            numbers = iter(range(len(c) + len(a) + len(b)))
            sums, first, second = (
                "{" + ",".join(f"%{next(numbers)}" for _ in part) + "}" for part in (c, a, b)
            )
            outputs = ", ".join(f'"+{constraint}"(c[{i}])' for i in c)
            inputs = ", ".join([*(f'"r"(a[{i}])' for i in a), *(f'"r"(b[{i}])' for i in b)])
            calls.append(f"""  asm volatile("{nest.instruction} {sums}, {first}, {second}, {sums};"
               : {outputs}
               : {inputs});
""")
    return f"""HERON void {fragments.INSTRUCTION}(void* sums, const void* rows, const void* columns) {{
  {kind}* c = ({kind}*)sums;
  const unsigned *a = (const unsigned*)rows, *b = (const unsigned*)columns;
{"".join(calls)}}}
"""


def _own_shape(instruction: str, shape: Mapping[str, int]) -> tuple[int, int, int]:
    """Rows, columns and k of the PTX instruction, by its name; those of the intrinsic where it tells none."""
    found = re.search(r"\.m(\d+)n(\d+)k(\d+)\b", instruction)
    m, n, k = map(int, found.groups()) if found else (shape["m"], shape["n"], shape["k"])
    return m, n, k


def _grouped(geometry: Geometry, transposed: tuple[bool, bool]) -> str:
    nest = geometry.nest
    kind, constraint = _sum_type(geometry)
    n = geometry.units("n") * nest.shape["n"]
    count = nest.shape["m"] * n // 128
    name = nest.instruction.replace("{n}", str(n))
    sums = "{" + ",".join(f"%{i}" for i in range(count)) + "}"
    outputs = ", ".join(f'"+{constraint}"(c[{i}])' for i in range(count))
    floating = kind == "float"  # scale-a and scale-b, and which operand is transposed, are float's alone
    scales = ", 1, 1" if floating else ""
    if item_bytes(nest.einsum.input.dtype) == 2:
        scales += "".join(f", {int(each)}" for each in transposed)
    return f"""HERON void {groups.INSTRUCTION}(void* sums, unsigned long long a, unsigned long long b) {{
  {kind}* c = ({kind}*)sums;
  asm volatile("{{.reg .pred p; setp.ne.b32 p, 1, 0; {name} {sums}, %{count}, %{count + 1}, p{scales};}}"
               : {outputs}
               : "l"(a), "l"(b));
}}
"""
