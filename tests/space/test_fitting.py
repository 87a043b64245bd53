from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from heron_cli.space.fitting import Fitting, set_bits
from heron_cli.space.tables import Table

TRIES = 9
NO_SUCH = 9  # a value that no row has


def fits(row: list[int], choices: np.ndarray, kept: np.ndarray) -> bool:
    return all(not keep or value in wanted for value, wanted, keep in zip(row, choices.T, kept, strict=True))


@given(st.lists(st.integers(1, 600), min_size=1, max_size=6), st.integers(0, 1 << 16))
def test_draws_are_among_the_rows_that_fit_and_as_if_tables_were_drawn_from_one_by_one(
    sizes: list[int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    tables = [Table((f"a{k}", f"b{k}"), rng.integers(-3, 4, (size, 2))) for k, size in enumerate(sizes)]
    knobs = rng.permutation([name for table in tables for name in table.names]).tolist()
    choices = rng.choice([*range(-3, 4), NO_SUCH], (6, 2, len(knobs)))
    kept = rng.random((6, len(knobs))) < 0.4
    drawn, able = Fitting(tables, knobs).draw(choices, kept, TRIES, np.random.default_rng(seed))

    expected = np.random.default_rng(seed)
    every = np.ones(6, bool)
    for table, found in zip(tables, drawn, strict=True):
        columns = [knobs.index(name) for name in table.names]
        fitting = [
            [
                k
                for k, row in enumerate(table.rows.tolist())
                if fits(row, choices[i][:, columns], kept[i, columns])
            ]
            for i in range(6)
        ]
        counts = np.array([len(each) for each in fitting])
        every &= counts > 0
        ranks = expected.integers(0, np.maximum(counts, 1)[:, None], size=(6, TRIES))
        for each, rank, numbers in zip(fitting, ranks, found.reshape(6, TRIES).tolist(), strict=True):
            assert 0 <= min(numbers) <= max(numbers) < len(table)
            assert not each or numbers == [each[place] for place in rank]
    assert able.tolist() == every.tolist()


@given(st.integers(1, 9), st.integers(0, 1 << 16))
def test_set_bits_are_found_by_their_number(width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((5, 64 * width)) < rng.random()
    mask[:, 0] = True
    ranks = rng.integers(0, mask.sum(axis=1)[:, None], size=(5, 7))
    found = set_bits(np.packbits(mask, axis=1, bitorder="little").view("<u8"), ranks)
    assert found.tolist() == [
        np.flatnonzero(row)[rank].tolist() for row, rank in zip(mask, ranks, strict=True)
    ]
