"""Matrix product: output[m, n] = Σ_k input[m, k] · weight[n, k] (the weight as a linear layer holds it)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from heron_cli.operators import finish
from heron_cli.operators.base import Operator, TensorSpec
from heron_cli.operators.parameter import Parameter, integer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heron_cli.operators.workload import Workload


class Gemm(Operator):
    """Matrix product with a constant weight: input (m, k), weight (n, k), output (m, n), all row-major."""

    name = "gemm"
    summary = "matrix product with a constant weight: output[m,n] = sum_k input[m,k] * weight[n,k]"
    parameters = (
        Parameter("m", "rows of the input and of the output"),
        Parameter("n", "rows of the weight, columns of the output"),
        Parameter("k", "length of the sum"),
    )

    def specs(self, workload: Workload) -> dict[str, TensorSpec]:
        """Input (m, k), weight (n, k), what the epilogue reads, output (m, n)."""
        m, n, k = _mnk(workload)
        types = workload.dtypes
        return {
            "input": TensorSpec((m, k), types.input),
            "weight": TensorSpec((n, k), types.weight, constant=True),
            **finish.operands(workload, (m, n), channel=1),
        }

    def compute(self, workload: Workload) -> list[Any]:
        """One reduction over k, then the epilogue."""
        from tvm import te

        specs, types = self.specs(workload), workload.dtypes
        m, n, k = _mnk(workload)
        a = te.placeholder((m, k), types.input, name="input")
        b = te.placeholder(specs["weight"].shape, types.weight, name="weight")
        r = te.reduce_axis((0, k), "k")
        c = te.compute(
            (m, n),
            lambda i, j: te.sum(a[i, r].astype(types.accumulate) * b[j, r].astype(types.accumulate), axis=r),
            name=finish.sum_name(workload),
        )
        return [a, b, *finish.stages(workload, c, (1,))]

    def reference(self, workload: Workload, arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """The product in the accumulator's type (`exact.matmul` says how)."""
        from heron_cli.operators.exact import matmul

        sums = matmul(arrays["input"], arrays["weight"].T, workload.dtypes)
        return finish.apply(workload, sums, arrays, channel=1)

    def macs(self, workload: Workload) -> int:
        """M · n · k."""
        m, n, k = _mnk(workload)
        return m * n * k


def _mnk(workload: Workload) -> tuple[int, int, int]:
    m, n, k = (integer(workload.shape, name) for name in "mnk")
    return m, n, k


operator = Gemm()
