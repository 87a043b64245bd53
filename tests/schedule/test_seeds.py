from __future__ import annotations

import numpy as np
import pytest

from heron_cli.accelerator.loader import load
from heron_cli.operators.workload import make
from heron_cli.schedule.seeds import seeds
from heron_cli.schedule.task import Task


@pytest.mark.parametrize("threads", [2, 3])
def test_the_first_candidates_share_the_work_evenly(threads: int) -> None:
    """Some way to divide 96 rows and 12 blocks of lanes always leaves a tenth of the time unused, or less."""
    variant = Task(make("gemm", {"m": 96, "n": 192, "k": 64}), load("dlboost"), threads).variants[0]
    found = seeds(variant.template, variant.space)
    columns = variant.evaluator.columns(np.array([variant.space.row(values) for values in found]))
    shared = columns["parallel.i"] * columns["parallel.j"]
    assert len(found) >= 3
    assert (-(-shared // threads) * threads <= 1.1 * shared).all()
    assert (columns["store"] == 0).all()
