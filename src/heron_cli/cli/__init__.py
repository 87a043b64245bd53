"""The command line: one click command per file in `commands/`, found by its file's name.

Nothing here imports TVM, OR-tools, LightGBM, pydantic or numpy before a command runs, so that help and usage
errors answer at once.
"""

from __future__ import annotations

from .application import application, main

__all__ = ["application", "main"]
