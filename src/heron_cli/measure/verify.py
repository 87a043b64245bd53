"""The correctness check: references computed once, shared by file, and the comparison with an output."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from heron_cli.backends.base import Operand
from heron_cli.errors import HeronError
from heron_cli.measure.inputs import element_type, random_operands

Array = NDArray[Any]
Reference = Callable[[Mapping[str, Array]], Array]
_FLOAT_TOLERANCE = {2: 1e-2, 4: 1e-4, 8: 1e-9}  # by bytes of the element


@dataclass(frozen=True, slots=True)
class ReferenceFiles:
    """Where the operands (in call order, the expected output last) lie as .npy files."""

    key: str
    paths: tuple[str, ...]

    def load(self) -> list[Array]:
        """The arrays, mapped read-only from the files."""
        return [np.load(path, mmap_mode="r", allow_pickle=False) for path in self.paths]


class ReferenceSource(Protocol):
    """Gives the reference for kernels with these operands."""

    def get(self, operands: Sequence[Operand]) -> ReferenceFiles:
        """The files, written on the first call for these operands."""


def reference_arrays(reference: Reference, operands: Sequence[Operand], seed: int = 0) -> list[Array]:
    """Random operands in call order and the expected output last.

    Raises HeronError when `reference` gives another shape or type than kernels write.
    """
    arrays = random_operands(operands, seed)
    output = operands[-1]
    expected = np.ascontiguousarray(reference(arrays))
    dtype = element_type(output)
    if expected.shape != output.shape or (expected.dtype != dtype and dtype.kind != "f"):
        raise HeronError(
            f"the reference gives {expected.dtype} {expected.shape}, "
            f"but kernels write {output.dtype} {output.shape}"
        )
    return [*arrays.values(), expected]


class References:
    """Computes the reference result for each signature of operands once and keeps it in `directory`.

    `reference` takes the operands by name and returns the output, in the output's own type or, for
    floats, a wider one.
    """

    def __init__(self, reference: Reference, directory: Path, seed: int = 0) -> None:
        self._reference, self._directory, self._seed = reference, directory, seed
        self._known: dict[tuple[Operand, ...], ReferenceFiles] = {}

    def get(self, operands: Sequence[Operand]) -> ReferenceFiles:
        """The files for kernels with these operands. Raises HeronError when they cannot be written."""
        signature = tuple(Operand(operand.name, operand.shape, operand.dtype) for operand in operands)
        files = self._known.get(signature)
        if files is None:
            files = self._known[signature] = self._compute(signature)
        return files

    def _compute(self, operands: tuple[Operand, ...]) -> ReferenceFiles:
        arrays = reference_arrays(self._reference, operands, self._seed)
        key = hashlib.sha256(repr((operands, self._seed)).encode()).hexdigest()[:16]
        paths: list[str] = []
        try:
            for operand, array in zip(operands, arrays, strict=True):
                path = self._directory / f"{key}-{len(paths)}-{operand.name}.npy"
                np.save(path, array, allow_pickle=False)
                paths.append(str(path))
        except OSError as error:
            raise HeronError(f"cannot write the reference to {self._directory}: {error.strerror}") from error
        return ReferenceFiles(key, tuple(paths))


def compare(output: Array, expected: Array) -> str:
    """What is wrong with `output`, in one line; empty if nothing is.

    Integers must be equal. Floats may differ by a share (1e-4 for single, 1e-2 for half precision) of the
    element plus the root mean square of the result: sums in another order differ by that little, a missing
    or doubled product does not. NaN is never right.
    """
    if output.dtype.kind == "f":
        wide = expected.astype(np.float64)
        scale = float(np.sqrt(np.mean(np.square(wide)))) if wide.size else 0.0
        bound = _FLOAT_TOLERANCE[output.dtype.itemsize] * (np.abs(wide) + scale)
        wrong = ~(np.abs(output.astype(np.float64) - wide) <= bound)
    else:
        if np.array_equal(output, expected):
            return ""
        wrong = output != expected
    count = int(np.count_nonzero(wrong))
    if count == 0:
        return ""
    flat = int(np.argmax(wrong))
    index = ", ".join(str(int(i)) for i in np.unravel_index(flat, output.shape))
    return (
        f"{count} of {output.size} elements are wrong, the first at [{index}]: "
        f"{output.flat[flat]} instead of {expected.flat[flat]}"
    )
