"""How fast any kernel can be at most."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bound:
    """A cost that no kernel is below, in the unit of the measurements, and what it is known `by`.

    "model": proven of a machine that is one; else "measured peak", or whatever it is that decides.
    """

    cost: float
    by: str = "model"

    def __str__(self) -> str:
        return "the model's bound" if self.by == "model" else f"the bound of the {self.by}"
