"""How long a GEMM instruction issues its steps, when updates of one accumulator must keep a distance.

A step is issued a cycle after the one before, but not before `distance` cycles after the last step with the
same accumulator. Only the steps within that distance matter, and from some iteration on they look alike, so
the count is exact without walking through all steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    State = tuple[int, ...]  # cycles since each of the last steps was issued, nearest first


def issue_cycles(
    dst: NDArray[np.int64], outer: tuple[int, int], inner: tuple[int, int], distance: int
) -> int:
    """Cycles from the first step's issue to one cycle after the last's.

    `dst` [n]: accumulators of the micro-ops; `outer` and `inner`: (iterations, factor) of the loops.
    """
    issue = _Issue(dst, outer, inner, distance)
    if not any(any(steps) for row in issue.patterns for steps in row):
        return outer[0] * inner[0] * len(dst)
    return issue.cycles()


def closest_reuse(
    dst: NDArray[np.int64], outer: tuple[int, int], inner: tuple[int, int], distance: int
) -> int:
    """The fewest steps between two updates of one accumulator; `distance` if there are no fewer."""
    patterns = _Issue(dst, outer, inner, distance).patterns
    return min((near for row in patterns for steps in row for near in steps if near), default=distance)


class _Issue:
    """`patterns` [outer kind][inner kind] holds for every micro-op how many steps ago its accumulator was
    last updated, 0 for `distance` or more. The last kind stands for all further iterations.
    """

    def __init__(
        self, dst: NDArray[np.int64], outer: tuple[int, int], inner: tuple[int, int], distance: int
    ) -> None:
        self.dst, self.outer, self.inner, self.distance = dst, outer, inner, distance
        window = distance - 1
        rows = min(outer[0], 1 + -(-window // (inner[0] * len(dst))))
        blocks = min(inner[0], 1 + -(-window // len(dst)))
        self.patterns = [[self._pattern(row, block) for block in range(blocks)] for row in range(rows)]
        self._blocks: dict[tuple[bytes, State], tuple[int, State]] = {}
        self._rows: dict[tuple[int, State], tuple[int, State]] = {}

    def _pattern(self, row: int, block: int) -> bytes:
        count = len(self.dst)
        steps = (row * self.inner[0] + block) * count + np.arange(count)
        mine = self._accumulator(steps)
        near = np.zeros(count, np.uint8)
        for back in range(min(self.distance - 1, 255), 0, -1):
            same = (steps >= back) & (self._accumulator(np.maximum(steps - back, 0)) == mine)
            near[same] = back
        return near.tobytes()

    def _accumulator(self, steps: NDArray[np.int64]) -> NDArray[np.int64]:
        blocks, uop = np.divmod(steps, len(self.dst))
        row, block = np.divmod(blocks, self.inner[0])
        result: NDArray[np.int64] = self.dst[uop] + row * self.outer[1] + block * self.inner[1]
        return result

    def cycles(self) -> int:
        total = 0
        state: State = (self.distance,) * (self.distance - 1)
        for row in range(self.outer[0]):
            spent, state = self._row(min(row, len(self.patterns) - 1), state)
            total += spent
        return total

    def _row(self, row: int, state: State) -> tuple[int, State]:
        key = (row, state)
        if key not in self._rows:
            total = 0
            kinds = self.patterns[row]
            for block in range(self.inner[0]):
                spent, state = self._block(kinds[min(block, len(kinds) - 1)], state)
                total += spent
            self._rows[key] = (total, state)
        return self._rows[key]

    def _block(self, pattern: bytes, state: State) -> tuple[int, State]:
        key = (pattern, state)
        if key not in self._blocks:
            # `recent` counts back from the next cycle in which a step could be issued.
            recent, total, cap = state, 0, self.distance
            for near in pattern:
                wait = max(0, cap - recent[near - 1]) if near else 0
                total += wait + 1
                recent = (1, *(min(cap, since + wait + 1) for since in recent[:-1]))
            self._blocks[key] = (total, recent)
        return self._blocks[key]
