"""TIR → an ELF object: TVM's lowering passes and LLVM, without the packed-function wrapper."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from heron_cli.backends.base import BuildError

_ZMM_STACK = re.compile(r"\(%r[sb]p[^)]*\)[^\n]*%zmm|%zmm[^\n]*\(%r[sb]p[^)]*\)")


def compile_object(functions: Mapping[str, Any], target: Mapping[str, Any]) -> tuple[bytes, dict[str, float]]:
    """The object code of C functions by symbol, and what its assembly shows.

    Metrics: `instructions` (dot products in the code), `stack_vectors` (vector spills), `code_bytes`.
    Raises BuildError with one line if TVM or LLVM refuses the program.
    """
    import tvm

    machine = tvm.target.Target(dict(target))
    host = machine.with_host(machine)
    module = tvm.IRModule({name: function.with_attr("target", host) for name, function in functions.items()})
    try:
        lowered = tvm.ir.transform.Sequential(_passes())(module)
        built = tvm.get_global_func("target.build.llvm")(lowered, machine)
        with tempfile.TemporaryDirectory(prefix="heron-") as folder:
            path = Path(folder) / "kernel.o"
            built.write_to_file(str(path))
            code = path.read_bytes()
        assembly = str(built.inspect_source("asm"))
    except Exception as error:  # TVM raises many types; each one is a rejected candidate, told in one line
        raise BuildError(_one_line(error)) from error
    return code, {
        "instructions": float(assembly.count("vpdpbusd")),
        "stack_vectors": float(len(_ZMM_STACK.findall(assembly))),
        "code_bytes": float(len(code)),
    }


def _passes() -> Sequence[Any]:
    import tvm

    passes = tvm.tirx.transform
    return [
        passes.StmtSimplify(),
        passes.FlattenBuffer(),
        passes.NarrowDataType(32),
        passes.VectorizeLoop(True),
        passes.UnrollLoop(),
        passes.StmtSimplify(),
        passes.RemoveNoOp(),
        passes.CommonSubexprElim(),
        passes.VerifyMemory(),
        passes.LowerTVMBuiltin(),
        passes.LowerIntrin(),
    ]


def _one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1] if lines else 'no message'}"[:300]


def digest(code: bytes) -> str:
    """A short digest that identifies a program."""
    return hashlib.sha256(code).hexdigest()[:16]
