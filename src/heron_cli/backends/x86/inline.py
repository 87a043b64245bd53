"""What TIR has no words for, as LLVM IR that is inlined into a kernel."""

from __future__ import annotations

from typing import Any

from heron_cli.backends import tir

_TYPES = {"uint8": "i8", "int8": "i8", "int32": "i32", "float32": "float"}
_STREAM, _FENCE = "heron_stream", "heron_fence"


def streaming(dtype: str, lanes: int, body: Any) -> Any:
    """`body`, in which `stream` and `fence` may be used with vectors of this type, which fill whole lines.

    The definitions are only there to be inlined: objects of several kernels define no symbol twice.
    """
    vector = f"<{lanes} x {_TYPES[dtype]}>"
    text = f"""
        define available_externally void @{_STREAM}(ptr %place, {vector} %value) alwaysinline {{
          store {vector} %value, ptr %place, align 64, !nontemporal !0
          ret void
        }}
        declare void @llvm.x86.sse.sfence()
        define available_externally void @{_FENCE}() alwaysinline {{
          call void @llvm.x86.sse.sfence()
          ret void
        }}
        !0 = !{{i32 1}}
    """
    return tir.with_llvm(text, body)


def stream(buffer: Any, index: Any, value: Any) -> Any:
    """Write a vector past the caches; `index` is a multiple of its length."""
    return tir.evaluate(_STREAM, tir.address(buffer, index), value)


def fence() -> Any:
    """What this thread streamed is seen before whatever it writes afterwards."""
    return tir.evaluate(_FENCE)
