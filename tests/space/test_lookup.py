from __future__ import annotations

import numpy as np
import pytest

from heron_cli.space import Evaluator, SpaceBuilder, at_most
from heron_cli.space import lookup as lookup_module
from heron_cli.space.proposals import Proposals
from heron_cli.space.tables import group


def everything(grouping):
    shape = tuple(map(len, grouping.tables))
    return list(np.unravel_index(np.arange(grouping.combinations), shape))


@pytest.mark.parametrize(("cells", "joined"), [(1 << 18, 1 << 20), (1 << 18, 0), (30, 1 << 20), (0, 0)])
def test_what_is_looked_up_and_what_is_computed_agree(gemm, monkeypatch, cells, joined):
    # Every combination of rows, judged with all, some or none of the conditions in tables.
    monkeypatch.setattr(lookup_module, "CELLS", cells)
    monkeypatch.setattr(lookup_module, "JOINED", joined)
    monkeypatch.setattr("heron_cli.space.tables.JOIN_CAP", 0)
    space = gemm(8, 4, 8, cache_bytes=3 << 10, registers=8)
    grouping = group(space)
    assert len(grouping.tables) > 2
    assert len(grouping.coupling) > 2
    drawn = everything(grouping)
    proposals = Proposals(space, grouping)
    rows = proposals.rows(drawn, np.arange(grouping.combinations))
    expected = np.flatnonzero(Evaluator(space).valid(rows))
    assert proposals.survivors(drawn).tolist() == expected.tolist()
    assert 0 < len(expected) < grouping.combinations


def test_tables_without_a_row_have_no_survivor(monkeypatch):
    monkeypatch.setattr("heron_cli.space.tables.JOIN_CAP", 0)
    builder = SpaceBuilder()
    x, y = builder.knob("x", range(5, 9)), builder.knob("y", range(5, 9))
    builder.require("never", at_most(x, 4))
    builder.require("sum", at_most(x + y, 12))
    space = builder.build()
    proposals = Proposals(space, group(space))
    nothing = np.empty(0, np.int64)
    assert proposals.survivors([nothing, nothing]).tolist() == []
