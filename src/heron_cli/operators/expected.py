"""What a kernel must compute: the reference, and how far rounding may take a right answer from it.

Integers are exact. A float result may differ from the reference r by

    |error| ≤ u_out · (|r| + a) + a + s_out / 2
    a = C · √(n + e) · u_acc · (Σ |x·w| + |bias| + |residual|) + n · s_acc

with u the unit roundoff and s the smallest number of the output's and the accumulator's type (of float32 the
smallest normal one, since hardware may flush smaller ones to zero), n products in a sum and e additions of
the epilogue. Any order of summation errs by at most n · u · Σ|x·w|; C · √n in place of n is exceeded by
independent rounding errors with a probability of the order of exp(-C²/2) only (Higham and Mary, "A new
approach to probabilistic rounding error analysis", SIAM J. Sci. Comput. 41(5), 2019), and it is small enough
that a missing product shows. C also covers hardware that truncates.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from math import sqrt
from typing import TYPE_CHECKING, Any

from heron_cli.elements import is_float, numpy_type, smallest, unit_roundoff
from heron_cli.operators.epilogue import Epilogue

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heron_cli.operators.base import Operator
    from heron_cli.operators.workload import Workload

_C = 8.0
_FLUSHED = 2.0**-126
_PIECE = 1 << 17  # elements whose bound is found at once: they stay in a core's cache


@dataclass(frozen=True, slots=True)
class Expected:
    """The right output; `bound` is the largest right |error| of every element, None where all must be equal.

    `values` are in the output's type for integers, in a wider one, not rounded, for floats.
    """

    values: NDArray[Any]
    bound: NDArray[Any] | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """What kernels of a workload must compute, as measuring asks for it."""

    workload: Workload

    def __call__(self, arrays: Mapping[str, NDArray[Any]]) -> Expected:
        """The right output for the operands in `arrays`."""
        return self._operator.expected(self.workload, arrays)

    def prescribed(self) -> dict[str, NDArray[Any]]:
        """The operands that are not random."""
        return self._operator.prescribed(self.workload)

    @property
    def _operator(self) -> Operator:
        from heron_cli.operators import registry

        return registry.get(self.workload.operator)


def expect(operator: Operator, workload: Workload, arrays: Mapping[str, NDArray[Any]]) -> Expected:
    """The reference for the operands in `arrays`, with the bound that suits the element types."""
    import numpy as np

    values = operator.reference(workload, arrays)
    types, epilogue = workload.dtypes, workload.epilogue
    if not is_float(numpy_type(types.output)):
        return Expected(values)
    sizes, share, least = None, 0.0, 0.0
    if is_float(numpy_type(types.accumulate)):
        sums = replace(workload, epilogue=Epilogue(bias=epilogue.bias, residual=epilogue.residual))
        sizes = operator.reference(sums, {name: np.abs(array) for name, array in arrays.items()})
        steps = operator.products(workload) + epilogue.bias + epilogue.residual
        share = _C * sqrt(steps) * unit_roundoff(types.accumulate)
        least = steps * max(_FLUSHED, smallest(types.accumulate))
    return Expected(values, _bound(values, sizes, (share, least), types.output))


def _bound(
    values: NDArray[Any], sizes: NDArray[Any] | None, accumulated: tuple[float, float], output: str
) -> NDArray[Any]:
    """The formula above, piece by piece: an output of a gigabyte would else go to memory a dozen times."""
    import numpy as np

    share, least = map(np.float32, accumulated)
    unit, half = np.float32(unit_roundoff(output)), np.float32(smallest(output) / 2)
    bound = np.empty(values.shape, np.float32)
    flat, right = bound.reshape(-1), values.reshape(-1)
    all_sizes = None if sizes is None else sizes.reshape(-1)

    def fill(begin: int) -> None:
        piece = slice(begin, begin + _PIECE)
        sums = flat[piece]
        sums[:] = least
        if all_sizes is not None:
            sums += all_sizes[piece].astype(np.float32) * share
        sums += (np.abs(right[piece]).astype(np.float32) + sums) * unit + half

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for _ in pool.map(fill, range(0, flat.size, _PIECE)):
            pass
    return bound
