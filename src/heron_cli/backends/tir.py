"""A thin layer over TVM's TIR nodes: the dozen forms that the emitters use, spelled once.

Kernels are plain C functions over raw pointers, so buffers are flat and indices are element offsets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tvm import tirx
from tvm.ir import PointerType, PrimType
from tvm.tirx import Var

Expr = Any  # an integer or a TIR expression
Stmt = Any


def variable(name: str) -> Any:
    """A fresh int32 loop variable."""
    return Var(name, "int32")


def pointer(name: str, dtype: str) -> Any:
    """A fresh pointer parameter."""
    return Var(name, PointerType(PrimType(dtype)))


def argument(name: str, dtype: str, elements: int, alignment: int) -> tuple[Any, Any]:
    """A pointer parameter and the flat buffer behind it; `alignment` in bytes is what callers promise."""
    data = pointer(name, dtype)
    return data, tirx.decl_buffer((elements,), dtype, name, data=data, data_alignment=alignment)


def register(name: str, dtype: str, lanes: int) -> Any:
    """A vector of the kernel's own that LLVM keeps in a register."""
    return tirx.decl_buffer((lanes,), dtype, name, scope="local")


def allocate_register(buffer: Any) -> Stmt:
    """Bring a register buffer into being. Without the mark TVM would call the workspace allocator for it."""
    return tirx.AllocBuffer(buffer, {"disable_lower_builtin": tirx.IntImm("bool", 1)})


def declare(buffer: Any, data: Any) -> Stmt:
    """The statement that lets a parameter be used as a buffer."""
    return tirx.DeclBuffer(buffer, data=data)


def number(value: Expr) -> Any:
    """An int32 expression."""
    return tirx.IntImm("int32", value) if isinstance(value, int) else value


def ramp(base: Expr, lanes: int) -> Any:
    """Consecutive indices."""
    return tirx.Ramp(number(base), number(1), lanes)


def load(buffer: Any, index: Expr, lanes: int = 1) -> Any:
    """One element, or a vector of consecutive ones."""
    return tirx.BufferLoad(buffer, [ramp(index, lanes) if lanes > 1 else number(index)])


def store(buffer: Any, index: Expr, value: Any, lanes: int = 1) -> Stmt:
    """Write one element, or a vector of consecutive ones."""
    return tirx.BufferStore(buffer, value, [ramp(index, lanes) if lanes > 1 else number(index)])


def broadcast(value: Any, lanes: int) -> Any:
    """A vector of equal lanes."""
    return tirx.Broadcast(value, lanes)


def zero(dtype: str, lanes: int = 1) -> Any:
    """The number 0, or a vector of zeros."""
    return constant(0, dtype, lanes)


def constant(value: float, dtype: str, lanes: int = 1) -> Any:
    """A number, or a vector of it."""
    scalar = tirx.const(value, dtype)
    return broadcast(scalar, lanes) if lanes > 1 else scalar


def cast(value: Any, dtype: str, lanes: int) -> Any:
    """A vector as another element type."""
    return value.astype(f"{dtype}x{lanes}")


def nearest(value: Any) -> Any:
    """The nearest whole numbers, ties to even."""
    return tirx.nearbyint(value)


def select(condition: Any, yes: Any, no: Any) -> Any:
    """A value by a condition; both sides are evaluated, so neither may fault."""
    return tirx.Select(condition, yes, no)


def guarded(condition: Any, yes: Any, no: Any) -> Any:
    """A value by a condition; only the side that is chosen is evaluated."""
    return tirx.if_then_else(condition, yes, no)


def both(*conditions: Any) -> Any:
    """The conjunction of conditions, None for none."""
    known = [condition for condition in conditions if condition is not None]
    return tirx.all(*known) if len(known) > 1 else (known[0] if known else None)


def minimum(a: Expr, b: Expr) -> Any:
    """The lesser value."""
    return min(a, b) if isinstance(a, int) and isinstance(b, int) else tirx.min(number(a), number(b))


def maximum(a: Expr, b: Expr) -> Any:
    """The greater value."""
    return max(a, b) if isinstance(a, int) and isinstance(b, int) else tirx.max(number(a), number(b))


def loop(name: str, extent: Expr, body: Callable[[Any], Stmt], *, parallel: bool = False) -> Stmt:
    """A loop over [0, extent); one of a single iteration is its body."""
    if isinstance(extent, int) and extent == 1:
        return body(0)
    index = variable(name)
    kind = tirx.ForKind.PARALLEL if parallel else tirx.ForKind.SERIAL
    return tirx.For(index, number(0), number(extent), kind, body(index))


def branch(condition: Any, yes: Stmt, no: Stmt | None = None) -> Stmt:
    """If, then, else; a condition that is known picks its side."""
    if isinstance(condition, bool):
        return yes if condition else (no if no is not None else nothing())
    return tirx.IfThenElse(condition, yes, no)


def when(condition: Any, body: Stmt) -> Stmt:
    """The statement under a condition; None and True always hold."""
    return body if condition is None else branch(condition, body)


def sequence(statements: Sequence[Stmt]) -> Stmt:
    """Statements in order."""
    return statements[0] if len(statements) == 1 else tirx.SeqStmt(list(statements))


def nothing() -> Stmt:
    """The empty statement."""
    return tirx.Evaluate(number(0))


def bind(name: str, value: Expr, body: Callable[[Any], Stmt]) -> Stmt:
    """Give an index expression a name, so that it is computed once."""
    if isinstance(value, int):
        return body(value)
    index = variable(name)
    return sequence([tirx.Bind(index, value), body(index)])


def address(buffer: Any, index: Expr) -> Any:
    """A pointer to an element."""
    return tirx.address_of(load(buffer, index))


def exclusive_or(a: Expr, b: Expr) -> Any:
    """Bitwise exclusive or."""
    return a ^ b if isinstance(a, int) and isinstance(b, int) else tirx.bitwise_xor(number(a), number(b))


def flag(condition: Any) -> Any:
    """1 where a condition holds (or there is none), else 0."""
    if condition is None or isinstance(condition, bool):
        return number(int(condition is not False))
    return tirx.Cast("int32", condition)


def device(name: str, *arguments: Any) -> Stmt:
    """Call a device function for its effect."""
    return tirx.Evaluate(tirx.call_extern("void", name, *map(number, arguments)))


def device_value(dtype: str, name: str, *arguments: Any) -> Any:
    """Call a device function for its value."""
    return tirx.call_extern(dtype, name, *map(number, arguments))


def unrolled(name: str, extent: int, body: Callable[[Any], Stmt]) -> Stmt:
    """A loop that the compiler is asked to unroll."""
    if extent == 1:
        return body(0)
    index = variable(name)
    return tirx.For(index, number(0), number(extent), tirx.ForKind.UNROLLED, body(index))


def shared_memory(name: str, size: int) -> Any:
    """A block's dynamic shared memory, in bytes."""
    return tirx.decl_buffer((size,), "uint8", name, scope="shared.dyn")


def allocate(buffer: Any) -> Stmt:
    """Bring a buffer of a GPU kernel into being."""
    return tirx.AllocBuffer(buffer)


def tensor_map(name: str) -> Any:
    """A parameter that tells bulk copies where tiles lie; the host encodes it."""
    from tvm.script import tirx as script

    return Var(name, script.handle("tensormap").ty)


def address_of(parameter: Any) -> Any:
    """The address of a parameter that is passed by value."""
    return tirx.call_intrin("handle", "tirx.address_of", parameter)


def shift_left(value: int, bits: Expr) -> Any:
    """A mask moved to its place."""
    return value << bits if isinstance(bits, int) else tirx.shift_left(number(value), bits)


def launched(
    symbol: str,
    parameters: Sequence[tuple[Any, Any]],
    extents: Mapping[str, int],
    make: Any,
    more: Sequence[Any] = (),
) -> Any:
    """A GPU kernel over raw pointers; `make` gets the index of each launched dimension and returns the body.

    `more` are parameters that are no pointers.
    """
    axes = {name: tirx.IterVar(None, variable(name), tirx.IterVar.ThreadIndex, name) for name in extents}
    body = sequence(
        [*(declare(buffer, data) for data, buffer in parameters), make(*(a.var for a in axes.values()))]
    )
    for name, axis in axes.items():
        body = tirx.AttrStmt(axis, "thread_extent", number(extents[name]), body)
    made = tirx.PrimFunc([*(data for data, _ in parameters), *more], body)
    return made.with_attr("global_symbol", symbol).with_attr("tirx.noalias", True)


def named(variable: Any, value: Expr) -> Stmt:
    """Give a variable its value, for the statements that follow."""
    return tirx.Bind(variable, number(value))


def shift_right(value: Any, bits: int | None) -> Any:
    """Arithmetic shift."""
    return tirx.shift_right(value, number(bits or 0))
