"""What is done to every sum before it is written: a concept of the workload, the same for all operators.

    output = cast(clip(requantised(sum + bias) + residual))
    requantised(x) = x >> shift, or round(float32(x) · scale) with a scale for every output channel

The bias is in the scale of the sums; the residual is an activation, in the scale (and type) of the output,
so it is added after the shift: before a shift by 8, an int8 value would be rounded away. `round` is to the
nearest integer, ties to even, after clipping to ±SCALED (what 32 bits hold and float32 has exactly); both
steps are IEEE operations, so results are exact. ReLU is a clip from 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from heron_cli.errors import InputError

if TYPE_CHECKING:
    from heron_cli.operators.workload import DTypes

SHIFT = 8
"""The shift where a narrower integer is asked for and none is given: 8-bit sums have it in common."""
MAXIMUM_SHIFT = 31
SCALED = (1 << 31) - 128
"""The largest scaled sum: the greatest float32 below 2^31."""
_BITS = {"uint8": 8, "int8": 8, "int32": 32}
_RANGE = {
    "uint8": (0, 255),
    "int8": (-128, 127),
    "int32": (-(1 << 31), (1 << 31) - 1),
    "float16": (-65504, 65504),
    "bfloat16": (-(1 << 24), 1 << 24),  # whole numbers that a float32 sum tells apart
    "float32": (-(1 << 24), 1 << 24),
}
_NONE = "none"

Fields = Mapping[str, tuple[object, str]]
"""What was said: field → (value, where it was said, for messages)."""


@dataclass(frozen=True, slots=True)
class Epilogue:
    """See the module. `bias` and `scale` have one value per output channel; `low`, `high` None: no clip."""

    bias: bool = False
    residual: bool = False
    scale: bool = False
    shift: int = 0
    low: int | None = None
    high: int | None = None

    @property
    def empty(self) -> bool:
        """Whether sums are written as they are (in the output's type)."""
        return self == EMPTY

    @property
    def clips(self) -> bool:
        """Whether there is a bound."""
        return self.low is not None or self.high is not None

    def __str__(self) -> str:
        """`bias=1,shift=8,low=0,high=127`: what differs from the empty one, in the form of `parse`."""
        values = ((name, getattr(self, name)) for name in NAMES)
        return ",".join(f"{name}={int(value)}" for name, value in values if value != getattr(EMPTY, name))


EMPTY = Epilogue()
"""Sums are written as they are."""


def default(types: DTypes) -> Epilogue:
    """What follows from the element types: sums go to a narrower integer shifted by 8 and clipped from 0."""
    sum_bits, output_bits = _BITS.get(types.accumulate), _BITS.get(types.output)
    if sum_bits is None or output_bits is None or output_bits >= sum_bits:
        return EMPTY
    return Epilogue(shift=SHIFT, low=0, high=_RANGE[types.output][1])


def _scaled(types: DTypes) -> Epilogue:
    """What follows from the element types for sums that are scaled: clipped to what the output holds."""
    if types.output not in _BITS:
        return Epilogue(scale=True)
    low, high = _RANGE[types.output]
    return Epilogue(scale=True, low=low, high=high) if _BITS[types.output] < 32 else Epilogue(scale=True)


def parse(text: str, where: str = "--epilogue") -> Fields:
    """Read `bias=1,residual=1,shift=8,low=0,high=none`. Raises InputError, prefixed with `where`."""
    found: dict[str, tuple[object, str]] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (part.strip() for part in entry.partition("="))
        if not (equals and name and value):
            raise InputError(f"{where}: '{entry}' is not of the form name=value")
        if name in found:
            raise InputError(f"{where}: {name} is given twice")
        found[name] = _typed(name, value), where
    check(found)
    return found


def _typed(name: str, text: str) -> object:
    if name in _FLAGS:
        return {"0": False, "1": True, "false": False, "true": True}.get(text.lower(), text)
    try:
        return int(text)
    except ValueError:
        return text


def check(given: Fields) -> None:
    """Raises InputError for an unknown field or a value that is legal for no element types."""
    for name, (value, where) in given.items():
        if name not in _CHECKS:
            close = get_close_matches(name, _CHECKS, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(_CHECKS)}"
            raise InputError(f"{where}: epilogue has no '{name}'; {hint}")
        legal, due = _CHECKS[name]
        if not legal(value):
            raise InputError(f"{where}: epilogue {name} is {_shown(value)}; it is {due}")


def resolve(given: Fields, types: DTypes) -> Epilogue:
    """The epilogue; fields that are not given have their defaults.

    Raises InputError, with the place of the field, for what `check` refuses and for what the element types
    do not allow: a shift or scale of sums that are no integers, a residual that is none for sums that are, a
    bound that the output cannot hold, an empty range.
    """
    check(given)
    said: dict[str, object] = {name: value for name, (value, _) in given.items()}
    usual = _scaled(types) if said.get("scale") else default(types)
    values = {name: said.get(name, getattr(usual, name)) for name in NAMES}
    shift, low, high = (_number(values[name]) for name in ("shift", "low", "high"))
    if shift and types.accumulate not in _BITS:
        where = given["shift"][1]
        raise InputError(f"{where}: epilogue shift is {shift}; {types.accumulate} is not shifted")
    for name, bound in (("low", low), ("high", high)):
        for dtype in (types.output, types.accumulate):
            least, most = _RANGE[dtype]
            if bound is not None and not least <= bound <= most:
                where = given[name][1]
                raise InputError(f"{where}: epilogue {name} is {bound}; {dtype} holds {least} to {most}")
    if values["residual"] and types.accumulate in _BITS and types.output not in _BITS:
        where = given["residual"][1]
        raise InputError(
            f"{where}: epilogue residual is True; a residual in {types.output} is not added to "
            f"{types.accumulate} sums"
        )
    if values["scale"] and (types.accumulate not in _BITS or shift):
        where = given["scale"][1]
        why = f"sums are shifted by {shift}" if shift else f"{types.accumulate} is not requantised"
        raise InputError(f"{where}: epilogue scale is {_shown(values['scale'])}; {why}")
    if low is not None and high is not None and low >= high:
        where = given["low" if "low" in given else "high"][1]
        raise InputError(f"{where}: epilogue low is {low}; it is below high, which is {high}")
    bias, residual, scale = (bool(values[name]) for name in _FLAGS)
    return Epilogue(bias, residual, scale, shift or 0, low, high)


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _shown(value: object) -> str:
    return _NONE if value is None else repr(value)


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _shift(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAXIMUM_SHIFT


def _bound(value: object) -> bool:
    return value is None or value == _NONE or (isinstance(value, int) and not isinstance(value, bool))


_FLAGS = ("bias", "residual", "scale")
_CHECKS: dict[str, tuple[Callable[[object], bool], str]] = {
    **dict.fromkeys(_FLAGS, (_flag, "true or false (1 or 0)")),
    "shift": (_shift, f"an integer from 0 to {MAXIMUM_SHIFT}"),
    "low": (_bound, f"an integer or {_NONE}"),
    "high": (_bound, f"an integer or {_NONE}"),
}
NAMES = tuple(_CHECKS)
"""The fields."""
