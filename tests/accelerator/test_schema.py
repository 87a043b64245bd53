from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from heron_cli.accelerator import catalog
from heron_cli.accelerator.schema import json_schema

FILES = Path(__file__).parent / "files"
SKETCH = FILES / "dlboost-sketch.yaml"


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def document(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


@pytest.mark.parametrize(
    "path", [*FILES.glob("*.yaml"), *(entry.path for entry in catalog.entries())], ids=lambda path: path.name
)
def test_good_files_pass(validator: jsonschema.Draft202012Validator, path: Path) -> None:
    validator.validate(document(path))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("bind: parallel", "bnd: parallel"),
        ("backend: x86\n", ""),
        ("capacity: 1 MiB", "capacity: 1048576"),
        ("capacity: 1 MiB", "capacity: 1 GHz"),
        ("vector: 64 B", "vector: 64 vectors"),
        ("order: free", "order: fre"),
        ("axes: [intrinsic.k]", "axes: [intrinsic.n]"),
        ("at_most: 4", "at_most: four"),
        ("at_most: 4", "at_most: -1"),
        (", k: 4}", "}"),
        ("m: 1, n: 16", "m: 0, n: 16"),
        ("input: uint8", "input: u8"),
        ("accelerator/1", "accelerator/2"),
        ("stages: {pad: {at: ", "stages: {pad: {where: [root], at: "),
        ("    why: with m", "    note: with m"),
        ("order: free", "pipeline: {depth: [0]}"),
    ],
)
def test_bad_files_fail(
    validator: jsonschema.Draft202012Validator, edited: Callable[..., Path], old: str, new: str
) -> None:
    assert not validator.is_valid(document(edited((old, new))))


def test_a_file_that_extends_may_leave_out_what_it_inherits(
    validator: jsonschema.Draft202012Validator,
) -> None:
    part = {"schema": "heron/accelerator/1", "name": "child", "extends": "dlboost"}
    assert validator.is_valid(part)
    assert validator.is_valid(part | {"memories": [{"name": "l2", "capacity": "2 MiB"}]})
    assert validator.is_valid(part | {"intrinsics": [{"name": "vpdpbusd", "dtypes": {"input": "int8"}}]})
    assert not validator.is_valid(part | {"memories": [{"name": "l2", "capcity": "2 MiB"}]})
    assert not validator.is_valid(part | {"memories": [{"capacity": "2 MiB"}]})
    assert not validator.is_valid({key: part[key] for key in ("schema", "name")})


def test_every_key_is_described() -> None:
    bare = []

    def visit(node: Any, path: str) -> None:
        for name, definition in node.get("properties", {}).items():
            if "description" not in definition and name != "schema":
                bare.append(f"{path}.{name}")

    schema = json_schema()
    for name, definition in {"": schema["else"], **schema["$defs"]}.items():
        visit(definition, name)
    assert bare == []
