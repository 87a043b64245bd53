"""Operator families by name; the built-in ones are named like a plug-in's entry point: module:attribute."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from typing import cast

from heron_cli.errors import InputError
from heron_cli.operators.base import Operator

_BUILT_IN = {
    "bmm": "heron_cli.operators.bmm:operator",
    "conv1d": "heron_cli.operators.conv1d:operator",
    "conv2d": "heron_cli.operators.conv2d:operator",
    "conv3d": "heron_cli.operators.conv3d:operator",
    "conv1d_transpose": "heron_cli.operators.conv1d_transpose:operator",
    "conv2d_transpose": "heron_cli.operators.conv2d_transpose:operator",
    "conv3d_transpose": "heron_cli.operators.conv3d_transpose:operator",
    "depthwise_conv2d": "heron_cli.operators.depthwise_conv2d:operator",
    "gemm": "heron_cli.operators.gemm:operator",
    "gemv": "heron_cli.operators.gemv:operator",
    "scan": "heron_cli.operators.scan:operator",
}
_GROUP = "heron.operators"


def _targets() -> dict[str, str]:
    return {**{point.name: point.value for point in entry_points(group=_GROUP)}, **_BUILT_IN}


def names() -> list[str]:
    """Names of all operators that can be loaded."""
    return sorted(_targets())


def get(name: str) -> Operator:
    """The operator called `name`. Raises InputError when there is none."""
    target = _BUILT_IN.get(name) or _targets().get(name)
    if target is None:
        close = sorted(get_close_matches(name, names(), n=2))
        hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(names())}"
        raise InputError(f"no operator is called '{name}'; {hint}")
    module, attribute = target.split(":")
    return cast(Operator, getattr(import_module(module), attribute))
