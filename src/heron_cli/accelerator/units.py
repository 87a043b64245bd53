"""Quantities with their unit: `48 KiB`, `32 vectors`, `2.6 GHz`, `100 GB/s`."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from decimal import Decimal

BYTES, VECTORS, REGISTERS = "bytes", "vectors", "registers"
FREQUENCY, BANDWIDTH = "frequency", "bandwidth"

_BINARY = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_DECIMAL = {"kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SIZES = _BINARY | _DECIMAL

UNITS: dict[str, dict[str, int]] = {
    BYTES: _SIZES,
    VECTORS: {"vector": 1, "vectors": 1},
    REGISTERS: {"register": 1, "registers": 1},
    FREQUENCY: {"Hz": 1, "kHz": 10**3, "MHz": 10**6, "GHz": 10**9},
    BANDWIDTH: {f"{unit}/s": factor for unit, factor in _SIZES.items()},
}
"""Dimension -> unit -> how many base units (bytes, vectors, registers, hertz, bytes per second) it is."""

EXAMPLES = {
    BYTES: "48 KiB",
    VECTORS: "32 vectors",
    REGISTERS: "255 registers",
    FREQUENCY: "2.6 GHz",
    BANDWIDTH: "100 GB/s",
}
WHOLE = (BYTES, VECTORS, REGISTERS)
_LARGEST = 2**50  # base units; keeps every later sum of bytes far inside 64 bits
_PATTERN = re.compile(r"([0-9]+(?:\.[0-9]+)?)[ ]*([A-Za-z]+(?:/[A-Za-z]+)?)?")


class UnitError(ValueError):
    """A quantity that cannot be read; the text says what is wrong and what would be right."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value in the base unit of its dimension, and the unit in which it was written."""

    value: int | float
    unit: str
    dimension: str


def parse(text: object, *dimensions: str) -> Quantity:
    """Read a quantity of one of `dimensions` (all of them by default).

    Bytes, vectors and registers must come out whole; every quantity must be positive.

    Raises:
        UnitError: no unit, an unknown unit, a unit of another dimension, or a value out of range.
    """
    due = dimensions or tuple(UNITS)
    example = " or ".join(f"'{EXAMPLES[dimension]}'" for dimension in due)
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise UnitError(f"a quantity with its unit is due; write {example}")
    match = _PATTERN.fullmatch(str(text).strip())
    if match is None:
        raise UnitError(f"'{text}' is not a quantity; write a positive number and a unit: {example}")
    digits, unit = match.groups()
    if unit is None:
        raise UnitError(f"{text} has no unit; write {example}")
    dimension = _dimension(unit, due, example)
    exact = Decimal(digits) * UNITS[dimension][unit]
    if not 0 < exact <= _LARGEST:
        raise UnitError(f"'{text}' is out of range; write a value above 0 and at most 2**50 {dimension}")
    if dimension not in WHOLE:
        return Quantity(float(exact), unit, dimension)
    if exact != int(exact):
        raise UnitError(f"'{text}' is not a whole number of {dimension}; write {example}")
    return Quantity(int(exact), unit, dimension)


def _dimension(unit: str, due: tuple[str, ...], example: str) -> str:
    found = next((dimension for dimension, table in UNITS.items() if unit in table), None)
    if found in due:
        return found
    if found is not None:
        raise UnitError(f"'{unit}' measures {found} where {' or '.join(due)} are due; write {example}")
    known = [name for dimension in due for name in UNITS[dimension]]
    folded = {name.lower(): name for name in reversed(known)}
    near = difflib.get_close_matches(unit.lower(), folded, n=1)
    hint = f"did you mean '{folded[near[0]]}'?" if near else f"known units: {', '.join(known)}"
    raise UnitError(f"unknown unit '{unit}'; {hint}")
