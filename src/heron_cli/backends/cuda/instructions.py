"""The device function around the accelerator's own instruction, written from the PTX text in its YAML.

Registers follow from the shape and the types: a warp's fragments hold 32 bits a register (PTX ISA, matrix
fragments); a warpgroup reads its operands through descriptors.
"""

from __future__ import annotations

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
    nest = geometry.nest
    kind, constraint = _sum_type(geometry)
    m, n, k = (nest.shape[dim] for dim in ("m", "n", "k"))
    a = m * k * item_bytes(nest.einsum.input.dtype) // 128
    b = n * k * item_bytes(nest.einsum.weight.dtype) // 128
    c = m * n // 32
    numbers = iter(range(c + a + b))
    sums, first, second = (
        "{" + ",".join(f"%{next(numbers)}" for _ in range(count)) + "}" for count in (c, a, b)
    )
    outputs = ", ".join(f'"+{constraint}"(c[{i}])' for i in range(c))
    inputs = ", ".join([*(f'"r"(a[{i}])' for i in range(a)), *(f'"r"(b[{i}])' for i in range(b))])
    return f"""HERON void {fragments.INSTRUCTION}(void* sums, const void* rows, const void* columns) {{
  {kind}* c = ({kind}*)sums;
  const unsigned *a = (const unsigned*)rows, *b = (const unsigned*)columns;
  asm volatile("{nest.instruction} {sums}, {first}, {second}, {sums};"
               : {outputs}
               : {inputs});
}}
"""


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
