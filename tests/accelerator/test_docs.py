"""docs/accelerator-yaml.md against the code: what it shows loads, and what exists it explains."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from heron_cli.accelerator import units, words
from heron_cli.accelerator.lint import Severity, lint
from heron_cli.accelerator.loader import load
from heron_cli.accelerator.schema import json_schema

TEXT = (Path(__file__).parents[2] / "docs" / "accelerator-yaml.md").read_text()
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
TABLES = "\n".join(line for line in TEXT.splitlines() if line.startswith("|"))


@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_loads(tmp_path: Path, block: str) -> None:
    (tmp_path / "gannet.yaml").write_text(BLOCKS[0])
    path = tmp_path / "block.yaml"
    whole = block.startswith("schema:")
    path.write_text(block if whole else f"schema: {words.SCHEMA}\nname: block\nextends: gannet\n{block}")
    load(path)
    jsonschema.validate(yaml.safe_load(path.read_text()), json_schema())


def test_the_imaginary_machine_is_beyond_reproach(tmp_path: Path) -> None:
    assert len(BLOCKS) >= 7
    path = tmp_path / "gannet.yaml"
    path.write_text(BLOCKS[0])
    assert [found for found in lint(path) if found.severity != Severity.NOTE] == []


def keys() -> set[str]:
    schema = json_schema()
    parts: list[dict[str, Any]] = [schema["else"], *schema["$defs"].values()]
    return {key for part in parts for key in part["properties"]}


@pytest.mark.parametrize("key", sorted(keys()))
def test_every_key_is_explained(key: str) -> None:
    assert re.search(rf"`(\w+\.)?{key}`", TABLES), f"no table of docs/accelerator-yaml.md names `{key}`"


def test_every_word_and_unit_is_explained() -> None:
    closed = [words.SCOPES, words.SHARERS, words.ORDERS, words.TAILS, words.SWIZZLES, words.OPERANDS]
    spoken = [word for group in closed for word in group]
    spoken += [unit for dimension in units.UNITS for unit in units.UNITS[dimension] if "/" not in unit]
    spoken += [*words.AXES, *words.GROUPS, *words.COMPUTES]
    missing = [word for word in spoken if f"`{word}`" not in TEXT]
    missing += [bind for bind in words.BINDS if f"`{bind.split('.')[0]}" not in TEXT]
    missing += [dtype for dtype in words.DTYPES if "int" not in dtype and f"`{dtype}`" not in TEXT]
    assert missing == []
