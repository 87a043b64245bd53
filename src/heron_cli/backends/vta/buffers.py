"""Rotating buffers in a scratch-pad."""

from __future__ import annotations


class Buffer:
    """The rotating buffers of one operand and one virtual thread: `copies` of `size` elements from `base` on."""

    def __init__(self, base: int, size: int, copies: int) -> None:
        self._places = [base + turn * size for turn in range(copies)]
        self._contents: list[object] = [None] * copies
        self._turn = -1

    def find(self, content: object) -> int | None:
        """First element of the buffer that holds this tile already."""
        return self._places[self._contents.index(content)] if content in self._contents else None

    def next(self, content: object = None) -> int:
        """First element of the next buffer, which now holds this tile."""
        self._turn = (self._turn + 1) % len(self._places)
        self._contents[self._turn] = content
        return self._places[self._turn]
