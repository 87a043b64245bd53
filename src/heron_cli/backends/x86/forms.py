"""The forms of TIR that only kernels on CPUs have: workspaces, LLVM's intrinsics and IR, C functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tvm import ir, tirx
from tvm.ir import PrimType

from heron_cli.backends import tir

Expr = tir.Expr
Stmt = tir.Stmt


def workspace(name: str, dtype: str, elements: int) -> Any:
    """A temporary buffer in memory."""
    return tirx.decl_buffer((elements,), dtype, name, scope="global")


def allocate_workspace(buffer: Any) -> Stmt:
    """Bring a temporary buffer into being, through the runtime's workspace allocator when it is large."""
    return tirx.AllocBuffer(buffer)


def reinterpret(value: Any, dtype: str) -> Any:
    """The same bits as another type."""
    return tirx.call_intrin(dtype, "tirx.reinterpret", value)


def llvm_intrinsic(dtype: str, name: str, *arguments: Any) -> Any:
    """A pure LLVM intrinsic."""
    return tirx.call_llvm_pure_intrin(dtype, name, *arguments)


def instruction(name: str, *arguments: Any) -> Stmt:
    """An LLVM intrinsic for its effect; it stays in order. Numbers are immediate bytes."""
    given = [tirx.IntImm("int8", each) if isinstance(each, int) else each for each in arguments]
    return tirx.Evaluate(tirx.call_llvm_intrin("void", name, *given))


def shuffle(vectors: Sequence[Any], order: Sequence[int]) -> Any:
    """A vector of some elements of several vectors, which are numbered one after the other."""
    return tirx.Shuffle(list(vectors), [tir.number(place) for place in order])


def known(condition: Any, always: bool) -> Any:
    """The condition, or True where it is known to hold."""
    return True if always else condition


def prefetch(buffer: Any, index: Expr, *, write: bool = False) -> Stmt:
    """Ask the nearest cache for the line of an element, which need not exist."""
    ask = [tir.number(int(write)), tir.number(3), tir.number(1)]  # for writing or not, to stay, data
    return tirx.Evaluate(tirx.call_intrin("void", "tirx.prefetch", tir.address(buffer, index), *ask))


def with_llvm(text: str, body: Stmt) -> Stmt:
    """A statement that may call the functions of some LLVM IR, which are inlined."""
    return tirx.AttrStmt(ir.StringImm("llvm"), "pragma_import_llvm", ir.StringImm(text), body)


def inlined(dtype: str, name: str, *arguments: Any) -> Any:
    """The value of a function that `with_llvm` defines."""
    return tirx.call_extern(dtype, name, *arguments)


def evaluate(name: str, *arguments: Any) -> Stmt:
    """Call a function without a result, on vectors or pointers."""
    return tirx.Evaluate(tirx.call_extern("void", name, *arguments))


def call(name: str, *arguments: Any) -> Stmt:
    """Call a C function for its effect."""
    return tirx.Evaluate(tirx.call_extern("handle", name, *arguments))


def wide(value: Expr) -> Any:
    """A size_t argument."""
    return tirx.IntImm("int64", value) if isinstance(value, int) else value.astype("int64")


def function(symbol: str, parameters: Sequence[tuple[Any, Any]], body: Stmt) -> Any:
    """A C function `int32_t symbol(pointers…)` that returns 0; the parameters do not alias."""
    statements = [tir.declare(buffer, data) for data, buffer in parameters]
    inner = tir.sequence([*statements, body])
    default = ir.StringImm("default")
    for key, value in (("device_type", 1), ("device_id", 0)):  # the lowering of allocations asks for them
        inner = tirx.AttrStmt(default, key, tir.number(value), inner)
    # Outside: workspaces are freed where the statement ends that they are allocated in, past a return in it.
    inner = tir.sequence([inner, tirx.stmt.Return(tir.number(0))])
    made = tirx.PrimFunc([data for data, _ in parameters], inner, PrimType("int32"))
    return made.with_attr("global_symbol", symbol).with_attr("tirx.noalias", True)
