"""TIR → an ELF object: TVM's lowering passes and LLVM, without the packed-function wrapper."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from heron_cli.backends.base import BuildError
from heron_cli.backends.tools import ToolError, run_tool

_STACK_VECTOR = re.compile(r"\(%rsp[^)]*\)[^\n]*%[yz]mm|%[yz]mm[^\n]*\(%rsp[^)]*\)")
_FRAME_VECTOR = re.compile(_STACK_VECTOR.pattern.replace("%rsp", "%rbp"))
_MATRICES = re.compile(r"\bldtilecfg\b")
_FRAME = re.compile(r"mov +%rsp,%rbp")  # elsewhere rbp is a register like any other


def compile_function(symbol: str, function: Any, target: Mapping[str, Any], *, level: int = 3) -> bytes:
    """The object code of one C function, optimised at LLVM's `level`.

    Raises BuildError with one line if TVM or LLVM refuses the program.
    """
    import tvm

    machine = tvm.target.Target({**target, "opt-level": level})
    module = tvm.IRModule({symbol: function.with_attr("target", machine.with_host(machine))})
    try:
        lowered = tvm.ir.transform.Sequential(_passes())(module)
        built = tvm.get_global_func("target.build.llvm")(lowered, machine)
        with tempfile.TemporaryDirectory(prefix="heron-") as folder:
            path = Path(folder) / "kernel.o"
            built.write_to_file(str(path))
            return path.read_bytes()
    except Exception as error:  # TVM raises many types; each one is a rejected candidate, told in one line
        raise BuildError(_one_line(error)) from error


def _passes() -> Sequence[Any]:
    import tvm

    # The emitter writes straight code with vectors already in it, so TVM's own vectoriser, unroller and
    # common-subexpression pass have nothing to do. Without a simplification after FlattenBuffer the
    # indices reach LLVM in a form in which it no longer finds the registers: 10 times slower kernels.
    passes = tvm.tirx.transform
    return [
        passes.StmtSimplify(),
        passes.FlattenBuffer(),
        passes.NarrowDataType(32),
        passes.RemoveNoOp(),
        passes.StmtSimplify(),
        passes.VerifyMemory(),
        passes.LowerTVMBuiltin(),
        passes.LowerIntrin(),
    ]


def merge(objects: Sequence[bytes]) -> bytes:
    """Several objects as one. Raises BuildError if the linker refuses them."""
    with tempfile.TemporaryDirectory(prefix="heron-") as name:
        folder = Path(name)
        paths = [folder / f"{i}.o" for i in range(len(objects))]
        for path, code in zip(paths, objects, strict=True):
            path.write_bytes(code)
        whole = folder / "whole.o"
        try:
            run_tool("ld", ["-r", "-z", "noexecstack", "-o", whole, *paths])
        except ToolError as error:
            raise BuildError(_one_line(error)) from error
        return whole.read_bytes()


def inspect(code: bytes, instruction: str) -> dict[str, float]:
    """What the disassembly shows.

    `instructions`: how often the intrinsic occurs; `stack_vectors`: vector registers that are spilled or
    reloaded; `code_bytes`: size of the object; `matrix_shapes`: how often matrix registers are given their
    shape, where they are.
    """
    with tempfile.TemporaryDirectory(prefix="heron-") as folder:
        path = Path(folder) / "kernel.o"
        path.write_bytes(code)
        listing = run_tool("objdump", ["-d", "--no-show-raw-insn", path])
    framed = len(_FRAME_VECTOR.findall(listing)) if _FRAME.search(listing) else 0
    shapes = len(_MATRICES.findall(listing))
    return {
        "instructions": float(listing.count(instruction)),
        "stack_vectors": float(len(_STACK_VECTOR.findall(listing)) + framed),
        "code_bytes": float(len(code)),
        **({"matrix_shapes": float(shapes)} if shapes else {}),
    }


def digest(code: bytes) -> str:
    """A short digest that identifies a program."""
    return hashlib.sha256(code).hexdigest()[:16]


def _one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1] if lines else 'no message'}"[:300]
