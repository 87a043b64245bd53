from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Heron, complaint

GEMM = ["gemm", "--target", "dlboost", "--shape", "m=16,n=32,k=64"]
TINY = """schema: heron/accelerator/1
name: tiny
extends: dlboost
memories:
  - {name: register, capacity: 1 vectors}
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """An accelerator with a single register: nothing fits."""
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


def test_space_tells_size_rules_and_pruning(heron: Heron) -> None:
    result = heron("space", *GEMM, "--rules", "--pruning", "--json")
    found = json.loads(result.stdout)
    variant = found["variants"][0]
    assert variant["size"] > 0
    assert variant["exact"]
    rules = {each["label"]: each for each in variant["rules"]}
    budget = next(rule for label, rule in rules.items() if "register-budget" in label)
    assert "dlboost.yaml:" in budget["origin"]
    assert 0 < budget["removes"]["share"] < 1
    assert any(each["rule"] == "S1 tensorize" and each["applied"] for each in variant["schedule"])
    text = heron("space", *GEMM, "--rules", "--pruning").stdout
    assert f"{variant['size']:,} assignments" in text
    assert "register-budget" in text


def test_holding_a_knob_makes_the_space_smaller(heron: Heron) -> None:
    whole = json.loads(heron("space", *GEMM, "--json").stdout)["variants"][0]["size"]
    parts = [
        json.loads(heron("space", *GEMM, "--set", f"order.cache={value}", "--json").stdout)["variants"][0][
            "size"
        ]
        for value in (0, 1)
    ]
    assert sum(parts) == whole


def test_explain_an_allowed_candidate(heron: Heron) -> None:
    example = json.loads(heron("explain", *GEMM, "--json").stdout)["variants"][0]["example"]
    knobs = ",".join(f"{name}={value}" for name, value in example.items())
    result = heron("explain", *GEMM, "--set", knobs)
    assert result.exit_code == 0
    assert "no rule is broken" in result.stdout


def test_explain_a_candidate_that_breaks_a_rule(heron: Heron) -> None:
    knobs = "register.i=16,register.j=2,parallel.i=1,parallel.j=1,step.k=1,order.cache=0,"
    knobs += "prefetch.weight=0,prefetch.output=0,prefetch.input=0,store=0"
    result = heron("explain", *GEMM, "--set", knobs, "--json")
    assert result.exit_code == 3
    (reason,) = json.loads(result.stdout)["variants"][0]["reasons"]
    assert "register-budget" in reason
    assert "35 against 32" in reason


def test_explain_why_the_space_is_empty(heron: Heron, tiny: Path) -> None:
    result = heron("explain", "gemm", "--target", tiny, "--shape", "m=16,n=32,k=64", "--json")
    assert result.exit_code == 3
    (variant,) = json.loads(result.stdout)["variants"]
    assert not variant["possible"]
    assert "needs at least 2, has 1" in variant["reasons"][0]
    assert "from 1 to 2 would make it fit" in variant["repairs"][0]


def test_tune_in_an_empty_space_names_rule_and_repair(heron: Heron, tiny: Path) -> None:
    said = complaint(heron("tune", "gemm", "--target", tiny, "--shape", "m=16,n=32,k=64", "--build-only"), 3)
    assert "register-budget" in said
    assert "from 1 to 2 would make it fit" in said


def test_set_names_what_there_is(heron: Heron) -> None:
    said = complaint(heron("explain", *GEMM, "--set", "colour=3"))
    assert said.startswith("--set: no knob is called 'colour'; the knobs are order.cache, ")
    assert "it takes 1, 2, " in complaint(heron("explain", *GEMM, "--set", "register.i=5"))
