"""What no protocol says of tensors of torch and CuPy: their current stream, how to make another."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from .errors import LibraryError


def given_stream(stream: Any) -> int:
    """The handle of a stream: a number, or an object of torch, CuPy or the __cuda_stream__ protocol."""
    if hasattr(stream, "__cuda_stream__"):
        return int(stream.__cuda_stream__()[1])
    for name in ("cuda_stream", "ptr"):
        if hasattr(stream, name):
            return int(getattr(stream, name))
    if isinstance(stream, int):
        return stream
    raise LibraryError(f"'stream' must be a stream or its handle, not {type(stream).__name__}")


def common_stream(values: Iterable[Any]) -> int:
    """The stream that the producers of these tensors use now; the default one (0) where none says.

    Raises LibraryError when they use different ones.
    """
    found = {stream for stream in map(_current, values) if stream is not None}
    if len(found) > 1:
        raise LibraryError("the operands are on different streams; name the one to use by stream=")
    return found.pop() if found else 0


def empty(values: Iterable[Any], shape: tuple[int, ...], dtype: str) -> Any:
    """A tensor of the library, and on the GPU, of the first value whose library is known; None if none is."""
    for value in values:
        if _is(value, "torch", "Tensor"):
            torch = sys.modules["torch"]
            return torch.empty(shape, dtype=getattr(torch, dtype), device=value.device)
        if _is(value, "cupy", "ndarray"):
            cupy = sys.modules["cupy"]
            with value.device:
                return cupy.empty(shape, dtype)
    return None


def device_of(value: Any) -> AbstractContextManager[Any]:
    """Within it, a tensor may be exported: torch does so for tensors of its current GPU only."""
    if _is(value, "torch", "Tensor"):
        guard: AbstractContextManager[Any] = sys.modules["torch"].cuda.device(value.device)
        return guard
    return nullcontext()


def _current(value: Any) -> int | None:
    if _is(value, "torch", "Tensor"):
        if not value.is_cuda:
            return None
        stream = sys.modules["torch"].cuda.current_stream(value.device)
        return int(stream.cuda_stream)
    if _is(value, "cupy", "ndarray"):
        return int(sys.modules["cupy"].cuda.get_current_stream().ptr)
    held = getattr(value, "__cuda_array_interface__", {}).get("stream")
    return None if held is None else int(held)


def _is(value: Any, module: str, kind: str) -> bool:
    """Whether it is an object of a library, without importing that."""
    known = getattr(sys.modules.get(module), kind, None)
    return known is not None and isinstance(value, known)
