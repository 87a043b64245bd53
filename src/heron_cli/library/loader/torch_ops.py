"""The kernels of a library as operators of PyTorch, which its compiler knows. Needs torch 2.4 or newer.

An example::

    library = load("build/kernels")
    register(library)
    packed = torch.ops.heron.gemm_f16f16f16_f32_m128_n768_k768_pack(weight)
    output = torch.ops.heron.gemm_f16f16f16_f32_m128_n768_k768(input, packed)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .device import DeviceKernel, DeviceLibrary
from .errors import LibraryError


def register(library: Any, namespace: str = "heron") -> dict[str, Any]:
    """Define torch.ops.NAMESPACE.NAME, and NAME_pack where an operand is constant, for every kernel.

    NAME is the kernel's C function without `heron_`. Operands and results are dense CUDA tensors; the kernel
    runs on torch's current stream. There are no gradients. Gives the operators by name; those of the same
    name that were there before are replaced. Raises LibraryError for a library that is not for a GPU, or
    where torch is not installed.
    """
    if not isinstance(library, DeviceLibrary):
        raise LibraryError(f"{library.path}: its kernels are for this machine's CPU, not for a GPU")
    try:
        import torch
    except ImportError as error:
        raise LibraryError("torch is not installed; heron-cli[torch] asks for it") from error
    found: dict[str, Any] = {}
    for kernel in library.kernels:
        for operator in operators(kernel):
            defined = torch.library.custom_op(
                f"{namespace}::{operator.name}",
                operator.run,
                mutates_args=(),
                device_types="cuda",
                schema=operator.schema,
            )
            defined.register_fake(operator.describe)
            found[operator.name] = getattr(getattr(torch.ops, namespace), operator.name)
    return found


def operators(kernel: DeviceKernel) -> list[RunOperator | PackOperator]:
    """What a kernel is to torch."""
    packs = any(operand["packed_bytes"] is not None for operand in kernel.operands)
    return [RunOperator(kernel), *([PackOperator(kernel)] if packs else [])]


class RunOperator:
    """The kernel itself: (input, packed_weight, …) → output."""

    def __init__(self, kernel: DeviceKernel) -> None:
        self.kernel = kernel
        self.name = kernel.symbol.removeprefix("heron_")
        self.operands = [
            operand if operand["packed_bytes"] is None else _packed(operand)
            for operand in kernel.operands[:-1]
        ]
        names = ", ".join(f"Tensor {operand['name']}" for operand in self.operands)
        self.schema = f"({names}) -> Tensor"

    def describe(self, *tensors: Any) -> Any:
        """An empty result. Raises LibraryError for operands of another shape, type or device."""
        return _empty(self.kernel.operands[-1], self.operands, tensors)

    def run(self, *tensors: Any) -> Any:
        """The result, queued on torch's current stream."""
        output = self.describe(*tensors)
        addresses = _addresses([*self.operands, self.kernel.operands[-1]], [*tensors, output], self.kernel)
        self.kernel.launch(addresses, *_place(output))
        return output


class PackOperator:
    """The function that packs: weight → packed_weight."""

    def __init__(self, kernel: DeviceKernel) -> None:
        self.kernel = kernel
        self.name = f"{kernel.symbol.removeprefix('heron_')}_pack"
        self.operand = kernel.constant()
        self.schema = f"(Tensor {self.operand['name']}) -> Tensor"

    def describe(self, tensor: Any) -> Any:
        """An empty packed form. Raises LibraryError for a tensor of another shape or type."""
        return _empty(_packed(self.operand), [self.operand], [tensor])

    def run(self, tensor: Any) -> Any:
        """The packed form, queued on torch's current stream."""
        form = self.describe(tensor)
        source, packed = _addresses([self.operand, _packed(self.operand)], [tensor, form], self.kernel)
        device, stream = _place(form)
        self.kernel.launch_pack(source, packed, device, stream)
        return form


def _packed(operand: dict[str, Any]) -> dict[str, Any]:
    return {"name": f"packed_{operand['name']}", "shape": [operand["packed_bytes"]], "dtype": "uint8"}


def _empty(made: dict[str, Any], operands: Sequence[dict[str, Any]], tensors: Sequence[Any]) -> Any:
    """What `made` says, where the operands are, which are checked."""
    import torch

    for operand, tensor in zip(operands, tensors, strict=True):
        name, shape, dtype = operand["name"], tuple(operand["shape"]), operand["dtype"]
        if tuple(tensor.shape) != shape or tensor.dtype is not getattr(torch, dtype):
            told = str(tensor.dtype).removeprefix("torch.")
            raise LibraryError(f"'{name}' is {told} {tuple(tensor.shape)}; the kernel takes {dtype} {shape}")
        if tensor.device != tensors[0].device:
            first = operands[0]["name"]
            raise LibraryError(f"'{name}' is on {tensor.device}, '{first}' on {tensors[0].device}")
    return torch.empty(made["shape"], dtype=getattr(torch, made["dtype"]), device=tensors[0].device)


def _addresses(operands: Sequence[dict[str, Any]], tensors: Sequence[Any], kernel: DeviceKernel) -> list[int]:
    for operand, tensor in zip(operands, tensors, strict=True):
        if not tensor.is_contiguous():
            raise LibraryError(f"'{operand['name']}' must be contiguous")
        if tensor.data_ptr() % kernel.library.alignment:
            raise LibraryError(f"'{operand['name']}' must lie on a {kernel.library.alignment}-byte boundary")
    return [tensor.data_ptr() for tensor in tensors]


def _place(tensor: Any) -> tuple[int, int]:
    """The number of a tensor's GPU, and the handle of torch's current stream there."""
    import torch

    stream = torch.cuda.current_stream(tensor.device)
    index = tensor.device.index
    return -1 if index is None else index, stream.cuda_stream
