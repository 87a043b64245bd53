"""The correctness check: references computed once, shared by file, and the comparison with an output."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from heron_cli.backends.base import Operand
from heron_cli.elements import is_float, numpy_type
from heron_cli.errors import HeronError
from heron_cli.measure.inputs import element_type, random_operands
from heron_cli.operators.expected import Expected

Array = NDArray[Any]
_CHUNK = 1 << 15  # elements that are compared at once: their float64 stays in a core's cache


class Reference(Protocol):
    """What kernels of one workload compute. Instances are pickled to measuring processes."""

    def __call__(self, arrays: Mapping[str, Array]) -> Expected:
        """The right output for the operands by name."""

    def prescribed(self) -> Mapping[str, Array]:
        """The operands that are not random."""


@dataclass(frozen=True, slots=True)
class ReferenceFiles:
    """Where the operands in call order, the expected output, and the bound of its error lie as .npy files.

    `types` are the element types of the operands; a file of bfloat16 does not say so itself.
    """

    key: str
    operands: tuple[str, ...]
    types: tuple[str, ...]
    values: str
    bound: str | None

    def load(self) -> tuple[list[Array], Expected]:
        """The operands and what is expected, mapped read-only from the files."""
        arrays = [
            _mapped(path).view(numpy_type(name)) for path, name in zip(self.operands, self.types, strict=True)
        ]
        return arrays, Expected(_mapped(self.values), None if self.bound is None else _mapped(self.bound))


def _mapped(path: str) -> Array:
    array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


class ReferenceSource(Protocol):
    """Gives the reference for kernels with these operands."""

    def get(self, operands: Sequence[Operand]) -> ReferenceFiles:
        """The files, written on the first call for these operands."""


def expected_arrays(
    reference: Reference, operands: Sequence[Operand], seed: int = 0
) -> tuple[dict[str, Array], Expected]:
    """Random operands by name, and what a kernel is to write.

    Raises HeronError when `reference` gives another shape or type than kernels write.
    """
    arrays = random_operands(operands, seed, reference.prescribed())
    output = operands[-1]
    expected = reference(arrays)
    values, dtype = expected.values, element_type(output)
    if values.shape != output.shape or (values.dtype != dtype and not is_float(dtype)):
        raise HeronError(
            f"the reference gives {values.dtype} {values.shape}, "
            f"but kernels write {output.dtype} {output.shape}"
        )
    return arrays, expected


class References:
    """Computes the expected result for each signature of operands once and keeps it in `directory`."""

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
        arrays, expected = expected_arrays(self._reference, operands, self._seed)
        values = expected.values
        key = hashlib.sha256(repr((operands, self._seed)).encode()).hexdigest()[:16]

        def saved(name: str, array: Array) -> str:
            path = self._directory / f"{key}-{name}.npy"
            raw = array.view(np.uint16) if array.dtype.name == "bfloat16" else array
            np.save(path, np.ascontiguousarray(raw), allow_pickle=False)
            return str(path)

        try:
            return ReferenceFiles(
                key,
                tuple(saved(f"operand-{name}", array) for name, array in arrays.items()),
                tuple(operand.dtype for operand in operands[:-1]),
                saved("values", values),
                None if expected.bound is None else saved("bound", expected.bound),
            )
        except OSError as error:
            raise HeronError(f"cannot write the reference to {self._directory}: {error.strerror}") from error


class Verifier:
    """Compares outputs of kernels of one workload with what is expected.

    Bits that were found right once are right again, so most outputs cost no more than reading them.
    """

    def __init__(self, expected: Expected) -> None:
        self._expected = expected
        self._right: Array | None = None

    def wrong(self, output: Array) -> str:
        """As `compare`."""
        if self._right is not None and _same_bits(output, self._right):
            return ""
        if told := compare(output, self._expected):
            return told
        if self._right is None:
            self._right = output.copy()
        else:
            self._right[...] = output
        return ""


def _same_bits(one: Array, other: Array) -> bool:
    left, right = (array.reshape(-1).view(np.uint8) for array in (one, other))
    if left.size != right.size:
        return False
    whole = left.size // 8 * 8
    words, others = left[:whole].view(np.uint64), right[:whole].view(np.uint64)  # an eighth of the elements
    return np.array_equal(left[whole:], right[whole:]) and all(
        np.array_equal(words[begin : begin + _CHUNK], others[begin : begin + _CHUNK])
        for begin in range(0, words.size, _CHUNK)
    )


def compare(output: Array, expected: Expected) -> str:
    """What is wrong with `output`, in one line; empty if nothing is.

    Without a bound elements must be equal; with one they differ by at most that. NaN is never right.
    """
    values, bound = expected.values.reshape(-1), expected.bound
    flat = output.reshape(-1)
    count, first = 0, -1
    for begin in range(0, flat.size, _CHUNK):
        here = slice(begin, begin + _CHUNK)
        if bound is None:
            wrong = flat[here] != values[here]
        else:
            error = np.abs(flat[here].astype(np.float64) - values[here])
            wrong = ~(error <= bound.reshape(-1)[here])
        if found := int(np.count_nonzero(wrong)):
            first = begin + int(np.argmax(wrong)) if count == 0 else first
            count += found
    if count == 0:
        return ""
    index = ", ".join(str(int(i)) for i in np.unravel_index(first, output.shape))
    more = "" if bound is None else f" (± {bound.reshape(-1)[first]:.3g})"
    return (
        f"{count} of {output.size} elements are wrong, the first at [{index}]: "
        f"{flat[first]} instead of {values[first]}{more}"
    )
