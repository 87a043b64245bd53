"""The intrinsic of an accelerator as TIR."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from heron_cli.backends.x86 import forms, inline


@dataclass(frozen=True, slots=True)
class Dot:
    """To each of `lanes` sums the products of `depth` elements of the input and as many of the weight.

    `name` is LLVM's, `types` are those of input and weight.
    """

    name: str
    lanes: int
    depth: int
    accumulate: str
    types: tuple[str, str]

    @property
    def inlined(self) -> bool:
        """Whether TIR has no word for it, so that it is a function in LLVM IR, see `within`."""
        return any(inline.carrier(dtype) != dtype for dtype in self.types)

    def multiply(self, sums: Any, words: Any, weights: Any) -> Any:
        """One instruction: to each lane, the products of a word (32 bits) of the input and one of weights."""
        dtype = f"{self.accumulate}x{self.lanes}"
        if self.inlined:
            return inline.multiply(dtype, sums, words, forms.reinterpret(weights, f"int32x{self.lanes}"))
        vector = forms.reinterpret(words, f"{self.types[0]}x{self.lanes * self.depth}")
        return forms.llvm_intrinsic(dtype, self.name, sums, vector, weights)

    def within(self, body: Any) -> Any:
        """A statement in which `multiply` may be used."""
        if not self.inlined:
            return body
        text = inline.multiplication(self.name, self.lanes, self.depth, self.accumulate, self.types)
        return inline.multiplying(text, body)
