from __future__ import annotations

from pathlib import Path

import pytest

from heron_cli.accelerator.loader import load
from heron_cli.accelerator.model import Accelerator
from heron_cli.errors import InputError
from heron_cli.operators.workload import Workload, make
from heron_cli.schedule.nest import SKIP
from heron_cli.schedule.task import Task

from .workloads import conv, depthwise, gemm


@pytest.mark.parametrize(
    ("workload", "variants", "refused"),
    [
        (gemm(6, 32, 8), {"direct"}, {"runs": "contiguous", "padded": "is a multiple of 4"}),
        (gemm(6, 32, 9), {"direct", "padded"}, {"runs": "contiguous"}),
        (gemm(6, 32, 3), {"padded"}, {"direct": "has 4 iterations", "runs": "contiguous"}),
        (conv(), {"direct", "runs"}, {"padded": "ci is a multiple of 4"}),
        (conv(in_channels=3), {"runs", "padded"}, {"direct": "has 4 iterations"}),
        (conv(in_channels=1, kernel=2), {"padded"}, {"runs": "shorter than the intrinsic"}),
        (conv(layout="NCHW", in_channels=6), {"direct", "padded"}, {"runs": "contiguous"}),
        (conv(), {"direct"}, {"lanes": "no axis in common"}),
        (
            conv(in_channels=4, out_channels=4, groups=2),
            {"padded"},
            {"lanes": "over ci and o is a matrix product"},
        ),
        (conv(in_channels=4, out_channels=4, groups=4), {"padded", "lanes"}, {"direct": "has 4 iterations"}),
        (conv(in_channels=4, out_channels=8, groups=4), {"padded", "lanes"}, {"direct": "has 4 iterations"}),
        (conv(in_channels=8, out_channels=4, groups=4), {"padded", "lanes"}, {"direct": "has 4 iterations"}),
        (
            make("bmm", {"batch": 4, "m": 3, "n": 5, "k": 8}),
            {"direct"},
            {"lanes": "the weight is not constant"},
        ),
        (depthwise(), {"lanes"}, {"any": "no n-like axis"}),
        (depthwise(multiplier=2), {"lanes"}, {"direct": "has 4 iterations"}),
    ],
    ids=lambda value: value.key if isinstance(value, Workload) else "",
)
def test_variants_that_apply_and_reasons_of_those_that_do_not(
    dlboost: Accelerator, workload: Workload, variants: set[str], refused: dict[str, str]
) -> None:
    task = Task(workload, dlboost, 1)
    assert variants <= {variant.name for variant in task.variants}
    why = {item.name: item.why for item in task.refused}
    assert not variants & set(why)
    for name, reason in refused.items():
        assert reason in why[name]
    assert all(variant.why for variant in task.variants)


def test_variants_are_found_by_name(dlboost: Accelerator) -> None:
    task = Task(conv(), dlboost, 1)
    assert task.variant("runs").name == "runs"
    with pytest.raises(InputError, match="has no variant 'run'; it has direct, runs"):
        task.variant("run")


def test_where_the_taps_that_an_intrinsic_sums_may_be_skipped(dlboost: Accelerator) -> None:
    """A lane's taps are rows of their own, each of which may be left out; a run is one piece of memory."""
    for workload, name, skipped in (
        (conv(), "direct", True),
        (conv(), "runs", False),
        (depthwise(), "lanes", True),
        (depthwise(layout="NCHW"), "lanes", False),
    ):
        place = Task(workload, dlboost, 1).variant(name).template.place
        assert place is not None and (SKIP in place.positions) == skipped


@pytest.mark.parametrize(
    ("changes", "workload", "said"),
    [
        (
            "intrinsics: [{name: vpdpbusd, drop: true}]",
            gemm(),
            "has no intrinsic that computes matrix products",
        ),
        ("intrinsics: [{name: vpdpbusd-lanes, drop: true}]", depthwise(), "no n-like axis"),
        ("tails: none", depthwise(), "only where tails overlap"),
    ],
)
def test_machines_that_have_one_of_the_two_only(
    tmp_path: Path, changes: str, workload: Workload, said: str
) -> None:
    path = tmp_path / "varied.yaml"
    path.write_text(f"schema: heron/accelerator/1\nname: varied\nextends: dlboost\n{changes}\n")
    with pytest.raises(InputError, match=said):
        _ = Task(workload, load(path), 1).variants
