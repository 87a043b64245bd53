"""Batched matrix product of two activations: output[b] = input[b] · weight[b] (PyTorch's bmm)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from heron_cli.operators import finish
from heron_cli.operators.base import Operator, TensorSpec
from heron_cli.operators.parameter import Parameter, integer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heron_cli.operators.workload import Workload


class Bmm(Operator):
    """Product of matrices that are both known only when the kernel is called: nothing is packed in advance.

    Input (batch, m, k), weight (batch, k, n), or (batch, n, k) with layout NT, output (batch, m, n). NT is
    the product of queries and keys as attention holds them.
    """

    name = "bmm"
    summary = (
        "batched matrix product, no operand constant: output[b,m,n] = sum_k input[b,m,k] * weight[b,k,n]"
    )
    parameters = (
        Parameter("batch", "products"),
        Parameter("m", "rows of the input and of the output"),
        Parameter("n", "columns of the weight and of the output"),
        Parameter("k", "length of the sum"),
        Parameter("layout", "NN: weight[b,k,n]; NT: weight[b,n,k]", default="NN", choices=("NN", "NT")),
    )

    def specs(self, workload: Workload) -> dict[str, TensorSpec]:
        """Input, weight, what the epilogue reads, output; see the class for their axes."""
        batch, m, n, k = (integer(workload.shape, name) for name in ("batch", "m", "n", "k"))
        types = workload.dtypes
        return {
            "input": TensorSpec((batch, m, k), types.input),
            "weight": TensorSpec((batch, k, n) if _plain(workload) else (batch, n, k), types.weight),
            **finish.operands(workload, (batch, m, n), channel=2),
        }

    def compute(self, workload: Workload) -> list[Any]:
        """One reduction over k, then the epilogue."""
        from tvm import te

        specs, types = self.specs(workload), workload.dtypes
        a = te.placeholder(specs["input"].shape, types.input, name="input")
        w = te.placeholder(specs["weight"].shape, types.weight, name="weight")
        r = te.reduce_axis((0, integer(workload.shape, "k")), "k")

        def multiply(b: Any, i: Any, j: Any) -> Any:
            factor = w[b, r, j] if _plain(workload) else w[b, j, r]
            return te.sum(a[b, i, r].astype(types.accumulate) * factor.astype(types.accumulate), axis=r)

        c = te.compute(specs["output"].shape, multiply, name=finish.sum_name(workload))
        return [a, w, *finish.stages(workload, c, (2,))]

    def reference(self, workload: Workload, arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """The products by `exact.matmul`."""
        from heron_cli.operators.exact import matmul

        weight = arrays["weight"] if _plain(workload) else arrays["weight"].swapaxes(1, 2)
        return finish.apply(workload, matmul(arrays["input"], weight, workload.dtypes), arrays, channel=2)

    def macs(self, workload: Workload) -> int:
        """Batch · m · n · k."""
        batch, m, n, k = (integer(workload.shape, name) for name in ("batch", "m", "n", "k"))
        return batch * m * n * k


def _plain(workload: Workload) -> bool:
    return workload.shape["layout"] == "NN"


operator = Bmm()
