"""The parameters of an operator: what a shape may say, and how it is checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from heron_cli.errors import InputError

Value = int | tuple[int, ...] | str


@dataclass(frozen=True, slots=True)
class Parameter:
    """One entry of a shape.

    `rank` 0 takes an integer; a larger rank takes that many integers, or one that stands for all of them.
    `choices` makes it a word. `default` None means that the parameter must be given. `implied`: a shape does
    not name it where it has its default, so that the names of workloads outlive a new parameter.
    """

    name: str
    meaning: str
    minimum: int = 1
    default: Value | None = None
    rank: int = 0
    choices: tuple[str, ...] = ()
    implied: bool = False

    def normalise(self, value: object, where: str) -> Value:
        """The canonical form of `value`. Raises InputError, prefixed with `where`, if it is not legal."""
        if self.choices:
            if isinstance(value, str) and value.upper() in self.choices:
                return value.upper()
            raise InputError(f"{where}: {self.name} is {value!r}; it is one of {', '.join(self.choices)}")
        items = tuple(value) if isinstance(value, list | tuple) else (value,)
        if self.rank and len(items) == 1:
            items = items * self.rank
        if len(items) != max(self.rank, 1):
            expected = f"an integer or a list of {self.rank}" if self.rank else "one integer"
            raise InputError(f"{where}: {self.name} is {value!r}; it is {expected}")
        numbers: list[int] = []
        for item in items:
            if isinstance(item, bool) or not isinstance(item, int):
                raise InputError(f"{where}: {self.name} is {item!r}; it is an integer")
            if item < self.minimum:
                raise InputError(f"{where}: {self.name} is {item}; it is at least {self.minimum}")
            if item >= 1 << 31:
                raise InputError(f"{where}: {self.name} is {item}; it is below 2**31")
            numbers.append(item)
        return tuple(numbers) if self.rank else numbers[0]


def normalise_shape(
    parameters: tuple[Parameter, ...], shape: Mapping[str, object], where: str
) -> dict[str, Value]:
    """Every parameter with its value, in the order of `parameters`; implied defaults are left out.

    Raises InputError for an unknown, missing or illegal entry; the message begins with `where`.
    """
    known = [parameter.name for parameter in parameters]
    for name in shape:
        if name not in known:
            close = get_close_matches(str(name), known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
            raise InputError(f"{where}: no parameter is called '{name}'; {hint}")
    missing = [p.name for p in parameters if p.default is None and p.name not in shape]
    if missing:
        raise InputError(f"{where}: the shape lacks {', '.join(missing)}")
    complete = {p.name: p.normalise(shape.get(p.name, p.default), where) for p in parameters}
    return {p.name: complete[p.name] for p in parameters if not p.implied or complete[p.name] != p.default}


def integer(shape: Mapping[str, Value], name: str) -> int:
    """The value of a parameter of rank 0 in a complete shape."""
    value = shape[name]
    assert isinstance(value, int), f"{name} is {value!r}"
    return value


def integers(shape: Mapping[str, Value], name: str) -> tuple[int, ...]:
    """The values of a parameter of any rank in a complete shape."""
    value = shape[name]
    assert isinstance(value, int | tuple), f"{name} is {value!r}"
    return value if isinstance(value, tuple) else (value,)
