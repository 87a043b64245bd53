"""What all kernels of exported libraries have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .errors import LibraryError
from .shapes import plain_shape

if TYPE_CHECKING:
    from .library import Library


class PackedOperand:
    """A constant operand in the form that one kernel wants. Made by `Kernel.pack`; `data` is an array."""

    def __init__(self, kernel: Kernel, data: Any) -> None:
        self.kernel = kernel
        self.data = data


class Kernel(ABC):
    """One kernel. Call it with the operands in the order of `operands`, the output optional.

    `obstacle` says in one line why this machine cannot run it; None when it can.
    """

    obstacle: str | None

    def __init__(self, library: Library, entry: Mapping[str, Any]) -> None:
        self.library = library
        self.entry = dict(entry)
        self.workload: str = entry["workload"]
        self.operator: str = entry["operator"]
        self.symbol: str = entry["symbol"]
        self.requires: tuple[str, ...] = tuple(entry["requires"])
        self.operands: list[dict[str, Any]] = entry["operands"]
        self.shape: dict[str, Any] = plain_shape(entry["shape"])

    def __repr__(self) -> str:
        return f"<heron kernel {self.workload}>"

    @abstractmethod
    def __call__(self, *operands: Any, out: Any = None) -> Any:
        """The result, written to `out` when that is given."""

    @abstractmethod
    def pack(self, constant: Any) -> PackedOperand:
        """The packed form of the constant operand, for any number of calls. Raises LibraryError."""

    def paired(self, operands: Sequence[Any]) -> list[tuple[dict[str, Any], Any]]:
        """What the manifest says of each operand but the output, with the operand. Raises LibraryError."""
        inputs = self.operands[:-1]
        if len(operands) != len(inputs):
            names = ", ".join(operand["name"] for operand in inputs)
            raise LibraryError(f"{self.workload} takes {len(inputs)} operands ({names}), got {len(operands)}")
        return list(zip(inputs, operands, strict=True))

    def constant(self) -> dict[str, Any]:
        """What the manifest says of the constant operand. Raises LibraryError when there is none."""
        found = next((o for o in self.operands if o["packed_bytes"] is not None), None)
        if found is None:
            raise LibraryError(f"{self.workload} has no operand to pack")
        return found

    def own(self, name: str, packed: PackedOperand) -> Any:
        """The array of what was packed for this kernel. Raises LibraryError for what was for another."""
        if packed.kernel is not self:
            raise LibraryError(
                f"'{name}' was packed for {packed.kernel.workload} of {packed.kernel.library.path}, "
                f"not for {self.workload} of {self.library.path}"
            )
        return packed.data
