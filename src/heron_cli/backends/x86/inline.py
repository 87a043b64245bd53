"""What TIR has no words for, as LLVM IR that is inlined into a kernel."""

from __future__ import annotations

from typing import Any

from heron_cli.backends import tir
from heron_cli.backends.x86 import forms

_TYPES = {"uint8": "i8", "int8": "i8", "int32": "i32", "float32": "float", "bfloat16": "bfloat"}
_CARRIERS = {"bfloat16": "uint16"}
_STREAM, _FENCE, _MULTIPLY = "heron_stream", "heron_fence", "heron_multiply"


def carrier(dtype: str) -> str:
    """The type in which TIR moves elements: TVM's code generator has no bfloat16, so its 16 bits."""
    return _CARRIERS.get(dtype, dtype)


def multiplication(instruction: str, lanes: int, depth: int, accumulate: str, dtypes: tuple[str, str]) -> str:
    """LLVM IR of a function on words of 32 bits that calls an LLVM intrinsic on vectors of `dtypes`."""
    sums, words = f"<{lanes} x {_TYPES[accumulate]}>", f"<{lanes} x i32>"
    a, b = (f"<{lanes * depth} x {_TYPES[dtype]}>" for dtype in dtypes)
    return f"""
        declare {sums} @{instruction}({sums}, {a}, {b})
        define available_externally {sums} @{_MULTIPLY}({sums} %c, {words} %a, {words} %b) alwaysinline {{
          %x = bitcast {words} %a to {a}
          %y = bitcast {words} %b to {b}
          %z = call {sums} @{instruction}({sums} %c, {a} %x, {b} %y)
          ret {sums} %z
        }}
    """


def multiplying(text: str, body: Any) -> Any:
    """`body`, in which `multiply` may be used; `text` is what `multiplication` made."""
    return forms.with_llvm(text, body)


def multiply(dtype: str, sums: Any, words: Any, weights: Any) -> Any:
    """The sums and the dot products of the words; `dtype` is the vector type of the sums."""
    return forms.inlined(dtype, _MULTIPLY, sums, words, weights)


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
    return forms.with_llvm(text, body)


def stream(buffer: Any, index: Any, value: Any) -> Any:
    """Write a vector past the caches; `index` is a multiple of its length."""
    return forms.evaluate(_STREAM, tir.address(buffer, index), value)


def fence() -> Any:
    """What this thread streamed is seen before whatever it writes afterwards."""
    return forms.evaluate(_FENCE)
