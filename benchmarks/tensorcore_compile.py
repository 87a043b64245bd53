"""What the compiler makes of random candidates: python -m benchmarks.tensorcore_compile [--samples N].

Draws assignments at random over twelve shapes, for sm_80 (mma.sync) and sm_90 (mma.sync and wgmma),
builds each by the back end as tuning does, and writes benchmarks/results/tensorcore-compile.md:
candidates that fail to compile, spills, the registers that the YAML's rule predicts beside those that
ptxas reports, and the tensor instructions in the machine code. Needs NVRTC or nvcc, no GPU. What is built
is kept in build/tensorcore-compile.jsonl, so that a run that is stopped goes on. `pip install
nvidia-cuda-nvdisasm` (or NVIDIA's toolkit) adds the look at the machine code.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import compile_report
from heron_cli.accelerator.loader import load
from heron_cli.accelerator.model import Accelerator
from heron_cli.backends.cuda.backend import SYMBOL, backend
from heron_cli.backends.cuda.disassemble import disassembler, instructions
from heron_cli.operators import registry
from heron_cli.operators.workload import DTypes, Workload
from heron_cli.schedule.task import Task, Variant
from heron_cli.space import Compare, TableSampler
from heron_cli.trial import Candidate

TARGETS = ("tensorcore-sm80", "tensorcore-sm90")
HALF = DTypes("float16", "float16", "float32", "float16")
BYTES = DTypes("int8", "int8", "int32", "int32")
_RULE = "C6 registers-per-thread"
_TOGETHER = 12  # samples that are written at once
_LOOKED_AT = 4  # one of so many is taken apart, which takes as long as to build it
_LOOSE = 16  # registers for addresses and counters, fewer than any kernel needs


@dataclass(frozen=True, slots=True)
class Case:
    """A shape to sample."""

    name: str
    operator: str
    shape: Mapping[str, Any]
    dtypes: DTypes = HALF


CASES = (
    Case("gemm 1024³", "gemm", {"m": 1024, "n": 1024, "k": 1024}),
    Case("gemm 32×1000×2048", "gemm", {"m": 32, "n": 1000, "k": 2048}),
    Case("gemm 127×131×67", "gemm", {"m": 127, "n": 131, "k": 67}),
    Case("gemm 512³ s8", "gemm", {"m": 512, "n": 512, "k": 512}, BYTES),
    Case("bmm 12×512×64×512", "bmm", {"batch": 12, "m": 512, "n": 64, "k": 512}),
    Case("gemv 1024×1024", "gemv", {"m": 1024, "k": 1024}),
    Case(
        "conv1d 892 w512 p4",
        "conv1d",
        {"batch": 16, "width": 892, "in_channels": 512, "out_channels": 512, "kernel": 3, "padding": 4},
    ),
    Case(
        "conv2d 56² c64 3×3",
        "conv2d",
        {
            "batch": 16, "height": 56, "width": 56, "in_channels": 64, "out_channels": 64, "kernel": 3,
            "padding": 1,
        },
    ),
    Case(
        "conv2d 224² c3 7×7 s2",
        "conv2d",
        {
            "batch": 4, "height": 224, "width": 224, "in_channels": 3, "out_channels": 64, "kernel": 7,
            "stride": 2, "padding": 3,
        },
    ),
    Case(
        "conv2d 14² c256 3×3 d2 NCHW",
        "conv2d",
        {
            "batch": 16, "height": 14, "width": 14, "in_channels": 256, "out_channels": 256, "kernel": 3,
            "padding": 2, "dilation": 2, "layout": "NCHW",
        },
    ),
    Case(
        "conv3d 8×28² c128 3³",
        "conv3d",
        {
            "batch": 8, "depth": 4, "height": 28, "width": 28, "in_channels": 128, "out_channels": 128,
            "kernel": 3, "padding": 1,
        },
    ),
    Case(
        "conv2d_transpose 28² c128 3×3",
        "conv2d_transpose",
        {
            "batch": 16, "height": 28, "width": 28, "in_channels": 128, "out_channels": 128, "kernel": 3,
            "padding": 1,
        },
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sample:
    """One candidate and what became of it; `machine` counts instructions."""

    target: str
    case: str
    variant: str
    values: Mapping[str, int]
    failure: str
    metrics: Mapping[str, float]
    machine: Mapping[str, int] | None

    @property
    def key(self) -> tuple[Any, ...]:
        """What it was a sample of."""
        return (self.target, self.case, self.variant, *sorted(self.values.items()))


@dataclass(frozen=True, slots=True)
class Plan:
    """A candidate to build."""

    case: Case
    task: Task
    variant: Variant
    values: dict[str, int]

    @property
    def key(self) -> tuple[Any, ...]:
        """As that of its sample."""
        name = self.task.accelerator.name
        return (name, self.case.name, self.variant.name, *sorted(self.values.items()))


@dataclass(frozen=True, slots=True)
class Judged:
    """A sample, whether the rules admit it, the registers that they predict, and its instruction's family."""

    sample: Sample
    admitted: bool
    predicted: int
    instruction: str


def loosened(target: str, folder: Path) -> Accelerator:
    """The accelerator with a rule on registers that admits some more, to see both sides of the bound."""
    path = folder / f"{target}.yaml"
    path.write_text(
        f"schema: heron/accelerator/1\nname: {target}\nextends: {target}\nlimits: {{overhead: {_LOOSE}}}\n"
    )
    return load(path)


def tasks(accelerator: Accelerator) -> Iterator[tuple[Case, Task]]:
    """All cases on one accelerator."""
    for case in CASES:
        shape = registry.get(case.operator).normalise(dict(case.shape), case.name)
        yield case, Task(Workload(case.name, case.operator, shape, case.dtypes), accelerator)


def drawn(accelerator: Accelerator, each: int, seed: int) -> Iterator[Plan]:
    """`each` random assignments per shape and variant, in turn over all shapes."""
    plans = []
    for number, (case, task) in enumerate(tasks(accelerator)):
        for variant in task.variants:
            rows = TableSampler(variant.space).sample(each, np.random.default_rng([seed, number]))
            plans.append((case, task, variant, rows))
    for i in range(each):
        for case, task, variant, rows in plans:
            if i < len(rows):
                yield Plan(case, task, variant, variant.space.values(rows[i]))


def build(plan: Plan, tool: str | None) -> Sample:
    """Build a candidate."""
    task, failure, metrics, machine = plan.task, "", {}, None
    try:
        kernel = backend.build(task, Candidate.of(plan.variant.name, plan.values), threads=1)
    except Exception as error:  # a crash of the generator is a failure that is counted, as the compiler's are
        failure = f"{type(error).__name__}: {error}"[:200]
    else:
        metrics = dict(kernel.metrics)
        machine = instructions(kernel.code, tool).get(SYMBOL, {}) if tool else None
    name = task.accelerator.name
    return Sample(name, plan.case.name, plan.variant.name, plan.values, failure, metrics, machine)


def judged(samples: Sequence[Sample]) -> list[Judged]:
    """What the YAML as it is says of every sample: whether its rules admit it, and its registers."""
    variants = {
        (target, case.name, variant.name): variant
        for target in TARGETS
        for case, task in tasks(load(target))
        for variant in task.variants
    }
    found = []
    for sample in samples:
        variant = variants[sample.target, sample.case, sample.variant]
        row = variant.space.row(sample.values)[None, :]
        rule = next((each for each in variant.space.constraints if each.label == _RULE), None)
        assert rule is not None and isinstance(rule.condition, Compare), f"no rule is called {_RULE}"
        predicted = int(variant.evaluator.evaluate(rule.condition.left, row)[0])
        family = variant.template.tensorize.intrinsic.name.split("-")[0]
        admitted = not variant.evaluator.violations(sample.values)
        found.append(Judged(sample, admitted, predicted, family))
    return found


def main() -> int:
    """Sample, build, report; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=15, help="per target, shape and variant")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--store", type=Path, default=Path("build/tensorcore-compile.jsonl"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/tensorcore-compile.md"))
    parser.add_argument("--report", action="store_true", help="build nothing: report all that was built")
    options = parser.parse_args()
    tool = disassembler()
    options.store.parent.mkdir(parents=True, exist_ok=True)
    lines = options.store.read_text().splitlines() if options.store.exists() else []
    known = {sample.key: sample for sample in (Sample(**json.loads(line)) for line in lines)}
    if options.report:
        command = "`python -m benchmarks.tensorcore_compile --report`"
        command += ": of all that was drawn so far, also under earlier rules, what the rules of today admit"
        text, met = compile_report.markdown(judged(list(known.values())), command, tool)
        options.out.write_text(text)
        return 0 if met else 1
    samples: list[Sample] = []
    with options.store.open("a") as store, tempfile.TemporaryDirectory() as folder:
        for target in TARGETS:
            plans = list(drawn(loosened(target, Path(folder)), options.samples, options.seed))
            new = [plan for plan in plans if plan.key not in known]
            for start in range(0, len(new), _TOGETHER):
                for number, plan in enumerate(new[start : start + _TOGETHER]):
                    sample = build(plan, None if number % _LOOKED_AT else tool)
                    known[sample.key] = sample
                    store.write(json.dumps(asdict(sample)) + "\n")
                store.flush()
                print(f"\r{len(known)} samples", end="", file=sys.stderr, flush=True)
            samples += [known[plan.key] for plan in plans]
    command = f"`python -m benchmarks.tensorcore_compile --samples {options.samples} --seed {options.seed}`"
    text, met = compile_report.markdown(judged(samples), command, tool)
    options.out.write_text(text)
    print(f"\n{options.out}", file=sys.stderr)
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
