"""The kinds of value that the YAML's keys take: each checks its text and says what would be right."""

from __future__ import annotations

import keyword
import re
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler, WithJsonSchema
from pydantic_core import CoreSchema

from heron_cli.accelerator import units, words
from heron_cli.accelerator.problems import suggest

T = TypeVar("T")
Scalar = str | int | float | bool

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str | int | float | dict) else value


def _label(text: str) -> str:
    if not _LABEL.fullmatch(text):
        raise ValueError(f"'{text}' is no name; write letters, digits, '-', '_' and '.'")
    return text


def _identifier(text: str) -> str:
    if not _IDENTIFIER.fullmatch(text):
        raise ValueError(f"'{text}' cannot be named in a rule; write letters, digits and '_'")
    if text in words.RESERVED or keyword.iskeyword(text):
        raise ValueError(f"'{text}' has a meaning of its own in rules; choose another name")
    return text


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty; write a text")
    return text


def _with_kind(target: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(target.get("kind"), str):
        raise ValueError("has no kind; write '{kind: llvm}'")
    return target


def _one_of(what: str, choices: tuple[str, ...]) -> Any:
    def check(text: str) -> str:
        if text not in choices:
            raise ValueError(f"'{text}' is no {what}; {suggest(text, choices, 'known')}")
        return text

    return Annotated[str, AfterValidator(check), WithJsonSchema({"type": "string", "enum": list(choices)})]


def _quantity(*dimensions: str) -> Any:
    def read(value: Any) -> units.Quantity:
        return units.parse(value, *dimensions)

    known = "|".join(unit for dimension in dimensions for unit in units.UNITS[dimension])
    shape = {
        "type": "string",
        "pattern": rf"^\s*[0-9]+(\.[0-9]+)? *({known})\s*$",
        "examples": [units.EXAMPLES[dimension] for dimension in dimensions],
    }
    return Annotated[units.Quantity, BeforeValidator(read), WithJsonSchema(shape)]


def _distinct(items: list[T]) -> list[T]:
    for index, item in enumerate(items):
        if item in items[:index]:
            raise ValueError(f"{item!r} is listed twice; keep one of them")
    return items


class _OrSingle:
    """Says in the JSON Schema that a list of one item may be written without brackets."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        whole = handler(core)
        return {"anyOf": [whole["items"], whole]}


Several = Annotated[
    list[T], Field(min_length=1), BeforeValidator(_listed), AfterValidator(_distinct), _OrSingle
]
"""As `list_of`, of a type that is known ahead."""


def list_of(item: Any, *, least: int = 1) -> Any:
    """A list of different items; a single one may be written without brackets."""
    size = Field(min_length=least)
    return Annotated[list[item], size, BeforeValidator(_listed), AfterValidator(_distinct), _OrSingle]


Text = Annotated[str, AfterValidator(_filled)]
Label = Annotated[str, AfterValidator(_label), Field(max_length=64)]
Identifier = Annotated[str, AfterValidator(_identifier), Field(max_length=64)]
Positive = Annotated[int, Field(ge=1, le=2**40)]
Natural = Annotated[int, Field(ge=0, le=2**40)]

Target = Annotated[dict[str, Scalar | list[Scalar]], AfterValidator(_with_kind)]
Schema = _one_of("schema that this heron reads", (words.SCHEMA,))
Computes = _one_of("computation", words.COMPUTES)
Scope = _one_of("scope", words.SCOPES)
Sharer = _one_of("sharer", words.SHARERS)
Order = _one_of("order", words.ORDERS)
Tails = _one_of("way to cover tails", words.TAILS)
Bind = _one_of("binding", words.BINDS)
Dtype = _one_of("dtype", words.DTYPES)
Axes = list_of(_one_of("axis", tuple(words.AXES)))
Operands = list_of(_one_of("operand", words.OPERANDS), least=0)
Fillers = list_of(_one_of("way to fill a memory", words.FILLERS))
Stores = list_of(_one_of("way to store", words.STORES))
Swizzles = list_of(_one_of("swizzle", words.SWIZZLES))
Fills = list_of(Text, least=0)
Positions = list_of(Text)
Texts = list_of(Text, least=0)
PositiveInts = list_of(Positive)
NaturalInts = list_of(Natural)
Bools = list_of(bool)

Capacity = _quantity(units.BYTES, units.VECTORS, units.REGISTERS)
Bytes = _quantity(units.BYTES)
Bandwidth = _quantity(units.BANDWIDTH)
Frequency = _quantity(units.FREQUENCY)
