"""`--epilogue`, and epilogues in records."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from heron_cli.errors import InputError
from heron_cli.operators.epilogue import parse
from heron_cli.operators.workload import Workload, make
from heron_cli.records import Record
from heron_cli.session import definition, workload_of

from .conftest import Heron, complaint

GEMM = ["gemm", "--shape", "m=16,n=32,k=64"]
SHAPE = {"m": 16, "n": 32, "k": 64}


@pytest.mark.parametrize("command", ["tune", "space", "explain"])
@pytest.mark.parametrize(
    ("epilogue", "said"),
    [
        ("shift=40", "--epilogue: epilogue shift is 40; it is an integer from 0 to 31"),
        ("shfit=4", "--epilogue: epilogue has no 'shfit'; did you mean shift?"),
        ("bias", "--epilogue: 'bias' is not of the form name=value"),
        ("bias=yes", "--epilogue: epilogue bias is 'yes'; it is true or false (1 or 0)"),
        ("low=9,high=3", "--epilogue: epilogue low is 9; it is below high, which is 3"),
        ("high=300", "--epilogue: epilogue high is 300; int8 holds -128 to 127"),
    ],
)
def test_bad_epilogues(heron: Heron, command: str, epilogue: str, said: str) -> None:
    arguments = [*GEMM, "--target", "dlboost", "--dtype", "output=int8", "--epilogue", epilogue]
    assert complaint(heron(command, *arguments)) == said


def test_it_goes_with_an_operator_only(heron: Heron) -> None:
    said = complaint(heron("space", "--workloads", "starter", "--epilogue", "bias=1"))
    assert said.startswith("give either OPERATOR, --shape, --dtype and --epilogue, or --workloads;")


@pytest.mark.parametrize("command", ["space", "explain"])
def test_an_accelerator_that_writes_sums_refuses_it_in_one_line(heron: Heron, command: str) -> None:
    Path("mine.yaml").write_text(
        "schema: heron/accelerator/1\nname: mine\nextends: dlboost\n"
        "memories: [{name: register, implicit: [weight]}]\n"
    )
    said = complaint(heron(command, *GEMM, "--target", "./mine.yaml", "--epilogue", "bias=1,low=0"))
    assert said == (
        "mine cannot run gemm-m=16,n=32,k=64: mine computes int32 outputs; the asked epilogue "
        "(add bias, clip 0..) is not generated for it"
    )


def test_space_of_a_file_that_says_it(heron: Heron) -> None:
    Path("mine.yaml").write_text(
        "schema: heron/accelerator/1\nname: mine\nextends: dlboost\n"
        "memories: [{name: register, holds: [accumulate, bias], implicit: [weight]}]\n"
    )
    Path("w.yaml").write_text(
        "schema: heron/workloads/1\nepilogue: {bias: true}\nworkloads:\n"
        "  - {name: a, operator: gemm, shape: {m: 16, n: 32, k: 64}}\n"
    )
    found = json.loads(heron("space", "--target", "./mine.yaml", "--workloads", "w.yaml", "--json").stdout)
    assert found["workload"] == "gemm[m=16,n=32,k=64]:u8s8s32+bias=1"
    done = {each["rule"]: each["reason"] for each in found["variants"][0]["schedule"]}
    assert done["fuse epilogue"] == "add bias"
    on_the_command_line = ["space", *GEMM, "--target", "./mine.yaml", "--epilogue", "bias=1", "--json"]
    again = json.loads(heron(*on_the_command_line).stdout)
    assert again["workload"] == found["workload"]
    assert again["variants"] == found["variants"]


def test_lint_tells_where(heron: Heron) -> None:
    Path("w.yaml").write_text("schema: heron/workloads/1\nepilogue: {shift: 77}\nworkloads: []\n")
    result = heron("lint", "w.yaml")
    assert result.exit_code == 2
    assert "w.yaml:2:19: error: epilogue shift is 77; it is an integer from 0 to 31" in result.output


def of(workload: Workload, record: Record) -> Record:
    return replace(record, workload=workload.key, definition=definition(workload))


@pytest.mark.parametrize(
    ("text", "output"),
    [("", "int32"), ("", "int8"), ("bias=1,low=-5", "int32"), ("shift=0,low=none,high=none", "int8")],
)
def test_records_keep_it(record: Callable[..., Record], text: str, output: str) -> None:
    workload = make("gemm", SHAPE, dtypes={"output": output}, epilogue=parse(text))
    read = workload_of(of(workload, record()))
    assert (read.key, read.epilogue) == (workload.key, workload.epilogue)
    assert json.loads(json.dumps(definition(workload))) == definition(workload)


def test_records_without_an_epilogue_are_as_they_were(record: Callable[..., Record]) -> None:
    plain = definition(make("gemm", SHAPE))
    assert sorted(plain) == ["dtypes", "operator", "shape"]
    assert workload_of(record()).epilogue.empty


def test_a_record_with_a_bad_epilogue_is_told(record: Callable[..., Record]) -> None:
    kept = of(make("gemm", SHAPE, epilogue=parse("bias=1")), record())
    for bad, said in ({"bias": 3}, "bias is 3; it is true or false"), ([1], "an epilogue that is no mapping"):
        with pytest.raises(InputError, match=said):
            workload_of(replace(kept, definition={**kept.definition, "epilogue": bad}))
