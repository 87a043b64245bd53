"""How a program's work is shared among threads: completions of what is known of it that use all of them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count

import numpy as np

from heron_cli.errors import SpaceEmptyError
from heron_cli.schedule.primitives import Split
from heron_cli.schedule.template import Template
from heron_cli.space import Evaluator, Rows, Space, TableSampler

DRAWS = 32
"""Draws of which the one is taken that shares the work most evenly."""

Values = Mapping[str, tuple[int, ...]]


class Completion:
    """Draws rows within restrictions. For several threads these share the work evenly: in turns one part a
    thread of one axis after the other, so that each thread works on what lies together, and any even way.
    """

    def __init__(self, template: Template, space: Space, sampler: TableSampler) -> None:
        self._space, self._sampler, self._threads = space, sampler, template.threads
        self._evaluator = Evaluator(space)
        bind = template.bind
        level = None if bind is None else bind.level
        splits = [split for split in template.all(Split) if level in split.levels]
        self.names = tuple(f"{level}.{split.axis}" for split in splits)
        """The knobs that say into how many parts the axes are divided for threads to share."""
        self._turn = count()
        self._rng = np.random.default_rng(0)

    def draw(self, within: Values) -> Rows:
        """One row [knobs] within a restriction. Raises SpaceEmptyError when there is none."""
        if self._threads == 1 or not self.names:
            row: Rows = self._sampler.sample(1, self._rng, within)[0]
            return row
        way = next(self._turn) % (len(self.names) + 1)
        found = self.one_part_each(self.names[way], within) if way < len(self.names) else None
        return self._even(within) if found is None else found

    def one_part_each(self, name: str, within: Values) -> Rows | None:
        """A row [knobs] that divides one axis alone, into a part for each thread; None where it cannot be."""
        parts = {each: (self._threads if each == name else 1,) for each in self.names}
        domains = self._space.domains
        if any(value not in domains[each] for each, (value,) in parts.items()):
            return None
        try:
            row: Rows = self._sampler.sample(1, self._rng, {**within, **parts})[0]
        except SpaceEmptyError:
            return None
        return row

    def _even(self, within: Values) -> Rows:
        """Of some draws the row [knobs] with the least time in which a thread waits for others."""
        rows = self._sampler.sample(DRAWS, self._rng, within)
        columns = self._evaluator.columns(rows)
        parts = np.prod([columns[name] for name in self.names], axis=0)
        rounds = -(-parts // self._threads)
        picked: Rows = rows[int(np.argmin(rounds * self._threads / parts))]
        return picked
