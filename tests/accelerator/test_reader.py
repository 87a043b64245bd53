from __future__ import annotations

from pathlib import Path

import pytest

from heron_cli.accelerator.problems import AcceleratorError
from heron_cli.accelerator.reader import DEEPEST, LARGEST, MOST, read, read_text, scalar
from heron_cli.accelerator.tree import Tree
from heron_cli.errors import InputError


def grown(text: str) -> Tree:
    root, problems = read_text(text, "f.yaml")
    assert problems == []
    return root


def refused(text: str) -> str:
    with pytest.raises(AcceleratorError) as caught:
        read_text(text, "f.yaml")
    return str(caught.value)


def test_values_and_places() -> None:
    root = grown("a: 1\nb:\n  - {name: x, c: [yes, 2.5, true, ~, '7']}\n")
    assert root.plain() == {"a": 1, "b": [{"name": "x", "c": ["yes", 2.5, True, None, "7"]}]}
    places = {path: (str(node.key_origin or "-"), str(node.origin)) for path, node in root.walk()}
    assert places["a"] == ("f.yaml:1:1", "f.yaml:1:4")
    assert places["b.x"] == ("-", "f.yaml:3:5")
    assert places["b.x.c"] == ("f.yaml:3:15", "f.yaml:3:18")
    assert places["b.x.c[1]"] == ("-", "f.yaml:3:24")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("010", 10),
        ("1:30", "1:30"),
        ("0o7", "0o7"),
        ("2024-01-01", "2024-01-01"),
        ("1e3", 1000.0),
        ("-4", -4),
        ("null", None),
        ("", None),
        ("false", False),
        ("9" * 40, "9" * 40),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    found = scalar(text, plain=True)
    assert found == value
    assert type(found) is type(value)
    assert scalar(text, plain=False) == text


def test_windows_line_ends_and_byte_order_mark() -> None:
    root = grown("\ufeffa: 1\r\nb: >\r\n  x\r\n")
    assert root.plain() == {"a": 1, "b": "x\n"}
    assert root.value["b"].key_origin.line == 2  # type: ignore


@pytest.mark.parametrize(
    ("text", "needle", "place"),
    [
        ("k: a.m < bad", "bad", "1:10"),
        ("k: 'a.m < bad'", "bad", "1:11"),
        ('k: "a.m < bad"', "bad", "1:11"),
        ("k: a.m <\n   bad", "bad", "2:4"),
        ("k: >\n  a.m\n  < bad", "bad", "3:5"),
        ("k: |-  # comment\n   a.m\n   < bad", "bad", "3:6"),
        ('k: "a.m\\t< bad"', "bad", "1:4"),  # an escape: only the start is known
    ],
)
def test_locate_points_into_the_scalar(text: str, needle: str, place: str) -> None:
    tree = grown(text).child("k")
    assert tree is not None and isinstance(tree.value, str)
    assert str(tree.locate(tree.value.index(needle))) == f"f.yaml:{place}"


def test_duplicate_keys_are_all_reported() -> None:
    _, problems = read_text("a: 1\nb: {c: 1, c: 2}\na: 2\n", "f.yaml")
    assert sorted(map(str, problems)) == [
        "f.yaml:2:11: b.c: 'c' is given twice, first in line 2; keep one of them",
        "f.yaml:3:1: a: 'a' is given twice, first in line 1; keep one of them",
    ]


def test_odd_keys() -> None:
    _, problems = read_text("base: &b {x: 1}\nd:\n  <<: *b\n  [1, 2]: 3\n", "f.yaml")
    assert [str(problem) for problem in problems] == [
        "f.yaml:3:3: d: merge keys are not supported; use 'extends:'",
        "f.yaml:4:3: d: a key that is no word; write 'name: value'",
    ]


def test_aliases_copy() -> None:
    assert grown("a: &x [1, 2]\nb: *x\n").plain() == {"a": [1, 2], "b": [1, 2]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "f.yaml:1:1: the file is empty; begin with 'schema: heron/accelerator/1'"),
        ("# nothing\n", "f.yaml:1:1: the file is empty; begin with 'schema: heron/accelerator/1'"),
        ("a: [1, 2\nb: 3\n", "f.yaml:2:2: not YAML: "),
        ("a: b: c\n", "f.yaml:1:5: not YAML: mapping values are not allowed here"),
        ("a: 1\n\tb: 2\n", "f.yaml:2:1: not YAML: found character '\\t'"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2:1: not YAML: but found another document"),
        ("a: *missing\n", "f.yaml:1:4: not YAML: found undefined alias 'missing'"),
        ("a: x\x07y\n", "f.yaml:1:5: the character U+0007 is not allowed in YAML; remove it"),
        ("a: !!python/object/apply:os.system [id]\n", "f.yaml:1:4: the tag "),
        (
            "a: !include other.yaml\n",
            "f.yaml:1:4: the tag '!include' is not supported; write the value plainly",
        ),
        ("a: !!str 5\n", "f.yaml:1:4: the tag "),
        (
            "[" * 100_000,
            f"f.yaml:1:{DEEPEST + 1}: maps and lists nested over {DEEPEST} deep; flatten the file",
        ),
        ("a: &a [*a]\n", "f.yaml:1:4: a[0]: the aliases contain themselves; write the values out"),
    ],
)
def test_refuses(text: str, said: str) -> None:
    assert refused(text).startswith(said), refused(text)[:300]


def test_refuses_an_alias_bomb() -> None:
    bomb = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    for last, name in zip("abcdefgh", "bcdefghi", strict=True):
        bomb += f"{name}: &{name} [{', '.join([f'*{last}'] * 10)}]\n"
    assert "the aliases multiply without end; write the values out" in refused(bomb)


def test_refuses_too_many_values() -> None:
    assert f"over {MOST} values" in refused("a: [" + "1," * (MOST + 1) + "]")


def test_refuses_what_is_no_text_file(tmp_path: Path) -> None:
    large, binary = tmp_path / "large.yaml", tmp_path / "binary.yaml"
    large.write_bytes(b"#" * (LARGEST + 1))
    binary.write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(InputError, match="over 1,048,576 bytes"):
        read(large, "large.yaml")
    with pytest.raises(InputError, match=r"binary\.yaml:2:4: not UTF-8; save the file as UTF-8 text"):
        read(binary, "binary.yaml")
    with pytest.raises(InputError, match="is a folder; name an accelerator's YAML file"):
        read(tmp_path, "here")
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "none.yaml", "none.yaml")
    with pytest.raises(InputError, match="no such file"):  # a device never ends
        read(Path("/dev/zero"), "/dev/zero")
