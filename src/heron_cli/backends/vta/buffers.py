"""Rotating buffers in a scratch-pad."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Buffer:
    """The rotating buffers of one operand and one virtual thread."""

    base: int
    size: int
    copies: int
    turn: int = -1
    contents: dict[int, object] = field(default_factory=dict)

    def find(self, content: object) -> int | None:
        """First element of the buffer that holds this tile already."""
        for turn, known in self.contents.items():
            if known == content:
                return self.base + turn * self.size
        return None

    def next(self, content: object = None) -> int:
        """First element of the next buffer, which now holds this tile."""
        self.turn = (self.turn + 1) % self.copies
        self.contents[self.turn] = content
        return self.base + self.turn * self.size
