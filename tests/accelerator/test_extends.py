from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from heron_cli.accelerator.extends import DEEPEST
from heron_cli.accelerator.loader import load
from heron_cli.accelerator.problems import AcceleratorError
from heron_cli.errors import InputError

SKETCH = (Path(__file__).parent / "files" / "dlboost-sketch.yaml").read_text()
Errors = Callable[[Path], list[str]]


@pytest.fixture
def child(tmp_path: Path) -> Callable[[str], Path]:
    """Writes `base.yaml` (the sketch) and a child of it, and returns the child's path."""

    def write(text: str) -> Path:
        (tmp_path / "base.yaml").write_text(SKETCH)
        path = tmp_path / "child.yaml"
        path.write_text(f"schema: heron/accelerator/1\nname: child\nextends: base\n{text}")
        return path

    return write


def test_maps_merge_deeply_and_lists_by_name(child: Callable[[str], Path]) -> None:
    target = "tvm_target: {mcpu: sapphirerapids}\n"
    found = load(child(target + "memories: [{name: l2, capacity: 2 MiB}]\nlimits: {threads: 8}\n"))
    assert found.name == "child"
    assert found.description == ""  # the base's description is of the base
    assert found.tvm_target == {"kind": "llvm", "mcpu": "sapphirerapids"}
    assert found.memory("l2").units == {"bytes": 2 << 20}
    assert found.memory("l2").shared_by == "core"
    assert found.memory("register").capacity_bytes == 2048
    assert found.limits == {"threads": 8}
    assert [rule.name for rule in found.rules] == ["register-budget"]


def test_positions_stay_with_the_file_that_said_it(child: Callable[[str], Path]) -> None:
    found = load(child("memories: [{name: l2, capacity: 2 MiB}]\n"))
    assert found.where("memories.l2.capacity").file.endswith("child.yaml")
    assert found.where("memories.l2.shared_by").file.endswith("base.yaml")
    assert found.rules[0].origin.file.endswith("base.yaml")
    assert found.file.endswith("child.yaml")


def test_a_new_level_goes_where_its_neighbours_say(child: Callable[[str], Path]) -> None:
    def levels(text: str) -> list[str]:
        return [level.name for level in load(child(f"levels: [{text}]\n")).levels]

    base = ["parallel", "cache", "register", "step", "intrinsic"]
    new = "{name: new, axes: m}"
    assert levels("{name: cache}, " + new) == [*base[:2], "new", *base[2:]]
    assert levels(new + ", {name: cache}") == [*base[:1], "new", *base[1:]]
    assert levels("{name: cache}, " + new + ", {name: also, axes: n}, {name: step, at_most: 2}") == [
        *base[:2],
        "new",
        "also",
        *base[2:],
    ]


def test_a_new_rule_goes_to_the_end(child: Callable[[str], Path]) -> None:
    found = load(child("rules: [{name: few, why: a test, require: cache.m <= 4}]\n"))
    assert [rule.name for rule in found.rules] == ["register-budget", "few"]


def test_plain_lists_replace_and_an_empty_list_clears(child: Callable[[str], Path]) -> None:
    found = load(child("rules: []\nsources: [me]\nlevels: [{name: cache, axes: [reduction, m]}]\n"))
    assert found.rules == ()
    assert found.sources == ("me",)
    assert found.level("cache").axes == ("reduction", "m")


def test_an_inherited_instruction_may_be_dropped(child: Callable[[str], Path], errors_of: Errors) -> None:
    types = "{input: int8, weight: int8, accumulate: int32}"
    other = f"{{name: other, computes: gemm, shape: {{m: 1, n: 16, k: 4}}, dtypes: {types}}}"
    found = load(child(f"intrinsics: [{{name: vpdpbusd, drop: true}}, {other}]\n"))
    assert [each.name for each in found.intrinsics] == ["other"]
    found = load(child(f"intrinsics: [{other}, {{name: vpdpbusd, drop: true}}]\n"))
    assert [each.name for each in found.intrinsics] == ["other"]
    (error,) = errors_of(child(f"intrinsics: [{other.replace('}}', '}, drop: true}')}]\n"))
    assert "no instruction of this name is inherited" in error


def test_an_extending_file_equals_the_file_written_out(child: Callable[[str], Path], tmp_path: Path) -> None:
    written_out = tmp_path / "out.yaml"
    written_out.write_text(SKETCH.replace("name: dlboost-sketch", "name: child").replace("1 MiB", "2 MiB"))
    assert load(child("memories: [{name: l2, capacity: 2 MiB}]\n")).digest == load(written_out).digest


def test_extends_a_shipped_accelerator_even_one_of_its_own_name(tmp_path: Path) -> None:
    path = tmp_path / "dlboost.yaml"
    path.write_text("schema: heron/accelerator/1\nname: mine\nextends: dlboost\n")
    assert load(path).levels == load("dlboost").levels


def test_a_chain_of_three(child: Callable[[str], Path], tmp_path: Path) -> None:
    child("limits: {a: 1, b: 2}\n")
    last = tmp_path / "last.yaml"
    last.write_text("schema: heron/accelerator/1\nname: last\nextends: ./child.yaml\nlimits: {b: 3}\n")
    assert load(last).limits == {"a": 1, "b": 3}


def test_errors_of_the_base_are_reported_at_the_base(child: Callable[[str], Path], errors_of: Errors) -> None:
    path = child("tails: non\n")
    (path.parent / "base.yaml").write_text(SKETCH.replace("order: free", "order: fre"))
    assert errors_of(path) == [
        "base.yaml:21:54: levels.cache.order: 'fre' is no order; did you mean 'free'?",
        "child.yaml:4:8: tails: 'non' is no way to cover tails; did you mean 'none'?",
    ]


def test_an_error_of_the_base_may_be_mended(child: Callable[[str], Path]) -> None:
    path = child("levels: [{name: cache, order: free}]\n")
    (path.parent / "base.yaml").write_text(SKETCH.replace("order: free", "order: fre"))
    assert load(path).level("cache").order == "free"


def test_a_rule_of_the_base_is_checked_against_the_child(
    child: Callable[[str], Path], errors_of: Errors
) -> None:
    lines = errors_of(child("levels: [{name: register, axes: m}]\n"))
    assert lines[0].startswith(
        "base.yaml:29:27: rules.register-budget.require: level 'register' splits no axis of 'n'"
    )


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("dlbost", "child.yaml:3:10: extends: no accelerator 'dlbost'; did you mean 'dlboost'?"),
        ("./none.yaml", "child.yaml:3:10: extends: none.yaml: no such file; name an accelerator's YAML file"),
        (
            "./child.yaml",
            "child.yaml:3:10: extends: the files extend each other in a circle (child.yaml -> child.yaml)",
        ),
        ("[dlboost]", "child.yaml:3:10: extends: a list where a text is due; write one text"),
        ("", "child.yaml:3:1: extends: no value is given; give one or remove the key"),
    ],
)
def test_a_bad_target(tmp_path: Path, errors_of: Errors, target: str, said: str) -> None:
    path = tmp_path / "child.yaml"
    path.write_text(f"schema: heron/accelerator/1\nname: child\nextends: {target}\nbackend: x86\n")
    assert any(line.startswith(said) for line in errors_of(path)), errors_of(path)


def test_a_circle_of_three(tmp_path: Path, errors_of: Errors) -> None:
    for name, base in ("ab", "bc", "ca"):
        text = f"schema: heron/accelerator/1\nname: {name}\nextends: {base}\n"
        (tmp_path / f"{name}.yaml").write_text(text)
    assert errors_of(tmp_path / "a.yaml") == [
        "c.yaml:3:10: extends: the files extend each other in a circle "
        "(a.yaml -> b.yaml -> c.yaml -> a.yaml); remove one 'extends'"
    ]


def test_a_chain_without_end(tmp_path: Path) -> None:
    for index in range(DEEPEST + 2):
        text = f"schema: heron/accelerator/1\nname: a{index}\nextends: a{index + 1}\n"
        (tmp_path / f"a{index}.yaml").write_text(text)
    with pytest.raises(AcceleratorError, match=f"over {DEEPEST} files extend each other"):
        load(tmp_path / "a0.yaml")


def test_a_base_that_is_no_yaml(child: Callable[[str], Path]) -> None:
    path = child("")
    (path.parent / "base.yaml").write_text("a: [")
    with pytest.raises(InputError, match=r"base\.yaml:1:5: not YAML"):
        load(path)
