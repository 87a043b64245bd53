"""`input.copies` and `input.narrow` in a rule of the YAML are what the emitter does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from emulated import accelerator, workload

from heron_cli.backends.cuda.emit import KernelEmitter
from heron_cli.backends.cuda.loader import Loader
from heron_cli.operators.workload import Workload
from heron_cli.schedule.constraints import Poster
from heron_cli.schedule.copies import copies
from heron_cli.schedule.task import Task
from heron_cli.space import TableSampler
from heron_cli.trial import Candidate

CONV = {"height": 9, "width": 8, "out_channels": 24, "kernel": 3, "padding": 1}


@pytest.mark.parametrize("target", ["tensorcore-sm80", "tensorcore-sm90"])
@pytest.mark.parametrize(
    "work",
    [
        workload("gemm", m=70, n=40, k=50),
        workload("bmm", batch=2, m=72, n=40, k=64),
        workload("conv2d", in_channels=3, **CONV),
        workload("conv2d", in_channels=16, layout="NCHW", **CONV),
    ],
    ids=lambda work: work.key,
)
def test_copies_of_a_thread_are_those_of_the_emitter(target: str, work: Workload) -> None:
    for variant in Task(work, accelerator(target)).variants:
        rows = TableSampler(variant.space).sample(5, np.random.default_rng(0))
        poster = Poster(variant.template)
        counts = [variant.evaluator.evaluate(copies(poster, name), rows) for name in ("input", "weight")]
        narrow = [
            variant.evaluator.evaluate(copies(poster, name, narrow=True), rows)
            for name in ("input", "weight")
        ]
        for i, row in enumerate(rows):
            kernel = KernelEmitter(variant.nest(Candidate.of(variant.name, variant.space.values(row))))
            if kernel.geometry.bulk:
                assert [int(count[i]) for count in counts] == [0, 0]
                continue
            operands = ((kernel.einsum.input, "m"), (replace(kernel.weight, name="weight"), "n"))
            loaders = [Loader(kernel.geometry, access, dim, None) for access, dim in operands]
            assert [loader.pieces for loader in loaders] == [int(count[i]) for count in counts]
            through = [loader.pieces if loader.plan.vector == 1 else 0 for loader in loaders]  # of halves
            assert through == [int(count[i]) for count in narrow]
