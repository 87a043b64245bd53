"""What every operator family offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from heron_cli.elements import BYTES
from heron_cli.operators.expected import Expected, expect
from heron_cli.operators.parameter import Parameter, Value, normalise_shape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from heron_cli.operators.workload import Workload


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Shape and element type of an operand; `constant` operands are known when a kernel is installed."""

    shape: tuple[int, ...]
    dtype: str
    constant: bool = False

    @property
    def bytes(self) -> int:
        """Size of the dense tensor."""
        return prod(self.shape) * BYTES[self.dtype]


class Operator(ABC):
    """An operator family: its parameters and its meaning. Instances hold no state."""

    name: str
    summary: str
    parameters: tuple[Parameter, ...]

    def normalise(self, shape: Mapping[str, object], where: str) -> dict[str, Value]:
        """The complete shape. Raises InputError, prefixed with `where`, if it is not legal."""
        return normalise_shape(self.parameters, shape, where)

    @abstractmethod
    def specs(self, workload: Workload) -> dict[str, TensorSpec]:
        """The operands in call order; the last one is the output."""

    @abstractmethod
    def compute(self, workload: Workload) -> list[Any]:
        """The TE tensors in the order of `specs`. Tensors are named like their operand. Imports TVM.

        They are views: a dimension may be split into several (groups apart from channels), the elements and
        their order in memory are those of `specs`.
        """

    @abstractmethod
    def reference(self, workload: Workload, arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.generic]:
        """The exact result by numpy, from the arrays of the operands that are read.

        Integers in the output's type, floats in a wider one, not rounded (`exact.sum_type`).
        """

    def expected(self, workload: Workload, arrays: Mapping[str, NDArray[Any]]) -> Expected:
        """The reference and how far a kernel's output may be from it."""
        return expect(self, workload, arrays)

    def prescribed(self, workload: Workload) -> dict[str, NDArray[Any]]:
        """The operands whose values are part of the workload; all others may hold anything."""
        return {}

    @abstractmethod
    def macs(self, workload: Workload) -> int:
        """Multiply-accumulate operations, padded taps counted (the number that vendors quote)."""

    def products(self, workload: Workload) -> int:
        """Products in the longest sum."""
        return -(-self.macs(workload) // prod(self.specs(workload)["output"].shape))

    def flops(self, workload: Workload) -> int:
        """Operations: two per multiply-accumulate."""
        return 2 * self.macs(workload)

    def bytes(self, workload: Workload) -> int:
        """Bytes of all operands together: the least that has to move."""
        return sum(spec.bytes for spec in self.specs(workload).values())
