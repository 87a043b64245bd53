"""C1, loop split: the factors of an axis over the levels cover it exactly, or with balanced tiles."""

from __future__ import annotations

from collections.abc import Iterable

from heron_cli.schedule.constraints.base import ConstraintRule, Poster
from heron_cli.schedule.primitives import Split
from heron_cli.space import at_most, ceil_div, const, equal, product

_COUNTED = (None, "parallel", "virtual", "blockIdx.x", "blockIdx.y", "blockIdx.z")
_POWERS = (1, 2, 4, 8, 16, 32)
_SIZES = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32)


class LoopSplit(ConstraintRule):
    """One knob per (axis, level); the outermost serial factor follows from the others."""

    name = "C1 loop split"

    def post(self, poster: Poster) -> None:
        """Post every split of the template."""
        for split in poster.template.all(Split):
            if split.tail == "mask":
                self._masked(poster, split)
            else:
                self._split(poster, split)

    def _masked(self, poster: Poster, split: Split) -> None:
        """Tiles of equal size; the outermost level that is not bound to threads takes as many as it needs."""
        space, accelerator = poster.space, poster.template.accelerator
        names = {level: f"{level}.{split.axis}" for level in split.levels}
        last = next(
            (name for name in split.levels if accelerator.level(name).bind in _COUNTED), split.levels[0]
        )
        inner = [level for level in split.levels if level != last]
        reduced = poster.template.einsum.axis(split.axis).group == "k"
        for name in inner:
            level = accelerator.level(name)
            if level.bind == "cluster" and not reduced and poster.template.filled_by != "bulk":
                space.knob(names[name], (1,), group=split.axis)  # only bulk copies serve several blocks
                continue
            limit = split.blocks if level.at_most is None else min(split.blocks, level.at_most)
            sizes = _SIZES if level.unroll else _POWERS
            least = next((size for size in sizes if size >= limit), sizes[-1])
            space.knob(names[name], [size for size in sizes if size <= least], group=split.axis)
        tile = product([const(1), *(poster.factor(level, split.axis) for level in inner)])
        if not inner:
            space.knob(names[last], (split.blocks,), group=split.axis)
            return
        space.derive(names[last], ceil_div(split.blocks, tile))
        space.require(
            f"{self.name} {split.axis}",
            at_most(tile, max(1, 2 * split.blocks - 1)),
            f"axis {split.axis}",
            f"a tile of which more than half lies beyond the {split.blocks} blocks of {split.axis} is wasted",
        )

    def _split(self, poster: Poster, split: Split) -> None:
        space, template = poster.space, poster.template
        *outer, inner = split.levels
        names = {level: f"{level}.{split.axis}" for level in split.levels}
        sizes = self._sizes(poster, split) if outer else (split.blocks,)
        space.knob(names[inner], sizes, group=split.axis)
        if not outer:
            return
        tiles = ceil_div(split.blocks, poster.factor(inner, split.axis))
        counts = sorted({-(-split.blocks // size) for size in sizes})
        bound = template.bind.level if template.bind else None
        free = [level for level in outer if level != bound] or outer
        last = free[-1]
        for level in outer:
            if level == last:
                continue
            alone = template.runs_alone(level)
            limit = template.accelerator.level(level).at_most
            choices = [d for d in _divisors(counts) if limit is None or d <= limit]
            space.knob(names[level], [1] if alone else choices, group=split.axis)
        others = product([const(1), *(poster.factor(level, split.axis) for level in outer if level != last)])
        space.derive(names[last], tiles // others)
        limit = None if last == bound else template.accelerator.level(last).at_most
        if limit is not None:
            space.require(
                f"{self.name} {split.axis}",
                at_most(poster.factor(last, split.axis), limit),
                template.accelerator.where(f"levels.{last}.at_most"),
                f"level {last} takes at most {limit} iterations of an axis",
            )
        space.require(
            f"{self.name} {split.axis}",
            equal(product([*(poster.factor(level, split.axis) for level in outer)]), tiles),
            f"axis {split.axis}",
            f"{' · '.join(names[level] for level in outer)} tiles of {names[inner]} "
            f"cover {split.blocks} blocks",
        )

    def _sizes(self, poster: Poster, split: Split) -> tuple[int, ...]:
        """Tile sizes of the innermost level; balanced tiles of a size between two are the same tiles."""
        limit = split.blocks
        level = poster.template.accelerator.level(split.inner)
        if level.unroll and poster.template.panelled(split.axis):
            return (1,)  # a tile of code reads one panel of the packed weight
        if level.at_most is not None and level.bind is None:
            limit = min(limit, level.at_most)
        for hold in poster.template.holds:
            memory = poster.template.accelerator.memory(hold.memory)
            spatial = poster.template.einsum.axis(split.axis).group != "k"
            if hold.operand == "accumulate" and spatial and memory.vector_bytes and memory.capacity_bytes:
                limit = min(limit, memory.capacity_bytes // memory.vector_bytes)
        if split.tail != "overlap":
            return tuple(size for size in range(1, limit + 1) if split.blocks % size == 0)
        if poster.template.einsum.axis(split.axis).group == "k":
            return tuple(size for size in (1, 2, 3, 4, 6, 8, 12, 16) if size <= limit)
        return tuple(sorted({-(-split.blocks // -(-split.blocks // size)) for size in range(1, limit + 1)}))


def _divisors(counts: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted({d for count in counts for d in range(1, count + 1) if count % d == 0}))
