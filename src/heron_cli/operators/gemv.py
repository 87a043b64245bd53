"""Matrix-vector product: output[m] = Σ_k weight[m, k] · input[k] (a linear layer of one row)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from heron_cli.operators import finish
from heron_cli.operators.base import Operator, TensorSpec
from heron_cli.operators.parameter import Parameter, integer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heron_cli.operators.workload import Workload


class Gemv(Operator):
    """Product of a constant matrix, the weight (m, k), with a vector, the input (k,); output (m,)."""

    name = "gemv"
    summary = "matrix-vector product with a constant matrix: output[m] = sum_k weight[m,k] * input[k]"
    parameters = (
        Parameter("m", "rows of the matrix, length of the output"),
        Parameter("k", "columns of the matrix, length of the input"),
    )

    def specs(self, workload: Workload) -> dict[str, TensorSpec]:
        """Input (k,), weight (m, k), what the epilogue reads, output (m,)."""
        m, k = (integer(workload.shape, name) for name in "mk")
        types = workload.dtypes
        return {
            "input": TensorSpec((k,), types.input),
            "weight": TensorSpec((m, k), types.weight, constant=True),
            **finish.operands(workload, (m,), channel=0),
        }

    def compute(self, workload: Workload) -> list[Any]:
        """One reduction over k, then the epilogue."""
        from tvm import te

        types = workload.dtypes
        m, k = (integer(workload.shape, name) for name in "mk")
        a = te.placeholder((k,), types.input, name="input")
        b = te.placeholder((m, k), types.weight, name="weight")
        r = te.reduce_axis((0, k), "k")
        c = te.compute(
            (m,),
            lambda i: te.sum(a[r].astype(types.accumulate) * b[i, r].astype(types.accumulate), axis=r),
            name=finish.sum_name(workload),
        )
        return [a, b, *finish.stages(workload, c, (0,))]

    def reference(self, workload: Workload, arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """The product by `exact.matmul`."""
        from heron_cli.operators.exact import matmul

        sums = matmul(arrays["input"][None, :], arrays["weight"].T, workload.dtypes)[0]
        return finish.apply(workload, sums, arrays, channel=0)

    def macs(self, workload: Workload) -> int:
        """M · k."""
        return integer(workload.shape, "m") * integer(workload.shape, "k")


operator = Gemv()
