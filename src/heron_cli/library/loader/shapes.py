"""Shapes as the manifest says them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def plain_shape(shape: Mapping[str, Any]) -> dict[str, Any]:
    """The shape with tuples for lists."""
    return {name: tuple(value) if isinstance(value, list | tuple) else value for name, value in shape.items()}


def distance(shape: Mapping[str, Any], wanted: Mapping[str, Any]) -> float:
    """How unlike two shapes are: ratios of sizes, and a whole step for each word that differs."""
    total = 0.0
    for name, value in wanted.items():
        ours = shape[name]
        pairs = (
            zip(ours, value, strict=False)
            if isinstance(ours, tuple) and isinstance(value, tuple)
            else [(ours, value)]
        )
        for one, other in pairs:
            if isinstance(one, int) and isinstance(other, int):
                total += abs(math.log((1 + max(one, 0)) / (1 + max(other, 0))))
            elif one != other:
                total += 1.0
    return total
