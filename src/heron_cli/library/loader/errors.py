"""What can go wrong with an exported library; every message is one line."""

from __future__ import annotations


class LibraryError(RuntimeError):
    """The library is damaged, does not fit this machine, or was given operands that do not fit; one line."""


class MachineError(LibraryError):
    """None of the library's kernels can run on this machine."""
