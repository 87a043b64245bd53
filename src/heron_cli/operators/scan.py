"""Prefix sums as a product with a triangular matrix, and the general product that the paper's table lists.

    inclusive: output[m, j] = Σ_{i ≤ j} input[m, i]     exclusive: output[m, j] = Σ_{i < j} input[m, i]

Both are input · T with T[i, j] = 1 where i ≤ j (i < j), else 0. T is an operand like any other, so that a
matrix unit computes the sums; its values are part of the workload (`triangle`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from heron_cli.errors import InputError
from heron_cli.operators import finish
from heron_cli.operators.base import Operator, TensorSpec
from heron_cli.operators.parameter import Parameter, Value, integer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from heron_cli.operators.workload import Workload

GENERAL, INCLUSIVE, EXCLUSIVE = "GENERAL", "INCLUSIVE", "EXCLUSIVE"


class Scan(Operator):
    """Sums along the rows of the input (m, k), weighted by a constant (k, n); output (m, n)."""

    name = "scan"
    summary = "prefix sums of rows as a product with a constant: output[m,n] = sum_k input[m,k] * weight[k,n]"
    parameters = (
        Parameter("m", "rows"),
        Parameter("n", "length of a row of the output"),
        Parameter("k", "length of a row of the input"),
        Parameter(
            "form",
            "GENERAL: any weight; INCLUSIVE, EXCLUSIVE: prefix sums, k = n",
            default=GENERAL,
            choices=(GENERAL, INCLUSIVE, EXCLUSIVE),
        ),
    )

    def normalise(self, shape: Mapping[str, object], where: str) -> dict[str, Value]:
        """The complete shape; prefix sums need a square weight."""
        complete = super().normalise(shape, where)
        if complete["form"] != GENERAL and complete["k"] != complete["n"]:
            raise InputError(
                f"{where}: k is {complete['k']}; an {str(complete['form']).lower()} scan has k = n, "
                f"which is {complete['n']}"
            )
        return complete

    def specs(self, workload: Workload) -> dict[str, TensorSpec]:
        """Input (m, k), weight (k, n), what the epilogue reads, output (m, n)."""
        m, n, k = (integer(workload.shape, name) for name in "mnk")
        types = workload.dtypes
        return {
            "input": TensorSpec((m, k), types.input),
            "weight": TensorSpec((k, n), types.weight, constant=True),
            **finish.operands(workload, (m, n), channel=1),
        }

    def compute(self, workload: Workload) -> list[Any]:
        """One reduction over k, then the epilogue."""
        from tvm import te

        types = workload.dtypes
        m, n, k = (integer(workload.shape, name) for name in "mnk")
        a = te.placeholder((m, k), types.input, name="input")
        b = te.placeholder((k, n), types.weight, name="weight")
        r = te.reduce_axis((0, k), "k")
        c = te.compute(
            (m, n),
            lambda i, j: te.sum(a[i, r].astype(types.accumulate) * b[r, j].astype(types.accumulate), axis=r),
            name=finish.sum_name(workload),
        )
        return [a, b, *finish.stages(workload, c, (1,))]

    def prescribed(self, workload: Workload) -> dict[str, NDArray[Any]]:
        """The triangle of prefix sums; nothing for the general form."""
        return {} if workload.shape["form"] == GENERAL else {"weight": triangle(workload)}

    def reference(self, workload: Workload, arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """The product, or for prefix sums their definition: the weight is not looked at."""
        import numpy as np

        from heron_cli.elements import is_float
        from heron_cli.operators.exact import matmul, sum_type

        form, rows = workload.shape["form"], arrays["input"]
        if form == GENERAL:
            sums = matmul(rows, arrays["weight"], workload.dtypes)
        else:
            wide = np.cumsum(rows.astype(np.float64 if is_float(rows.dtype) else np.int64), axis=1)
            if form == EXCLUSIVE:
                wide = np.concatenate([np.zeros_like(wide[:, :1]), wide[:, :-1]], axis=1)
            sums = wide.astype(sum_type(workload.dtypes))
        return finish.apply(workload, sums, arrays, channel=1)

    def macs(self, workload: Workload) -> int:
        """M · n · k: what the product costs, zeros of the triangle counted."""
        m, n, k = (integer(workload.shape, name) for name in "mnk")
        return m * n * k


def triangle(workload: Workload) -> NDArray[np.generic]:
    """The weight of prefix sums: 1 on the elements that are summed, 0 elsewhere."""
    import numpy as np

    from heron_cli.elements import numpy_type

    n = integer(workload.shape, "n")
    whole = np.triu(np.ones((n, n)), 0 if workload.shape["form"] == INCLUSIVE else 1)
    return whole.astype(numpy_type(workload.dtypes.weight))


operator = Scan()
