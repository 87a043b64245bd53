"""Back ends by name; the built-in ones register the way a plug-in does, through entry points' targets."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points

from heron_cli.backends.base import Backend
from heron_cli.errors import InputError

_BUILT_IN = {
    "cuda": "heron_cli.backends.cuda.backend:backend",
    "vta": "heron_cli.backends.vta.backend:backend",
    "x86": "heron_cli.backends.x86:backend",
}
_GROUP = "heron.backends"


def names() -> list[str]:
    """Names of all back ends that can be loaded."""
    return sorted({*_BUILT_IN, *(point.name for point in entry_points(group=_GROUP))})


def get(name: str) -> Backend:
    """The back end called `name`. Raises InputError when there is none."""
    target = _BUILT_IN.get(name)
    if target is None:
        target = next((point.value for point in entry_points(group=_GROUP) if point.name == name), None)
    if target is None:
        raise InputError(f"no back end is called '{name}'; there are: {', '.join(names())}")
    module, attribute = target.split(":")
    backend: Backend = getattr(import_module(module), attribute)
    return backend
