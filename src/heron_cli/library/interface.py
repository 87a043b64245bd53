"""The C interface of a library, derived from the operators' parameters and the kernels' operands."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from heron_cli.backends.buffers import item_bytes
from heron_cli.errors import InputError
from heron_cli.library.item import ExportItem

if TYPE_CHECKING:
    from heron_cli.operators.base import Operator
    from heron_cli.operators.parameter import Parameter, Value
    from heron_cli.operators.workload import Workload

_C_TYPES = {"float32": "float", "float64": "double"}
_KEYWORDS = """
    auto break case char class const continue default delete do double else enum export extern float for
    friend goto if inline int long namespace new operator private protected public register restrict
    return short signed sizeof static struct switch template this throw try typedef typename union
    unsigned using virtual void volatile while
"""


@dataclass(frozen=True, slots=True)
class Field:
    """A member of a descriptor: an integer (`length` 0), an array, or one of `choices` (an enumeration).

    `parameter` is the operator's name for it.
    """

    parameter: str
    name: str
    meaning: str
    length: int
    choices: tuple[str, ...]

    def flatten(self, value: Value, where: str) -> tuple[int, ...]:
        """The value as the integers that are compared. Raises InputError when it does not fit the field."""
        if self.choices and value in self.choices:
            return (self.choices.index(str(value)),)
        items = value if isinstance(value, tuple) else (value,)
        integers = tuple(item for item in items if isinstance(item, int) and -(1 << 31) <= item < 1 << 31)
        if self.choices or len(integers) != len(items) or len(items) != max(self.length, 1):
            raise InputError(f"{where}: {self.name} is {value!r}, which the library's interface cannot say")
        return integers


@dataclass(frozen=True, slots=True)
class Descriptor:
    """The struct that says a shape of an operator."""

    operator: str
    summary: str
    fields: tuple[Field, ...]

    @property
    def type_name(self) -> str:
        """The C type."""
        return f"heron_{self.operator}_desc"

    def enum_name(self, field: Field) -> str:
        """The C type of a field with choices."""
        return f"heron_{self.operator}_{field.name}"

    def enumerator(self, field: Field, choice: str) -> str:
        """The C constant of one choice."""
        return _identifier(f"heron_{self.operator}_{field.name}_{choice}").upper()


@dataclass(frozen=True, slots=True)
class Argument:
    """A parameter of the C functions. `constant` is the operand that is passed packed."""

    name: str
    dtype: str
    constant: bool
    written: bool

    @property
    def c_type(self) -> str:
        """The element type; half precision travels as its 16 bits."""
        match = re.fullmatch(r"(u?int\d+)", self.dtype)
        return f"{match[1]}_t" if match else _C_TYPES.get(self.dtype, f"uint{8 * item_bytes(self.dtype)}_t")


@dataclass(frozen=True, slots=True)
class Entry:
    """A kernel with its place in the library.

    `values` is the flattened shape, `symbol` the public name, `internal` that of the kernel itself.
    `constant_bytes` is the size of the constant operand as the user has it, 0 when there is none.
    """

    item: ExportItem
    values: tuple[int, ...]
    symbol: str
    internal: str
    constant_bytes: int

    @property
    def packed_bytes(self) -> int:
        """Size of the packed constant operand; a kernel that packs nothing takes a plain copy."""
        packed = self.item.kernel.packed
        return self.constant_bytes if packed is None else packed.packed_bytes or 0


@dataclass(frozen=True, slots=True)
class Function:
    """An entry point: all kernels of one operator with the same element types, sorted by shape."""

    name: str
    descriptor: Descriptor
    arguments: tuple[Argument, ...]
    entries: tuple[Entry, ...]

    @property
    def constant(self) -> Argument | None:
        """The argument that is passed packed, if there is one."""
        return next((argument for argument in self.arguments if argument.constant), None)


@dataclass(frozen=True, slots=True)
class Interface:
    """Everything that the header declares."""

    descriptors: tuple[Descriptor, ...]
    functions: tuple[Function, ...]

    @property
    def entries(self) -> list[Entry]:
        """All kernels, in the library's order."""
        return [entry for function in self.functions for entry in function.entries]


def derive(items: Sequence[ExportItem], operator_of: Callable[[str], Operator]) -> Interface:
    """The interface of a library of these kernels.

    Raises InputError when two kernels are of the same workload, or kernels of one entry point disagree on
    their operands.
    """
    groups: dict[tuple[str, str], list[ExportItem]] = {}
    for item in items:
        groups.setdefault((item.workload.operator, str(item.workload.dtypes)), []).append(item)
    functions: list[Function] = []
    descriptors: dict[str, Descriptor] = {}
    for (name, types), group in sorted(groups.items()):
        operator = operator_of(name)
        if name not in descriptors:
            alike = [item.workload for item in items if item.workload.operator == name]
            descriptors[name] = _descriptor(operator, alike)
        first = sum(len(function.entries) for function in functions)
        functions.append(_function(f"heron_{name}_{types}", descriptors[name], operator, group, first))
    return Interface(tuple(descriptors.values()), tuple(functions))


def _descriptor(operator: Operator, workloads: Sequence[Workload]) -> Descriptor:
    """One member a parameter; those that are implied only where a kernel needs them."""
    said = {name for workload in workloads for name in workload.shape}
    shown = (p for p in operator.parameters if not p.implied or p.name in said)
    return Descriptor(operator.name, operator.summary, tuple(_field(p) for p in shown))


def _field(parameter: Parameter) -> Field:
    name = f"{parameter.name}_" if parameter.name in _KEYWORDS.split() else parameter.name
    return Field(parameter.name, _identifier(name), parameter.meaning, parameter.rank, parameter.choices)


def _function(
    name: str, descriptor: Descriptor, operator: Operator, items: Sequence[ExportItem], first: int
) -> Function:
    arguments = _arguments(operator, items[0])
    by_values: dict[tuple[int, ...], ExportItem] = {}
    for item in items:
        key = item.workload.key
        if _arguments(operator, item) != arguments:
            raise InputError(f"{key}: its operands are not those of {items[0].workload.key}")
        values = _flatten(descriptor, operator, item.workload)
        if values in by_values:
            raise InputError(f"{key}: the library would hold two kernels for it")
        by_values[values] = item
    entries = [
        Entry(
            item,
            values,
            symbol=f"{name}_{_shape_words(item.workload)}",
            internal=f"heron_kernel_{first + number}",
            constant_bytes=sum(
                math.prod(operand.shape) * item_bytes(operand.dtype)
                for operand, argument in zip(item.kernel.operands, arguments, strict=True)
                if argument.constant
            ),
        )
        for number, (values, item) in enumerate(sorted(by_values.items(), key=lambda pair: pair[0]))
    ]
    return Function(name, descriptor, arguments, tuple(entries))


def _arguments(operator: Operator, item: ExportItem) -> tuple[Argument, ...]:
    operands, packed = item.kernel.operands, item.kernel.packed
    if packed is not None:
        constant: str | None = packed.name
    else:  # taken packed all the same: which kernel is fastest must not change the interface
        specs = operator.specs(item.workload)
        constant = next((name for name, spec in specs.items() if spec.constant), None)
    return tuple(
        Argument(operand.name, operand.dtype, operand.name == constant, operand is operands[-1])
        for operand in operands
    )


def _flatten(descriptor: Descriptor, operator: Operator, workload: Workload) -> tuple[int, ...]:
    complete = operator.normalise(workload.shape, workload.key)
    values = {p.name: p.default for p in operator.parameters if p.default is not None} | complete
    return tuple(
        value for field in descriptor.fields for value in field.flatten(values[field.parameter], workload.key)
    )


def _shape_words(workload: Workload) -> str:
    words = []
    for name, value in workload.shape.items():
        words.append(name + ("x".join(map(str, value)) if isinstance(value, tuple) else str(value)))
    return _identifier("_".join(words))


def _identifier(text: str) -> str:
    return re.sub(r"\W", "_", text, flags=re.ASCII)
