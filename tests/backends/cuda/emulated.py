"""A workload's kernel by emulation against its reference, for tests of emitted kernels."""

from __future__ import annotations

from functools import cache

import numpy as np
from emulate import run

from heron_cli.accelerator.loader import load
from heron_cli.accelerator.model import Accelerator
from heron_cli.backends.base import Operand
from heron_cli.measure.inputs import random_operands
from heron_cli.measure.verify import compare
from heron_cli.operators import registry
from heron_cli.operators.epilogue import parse
from heron_cli.operators.expected import Reference
from heron_cli.operators.workload import DTypes, Workload, make
from heron_cli.schedule.task import Task, Variant
from heron_cli.space import TableSampler
from heron_cli.trial import Candidate

HALF = DTypes("float16", "float16", "float32", "float16")
BRAIN = DTypes("bfloat16", "bfloat16", "float32", "bfloat16")
SINGLE = DTypes("float32", "float32", "float32", "float32")
SIGNED = DTypes("int8", "int8", "int32", "int32")
NARROW = DTypes("uint8", "int8", "int32", "uint8")


@cache
def accelerator(name: str) -> Accelerator:
    return load(name)


def workload(operator: str, dtypes: DTypes = HALF, epilogue: str = "", **shape: object) -> Workload:
    return make(operator, shape, dtypes=dtypes, epilogue=parse(epilogue))


def variant_of(target: str, work: Workload, name: str) -> Variant:
    return Task(work, accelerator(target)).variant(name)


def pick(variant: Variant, seed: int, least: dict[str, int] | None = None) -> dict[str, int]:
    """A random assignment whose variables are at least as asked; of some, that with the fewest threads."""
    rows = TableSampler(variant.space).sample(2000, np.random.default_rng(seed))
    columns = variant.evaluator.columns(rows)
    good = np.ones(len(rows), bool)
    for name, bound in (least or {}).items():
        good &= columns[name] >= bound
    found = np.flatnonzero(good)[:6]
    assert len(found), f"no sample has {least}"
    warps = np.prod([columns[name][found] for name in columns if name.startswith("warp.")], axis=0)
    return variant.space.values(rows[found[int(np.argmin(warps))]])


def wrong(work: Workload, variant: Variant, values: dict[str, int], *, seed: int, late: bool) -> str:
    """What is wrong with the result of a kernel, empty if nothing is."""
    specs = registry.get(work.operator).specs(work)
    operands = [Operand(name, spec.shape, spec.dtype) for name, spec in specs.items()]
    reference = Reference(work)
    arrays = random_operands(operands, seed, reference.prescribed())
    nest = variant.nest(Candidate.of(variant.name, values))
    output = run(nest, arrays, seed=seed, late=late, shape=specs["output"].shape)
    return compare(output, reference(arrays))
