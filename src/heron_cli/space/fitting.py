"""Rows of the tables that fit children: those that have in some columns a value of one parent or another.

A row is a bit, so that what fits all of a child's columns is a conjunction of words. Tables of as many words
are handled together: a space has about ten tables, most of them of few rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from heron_cli.space.space import Rows
from heron_cli.space.tables import Table

Indices = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]

_WORD = 64
_FEW = 4  # words of a row that are sooner unpacked than counted
_NTH = np.array(
    [([i for i in range(8) if byte >> i & 1] + [0] * 8)[:8] for byte in range(256)], np.int64
)  # the place of a byte's n-th set bit


class Fitting:
    """The tables of a space, asked which of their rows fit."""

    def __init__(self, tables: Sequence[Table], knobs: Sequence[str]):
        """`knobs` name the columns of the rows of children."""
        self._tables = len(tables)
        alike: dict[int, list[int]] = {}
        for place, table in enumerate(tables):
            alike.setdefault(_words(len(table)), []).append(place)
        self._banks = [
            (np.array(places), _Bank([tables[k] for k in places], knobs)) for places in alike.values()
        ]

    def draw(
        self, choices: Rows, kept: Mask, tries: int, rng: np.random.Generator
    ) -> tuple[list[Indices], Mask]:
        """`tries` proposals for each child: uniform among the rows of each table that have in every `kept`
        [n, knobs] column one of its `choices` [n, several, knobs].

        The rows' numbers, [n * tries] for each table, and which children have a row in every table [n]; for
        others the numbers mean nothing.
        """
        fitting = [bank.fitting(choices, kept) for _, bank in self._banks]
        sizes = np.empty((self._tables, len(kept)), np.int64)
        for (places, _), words in zip(self._banks, fitting, strict=True):
            sizes[places] = np.bitwise_count(words).sum(axis=2, dtype=np.int64)
        # one table after the other, as if each were drawn from by itself
        ranks = rng.integers(0, np.maximum(sizes, 1)[..., None], size=(*sizes.shape, tries))
        drawn = np.empty((self._tables, len(kept) * tries), np.int64)
        for (places, bank), words in zip(self._banks, fitting, strict=True):
            found = set_bits(words.reshape(-1, words.shape[2]), ranks[places].reshape(-1, tries))
            drawn[places] = np.minimum(found.reshape(len(places), -1), bank.last)
        return list(drawn), np.asarray((sizes > 0).all(axis=0))


class _Bank:
    """Tables whose rows take as many words."""

    def __init__(self, tables: Sequence[Table], knobs: Sequence[str]):
        self.last = np.array([[len(table) - 1] for table in tables])
        names = [name for table in tables for name in table.names]
        self._columns = [knobs.index(name) for name in names]
        self._starts = np.cumsum([0, *(len(table.names) for table in tables[:-1])])
        self._owners = [place for place, table in enumerate(tables) for _ in table.names]
        self._every = np.concatenate([_packed(np.ones((1, len(table)), np.bool_)) for table in tables])
        columns = [column for table in tables for column in table.rows.T]
        distinct = [np.unique(column) for column in columns]
        every = np.concatenate(distinct)
        # A value of a column is one number, larger than those of the columns before it.
        self._low, self._high = int(every.min(initial=0)) - 1, int(every.max(initial=0)) + 1
        self._offsets = np.arange(len(columns))[:, None, None] * (self._high - self._low + 1) - self._low
        self._keys = np.concatenate(
            [values + offset for values, offset in zip(distinct, self._offsets.ravel(), strict=True)]
        )
        having = [
            _packed(column == values[:, None]) for column, values in zip(columns, distinct, strict=True)
        ]
        width = self._every.shape[1]
        self._none, self._any = len(self._keys), len(self._keys) + 1
        self._having = np.concatenate(
            [*having, np.zeros((1, width), np.uint64), np.full((1, width), ~np.uint64(0))]
        )  # the rows with each value; then for a value that no row has, and for any value

    def fitting(self, choices: Rows, kept: Mask) -> Words:
        """A bit for each row of each table that fits, the first in the lowest bit of the first word,
        [tables, n, words].
        """
        wanted = choices[:, :, self._columns].transpose(2, 1, 0)  # [columns, several, n]
        keys = np.clip(wanted, self._low, self._high) + self._offsets
        place = np.searchsorted(self._keys, keys)
        place[self._keys[np.minimum(place, self._none - 1)] != keys] = self._none
        asked = kept.T[self._columns]
        return self._few(place, asked) if self._every.shape[1] <= _FEW else self._many(place, asked)

    def _few(self, place: Indices, asked: Mask) -> Words:
        """All columns at once, since calls cost more than words."""
        place = np.where(asked[:, None], place, self._any)
        having: Words = np.bitwise_or.reduce(self._having[place], axis=1)
        found: Words = np.bitwise_and.reduceat(having, self._starts, axis=0)
        return np.asarray(found & self._every[:, None])

    def _many(self, place: Indices, asked: Mask) -> Words:
        """Column by column, for the children that keep it."""
        found = np.repeat(self._every[:, None], asked.shape[1], axis=1)
        for table, where, which in zip(self._owners, place, asked, strict=True):
            some = np.flatnonzero(which)
            found[table, some] &= np.bitwise_or.reduce(self._having[where[:, some]], axis=0)
        return np.asarray(found)


def _words(rows: int) -> int:
    """How many words hold a bit for each row and at least one more."""
    return rows // _WORD + 1


def _packed(mask: Mask) -> Words:
    """The last axis as bits of words, filled up with at least one zero."""
    padded = np.pad(mask, ((0, 0), (0, _WORD * _words(mask.shape[1]) - mask.shape[1])))
    return np.packbits(padded, axis=1, bitorder="little").view("<u8")


def set_bits(words: Words, ranks: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Where in row i of `words` [n, words] its set bits number `ranks` [n, several] are, counted from 0.

    A rank beyond the last bit gives any place.
    """
    if words.shape[1] <= _FEW:
        bits = np.unpackbits(words.view(np.uint8), bitorder="little").view(np.bool_)
        places: Indices = np.append(np.flatnonzero(bits), 0)
        sizes = np.bitwise_count(words).sum(axis=1, dtype=np.int64)
        at = np.minimum((np.cumsum(sizes) - sizes)[:, None] + ranks, len(places) - 1)
        return np.asarray(places[at] % (words.shape[1] * _WORD), np.int64)
    ends = np.cumsum(np.bitwise_count(words), axis=None, dtype=np.int64)
    targets = ranks + np.append(0, ends)[: ends.size : words.shape[1], None]
    flat = np.minimum(np.searchsorted(ends, targets, side="right"), ends.size - 1)
    word = words.reshape(-1)[flat]
    targets -= ends[flat] - np.bitwise_count(word)
    octets = word[..., None].view(np.uint8)
    sums = np.cumsum(np.bitwise_count(octets), axis=-1, dtype=np.int64)
    octet = np.minimum((sums <= targets[..., None]).sum(axis=-1), 7)[..., None]
    value = np.take_along_axis(octets, octet, -1)
    targets = targets[..., None] - np.take_along_axis(sums, octet, -1) + np.bitwise_count(value)
    within = (8 * octet + _NTH[value, np.clip(targets, 0, 7)])[..., 0]
    return np.asarray(flat % words.shape[1] * _WORD + within, np.int64)
