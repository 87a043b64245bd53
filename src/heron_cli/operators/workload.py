"""A workload: an operator with a shape and element types; and the two ways to say one, text and YAML."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import Any

from heron_cli.errors import InputError
from heron_cli.operators.epilogue import EMPTY, Epilogue, Fields, resolve
from heron_cli.operators.parameter import Value

SCHEMA = "heron/workloads/1"
SHORT = {
    "uint8": "u8", "int8": "s8", "int32": "s32", "float16": "f16", "bfloat16": "bf16", "float32": "f32",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class DTypes:
    """Element types of the operands and of the accumulator."""

    input: str = "uint8"
    weight: str = "int8"
    accumulate: str = "int32"
    output: str = "int32"

    def __str__(self) -> str:
        text = "".join(SHORT[name] for name in (self.input, self.weight, self.output))
        return text if self.accumulate == self.output else f"{text}-{SHORT[self.accumulate]}"


@dataclass(frozen=True, slots=True)
class Workload:
    """An operator, its complete shape (see the operator's parameters), element types and epilogue.

    `count` says how often the workload occurs in its network; it has no influence on tuning.
    """

    name: str
    operator: str
    shape: Mapping[str, Value]
    dtypes: DTypes = DTypes()
    count: int = 1
    epilogue: Epilogue = EMPTY

    @property
    def key(self) -> str:
        """A stable text that identifies what is computed: equal keys are the same problem."""
        key = f"{self.operator}[{format_shape(self.shape)}]:{self.dtypes}"
        return key if self.epilogue.empty else f"{key}+{self.epilogue}"

    def __hash__(self) -> int:
        return hash(self.key)

    def __getstate__(self) -> tuple[object, ...]:
        return (self.name, self.operator, dict(self.shape), self.dtypes, self.count, self.epilogue)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        for field, value in zip(_FIELDS, state, strict=True):
            object.__setattr__(self, field, MappingProxyType(value) if field == "shape" else value)


_FIELDS = ("name", "operator", "shape", "dtypes", "count", "epilogue")


def format_shape(shape: Mapping[str, Value]) -> str:
    """`k=v,…`, lists as `3x5`: the form that `parse_shape` reads."""
    return ",".join(
        f"{name}={'x'.join(map(str, value)) if isinstance(value, tuple) else value}"
        for name, value in shape.items()
    )


def parse_shape(text: str) -> dict[str, object]:
    """Read `k=v,…`; a value is an integer, a list of integers joined by `x`, or a word.

    Raises InputError when an entry has no `=` or a name occurs twice.
    """
    shape: dict[str, object] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (part.strip() for part in entry.partition("="))
        if not equals or not name or not value:
            raise InputError(f"--shape: '{entry}' is not of the form name=value")
        if name in shape:
            raise InputError(f"--shape: {name} is given twice")
        shape[name] = _value(value)
    return shape


def _value(text: str) -> object:
    try:
        items = [int(part) for part in text.split("x")]
    except ValueError:
        return text
    return items[0] if len(items) == 1 else items


def make(
    operator: str,
    shape: Mapping[str, object],
    *,
    name: str | None = None,
    dtypes: Mapping[str, str] | DTypes | None = None,
    count: int = 1,
    epilogue: Fields | None = None,
    where: str = "--shape",
) -> Workload:
    """A checked workload; fields of the epilogue that are not given follow from the element types.

    Raises InputError for an unknown operator, an illegal shape, element type or epilogue.
    """
    from heron_cli.operators import registry

    family = registry.get(operator)
    complete = family.normalise(shape, where)
    types = dtypes if isinstance(dtypes, DTypes) else element_types(dtypes or {}, where)
    label = name or f"{operator}-{format_shape(complete)}"
    finish = resolve(epilogue or {}, types)
    workload = Workload(label, operator, MappingProxyType(complete), types, count, finish)
    for operand, spec in family.specs(workload).items():
        if prod(spec.shape) >= 1 << 31:  # generated code counts elements in 32 bits
            raise InputError(f"{where}: {operand} has {prod(spec.shape):,} elements; there are below 2**31")
    return workload


def element_types(given: Mapping[str, str], where: str) -> DTypes:
    """The checked types; roles that are not given have their defaults. Raises InputError."""
    for role, dtype in given.items():
        if role not in DTypes.__slots__:
            raise InputError(f"{where}: dtype has no '{role}'; there are {', '.join(DTypes.__slots__)}")
        if dtype not in SHORT:
            raise InputError(f"{where}: dtype {role} is '{dtype}'; there are {', '.join(SHORT)}")
    return DTypes(**given)


def load_file(
    path: Path, only: Callable[[str], bool] = lambda name: True, types: Mapping[str, str] | None = None
) -> list[Workload]:
    """The workloads of a YAML file whose names `only` accepts; the others are not looked into.

    `types` are the element types of the roles for which the file gives none. Raises InputError with file and
    line for anything that is wrong in it.
    """
    from heron_cli.operators.workload_file import read

    return read(path, only, types or {})
