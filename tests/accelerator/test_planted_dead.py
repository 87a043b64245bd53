"""Rules and choices without effect, planted in shipped accelerators: `lint --for` names each by its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from heron_cli import session
from heron_cli.accelerator import catalog
from heron_cli.accelerator.loader import load
from heron_cli.operators.workload import make

TYPES = {
    "dlboost": ("uint8", "int8", "int32", "int32"),
    "vta": ("int8", "int8", "int32", "int8"),
    "tensorcore-sm80": ("float16", "float16", "float32", "float16"),
}
RULE = "  - name: planted\n    why: nothing\n    require: {}\n"
PLANTED = [  # accelerator, what is written, what is planted instead, what is said
    ("dlboost", "rules:\n", "rules:\n" + RULE.format("register.m * register.n <= 1000"), "C6 planted"),
    ("dlboost", "rules:\n", "rules:\n" + RULE.format("tile(register).n % 16 == 0"), "C6 planted"),
    ("tensorcore-sm80", "rules:\n", "rules:\n" + RULE.format("tile.m * tile.n <= 5000"), "C6 planted"),
    (
        "vta",
        "256 KiB, holds: [weight], copies: [1, 2]",
        "256 KiB, holds: [weight], copies: [1, 9999]",
        "9999",
    ),
    ("vta", "32 KiB, holds: [input], copies: [1, 2]", "32 KiB, holds: [input], copies: [1, 2, 5000]", "5000"),
    ("tensorcore-sm80", "depth: [2, 3, 4, 5, 6]", "depth: [2, 3, 4, 5, 6000]", "6000"),
    ("tensorcore-sm80", "resident: [1, 2, 3, 4]", "resident: [1, 2, 3, 40]", "40"),
]


@pytest.mark.parametrize(("name", "written", "planted", "said"), PLANTED)
def test_what_has_no_effect_is_told_with_its_line(
    tmp_path: Path, name: str, written: str, planted: str, said: str
) -> None:
    text = catalog.find(name).read_text()
    assert text.count(written) == 1
    copy = tmp_path / f"{name}.yaml"
    copy.write_text(text.replace(written, planted))
    dtypes = dict(zip(("input", "weight", "accumulate", "output"), TYPES[name], strict=True))
    shape = {"m": 128, "n": 256, "k": 128}
    task = session.make_task(make("gemm", shape, dtypes=dtypes), load(copy))
    found = session.idle([task])
    # a rule is told where its name is, a choice where its list is
    lines = [number for number, line in enumerate(copy.read_text().splitlines(), start=1)
             if (planted.splitlines()[1] if planted.startswith("rules") else planted) in line]  # fmt: skip
    assert any(said in message and origin.line in lines for origin, message in found), (lines, found)
    before = session.idle([session.make_task(make("gemm", shape, dtypes=dtypes), load(name))])
    assert not any(said in message for _, message in before)
