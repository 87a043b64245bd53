from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from heron_cli.configs import config_dir
from heron_cli.errors import InputError
from heron_cli.operators import registry
from heron_cli.operators.workload import load_file

HEAD = "schema: heron/workloads/1\n"
ROW = HEAD + "workloads:\n  - "
NAMED = ROW + "{name: a, operator: gemm, "
SHAPE = NAMED + "shape: "
GEMM = "shape: {m: 4, n: 16, k: 8}"
FILES = sorted((config_dir() / "workloads").rglob("*.yaml"))


def operators_of(path: Path) -> set[str]:
    return {entry["operator"] for entry in yaml.safe_load(path.read_text())["workloads"]}


def test_there_are_shipped_files() -> None:
    assert {"starter.yaml", "resnet50.yaml", "heron-operators-dlboost.yaml"} <= {path.name for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_shipped_files(path: Path) -> None:
    """A file loads when its operators are known, and names the first unknown one with its place if not."""
    if operators_of(path) <= set(registry.names()):
        workloads = load_file(path)
        assert len(workloads) == len(yaml.safe_load(path.read_text())["workloads"])
        for workload in workloads:
            assert registry.get(workload.operator).macs(workload) > 0
        return
    with pytest.raises(InputError) as caught:
        load_file(path)
    place, _, what = str(caught.value).partition(": ")
    file, line, column = place.rsplit(":", 2)
    text = Path(file).read_text().splitlines()[int(line) - 1][int(column) - 1 :]
    unknown = text.partition(",")[0]
    assert unknown not in registry.names()
    assert what.startswith(f"no operator is called '{unknown}'")


def test_types_of_the_file_are_overridden_by_the_entry(tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.write_text(
        HEAD
        + "dtype: {input: float16, weight: float16, accumulate: float32, output: float32}\nworkloads:\n"
        + f"  - {{name: a, operator: gemm, {GEMM}}}\n"
        + f"  - {{name: b, operator: gemm, {GEMM}, dtype: {{input: int8}}, count: 3}}\n"
    )
    a, b = load_file(path)
    assert (a.dtypes.input, a.dtypes.weight, a.count) == ("float16", "float16", 1)
    assert (b.dtypes.input, b.dtypes.weight, b.count) == ("int8", "float16", 3)


def test_the_epilogue_follows_from_types_file_and_entry(tmp_path: Path) -> None:
    """Field by field: the entry says it, else the file, else the element types."""
    path = tmp_path / "w.yaml"
    path.write_text(
        HEAD
        + "dtype: {output: int8}\nepilogue: {bias: true, shift: 5}\nworkloads:\n"
        + f"  - {{name: a, operator: gemm, {GEMM}}}\n"
        + f"  - {{name: b, operator: gemm, {GEMM}, epilogue: {{shift: 6, low: null, residual: true}}}}\n"
        + f"  - {{name: c, operator: gemm, {GEMM}, dtype: {{output: int32}}}}\n"
        + f"  - {{name: d, operator: gemm, {GEMM}, epilogue: {{bias: false, high: none}}}}\n"
    )
    assert [str(workload.epilogue) for workload in load_file(path)] == [
        "bias=1,shift=5,low=0,high=127",
        "bias=1,residual=1,shift=6,high=127",
        "bias=1,shift=5",
        "shift=5,low=0",
    ]


def test_shipped_int8_layers_are_requantised_by_default() -> None:
    """What the comment in the shipped file says."""
    workloads = load_file(config_dir() / "workloads" / "resnet18-vta.yaml")
    assert {str(workload.epilogue) for workload in workloads} == {"shift=8,low=0,high=127"}
    starter = load_file(config_dir() / "workloads" / "starter.yaml")
    assert all(workload.epilogue.empty for workload in starter)


BAD = [
    ("", "1:1: the file is not a mapping"),
    ("- 1", "1:1: the file is not a mapping"),
    ("schema: heron/workloads/2\nworkloads: []", "1:9: schema is not 'heron/workloads/1'"),
    ("workloads: []", "1:1: schema is not 'heron/workloads/1'"),
    (HEAD, "1:1: workloads is not a list with at least one entry"),
    (HEAD + "workloads: []", "2:12: workloads is not a list with at least one entry"),
    (HEAD + "workloads: 3", "2:12: workloads is not a list with at least one entry"),
    (HEAD + "wrkloads: []", "2:1: unknown key 'wrkloads'; there are dtype, epilogue, name, schema"),
    (HEAD + HEAD, "2:1: duplicate key 'schema'"),
    (ROW + "3", "3:5: a workload is not a mapping"),
    (ROW + f"{{name: a, {GEMM}}}", "3:5: the workload lacks 'operator'"),
    (ROW + "{name: a, operator: gemm}", "3:5: the workload lacks 'shape'"),
    (ROW + f"{{operator: gemm, {GEMM}}}", "3:5: the workload lacks 'name'"),
    (ROW + "{nme: a}", "3:6: unknown key 'nme'; there are count, dtype, epilogue, name"),
    (ROW + f"{{name: , operator: gemm, {GEMM}}}", "3:11: name is None; it is a word"),
    (ROW + f'{{name: "a\\nb", operator: gemm, {GEMM}}}', r"3:12: name is 'a\nb'; it is a word"),
    (ROW + f"{{name: a, operator: [gemm], {GEMM}}}", "3:25: operator is ['gemm']; it is a word"),
    (
        HEAD + f"workloads:\n  - name: a\n    operator: gem\n    {GEMM}",
        "4:15: no operator is called 'gem'; did you mean gemm or gemv?",
    ),
    (
        SHAPE + "{m: 4, n: 16, kk: 8}}",
        "3:38: no parameter is called 'kk'; did you mean k?",
    ),
    (SHAPE + "{m: 4, n: 16}}", "3:38: the shape lacks k"),
    (ROW + "{name: a, operator: gemm, shape: [4]}", "3:38: shape is not a mapping"),
    (SHAPE + "{m: 4, m: 4}}", "3:45: duplicate key 'm'"),
    (
        SHAPE + "{m: [4, [4]], n: 1, k: 1}}",
        "3:46: a number or a word is due here",
    ),
    (
        SHAPE + "{m: {x: 1}, n: 1, k: 1}}",
        "3:42: a number, a word or a list is due here",
    ),
    (
        SHAPE + "{[m]: 1, n: 1, k: 1}}",
        "3:39: a key is a word, not a list or a mapping",
    ),
    (NAMED + f"count: 0, {GEMM}}}", "3:38: count is 0; it is an integer"),
    (NAMED + f"count: true, {GEMM}}}", "3:38: count is True; it is"),
    (
        NAMED + f"{GEMM}}}\n  - {{name: a, operator: gemm, {GEMM}}}",
        "4:5: the name 'a' occurs twice",
    ),
    (
        NAMED + f"{GEMM}, dtype: {{input: int9}}}}",
        "3:66: dtype input is 'int9'; there are uint8",
    ),
    (
        HEAD + f"dtype: {{inputs: int8}}\nworkloads:\n  - {{name: a, operator: gemm, {GEMM}}}",
        "2:8: dtype has no 'inputs'; there are input, weight",
    ),
    (HEAD + "dtype: {input: [int8]}\nworkloads: []", "2:8: dtype input is '['int8']'; there are uint8"),
    (HEAD + "epilogue: 3", "2:11: epilogue is not a mapping"),
    (
        HEAD + "epilogue: {shfit: 3}\nworkloads: []",
        "2:12: unknown key 'shfit'; there are bias, high, low, residual, scale, shift",
    ),
    (
        HEAD + "epilogue: {shift: 32}\nworkloads: []",
        "2:19: epilogue shift is 32; it is an integer from 0 to 31",
    ),
    (HEAD + "epilogue: {bias: 1}\nworkloads: []", "2:18: epilogue bias is 1; it is true or false"),
    (HEAD + "epilogue: {low: [1]}\nworkloads: []", "2:17: epilogue low is [1]; it is an integer or none"),
    (NAMED + f"{GEMM}, epilogue: {{shift: -1}}}}", "3:77: epilogue shift is -1; it is an integer from 0"),
    (NAMED + f"{GEMM}, epilogue: {{shift: true}}}}", "3:77: epilogue shift is True; it is an integer from 0"),
    (NAMED + f"{GEMM}, epilogue: {{shift: 1, shift: 1}}}}", "3:80: duplicate key 'shift'"),
    (
        NAMED + f"{GEMM}, epilogue: {{low: 4, high: 3}}}}",
        "3:75: epilogue low is 4; it is below high, which is 3",
    ),
    (
        HEAD + "dtype: {output: int8}\nepilogue: {high: 200}\n"
        f"workloads:\n  - {{name: a, operator: gemm, {GEMM}}}",
        "3:18: epilogue high is 200; int8 holds -128 to 127",
    ),
    (HEAD + "workloads: [", "2:13: is not YAML: "),
    (HEAD + "---\na: 1", "2:1: is not YAML: but found another document"),
    (HEAD + "workloads: *x", "2:12: is not YAML: found undefined alias"),
    (ROW + f"{{name: 2020-99-99, operator: gemm, {GEMM}}}", "3:12: is not YAML: month"),
    (SHAPE + "{m: !!int x, n: 1, k: 1}}", "3:42: the tag 'tag:yaml.org,2002:int' is not supported"),
    (ROW + f"{{name: !!python/name:os.system a, operator: gemm, {GEMM}}}", "3:12: the tag 'tag:yaml.org"),
    (SHAPE + "{m: " + "9" * 5000 + ", n: 1, k: 1}}", "3:42: is not"),
]


@pytest.mark.parametrize(("text", "message"), BAD, ids=[message[:40] for _, message in BAD])
def test_bad_files_are_told_in_one_line_with_the_place(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_file(path)
    told = str(caught.value)
    assert told.startswith(f"{path}:{message}")
    assert "\n" not in told


def test_files_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"w\.yaml: is not YAML: "):
        load_file(path)
    path.write_bytes(b"#" * (1 << 20) + b"\n")
    with pytest.raises(InputError, match="is larger than 1 MiB"):
        load_file(path)
    path.write_text(HEAD + "workloads: " + "[" * 100_000)
    with pytest.raises(InputError, match="maps and lists nested over 24 deep"):
        load_file(path)
    with pytest.raises(InputError, match="cannot be read: No such file or directory"):
        load_file(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        load_file(tmp_path)


def test_types_that_the_file_does_not_give_are_the_callers(tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.write_text(
        "schema: heron/workloads/1\nname: w\nworkloads:\n"
        "  - {name: a, operator: gemm, shape: {m: 1, n: 2, k: 3}}\n"
        "  - {name: b, operator: gemm, shape: {m: 1, n: 2, k: 3}, dtype: {output: int32}}\n"
    )
    types = {"input": "int8", "weight": "int8", "accumulate": "int32", "output": "int8"}
    a, b = load_file(path, types=types)
    assert (str(a.dtypes), str(b.dtypes)) == ("s8s8s8-s32", "s8s8s32")
    (a, _), (given, _) = load_file(path), load_file(config_dir() / "workloads" / "resnet18-vta.yaml")[:2]
    assert str(a.dtypes) == "u8s8s32"
    assert str(given.dtypes) == "s8s8s8-s32"
