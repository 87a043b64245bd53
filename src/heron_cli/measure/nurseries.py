"""Nurseries by what they have imported, so that runners of several workloads share them."""

from __future__ import annotations

from heron_cli.measure.child import NurseryHandle
from heron_cli.measure.closing import Closing


class Nurseries(Closing):
    """One nursery for each list of modules that is asked for; importing TVM takes seconds, a fork none."""

    def __init__(self) -> None:
        self._handles: dict[tuple[str, ...], NurseryHandle] = {}

    def get(self, *modules: str) -> NurseryHandle:
        """The nursery that has these modules imported; it starts with its first child."""
        return self._handles.setdefault(modules, NurseryHandle(modules))

    def close(self) -> None:
        """End them all, with everything below them."""
        for handle in self._handles.values():
            handle.close()
